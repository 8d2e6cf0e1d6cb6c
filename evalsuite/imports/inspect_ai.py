"""inspect-ai logs (`*.eval`, a zip, or `*.json`) → samples.

A log: {"eval": {"task", "model", "packages", …}, "results": {"scores": [{"name", "metrics": {NAME: {"value"}}}]},
"samples": [{"id", "epoch", "input", "target", "messages", "output", "scores": {SCORER: {"value", "answer"}}}]}; in a
`.eval` the header is `header.json` and each sample a file under `samples/`. Values are numbers, dictionaries of numbers, or
C, I, P, N for correct, incorrect, partially and no answer (1, 0, 0.5, 0). Source: `inspect_ai/log/_log.py`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from evalsuite.errors import InputError
from evalsuite.imports.found import Found, number, read_json
from evalsuite.imports.lm_eval import plain_name
from evalsuite.runs.imported import ImportedSample, ReportedScore, Source
from evalsuite.types import Message, Reply

HARNESS = "inspect_ai"
DECIMALS = 9
LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
CUT_OFF = ("max_tokens", "model_length")


def logs_of(path: Path) -> list[Path]:
    """The logs of a path: itself, or those in the folder."""
    if path.is_file():
        return [path] if path.suffix == ".eval" or (path.suffix == ".json" and _is_log(path)) else []
    return sorted([*path.glob("*.eval"), *(file for file in path.glob("*.json") if _is_log(file))])


def _is_log(path: Path) -> bool:
    with path.open("rb") as stream:
        beginning = stream.read(4096)
    return b'"eval"' in beginning and b'"status"' in beginning


def recognises(path: Path) -> bool:
    """Whether there are logs of it."""
    return bool(logs_of(path))


def read(path: Path, _: Path | None) -> list[Found]:
    """One entry a log; epochs are samples of their own. Raises `InputError`."""
    return [_found(file) for file in logs_of(path)]


def _found(file: Path) -> Found:
    header, lines = _zipped(file) if file.suffix == ".eval" else _plain(file)
    evaluation = header.get("eval")
    if not isinstance(evaluation, dict):
        raise InputError(f"{file}: not a log of inspect-ai (it has no 'eval').")
    samples = [_sample(index, line) for index, line in enumerate(lines)]
    if not samples:
        raise InputError(
            f"{file}: the log holds no samples (status: {header.get('status')}), so there is nothing to count; write it without --no-log-samples."
        )
    task = str(evaluation.get("task") or file.stem).rpartition("/")[2]
    version = str((evaluation.get("packages") or {}).get("inspect_ai") or "unknown")
    conditions = (f"benchmark:{task}", f"task:v{evaluation.get('task_version', '?')}")
    model = plain_name(str(evaluation.get("model") or "model"))
    return Found(model, task, Source(HARNESS, version, conditions), samples, list(_reported(header)))


def _plain(file: Path) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    content = read_json(file)
    return content, list(content.get("samples") or [])


def _zipped(file: Path) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            head = "header.json" if "header.json" in names else "_journal/start.json"
            header = orjson.loads(archive.read(head))
            lines = [
                orjson.loads(archive.read(name))
                for name in names
                if name.startswith("samples/") and name.endswith(".json")
            ]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: cannot be read as a log of inspect-ai ({error}).") from error
    return header, sorted(lines, key=lambda line: (line.get("epoch", 1), _order(line.get("id"))))


def _order(value: Any) -> tuple[int, int, str]:
    return (0, value, "") if isinstance(value, int) else (1, 0, str(value))


def _sample(index: int, line: Mapping[str, Any]) -> ImportedSample:
    output = line.get("output") or {}
    choice = (output.get("choices") or [{}])[0]
    usage = output.get("usage") or {}
    scores = dict(_values(line.get("scores") or {}))
    answers = [
        score.get("answer") for score in (line.get("scores") or {}).values() if isinstance(score, dict)
    ]
    text = _text((choice.get("message") or {}).get("content"))
    failed = line.get("error")
    reason = choice.get("stop_reason")
    epoch = int(line.get("epoch") or 1)
    target = line.get("target")
    return ImportedSample(
        subset="all samples" if epoch == 1 else f"epoch {epoch}",
        id=str(line.get("id")),
        index=index,
        prompt=_asked(line.get("input")),
        reply=None
        if failed
        else Reply(
            text,
            finish_reason="length" if reason in CUT_OFF else reason,
            prompt_tokens=usage.get("input_tokens"),
            completion_tokens=usage.get("output_tokens"),
        ),
        gold=target,
        scores=scores,
        extracted=next((answer for answer in answers if answer), text),
        error=str(failed.get("message") if isinstance(failed, dict) else failed) if failed else None,
    )


def _values(scores: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for scorer, score in scores.items():
        value = score.get("value") if isinstance(score, dict) else score
        if isinstance(value, dict):
            yield from ((f"{scorer}/{name}", number(one)) for name, one in value.items())
        elif isinstance(value, str):
            yield scorer, LETTERS.get(value)
        else:
            yield scorer, number(value)


def _reported(header: Mapping[str, Any]) -> Iterator[ReportedScore]:
    """Means only; other aggregates of its scorers have other names."""
    for place, score in enumerate((header.get("results") or {}).get("scores") or []):
        for name in ("accuracy", "mean"):
            value = number(((score.get("metrics") or {}).get(name) or {}).get("value"))
            if value is not None:
                yield ReportedScore(
                    str(score.get("name")), value, DECIMALS, better="higher", primary=place == 0
                )


def _asked(given: Any) -> str | list[Message]:
    if isinstance(given, list):
        return [
            {"role": turn.get("role"), "content": _text(turn.get("content"))}
            for turn in given
            if isinstance(turn, dict)
        ]
    return str(given or "")


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and part.get("text"))
    return str(content or "")
