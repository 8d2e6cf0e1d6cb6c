"""The rows of a run to read first, as text: those its variants differ in most, and then those that went worst."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct

from evalsuite.formatting.numbers import counted
from evalsuite.report.sample_store import SampleStore
from evalsuite.report.samples import SampleEntry
from evalsuite.report.static_samples import Cell, Room, RowView, view_row

RankedRow: TypeAlias = tuple[float, int, float, tuple[int, ...]]
"""Less the further its samples are apart, then by the outcome and the score of the worst; and its samples' places."""
ROWS_OF_A_PAGE = 20
WORST_RANKS: Mapping[str, int] = MappingProxyType({"scored": 0, "unparsed": 1, "truncated": 1})
"""What can be learned from first: a wrong reply, one that could not be read, and last none at all."""


class WorstRows(Struct, frozen=True):
    """The rows of one dataset, and in words which they are."""

    dataset: str
    which: str
    rows: tuple[RowView, ...]


def worst_rows(
    pack: SampleStore, baseline: str | None = None, aliases: Mapping[str, str] = MappingProxyType({})
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
        ranked = (_rank_row(pack.entries, numbers, baseline) for numbers in rows.values())
        wanted = nsmallest(most, (row for row in ranked if row is not None))
        shown = tuple(room.fill(_shown(pack, wanted)))
        changed = sum(change < 0 for change, *_ in wanted[: len(shown)])
        which = (
            f"{counted(changed, 'row')} that changed most"
            if changed
            else f"{counted(len(shown), 'row')} that went worst"
        )
        if shown:
            found.append(WorstRows(dataset, f"{which}, of {counted(len(rows), 'row')}", shown))
    return found


def _rank_row(
    entries: Sequence[SampleEntry], numbers: Sequence[int], baseline: str | None
) -> RankedRow | None:
    """A row as what it is sorted by and the places of its samples to show; None where all is right."""
    if len(numbers) == 1:
        entry = entries[numbers[0]]
        return None if entry.answer == "right" else (0.0, *_failure_rank(entry), (numbers[0],))
    base = next((number for number in numbers if entries[number].variant == baseline), None)
    others = [number for number in numbers if number != base]
    furthest = max(others, key=lambda number: _change(entries, base, number))
    shown = (furthest,) if base is None else (base, furthest)
    change = _change(entries, base, furthest)
    rank, score = min(_failure_rank(entries[number]) for number in shown)
    if not change and all(entries[number].answer == "right" for number in shown):
        return None
    return -change, rank, score, shown


def _change(entries: Sequence[SampleEntry], base: int | None, other: int) -> float:
    before, after = None if base is None else entries[base].score, entries[other].score
    return 0.0 if before is None or after is None else abs(after - before)


def _failure_rank(entry: SampleEntry) -> tuple[int, float]:
    return WORST_RANKS.get(entry.outcome, 2), math.inf if entry.score is None else entry.score


def _shown(pack: SampleStore, rows: Sequence[RankedRow]) -> Iterator[RowView]:
    """Each row's text; samples are opened a row at a time, since the first ones may fill the page."""
    for *_, numbers in rows:
        yield view_row(
            [
                Cell(entry, body, messages, pack.primary(entry), entry.variant)
                for entry, body, messages in pack.read(numbers)
            ]
        )
