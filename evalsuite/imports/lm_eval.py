"""lm-evaluation-harness logs (`--output_path DIR --log_samples`) → samples.

    DIR/MODEL/results_TIME.json        {"results": {TASK: {"acc,none": 0.5, …}}, "higher_is_better", "versions", …}
    DIR/MODEL/samples_TASK_TIME.jsonl  a line a sample and filter: {"doc_id", "target", "arguments", "resps",
                                       "filtered_resps", "filter", "metrics": [NAME, …], NAME: value}

A metric is called as in its tables, `exact_match,strict-match`. Source: `lm_eval/loggers/evaluation_tracker.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import InputError
from evalsuite.imports.found import Found, number, read_json, read_lines
from evalsuite.runs.imported import ImportedSample, ReportedScore, Source
from evalsuite.types import Reply

HARNESS = "lm_eval"
DECIMALS = 9
"""It reports what it computed, unrounded."""
PLAIN_FIELDS = frozenset(
    {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"}
)
_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT.+)\.jsonl")


def results_of(path: Path) -> list[Path]:
    """The results files of a path: itself, in it, or in the folders of models in it."""
    if path.is_file():
        return [path] if path.name.startswith("results_") and path.suffix == ".json" else []
    return sorted([*path.glob("results_*.json"), *path.glob("*/results_*.json")])


def recognises(path: Path) -> bool:
    """Whether there are results of the harness."""
    return bool(results_of(path))


def read(path: Path, _: Path | None) -> list[Found]:
    """Every task of the latest results of each model. Raises `InputError`."""
    latest = {file.parent: file for file in results_of(path)}
    found: list[Found] = []
    for file in latest.values():
        content = read_json(file)
        if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
            raise InputError(f"{file}: not a results file of lm-eval (it has no 'results').")
        found += _tasks(file, content)
    return found


def _tasks(file: Path, content: Mapping[str, Any]) -> Iterator[Found]:
    time = file.stem.removeprefix("results_")
    version = str(content.get("lm_eval_version") or content.get("git_hash") or "unknown")
    model = str(content.get("model_name") or file.parent.name)
    logged = {
        match["task"]: entry
        for entry in file.parent.glob("samples_*.jsonl")
        if (match := _SAMPLES.fullmatch(entry.name)) and match["time"] == time
    }
    if not logged:
        raise InputError(
            f"{file}: no samples_*_{time}.jsonl beside it, so there is nothing to count or compare: lm-eval writes them with --log_samples."
        )
    for task, samples_file in sorted(logged.items()):
        tuned = str((content.get("versions") or {}).get(task, "?"))
        shots = (content.get("n-shot") or {}).get(task)
        conditions = [
            f"benchmark:{task}",
            f"task:v{tuned}",
            *([f"shots:{shots}"] if shots is not None else []),
        ]
        samples = _samples(task, samples_file)
        reported = list(_reported(content, task))
        yield Found(plain_name(model), task, Source(HARNESS, version, tuple(conditions)), samples, reported)


def _samples(task: str, file: Path) -> list[ImportedSample]:
    """One sample a document; each filter's metrics stand under their own names."""
    found: dict[Any, dict[str, Any]] = {}
    for place, line in enumerate(read_lines(file), start=1):
        if "doc_id" not in line:
            raise InputError(f"{file}:{place}: lacks 'doc_id'.")
        kept = found.setdefault(line["doc_id"], {"line": line, "scores": {}})
        names = line.get("metrics") or [
            name for name in line if name not in PLAIN_FIELDS and not name.endswith("_hash")
        ]
        for name in names:
            value = number(line.get(name))
            if value is not None:
                kept["scores"][f"{name},{line.get('filter', 'none')}"] = value
    return [_sample(task, index, kept) for index, kept in enumerate(found.values())]


def _sample(task: str, index: int, kept: Mapping[str, Any]) -> ImportedSample:
    line = kept["line"]
    replies = line.get("resps") or []
    text = replies[0][0] if replies and isinstance(replies[0], list) and replies[0] else None
    answer = line.get("filtered_resps")
    shown = text if isinstance(text, str) else str(answer)
    return ImportedSample(
        subset=task,
        id=str(line["doc_id"]),
        index=index,
        prompt=_prompt(line.get("arguments")),
        reply=Reply(shown),
        gold=line.get("target"),
        scores=kept["scores"],
        extracted=answer[0] if isinstance(answer, list) and len(answer) == 1 else answer,
    )


def _prompt(arguments: Any) -> str:
    """The first request's context."""
    if isinstance(arguments, dict) and arguments:
        first = next(iter(arguments.values()))
        return str(first.get("arg_0", "")) if isinstance(first, dict) else str(first)
    if isinstance(arguments, list) and arguments:
        return str(arguments[0][0] if isinstance(arguments[0], list) and arguments[0] else arguments[0])
    return ""


def _reported(content: Mapping[str, Any], task: str) -> Iterator[ReportedScore]:
    better = (content.get("higher_is_better") or {}).get(task) or {}
    for name, value in (content["results"].get(task) or {}).items():
        metric = name.partition(",")[0]
        if "," in name and not metric.endswith("_stderr") and isinstance(value, int | float):
            higher = better.get(metric)
            direction = None if higher is None else "higher" if higher else "lower"
            yield ReportedScore(name, float(value), DECIMALS, better=direction)


def plain_name(model: str) -> str:
    """A model's name without what a folder's name cannot hold."""
    return re.sub(r"[/\\:]", "_", model).strip("_") or "model"
