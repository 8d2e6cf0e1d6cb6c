"""Reads a driver's files into imported samples and reported scores. Format: `drivers/driver_protocol.py`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from evalsuite.data.subsets import CATEGORY_PREFIX, WHOLE_DATASET
from evalsuite.errors import RunIncomplete
from evalsuite.runs.imported import ImportedSample, ReportedScore
from evalsuite.types import Reply

SAMPLES_FILE, RESULT_FILE = "samples.jsonl", "result.json"


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """A suite's results for a whole benchmark."""

    version: str
    reported: tuple[ReportedScore, ...]
    notes: tuple[str, ...]


def read_result(work: Path) -> SuiteResult | None:
    """Read the driver's results; None if it has not finished, or was interrupted while writing."""
    try:
        content = orjson.loads((work / RESULT_FILE).read_bytes())
        reported = tuple(
            ReportedScore(
                str(score["metric"]),
                float(score["value"]),
                int(score["decimals"]),
                str(score.get("subset") or WHOLE_DATASET),
                score.get("better"),
                bool(score.get("primary")),
            )
            for score in content["reported"]
            if score.get("value") is not None and math.isfinite(score["value"])
        )
        return SuiteResult(str(content["version"]), reported, tuple(map(str, content["notes"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_samples(work: Path) -> Iterator[ImportedSample]:
    """Read the samples, in order. Raises `RunIncomplete` for an invalid line."""
    path = work / SAMPLES_FILE
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                try:
                    yield _sample(orjson.loads(raw))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise RunIncomplete(
                        f"{path}:{number}: not a sample as a driver writes it ({error!r}). Delete the file and run the same command again."
                    ) from error
    except FileNotFoundError:
        return


def _sample(line: Mapping[str, Any]) -> ImportedSample:
    text = line.get("reply")
    reply = None
    if text is not None:
        reply = Reply(
            str(text),
            reasoning=line.get("reasoning") or None,
            tool_calls=line.get("tool_calls") or None,
            finish_reason=line.get("finish_reason"),
            prompt_tokens=line.get("prompt_tokens"),
            completion_tokens=line.get("completion_tokens"),
        )
    messages = line.get("messages")
    return ImportedSample(
        subset=subset_name(str(line["subset"])),
        id=str(line["id"]),
        index=int(line["index"]),
        prompt=messages if messages is not None else str(line.get("prompt") or ""),
        reply=reply,
        gold=line.get("gold"),
        scores={str(name): _number(value) for name, value in line["scores"].items()},
        extracted=line.get("extracted"),
        error=line.get("error"),
        labels=tuple(map(str, line.get("labels") or ())),
        latency_s=_number(line.get("latency_s")),
        category=line.get("category"),
    )


def subset_name(text: str) -> str:
    """A subset's name, changed if it is reserved for other results."""
    return f"subset {text}" if text in ("", WHOLE_DATASET) or text.startswith(CATEGORY_PREFIX) else text


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, str):
        return None
    number = float(value)
    return number if math.isfinite(number) else None
