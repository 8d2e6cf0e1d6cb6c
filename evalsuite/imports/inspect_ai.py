"""inspect-ai logs (`*.eval`, a zip, or `*.json`) → samples.

A log: {"status", "eval": {"task", "model", "packages", …}, "results": {"scores": [{"name", "scorer", "reducer",
"metrics": {NAME: {"value"}}}]}, "samples": [{"id", "epoch", "input", "target", "messages", "output",
"scores": {SCORER: {"value", "answer"}}}]}; in a `.eval` the header is `header.json` (of a log that was cut off only
`_journal/start.json` is there) and each sample a file under `samples/`. Values are numbers, dictionaries of values, NaN
for what was not scored, or C, I, P, N for correct, incorrect, partially and no answer (1, 0, 0.5, 0). The name of a score that
is a dictionary's entry is the entry's. Source: `inspect_ai/log/_log.py`, `inspect_ai/scorer/_metric.py`.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite.errors import InputError
from evalsuite.imports.archives import Archive
from evalsuite.imports.imported_results import ImportedResults, number, parse_json, read_json
from evalsuite.imports.lm_eval import path_safe_name
from evalsuite.runs.imported import ImportedSample, ReportedScore, Source
from evalsuite.types import Message, Reply

HARNESS = "inspect_ai"
DECIMALS = 9
LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
CUT_OFF = ("max_tokens", "model_length")
MEANS = ("accuracy", "mean")
"""Metrics that are the mean of the samples' values; others have no counterpart here."""
_BEGINNING = re.compile(rb'\s*\{\s*"(?:version|status|eval)"\s*:')


def find_logs(path: Path) -> list[Path]:
    """The logs of a path: itself, or those in the folder."""
    if path.is_file():
        return [path] if path.suffix == ".eval" or (path.suffix == ".json" and _is_log(path)) else []
    return sorted([*path.glob("*.eval"), *(file for file in path.glob("*.json") if _is_log(file))])


def _is_log(path: Path) -> bool:
    """By its beginning; `logs.json`, a list of the logs of a folder, begins with a name."""
    with path.open("rb") as stream:
        beginning = stream.read(4096)
    return bool(_BEGINNING.match(beginning)) and b'"eval"' in beginning and b'"status"' in beginning


def recognises(path: Path) -> bool:
    """Whether there are logs of it."""
    return bool(find_logs(path))


def read(path: Path, _: Path | None) -> list[ImportedResults]:
    """One entry a log; epochs are tries of a sample. Raises `InputError`."""
    return [_found(file) for file in find_logs(path)]


def _found(file: Path) -> ImportedResults:
    header, lines = _zipped(file) if file.suffix == ".eval" else _plain(file)
    evaluation = header.get("eval")
    if not isinstance(evaluation, dict):
        raise InputError(f"{file}: not a log of inspect-ai (it has no 'eval').")
    status = header.get("status") or "cut off"
    if not lines:
        raise InputError(
            f"{file}: the log holds no samples (status: {status}), so there is nothing to count; write it without --no-log-samples."
        )
    tried = any(_epoch(line) > 1 for line in lines)
    places = {name: place for place, name in enumerate(dict.fromkeys(str(line.get("id")) for line in lines))}
    samples = [_sample(places[str(line.get("id"))], line, tried=tried) for line in lines]
    task = str(evaluation.get("task") or file.stem).rpartition("/")[2]
    version = str((evaluation.get("packages") or {}).get("inspect_ai") or "unknown")
    conditions = (f"benchmark:{task}", f"task:v{evaluation.get('task_version', '?')}")
    model = path_safe_name(str(evaluation.get("model") or "model"))
    notes = (
        []
        if status == "success"
        else [f"the log of inspect-ai says that the evaluation did not end well: {status}."]
    )
    source = Source(HARNESS, version, conditions)
    return ImportedResults(model, task, source, samples, list(_reported(header, lines)), notes)


def _plain(file: Path) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    content = read_json(file)
    return content, list(content.get("samples") or [])


