"""The rows of a run to read first, as text: those its variants differ in most, and then those that went worst."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from evalsuite.report.numbers import counted
from evalsuite.report.packing import Pack
from evalsuite.report.plain_rows import Cell, Room, RowShown, row_shown
from evalsuite.report.samples import Entry

ROWS_OF_A_PAGE = 20
WORST_RANKS: Mapping[str, int] = MappingProxyType({"scored": 0, "unparsed": 1, "truncated": 1})
"""What can be learned from first: a wrong reply, one that could not be read, and last none at all."""


class WorstRows(Struct, frozen=True):
    """The rows of one dataset, and in words which they are."""

    dataset: str
    which: str
    rows: tuple[RowShown, ...]


def worst_rows(
    pack: Pack, baseline: str | None = None, aliases: Mapping[str, str] = MappingProxyType({})
) -> list[WorstRows]:
    """Of each dataset an even share of the page's rows; `aliases` are the baseline's names of datasets."""
    datasets: dict[str, dict[tuple[str, str], list[int]]] = {}
    for number, entry in enumerate(pack.entries):
        dataset, subset = (aliases.get(name, name) for name in (entry.dataset, entry.subset))
        datasets.setdefault(dataset, {}).setdefault((subset, entry.id), []).append(number)
    most = max(1, ROWS_OF_A_PAGE // max(1, len(datasets)))
    room = Room()
    found = []
    for dataset, rows in datasets.items():
        ordered = sorted((_Row.of(pack.entries, numbers, baseline) for numbers in rows.values()), key=_first)
        wanted = [row for row in ordered if row.change or not row.fine][:most]
        shown = tuple(room.fill(_shown(pack, wanted)))
        changed = sum(row.change > 0 for row in wanted[: len(shown)])
        which = (
            f"{counted(changed, 'row')} that changed most"
            if changed
            else f"{counted(len(shown), 'row')} that went worst"
        )
        if shown:
            found.append(WorstRows(dataset, f"{which}, of {counted(len(rows), 'row')}", shown))
    return found


class _Row(Struct, frozen=True):
    """A row: its samples to show, how far apart they are, how bad the worst is."""

    numbers: tuple[int, ...]
    change: float
    rank: int
    score: float
    fine: bool

    @classmethod
    def of(cls, entries: Sequence[Entry], numbers: Sequence[int], baseline: str | None) -> _Row:
        """From the places of its samples."""
        base = next((number for number in numbers if entries[number].variant == baseline), None)
        others = [number for number in numbers if number != base]
        furthest = max(others, key=lambda number: _change(entries, base, number), default=None)
        shown = tuple(number for number in (base, furthest) if number is not None)
        worst = min((entries[number] for number in shown), key=_badness)
        rank, score = _badness(worst)
        return cls(shown, _change(entries, base, furthest), rank, score, worst.answer == "right")


def _change(entries: Sequence[Entry], base: int | None, other: int | None) -> float:
    scores = [None if number is None else entries[number].score for number in (base, other)]
    return 0.0 if scores[0] is None or scores[1] is None else abs(scores[1] - scores[0])


def _badness(entry: Entry) -> tuple[int, float]:
    return WORST_RANKS.get(entry.outcome, 2), float("inf") if entry.score is None else entry.score


def _first(row: _Row) -> tuple[float, int, float]:
    return -row.change, row.rank, row.score


def _shown(pack: Pack, rows: Sequence[_Row]) -> Iterator[RowShown]:
    """Each row's text; samples are opened a row at a time, since the first ones may fill the page."""
    for row in rows:
        yield row_shown(
            [
                Cell(entry, body, messages, pack.primary(entry), entry.variant)
                for entry, body, messages in pack.read(row.numbers)
            ]
        )
