"""The rows of a comparison that changed most, as text."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from evalsuite.comparison.flips import FlipGroup, Flips
from evalsuite.formatting.numbers import counted, format_count
from evalsuite.report.samples import sample_body, sample_entry, sample_messages
from evalsuite.report.static_samples import ByteBudget, RowView, VariantReply, view_row
from evalsuite.runs.schema import SampleLine

MAX_GROUP_ROWS = 8
MAX_PAGE_ROWS = 60


TITLES = {"won": "Won by {}", "lost": "Lost by {}", "both wrong": "Wrong on both sides"}
CHIPS = {"won": "right", "lost": "wrong"}
"""Kind of flip -> CSS class of its title."""


class FlipGroupView(Struct, frozen=True):
    """Rows of one kind, the first ones with their texts."""

    title: str
    kind: str
    note: str
    rows: tuple[RowView, ...]


class FlipTable(Struct, frozen=True):
    """The rows of one variant on one dataset. `metric` decides what is won."""

    dataset: str
    variant: str
    metric: str
    groups: tuple[FlipGroupView, ...]


def flip_tables(flips: Sequence[Flips]) -> list[FlipTable]:
    """Make a table for each variant and dataset, as many rows as the page has room for."""
    groups = sum(len(one.groups) for one in flips)
    limit = max(1, min(MAX_GROUP_ROWS, MAX_PAGE_ROWS // max(1, groups)))
    budget = ByteBudget()
    return [
        FlipTable(
            one.dataset,
            one.after.label,
            one.metric.name,
            tuple(_group(one, group, limit, budget) for group in one.groups),
        )
        for one in flips
    ]


def _group(flips: Flips, group: FlipGroup, limit: int, budget: ByteBudget) -> FlipGroupView:
    rows = tuple(budget.fill(_row(flips, *lines) for lines in flips.read(group, limit)))
    note = f"{len(rows)} of {format_count(group.count)} shown" if len(rows) < group.count else ""
    title = f"{TITLES[group.kind].format(flips.after.label)}: {counted(group.count, 'row')}"
    return FlipGroupView(title, CHIPS.get(group.kind, ""), note, rows)


def _row(flips: Flips, *lines: SampleLine) -> RowView:
    metric = {
        "name": flips.metric.score,
        "unit": flips.metric.unit,
        "higher_is_better": flips.metric.higher_is_better,
    }
    labels = flips.before.label, flips.after.label
    return view_row(
        [
            VariantReply(
                sample_entry(msgspec.structs.replace(line, dataset=flips.dataset), metric),
                sample_body(line),
                sample_messages(line),
                metric,
                label,
            )
            for line, label in zip(lines, labels, strict=True)
        ]
    )
