"""The rows of a comparison that changed most, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.comparison.flips import Flips
from evalsuite.formatting.numbers import counted, format_count
from evalsuite.report.samples import sample_body, sample_entry, sample_messages
from evalsuite.report.static_samples import Cell, Room, RowView, view_row
from evalsuite.runs.schema import line_object

ROWS_OF_A_GROUP = 8
ROWS_OF_A_PAGE = 60

FEWEST_ROWS = 1


@dataclass(frozen=True, slots=True)
class FlipGroupView:
    """Rows that went the same way, the first ones in full."""

    title: str
    kind: str
    note: str
    rows: tuple[RowView, ...]


def changed_rows(flips: Sequence[Flips]) -> list[tuple[str, str, str, list[FlipGroupView]]]:
    """Of each variant and dataset: the dataset, the variant, the metric that decides, and the rows each way."""
    groups = sum(len(one.groups) for one in flips)
    most = max(FEWEST_ROWS, min(ROWS_OF_A_GROUP, ROWS_OF_A_PAGE // max(1, groups)))
    room = Room()
    return [(one.dataset, one.after.label, one.metric.name, _groups(one, most, room)) for one in flips]


def _groups(flips: Flips, most: int, room: Room) -> list[FlipGroupView]:
    shown = []
    for group in flips.groups:
        rows = tuple(room.fill(_row(flips, *map(line_object, lines)) for lines in flips.read(group, most)))
        note = f"{len(rows)} of {format_count(group.count)} shown" if len(rows) < group.count else ""
        title = {
            "won": f"Won by {flips.after.label}",
            "lost": f"Lost by {flips.after.label}",
            "both wrong": "Wrong on both sides",
        }[group.kind]
        kind = {"won": "right", "lost": "wrong"}.get(group.kind, "")
        heading = f"{title}: {counted(group.count, 'row')}"
        shown.append(FlipGroupView(heading, kind, note, rows))
    return shown


def _row(flips: Flips, *lines: Mapping[str, Any]) -> RowView:
    metric = {
        "name": flips.metric.score,
        "unit": flips.metric.unit,
        "higher_is_better": flips.metric.higher_is_better,
    }
    labels = flips.before.label, flips.after.label
    return view_row(
        [
            Cell(
                sample_entry({**line, "dataset": flips.dataset}, metric),
                sample_body(line),
                sample_messages(line),
                metric,
                label,
            )
            for line, label in zip(lines, labels, strict=True)
        ]
    )
