"""Plans a run's datasets: each is found, checked, and given its task, its style and its generation settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from evalsuite.config import RunConfig, ValidateConfig
from evalsuite.data.builtin import locate_dataset
from evalsuite.data.columns import ColumnNames
from evalsuite.data.dataset import Dataset, load_dataset
from evalsuite.data.layout import DataFile, dataset_name, find_files
from evalsuite.data.readers import first_record, read_records
from evalsuite.data.records import Record
from evalsuite.data.spec import DatasetSpec, is_suite_spec, parse_spec
from evalsuite.errors import FIX_ROWS_ADVICE, ConfigError, DataError, InputError, Problem
from evalsuite.options.judge import SELF_JUDGE
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.dataset_style import check_logprob_mode, choose_generation, choose_style
from evalsuite.runs.gate_checks import check_gates
from evalsuite.runs.judges import NO_JUDGE, make_judge
from evalsuite.tasks import KINDS, infer_kind, task_class
from evalsuite.tasks.base import Task
from evalsuite.tasks.mcq_checks import hidden_choices
from evalsuite.tasks.profiles import check_profiles

PlannedT = TypeVar("PlannedT")
ROWS_OF_ONE_KIND = 200
"""Rows that are searched for hidden multiple choice before a file counts as free answers."""


def plan_datasets(config: RunConfig) -> tuple[DatasetPlan, ...]:
    """Find and check every dataset of a configuration.

    Raises `InputError` for all datasets together; `DataError` where there are bad rows, listing each.
    """
    names: set[str] = set()

    def plan_one(text: str) -> list[DatasetPlan]:
        plans = list(_plans(parse_spec(text, list(KINDS)), config, names))
        names.update(name for plan in plans for name in (plan.name, plan.name.partition("/")[0]))
        return plans

    plans = plan_each([text for text in config.datasets if not is_suite_spec(text)], plan_one)
    for plan in plans:
        if plan.task.capabilities.needs_judge and not plan.judge:
            raise ConfigError(
                f"-d {plan.spec.text}: {NO_JUDGE}, or --judge-model {SELF_JUDGE} to let the model under test judge "
                "its own replies, which favours it."
            )
    check_profiles(config.profile, [(plan.task, plan.style) for plan in plans])
    if not any(map(is_suite_spec, config.datasets)):
        check_gates(config.gates, plans)
    return tuple(plans)


def plan_each(texts: Sequence[str], plan_one: Callable[[str], Sequence[PlannedT]]) -> list[PlannedT]:
    """Plan every dataset. Raises one `InputError` for the faults of all of them."""
    plans: list[PlannedT] = []
    problems: list[Problem] = []
    refusals: list[InputError] = []
    for text in texts:
        try:
            plans.extend(plan_one(text))
        except DataError as error:
            problems.extend(error.problems)
        except InputError as error:
            refusals.append(error)
    if problems:
        raise DataError(problems, "\n".join([*map(str, refusals), FIX_ROWS_ADVICE]))
    if refusals:
        raise refusals[0] if len(refusals) == 1 else InputError("\n".join(map(str, refusals)))
    return plans


def plan_spec(text: str, columns: Mapping[str, str] | None = None) -> tuple[DatasetPlan, ...]:
    """Plan one SPEC with every default, to check its rows. Raises `InputError`."""
    config = ValidateConfig(datasets=(text,), columns=dict(columns or {}))
    return tuple(_plans(parse_spec(text, list(KINDS)), config, set()))


def _plans(spec: DatasetSpec, config: RunConfig, taken: set[str]) -> Iterator[DatasetPlan]:
    """One plan, or one a file if the files of a folder must not be averaged together."""
    path, builtin_kind = locate_dataset(spec.target)
    files = find_files(path, ColumnNames.from_mapping(config.columns))
    kind = spec.kind or builtin_kind or _kind_from_columns(files[0])
    task = task_class(kind)()
    recognised = not (spec.kind or builtin_kind)
    name = unique_name(dataset_name(path), taken)
    for part, its_files in split_by_file(name, files, task):
        dataset = load_dataset(part, its_files, task)
        subjects = path.is_dir() and part == name
        yield _plan(spec, config, task, dataset, files_are_subjects=subjects, recognised=recognised)


def split_by_file(
    name: str, files: Sequence[DataFile], task: Task[Any]
) -> Iterator[tuple[str, Sequence[DataFile]]]:
    """One dataset, or one a file if the files of a folder must not be averaged together."""
    if task.capabilities.pools_files or len(files) == 1:
        yield name, files
        return
    for file in files:
        yield f"{name}/{file.subject}", [file]


def _plan(
    spec: DatasetSpec,
    config: RunConfig,
    task: Task[Any],
    dataset: Dataset[Any],
    *,
    files_are_subjects: bool,
    recognised: bool,
) -> DatasetPlan:
    style = choose_style(config, task, dataset, files_are_subjects=files_are_subjects)
    if style.logprob:
        check_logprob_mode(style, task, dataset)
    judge = make_judge(config) if task.capabilities.needs_judge else None
    generation = choose_generation(config, task, style)
    # measurements and label probabilities are the same at every repeat
    repeats = 1 if task.capabilities.measures_texts or style.logprob else config.repeats
    return DatasetPlan(
        spec=spec,
        task=task,
        dataset=dataset,
        style=style,
        generation=generation,
        limit=config.limit,
        recognised=recognised,
        judge=judge,
        repeats=repeats,
    )


def _kind_from_columns(file: DataFile) -> str:
    path, columns = file.path, file.columns
    record = first_record(path, columns=columns)
    if record is None:
        raise DataError([Problem(str(path), 0, "an empty file or no readable row", "at least one row")])
    kind = infer_kind(record.values, str(path))
    records = (item for item in read_records(path, columns=columns) if isinstance(item, Record))
    refuse_hidden_choices(kind, (record.values for record in records), path)
    return kind


def refuse_hidden_choices(kind: str, rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Raise `InputError` for multiple choice that would be read as `qa`, because its columns have other names."""
    reason = hidden_choices(islice(rows, ROWS_OF_ONE_KIND)) if kind == "qa" else ""
    if reason:
        raise InputError(
            f"{path}: {reason}. For multiple choice the columns are {task_class('mcq').columns}: rename them, or say which "
            f"they are (--columns question=NAME,answer=NAME). If the answers are free texts, say so: -d qa:{path}"
        )


def unique_name(name: str, taken: Collection[str]) -> str:
    """The name, with a number if it is taken."""
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 2))
    return next((candidate for candidate in (name, *numbered) if candidate not in taken), name)
