"""The datasets of a finished run as its run.json describes them: enough to judge its journal again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite._util.user_cache import file_sha256
from evalsuite.data.builtin import locate_dataset
from evalsuite.data.columns import ColumnNames
from evalsuite.data.dataset import Dataset, FileFacts
from evalsuite.data.layout import find_files
from evalsuite.data.predictions import PredictedRow, PredictionParser, find_layout
from evalsuite.data.spec import DatasetSpec, parse_spec
from evalsuite.endpoint.wire import Generation
from evalsuite.errors import DataError, InputError
from evalsuite.options.running import OnError
from evalsuite.runs.imported import imported_plan_from_info
from evalsuite.runs.plan import DatasetPlan, Judge
from evalsuite.runs.predictions import PredictionPlan, prediction_files
from evalsuite.runs.work import Variant, Work, new_work
from evalsuite.tasks import KINDS, task_class
from evalsuite.tasks.style import Style
from evalsuite.types import Sample


def recorded_plan(entry: Mapping[str, Any]) -> DatasetPlan:
    """The plan of a dataset's entry in run.json. It asks nothing and opens no file. Raises `InputError`."""
    try:
        return _plan(entry)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"run.json does not say enough of the dataset '{entry.get('name')}' ({error}): it was written by another version. "
            "Run its command again (run.json, 'command'): finished replies are judged anew without a request."
        ) from error


def recorded_works(
    info: Mapping[str, Any],
    on_error: OnError,
    plan_of: Callable[[Mapping[str, Any]], DatasetPlan] = recorded_plan,
) -> list[Work]:
    """Each variant of run.json with the datasets it was asked, nothing counted yet. Raises `InputError`."""
    works = []
    for variant in info["variants"]:
        name = variant["name"]
        plans = [plan_of(entry) for entry in info["datasets"] if entry.get("variant", name) == name]
        works.append(new_work(Variant(name, variant["fingerprint"]), plans, on_error))
    return works


def _plan(entry: Mapping[str, Any]) -> DatasetPlan:
    if "harness" in entry:
        return imported_plan_from_info(entry)
    task = task_class(entry["kind"])()
    facts = tuple(FileFacts(file["path"], file["sha256"], file["rows"]) for file in entry["files"])
    dataset: Dataset[Any] = Dataset(
        entry["name"],
        (),
        task,
        facts,
        entry["subsets"],
        {},
        columns=ColumnNames.from_mapping(entry.get("columns", {})),
        notes=tuple(entry.get("notes", ())),
    )
    recorded = entry["style"]
    lists = {name: tuple(recorded.get(name, ())) for name in ("profiles", "reasoning_tags")}
    style = Style(**{**recorded, **lists})
    spec = DatasetSpec(entry["spec"], None, entry["spec"])
    judge = _judge(entry["judge"]) if "judge" in entry else None
    if "layout" in entry:
        variant = Variant(entry["variant"], "")
        made_up = Generation(task.max_tokens(style))
        return PredictionPlan(
            spec,
            task,
            dataset,
            style,
            made_up,
            None,
            False,
            variant=variant,
            layout=entry["layout"],
            judge=judge,
        )
    generation = _generation(entry["generation"])
    repeats = int(entry.get("repeats", 1))
    return DatasetPlan(
        spec, task, dataset, style, generation, None, recognised=False, judge=judge, repeats=repeats
    )


def _generation(fields: Mapping[str, Any]) -> Generation:
    return Generation(**{**fields, "stop": tuple(fields.get("stop", ()))})


def _judge(entry: Mapping[str, Any]) -> Judge:
    generation, revision = _generation(entry["generation"]), entry.get("revision")
    return Judge(entry["model"], entry["base_url"], generation, entry["itself"], revision)


def rows_from_files(plan: DatasetPlan) -> Iterator[Sample[Any]]:
    """The rows that were asked, from the files that run.json names. Raises `InputError` where they are not the same."""
    found = plan.dataset
    recorded = {(Path(facts.path).name, facts.sha256) for facts in found.facts}
    need = f"judging {plan.task.kind} needs more of a row than its gold answer, and the journal of '{plan.name}' has no more"
    try:
        path, _ = locate_dataset(parse_spec(plan.spec.text, list(KINDS)).target)
        predicted = isinstance(plan, PredictionPlan)
        files = prediction_files(path, found.columns) if predicted else find_files(path, found.columns)
        layout = find_layout(files[0])[0] if predicted else None
    except DataError as error:
        raise InputError(f"{need}: {error.problems[0]}") from error
    except InputError as error:
        listed = ", ".join(facts.path for facts in found.facts)
        raise InputError(
            f"{need}. It needs {listed}, as it was, seen from the folder the run was started in: {error}"
        ) from error
    names = {name for name, _ in recorded}
    files = tuple(file for file in files if file.path.name in names) or files
    for file in files:
        if (file.path.name, file_sha256(file.path)) not in recorded:
            raise InputError(
                f"{need}. {file.path} is not the file of the run any more (its SHA-256 is another); put that one back."
            )
    parser = PredictionParser(plan.task, layout) if layout else plan.task
    for sample, _ in Dataset(found.name, files, parser, found.facts, found.counts, {}).samples():
        row = sample.row.row if isinstance(sample.row, PredictedRow) else sample.row
        yield Sample(sample.id, sample.index, sample.line, sample.subset, row)
