"""The rows of a comparison that changed most, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.comparison.flips import Flips
from evalsuite.formatting.numbers import counted, format_count
from evalsuite.report.samples import body_of, entry_of, messages_of
from evalsuite.report.static_samples import Cell, Room, RowShown, row_shown

ROWS_OF_A_GROUP = 8
ROWS_OF_A_PAGE = 60

FEWEST_ROWS = 1


@dataclass(frozen=True, slots=True)
class GroupShown:
    """Rows that went the same way, the first ones in full."""

    title: str
    kind: str
    note: str
    rows: tuple[RowShown, ...]


def changed_rows(flips: Sequence[Flips]) -> list[tuple[str, str, str, list[GroupShown]]]:
    """Of each variant and dataset: the dataset, the variant, the metric that decides, and the rows each way."""
    groups = sum(len(one.groups) for one in flips)
    most = max(FEWEST_ROWS, min(ROWS_OF_A_GROUP, ROWS_OF_A_PAGE // max(1, groups)))
    room = Room()
    return [(one.dataset, one.after.label, one.metric.name, _groups(one, most, room)) for one in flips]


def _groups(flips: Flips, most: int, room: Room) -> list[GroupShown]:
    shown = []
    for group in flips.groups:
        rows = tuple(room.fill(_row(flips, *lines) for lines in flips.read(group, most)))
        note = f"{len(rows)} of {format_count(group.count)} shown" if len(rows) < group.count else ""
        title = {
            "won": f"Won by {flips.after.label}",
            "lost": f"Lost by {flips.after.label}",
            "both wrong": "Wrong on both sides",
        }[group.kind]
        kind = {"won": "right", "lost": "wrong"}.get(group.kind, "")
        heading = f"{title}: {counted(group.count, 'row')}"
        shown.append(GroupShown(heading, kind, note, rows))
    return shown


def _row(flips: Flips, *lines: Mapping[str, Any]) -> RowShown:
    metric = {
        "name": flips.metric.score,
        "unit": flips.metric.unit,
        "higher_is_better": flips.metric.higher_is_better,
    }
    labels = flips.before.label, flips.after.label
    return row_shown(
        [
            Cell(
                entry_of({**line, "dataset": flips.dataset}, metric),
                body_of(line),
                messages_of(line),
                metric,
                label,
            )
            for line, label in zip(lines, labels, strict=True)
        ]
    )