def _zipped(file: Path) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    try:
        with zipfile.ZipFile(file) as opened:
            archive = Archive(file, opened)
            names = archive.names()
            head = "header.json" if "header.json" in names else "_journal/start.json"
            header = parse_json(archive.read(head))
            lines = [
                parse_json(archive.read(name))
                for name in names
                if name.startswith("samples/") and name.endswith(".json")
            ]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: cannot be read as a log of inspect-ai ({error}).") from error
    return header, sorted(lines, key=lambda line: (_epoch(line), _order(line.get("id"))))


def _epoch(line: Mapping[str, Any]) -> int:
    return int(line.get("epoch") or 1)


def _order(value: Any) -> tuple[int, int, str]:
    return (0, value, "") if isinstance(value, int) else (1, 0, str(value))


def _sample(index: int, line: Mapping[str, Any], *, tried: bool) -> ImportedSample:
    output = line.get("output") or {}
    choice = (output.get("choices") or [{}])[0]
    usage = output.get("usage") or {}
    content = (choice.get("message") or {}).get("content")
    failed = line.get("error")
    reason = choice.get("stop_reason")
    reply = Reply(
        _text(content),
        reasoning=_text(content, "reasoning") or None,
        finish_reason="length" if reason in CUT_OFF else reason,
        prompt_tokens=usage.get("input_tokens"),
        completion_tokens=usage.get("output_tokens"),
    )
    name = str(line.get("id"))
    return ImportedSample(
        subset="all samples",
        id=name,
        index=index,
        prompt=_asked(line),
        reply=None if failed else reply,
        gold=line.get("target"),
        scores=dict(_values(line)),
        extracted=_answer(line, reply.text),
        error=str(failed.get("message") if isinstance(failed, dict) else failed) if failed else None,
        latency_s=number(output.get("time")),
        cluster=name if tried else None,
        repeat=_epoch(line) - 1,
    )


def _answer(line: Mapping[str, Any], text: str) -> Any:
    """What the first scorer that reads an answer read; the whole reply where none does."""
    scores = [score for score in (line.get("scores") or {}).values() if isinstance(score, dict)]
    return next((score["answer"] for score in scores if score.get("answer") is not None), text)


def _values(line: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for scorer, score in (line.get("scores") or {}).items():
        value = score.get("value") if isinstance(score, dict) else score
        if isinstance(value, dict):
            yield from ((f"{scorer}/{name}", _value(one)) for name, one in value.items())
        else:
            yield scorer, _value(value)


def _value(value: Any) -> float | None:
    """As inspect-ai turns a value into a number (`value_to_float`)."""
    if not isinstance(value, str):
        return number(value)
    if value in LETTERS:
        return LETTERS[value]
    try:
        return WORDS.get(value.lower()) if value.lower() in WORDS else number(float(value))
    except ValueError:
        return None


def _reported(header: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Iterator[ReportedScore]:
    """Means only; other aggregates of its scorers, and of the tries of a sample, have other names."""
    known = {name for line in lines for name, _ in _values(line)}
    for place, score in enumerate((header.get("results") or {}).get("scores") or []):
        name = str(score.get("name"))
        entry = f"{score.get('scorer')}/{name}"
        if score.get("reducer") not in (None, "mean"):
            continue
        for metric in MEANS:
            value = number(((score.get("metrics") or {}).get(metric) or {}).get("value"))
            if value is not None:
                yield ReportedScore(
                    entry if entry in known else name, value, DECIMALS, better="higher", primary=place == 0
                )


def _asked(line: Mapping[str, Any]) -> str | list[Message]:
    """The turns before the model's last, as its solvers made them of the input (system prompt, options); else the input."""
    turns = [turn for turn in line.get("messages") or [] if isinstance(turn, dict)]
    last = next(
        (place for place in range(len(turns) - 1, -1, -1) if turns[place].get("role") == "assistant"),
        len(turns),
    )
    given = line.get("input")
    asked = turns[:last] or (given if isinstance(given, list) else [])
    if not asked:
        return str(given or "")
    return [
        {"role": turn.get("role"), "content": _text(turn.get("content"))}
        for turn in asked
        if isinstance(turn, dict)
    ]


def _text(content: Any, part: str = "text") -> str:
    """The text of a message, or another part of it."""
    if isinstance(content, list):
        return "\n".join(str(one[part]) for one in content if isinstance(one, dict) and one.get(part))
    return str(content or "") if part == "text" else ""
