"""What a reader yields of a file: rows, faults, and what it repaired."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from evalsuite.errors import Problem


@dataclass(frozen=True, slots=True)
class Record:
    """One raw row: the file and 1-based line it starts on, and its values by lower-cased column name."""

    file: str
    line: int
    values: Mapping[str, Any]
    columns: Collection[str] = ()
    """The file's own columns, if `values` are named otherwise."""


@dataclass(frozen=True, slots=True)
class Repair:
    """Something in a file that was read although it is not as it should be. Users are told once a dataset.

    `what` is a full clause without the place ("a title row above the header is skipped"). Equal ones are counted.
    """

    file: str
    line: int
    what: str


RecordStream: TypeAlias = Iterator[Record | Problem | Repair]
