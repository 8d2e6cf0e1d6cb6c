"""The rows of a run to read first, as text: those with the largest difference between variants, then the worst ones."""

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
from evalsuite.report.static_samples import ByteBudget, RowView, VariantReply, view_row

RankedRow: TypeAlias = tuple[float, int, float, tuple[int, ...]]
"""The sort key of a row (negative difference, rank and score of the worst sample) and the positions of its samples."""
MAX_PAGE_ROWS = 20
WORST_RANKS: Mapping[str, int] = MappingProxyType({"scored": 0, "unparsed": 1, "truncated": 1})
"""Rank by outcome: a wrong reply teaches more than an unreadable one, and an error least."""


class WorstRows(Struct, frozen=True):
    """The rows of one dataset. `which` says how they were selected."""

    dataset: str
    which: str
    rows: tuple[RowView, ...]


def worst_rows(
    store: SampleStore, baseline: str | None = None, aliases: Mapping[str, str] = MappingProxyType({})
) -> list[WorstRows]:
    """Select rows, as many of each dataset. `aliases` are the names that the baseline has for datasets."""
    datasets: dict[str, dict[tuple[str, str], list[int]]] = {}
    for number, entry in enumerate(store.entries):
        dataset, subset = (aliases.get(name, name) for name in (entry.dataset, entry.subset))
        datasets.setdefault(dataset, {}).setdefault((subset, entry.id), []).append(number)
    most = max(1, MAX_PAGE_ROWS // max(1, len(datasets)))
    budget = ByteBudget()
    found = []
    for dataset, rows in datasets.items():
        ranked = (_rank_row(store.entries, numbers, baseline) for numbers in rows.values())
        wanted = nsmallest(most, (row for row in ranked if row is not None))
        shown = tuple(budget.fill(_shown(store, wanted)))
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
    """The sort key of a row and the positions of the samples to show. None if everything is right."""
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


def _shown(store: SampleStore, rows: Sequence[RankedRow]) -> Iterator[RowView]:
    """Format rows one by one, since the first ones may fill the page."""
    for *_, numbers in rows:
        yield view_row(
            [
                VariantReply(entry, body, messages, store.primary(entry), entry.variant)
                for entry, body, messages in store.read(numbers)
            ]
        )
