"""lm-evaluation-harness logs (`--output_path DIR --log_samples`) → samples.

    DIR/MODEL/results_TIME.json        {"results": {TASK: {"acc,none": 0.5, …}}, "higher_is_better", "versions", …}
    DIR/MODEL/samples_TASK_TIME.jsonl  a line a sample and filter: {"doc_id", "target", "arguments", "resps",
                                       "filtered_resps", "filter", "metrics": [NAME, …], NAME: value}

`--output_path NAME.json` gives NAME_TIME.json and the samples beside it. A metric is called as in its tables,
`exact_match,strict-match`; what it computes of the whole (BLEU, perplexity) has no number in a sample.
Source: `lm_eval/loggers/evaluation_tracker.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from evalsuite.errors import InputError
from evalsuite.imports.imported_results import ImportedResults, number, read_json, read_lines
from evalsuite.runs.imported import ImportedSample, ReportedScore, Source
from evalsuite.types import Message, Reply

HARNESS = "lm_eval"
DECIMALS = 9
"""It reports what it computed, unrounded."""
PLAIN_FIELDS = frozenset(
    {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"}
)
UNREAD: tuple[Any, ...] = ("[invalid]", "", [], None)
"""What its filters leave where they find nothing."""
BEGINNING = 64
_RESULTS = re.compile(r".+_(?P<time>\d{4}-\d\d-\d\dT[-.\d]+)\.json")
_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT.+)\.jsonl")


def find_results(path: Path) -> list[Path]:
    """The results files of a path: itself, in it, or in the folders of models in it."""
    if path.is_file():
        return [path] if path.suffix == ".json" and _time_of(path) and _is_results(path) else []
    found = [*path.glob("*.json"), *path.glob("*/results_*.json")]
    return sorted(file for file in found if _time_of(file) and _is_results(file))


def _time_of(file: Path) -> str:
    """When it was written, as its name says: `results_TIME.json`, or `NAME_TIME.json` for `--output_path NAME.json`."""
    match = _RESULTS.fullmatch(file.name)
    return match["time"] if match else ""


def _is_results(file: Path) -> bool:
    """By its name, or by its beginning where its name is the user's."""
    if file.name.startswith("results_"):
        return True
    with file.open("rb") as stream:
        return stream.read(BEGINNING).lstrip(b"{ \r\n\t").startswith(b'"results"')


def recognises(path: Path) -> bool:
    """Whether there are results of the harness."""
    return bool(find_results(path))


def read(path: Path, _: Path | None) -> list[ImportedResults]:
    """Every task of each model, of several results the latest. Raises `InputError`."""
    found: dict[tuple[str, str], ImportedResults] = {}
    for file in sorted(find_results(path), key=_time_of, reverse=True):
        content = read_json(file)
        if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
            raise InputError(f"{file}: not a results file of lm-eval (it has no 'results').")
        model = path_safe_name(str(content.get("model_name") or file.parent.name))
        known = {task for variant, task in found if variant == model}
        for one in _tasks(file, content, model, known):
            found[model, one.dataset] = one
    return [found[key] for key in sorted(found)]


def _tasks(
    file: Path, content: Mapping[str, Any], model: str, known: Collection[str]
) -> Iterator[ImportedResults]:
    """The tasks that have samples and are not known from later results."""
    time = _time_of(file)
    version = str(content.get("lm_eval_version") or content.get("git_hash") or "unknown")
    logged = {
        match["task"]: entry
        for entry in file.parent.glob("samples_*.jsonl")
        if (match := _SAMPLES.fullmatch(entry.name)) and match["time"] == time
    }
    if not logged and not known >= content["results"].keys():
        raise InputError(
            f"{file}: no samples_*_{time}.jsonl beside it, so there is nothing to count or compare: lm-eval writes them with --log_samples."
        )
    for task, samples_file in sorted(logged.items()):
        if task in known:
            continue
        tuned = str((content.get("versions") or {}).get(task, "?"))
        shots = (content.get("n-shot") or {}).get(task)
        conditions = (
            f"benchmark:{task}",
            f"task:v{tuned}",
            *([f"shots:{shots}"] if shots is not None else []),
        )
        samples = _samples(task, samples_file)
        reported = list(_reported(content, task))
        yield ImportedResults(model, task, Source(HARNESS, version, conditions), samples, reported)


