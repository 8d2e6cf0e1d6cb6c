"""Further tables of a dataset: samples are counted and scores averaged by keys that the task gives them.

Memory is bounded whatever the data hold: a table keeps the first `MOST_LINES` different keys it meets, each cut to
`KEY_CHARACTERS` a part; samples with later keys are counted together and said to be (`n_unlisted`). Failed samples
(`error`) are in no table. A resumed run builds the same tables from its journal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from evalsuite.runs.schema import AverageSummary, BreakdownLine, BreakdownSummary
from evalsuite.tasks.metric import Breakdown

MOST_LINES = 2_000
"""Most different keys of one table; a line takes some hundred bytes."""
MAX_LISTED_LINES = 100
"""Most lines in summary.json: the most frequent ones, unless the table has an order of its own."""
KEY_CHARACTERS = 120

Key: TypeAlias = tuple[str, ...]

_SUM_BITS = 1074
"""Sums are whole numbers of the smallest float, 2**-1074: exact, so that the order of samples changes nothing."""


@dataclass(slots=True)
class _Line:
    """The samples of one key: how many, and for each average its sum and how many it applies to."""

    count: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, values: Mapping[str, float | None], averages: Iterable[str]) -> None:
        self.count += 1
        for name in averages:
            value = values.get(name)
            if value is not None:
                self.sums[name] = self.sums.get(name, 0) + _exact(value)
                self.counts[name] = self.counts.get(name, 0) + 1

    def merge(self, other: _Line) -> None:
        self.count += other.count
        for name, total in other.sums.items():
            self.sums[name] = self.sums.get(name, 0) + total
            self.counts[name] = self.counts.get(name, 0) + other.counts[name]

    def mean(self, name: str) -> float | None:
        return self.sums[name] / (self.counts[name] << _SUM_BITS) if name in self.sums else None


@dataclass(slots=True)
class _Table:
    lines: dict[Key, _Line] = field(default_factory=dict)
    unlisted: int = 0

    def line(self, key: Key) -> _Line | None:
        """The line of a key; None when the table is full."""
        if key not in self.lines and len(self.lines) >= MOST_LINES:
            return None
        return self.lines.setdefault(key, _Line())

    def merge(self, other: _Table) -> None:
        self.unlisted += other.unlisted
        for key, counted in other.lines.items():
            line = self.line(key)
            if line is None:
                self.unlisted += counted.count
            else:
                line.merge(counted)


class BreakdownCounts:
    """The tables of one variant on one dataset, for each subset."""

    def __init__(self, breakdowns: Sequence[Breakdown]) -> None:
        self._breakdowns = {breakdown.name: breakdown for breakdown in breakdowns}
        self._subsets: dict[str, dict[str, _Table]] = {}

    def add(self, subset: str, lines: Iterable[tuple[str, Key]], values: Mapping[str, float | None]) -> None:
        """Count a sample on the lines it belongs to: pairs of a table's name and a key."""
        tables = self._subsets.setdefault(subset, {})
        for name, key in lines:
            table = tables.setdefault(name, _Table())
            line = table.line(tuple(part[:KEY_CHARACTERS] for part in key))
            if line is None:
                table.unlisted += 1
            else:
                line.add(values, self._breakdowns[name].averages)

    def summaries(self, subset: str | None) -> dict[str, BreakdownSummary]:
        """The tables of one subset, or of all together for None. Empty tables are left out."""
        subsets = list(self._subsets.values()) if subset is None else [self._subsets.get(subset, {})]
        found: dict[str, BreakdownSummary] = {}
        for name, breakdown in self._breakdowns.items():
            whole = _Table()
            for tables in subsets:
                whole.merge(tables.get(name, _Table()))
            if whole.lines:
                found[name] = _summary(breakdown, whole)
        return found


def _summary(breakdown: Breakdown, table: _Table) -> BreakdownSummary:
    ordered = sorted(table.lines.items(), key=lambda item: _place(breakdown, *item))
    listed, rest = ordered[:MAX_LISTED_LINES], ordered[MAX_LISTED_LINES:]
    return BreakdownSummary(
        title=breakdown.title,
        note=breakdown.note,
        columns=tuple(breakdown.columns),
        averages=tuple(breakdown.averages),
        filter=breakdown.filter,
        lines=tuple(_line_summary(breakdown, key, line) for key, line in listed),
        n_lines=len(ordered),
        n_unlisted=table.unlisted + sum(line.count for _, line in rest),
    )


def _line_summary(breakdown: Breakdown, key: Key, line: _Line) -> BreakdownLine:
    values = {
        name: AverageSummary(value=line.mean(name), n=line.counts.get(name, 0)) for name in breakdown.averages
    }
    return BreakdownLine(key=key, n=line.count, values=values)


def _exact(value: float) -> int:
    numerator, denominator = float(value).as_integer_ratio()
    return numerator << (_SUM_BITS + 1 - denominator.bit_length())


def _place(breakdown: Breakdown, key: Key, line: _Line) -> tuple[int, Key]:
    """The sort key of a line: the number its key begins with, or the most frequent first."""
    number = re.match(r"\d+", key[0]) if breakdown.numeric_order else None
    return (int(number.group()) if number else -line.count, key)
