"""What a reader finds: the samples of one model on one dataset, and what its tool reported of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from evalsuite.errors import InputError
from evalsuite.runs.imported import ImportedSample, ReportedScore, Source

PARTIAL_FILE_ADVICE = "Only read are whole files; make a copy of it or have the tool write it again."


@dataclass(frozen=True)
class ImportedResults:
    """One model's results on one dataset. `source` is known by its harness and version."""

    variant: str
    dataset: str
    source: Source
    samples: Sequence[ImportedSample]
    reported: Sequence[ReportedScore] = ()
    notes: Sequence[str] = ()


def read_json(path: Path) -> Any:
    """A JSON file. Raises `InputError`."""
    try:
        return parse_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}). {PARTIAL_FILE_ADVICE}") from error


def read_lines(path: Path) -> list[Mapping[str, Any]]:
    """The objects of a JSONL file. Raises `InputError`, naming the line."""
    found: list[Mapping[str, Any]] = []
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                if not raw.strip():
                    continue
                try:
                    line = parse_json(raw)
                except ValueError as error:
                    raise InputError(f"{path}:{number}: not JSON ({error}). {PARTIAL_FILE_ADVICE}") from error
                if not isinstance(line, dict):
                    raise InputError(f"{path}:{number}: {type(line).__name__}, expected an object.")
                found.append(line)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    return found


def parse_json(content: bytes) -> Any:
    """JSON, and what Python's own `json` writes beside it: NaN and Infinity. Raises `ValueError`."""
    try:
        return orjson.loads(content)
    except ValueError:
        return json.loads(content)


def number(value: Any) -> float | None:
    """A score as a number; None for what is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