def _samples(task: str, file: Path) -> list[ImportedSample]:
    """One sample a document; each filter's metrics stand under their own names."""
    found: dict[Any, dict[str, Any]] = {}
    for place, line in enumerate(read_lines(file), start=1):
        if "doc_id" not in line:
            raise InputError(f"{file}:{place}: lacks 'doc_id'.")
        kept = found.setdefault(line["doc_id"], {"line": line, "scores": {}, "answers": []})
        kept["answers"].append(line.get("filtered_resps"))
        names = line.get("metrics") or [
            name for name in line if name not in PLAIN_FIELDS and not name.endswith("_hash")
        ]
        for name in names:
            value = number(line.get(name))
            if value is not None:
                kept["scores"][f"{name},{line.get('filter', 'none')}"] = value
    return [_sample(task, index, found[place]) for index, place in enumerate(found)]


def _sample(task: str, index: int, kept: Mapping[str, Any]) -> ImportedSample:
    line = kept["line"]
    asked = _requests(line.get("arguments"))
    likelihoods = _likelihoods(line.get("filtered_resps"), asked)
    if likelihoods:
        best = max(likelihoods, key=lambda option: option[1])[0]
        shown = "\n".join(f"{text!r}: log-likelihood {value:.4f}" for text, value in likelihoods)
        answer, gold = best.strip(), _option(line.get("target"), likelihoods)
    else:
        shown, answer, gold = _first(line.get("resps")), _read(kept["answers"]), line.get("target")
    return ImportedSample(
        subset=task,
        id=str(line["doc_id"]),
        index=index,
        prompt=_prompt(asked),
        reply=Reply(shown),
        gold=gold,
        scores=kept["scores"],
        extracted=answer,
    )


def _requests(arguments: Any) -> list[list[Any]]:
    """The arguments of each request: its context, and the continuation or the settings of the generation."""
    if isinstance(arguments, dict):
        arguments = list(arguments.values())
    listed = arguments if isinstance(arguments, list) else []
    return [
        list(one.values()) if isinstance(one, dict) else one for one in listed if isinstance(one, dict | list)
    ]


def _likelihoods(answers: Any, asked: Sequence[Sequence[Any]]) -> list[tuple[str, float]]:
    """The options of a multiple choice with their log-likelihoods; none where something was generated.

    Each answer is [log-likelihood, whether the option is what greedy decoding gives], both written as text.
    """
    options = [one[1] for one in asked if len(one) > 1 and isinstance(one[1], str)]
    values = [_logarithm(one[0]) for one in answers or [] if isinstance(one, list) and len(one) == 2]
    if not options or len(options) != len(values):
        return []
    return [(text, value) for text, value in zip(options, values, strict=True) if value is not None]


def _logarithm(text: Any) -> float | None:
    try:
        return number(float(text))
    except (TypeError, ValueError):
        return None


def _option(target: Any, likelihoods: Sequence[tuple[str, float]]) -> Any:
    """The option that a target names by its place."""
    text = str(target)
    place = int(text) if text.isdecimal() else len(likelihoods)
    return likelihoods[place][0].strip() if place < len(likelihoods) else target


def _first(replies: Any) -> str:
    """The first reply to the first request."""
    while isinstance(replies, list) and replies:
        replies = replies[0]
    return "" if replies == [] else str(replies)


def _read(answers: Sequence[Any]) -> Any:
    """What the first filter that read something read; None where none did."""
    listed = (one[0] if isinstance(one, list) and len(one) == 1 else one for one in answers)
    return next((one for one in listed if one not in UNREAD), None)


def _prompt(asked: Sequence[Sequence[Any]]) -> str | list[Message]:
    """The first request's context; chat models are given the turns as JSON in a list of one."""
    context = asked[0][0] if asked and asked[0] else ""
    if isinstance(context, list) and len(context) == 1 and isinstance(context[0], str):
        try:
            turns = orjson.loads(context[0])
        except ValueError:
            turns = None
        if isinstance(turns, list) and turns and all(isinstance(turn, dict) for turn in turns):
            return [{"role": turn.get("role"), "content": turn.get("content")} for turn in turns]
    return context if isinstance(context, str) else str(context)


def _reported(content: Mapping[str, Any], task: str) -> Iterator[ReportedScore]:
    better = (content.get("higher_is_better") or {}).get(task) or {}
    for name, value in (content["results"].get(task) or {}).items():
        metric = name.partition(",")[0]
        if "," in name and not metric.endswith("_stderr") and isinstance(value, int | float):
            higher = better.get(metric)
            direction = None if higher is None else "higher" if higher else "lower"
            yield ReportedScore(name, float(value), DECIMALS, better=direction)


def path_safe_name(model: str) -> str:
    """A model's name without what a folder's name cannot hold."""
    return re.sub(r"[/\\:]", "_", model).strip("_") or "model"
