"""What a run will ask: every dataset found, checked, given its task, its style and its generation settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.config import Gate, RunConfig
from evalsuite.data.builtin import locate
from evalsuite.data.dataset import Dataset, load_dataset
from evalsuite.data.layout import dataset_name, find_files
from evalsuite.data.readers import first_record
from evalsuite.data.spec import DatasetSpec, parse_spec
from evalsuite.endpoint.wire import Generation, Request, encode
from evalsuite.errors import CORRECT_ROWS, ConfigError, DataError, InputError, Problem
from evalsuite.tasks import KINDS, recognise, task_class
from evalsuite.tasks.base import Metric, Style, Task, language_of
from evalsuite.types import Prompt, Sample

CEVAL = "ceval"


@dataclass(frozen=True)
class DatasetPlan:
    """One dataset of a run, ready to be asked. `recognised` tells that the kind came from the columns."""

    spec: DatasetSpec
    task: Task[Any]
    dataset: Dataset[Any]
    style: Style
    generation: Generation
    limit: int | None
    recognised: bool

    @property
    def name(self) -> str:
        """The name results are listed under."""
        return self.dataset.name

    @property
    def rows(self) -> int:
        """How many samples are asked."""
        return sum(self.dataset.quotas(self.limit).values())

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What the scores add up to."""
        return self.task.metrics(self.style)

    def samples(self) -> Iterator[tuple[Sample[Any], Sequence[Any]]]:
        """The samples, each with its few-shot rows."""
        fallback = self.task.builtin_shots()
        for sample, pool in self.dataset.samples(self.limit):
            yield sample, (pool or fallback)[: self.style.shots]

    def request(self, sample: Sample[Any], shots: Sequence[Any]) -> tuple[Prompt, Request]:
        """A sample's prompt and its serialised request."""
        prompt = self.task.prompt(sample.row, shots, self.style, sample.subset)
        return prompt, encode(prompt, self.generation)

    def described(self) -> dict[str, Any]:
        """The dataset's entry in run.json."""
        return {
            "name": self.name,
            "kind": self.task.kind,
            "spec": self.spec.text,
            "files": [
                {"path": facts.path, "sha256": facts.sha256, "rows": facts.rows}
                for facts in self.dataset.facts
            ],
            "samples": self.rows,
            "subsets": self.dataset.quotas(self.limit),
            "shots": self.style.shots,
            "lang": self.style.lang,
            "cot": self.style.cot,
            "generation": self.generation.fields(),
            "scorers": self.scorers(),
        }

    def scorers(self) -> dict[str, str]:
        """Versions of what judges: when one changes, kept replies are judged again."""
        versions = {metric.name: metric.version for metric in self.metrics}
        return {
            "task": self.task.version,
            **self.task.judges(),
            **versions,
            "multiple": str(self.style.multiple),
        }


def plan_datasets(config: RunConfig) -> tuple[DatasetPlan, ...]:
    """Find, recognise and check every dataset of a configuration.

    Raises `InputError` for all datasets together; `DataError` where there are bad rows, listing each.
    """
    plans: list[DatasetPlan] = []
    problems: list[Problem] = []
    refusals: list[InputError] = []
    for text in config.datasets:
        try:
            plans.append(_plan(parse_spec(text, list(KINDS)), config, {plan.name for plan in plans}))
        except DataError as error:
            problems.extend(error.problems)
        except InputError as error:
            refusals.append(error)
    if problems:
        raise DataError(problems, "\n".join([*map(str, refusals), CORRECT_ROWS]))
    if refusals:
        raise refusals[0] if len(refusals) == 1 else InputError("\n".join(map(str, refusals)))
    _check_gates(config.gates, plans)
    return tuple(plans)


def plan_dataset(text: str) -> DatasetPlan:
    """One dataset with every default, to check its rows. Raises `InputError`."""
    return _plan(parse_spec(text, list(KINDS)), RunConfig.model_construct(datasets=(text,)), set())


def _plan(spec: DatasetSpec, config: RunConfig, taken: set[str]) -> DatasetPlan:
    path, builtin_kind = locate(spec.target)
    files = find_files(path)
    kind = spec.kind or builtin_kind or _kind_from_columns(files[0].path)
    task = task_class(kind)()
    dataset = load_dataset(_unique(dataset_name(path), taken), files, task)
    style = _style(config, task, dataset, files_are_subjects=path.is_dir())
    generation = Generation(
        max_tokens=config.max_tokens or task.max_tokens(style),
        temperature=config.temperature,
        top_p=config.top_p,
        seed=config.seed,
        stop=config.stop,
    )
    return DatasetPlan(
        spec, task, dataset, style, generation, config.limit, recognised=not (spec.kind or builtin_kind)
    )


def _kind_from_columns(path: Any) -> str:
    record = first_record(path)
    if record is None:
        raise DataError([Problem(str(path), 0, "an empty file or no readable row", "at least one row")])
    return recognise(record.values, str(path))


def _unique(name: str, taken: set[str]) -> str:
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 2))
    return next((candidate for candidate in (name, *numbered) if candidate not in taken), name)


def _style(config: RunConfig, task: Task[Any], dataset: Dataset[Any], *, files_are_subjects: bool) -> Style:
    rows = sum(dataset.counts.values())
    data_lang = language_of(dataset.traits, rows)
    wanted = task.default_shots if config.shots is None else config.shots
    pool = max((len(shots) for shots in dataset.pools.values()), default=0) or len(task.builtin_shots())
    if config.shots and pool < config.shots:
        where = "the dev file" if dataset.pools else "no dev file (NAME_dev beside NAME_val, or dev/)"
        raise ConfigError(
            f"--shots {config.shots}: {dataset.name} has {where} with {pool} examples. "
            "Add examples there or ask for fewer; they are never taken from the evaluated rows."
        )
    return Style(
        lang=data_lang if config.lang == "auto" else config.lang,
        data_lang=data_lang,
        shots=min(wanted, pool),
        cot=config.cot,
        completions=config.completions,
        subjects=files_are_subjects or len(dataset.counts) > 1,
        multiple="multiple" in dataset.traits,
        agent_format=config.agent_format,
        exam=CEVAL if CEVAL in dataset.name.lower().replace("-", "").replace("_", "") else None,
    )


def _check_gates(gates: Sequence[Gate], plans: Sequence[DatasetPlan]) -> None:
    """Refuse a gate that no dataset of the run can pass or fail, before anything is sent."""
    for gate in gates:
        applies = [plan for plan in plans if gate.dataset in (None, plan.name)]
        metrics = {metric.name: metric for plan in applies for metric in plan.metrics}
        if gate.metric not in metrics:
            known = (
                ", ".join(metrics)
                or f"(there is no dataset '{gate.dataset}': {', '.join(plan.name for plan in plans)})"
            )
            raise ConfigError(
                f"--fail-under {gate.metric}: no dataset of this run has that metric. There are: {known}."
            )
        if not metrics[gate.metric].higher_is_better:
            raise ConfigError(
                f"--fail-under {gate.metric}: lower is better there, so a lower bound makes no sense."
            )
