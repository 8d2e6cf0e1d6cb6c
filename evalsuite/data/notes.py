"""What users are told once of a dataset: what was repaired in its files, and which columns nothing reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from evalsuite._util.invisible import spell_out
from evalsuite.data.columns import ColumnNames, ColumnUsage
from evalsuite.data.records import Repair

MOST_COLUMNS = 20
"""Columns that are named; of more the number is said."""


@dataclass
class _Count:
    first: Repair
    times: int = 0


@dataclass
class DatasetNotes:
    """Collects repairs and unread columns while files are read; equal repairs are counted."""

    usage: ColumnUsage = field(default_factory=ColumnUsage)
    _repairs: dict[str, _Count] = field(default_factory=dict)

    skipped: dict[str, str] = field(default_factory=dict)
    """File → why a row of it was skipped."""

    def skip(self, repair: Repair) -> None:
        """Count a row that is left out."""
        self.skipped.setdefault(repair.file, repair.what)
        self.add(repair)

    def add(self, repair: Repair) -> None:
        """Count a repair."""
        self._repairs.setdefault(repair.what, _Count(repair)).times += 1

    def sentences(self, columns: ColumnNames) -> Iterator[str]:
        """Yield the notes, a sentence each."""
        if columns:
            listed = ", ".join(f"'{ours}' is read from '{theirs}'" for ours, theirs in columns.pairs)
            yield f"--columns: {listed}."
        for what, count in self._repairs.items():
            place = f"{count.first.file}:{count.first.line}"
            where = place if count.times == 1 else f"{count.times} times, first {place}"
            yield f"{spell_out(what)} ({where})."
        unread = list(self.usage.unread())
        if unread:
            yield f"nothing reads the column{'s' if len(unread) > 1 else ''} {_listed(unread)}."


def _listed(names: Iterable[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    more = len(quoted) - MOST_COLUMNS
    return ", ".join(quoted[:MOST_COLUMNS]) + (f" and {more} more" if more > 0 else "")
