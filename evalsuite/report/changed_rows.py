"""The rows that changed most, as text: what a page shows of single samples where it may run no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.comparison.flips import Flips
from evalsuite.report import texts
from evalsuite.report.comparison_tables import WHOLE
from evalsuite.report.numbers import counted, format_count, format_value

ROWS_OF_A_GROUP = 8
ROWS_OF_A_PAGE = 60
"""Each has a question and two replies; the explorer has all of them."""

FEWEST_ROWS = 1
TEXT_LIMIT = 1_200
LEAD_CHARACTERS = 140


def changed_rows(flips: Sequence[Flips]) -> list[tuple[str, str, str, list[GroupShown]]]:
    """Of each variant and dataset: the dataset, the variant, the metric that decides, and the rows each way."""
    groups = sum(len(one.groups) for one in flips)
    most = max(FEWEST_ROWS, min(ROWS_OF_A_GROUP, ROWS_OF_A_PAGE // max(1, groups)))
    return [(one.dataset, one.after.label, one.metric.name, _groups(one, most)) for one in flips]


@dataclass(frozen=True, slots=True)
class SideShown:
    """What one side said to a row."""

    label: str
    outcome: str
    answer: str
    score: str
    extracted: texts.Text
    text: texts.Text


@dataclass(frozen=True, slots=True)
class FlipShown:
    """One row that changed: what was asked, the right answer, both replies."""

    place: str
    lead: str
    asked: texts.Text
    gold: texts.Text
    sides: tuple[SideShown, SideShown]


@dataclass(frozen=True, slots=True)
class GroupShown:
    """Rows that went the same way, the first ones in full."""

    title: str
    kind: str
    note: str
    rows: tuple[FlipShown, ...]


def _groups(flips: Flips, most: int) -> list[GroupShown]:
    shown = []
    for group in flips.groups:
        rows = tuple(_flip(flips, before, after) for before, after in flips.read(group, most))
        note = f"the first {len(rows)} of {format_count(group.count)}" if len(rows) < group.count else ""
        title = {
            "won": f"Won by {flips.after.label}",
            "lost": f"Lost by {flips.after.label}",
            "both wrong": "Wrong on both sides",
        }[group.kind]
        kind = {"won": "right", "lost": "wrong"}.get(group.kind, "")
        heading = f"{title}: {counted(group.count, 'row')}"
        shown.append(GroupShown(heading, kind, note, rows))
    return shown


def _flip(flips: Flips, before: Mapping[str, Any], after: Mapping[str, Any]) -> FlipShown:
    asked = _asked(after)
    metric = {"unit": flips.metric.unit}
    sides = tuple(
        _side(side.label, line, metric, flips.metric.score)
        for side, line in ((flips.before, before), (flips.after, after))
    )
    subset = f"{after['subset']} · " if after["subset"] not in (flips.dataset, WHOLE) else ""
    return FlipShown(
        place=f"{subset}{after['id']}",
        lead=" ".join(asked.rstrip().rpartition("\n\n")[2].split())[:LEAD_CHARACTERS],
        asked=texts.cut(asked, TEXT_LIMIT),
        gold=texts.cut(texts.as_text(after.get("gold")), TEXT_LIMIT),
        sides=(sides[0], sides[1]),
    )


def _side(label: str, line: Mapping[str, Any], metric: Mapping[str, Any], score: str) -> SideShown:
    reply = line.get("reply") or {}
    calls = "\n".join(map(texts.call_text, reply.get("tool_calls") or ()))
    said = "\n".join(part for part in (texts.as_text(reply.get("text")), calls) if part)
    value = (line.get("scores") or {}).get(score)
    return SideShown(
        label=label,
        outcome="" if line["outcome"] == "scored" else str(line["outcome"]),
        answer="right" if value == 1 else "wrong" if value == 0 else "partial",
        score=format_value(metric, value),
        extracted=texts.cut(texts.as_text(line.get("extracted")), TEXT_LIMIT),
        text=texts.cut(said, TEXT_LIMIT),
    )


def _asked(line: Mapping[str, Any]) -> str:
    """The question: the last message, or the whole prompt of a base model."""
    messages = line.get("messages")
    if messages:
        return texts.message_text(messages[-1])
    return texts.as_text(line.get("prompt"))
