"""Single samples as text in the page itself: what can be read of them where no script runs.

They are few, and cut: the explorer has all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.formatting import texts
from evalsuite.formatting.numbers import format_value
from evalsuite.report.samples import Message, SampleEntry
from evalsuite.report.summary_parts import WHOLE

PAGE_BYTES = 100_000
"""Of a page, for all such rows: a third of what it may take besides its compressed samples."""
TEXT_LIMIT = 1_000
SHORT_LIMIT = 400
"""Of a gold answer, and of what was read."""
LEAD_CHARACTERS = 140
MOST_SIDES = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """What one variant said to a row, as `samples` describes it; `metric` (name, unit) is what it is judged by."""

    entry: SampleEntry
    body: Mapping[str, Any]
    messages: Sequence[Message]
    metric: Mapping[str, Any]
    label: str


@dataclass(frozen=True, slots=True)
class ReplyView:
    """The same in words."""

    label: str
    outcome: str
    answer: str
    score: str
    labels: tuple[str, ...]
    extracted: texts.Text
    text: texts.Text


@dataclass(frozen=True, slots=True)
class RowView:
    """One row: what was asked, the right answer, and the replies."""

    place: str
    lead: str
    asked: texts.Text
    gold: texts.Text
    sides: tuple[ReplyView, ...]

    def size(self) -> int:
        """Bytes its texts take in the page."""
        from markupsafe import escape

        found = [self.lead, self.asked, self.gold]
        for side in self.sides:
            found += [side.extracted, side.text, *side.labels]
        return sum(len(escape(texts.visible(_flat(text))).encode()) for text in found)


class Room:
    """How many bytes are left for such rows in a page."""

    def __init__(self, size: int = PAGE_BYTES) -> None:
        self._left = size

    def fill(self, rows: Iterable[RowView]) -> Iterator[RowView]:
        """The rows for as long as there is room for them."""
        for row in rows:
            self._left -= row.size()
            if self._left < 0:
                return
            yield row


def view_row(cells: Sequence[Cell]) -> RowView:
    """A row with the replies of its first variants."""
    last = cells[-1]
    asked = question_of(last.messages)
    entry = last.entry
    subset = f"{entry.subset} · " if entry.subset not in (entry.dataset, WHOLE) else ""
    return RowView(
        place=f"{subset}{entry.id}",
        lead=" ".join(_flat(asked).rstrip().rpartition("\n\n")[2].split())[:LEAD_CHARACTERS],
        asked=texts.cut(asked, TEXT_LIMIT),
        gold=texts.cut(_text(last.body.get("gold")), SHORT_LIMIT),
        sides=tuple(map(_side, cells[:MOST_SIDES])),
    )


def question_of(messages: Sequence[Message]) -> texts.Text:
    """What the user said last; of a flat prompt its last paragraph, since examples stand before it."""
    said = [text for role, text in messages if role == "user" and not _flat(text).startswith("Observation:")]
    if said:
        return said[-1]
    role, text = messages[-1] if messages else ("", "")
    return _flat(text).rstrip().rpartition("\n\n")[2] if role == "prompt" else text


def _side(cell: Cell) -> ReplyView:
    entry, body = cell.entry, cell.body
    said = [_text(body.get(name)) for name in ("reply", "calls", "error")]
    text = next((one for one in said if one), "")
    if body.get("reply") and body.get("calls"):
        text = f"{_flat(said[0])}\n{_flat(said[1])}"
    value = (body.get("scores") or {}).get(cell.metric.get("name"))
    return ReplyView(
        label=cell.label,
        outcome="" if entry.outcome == "scored" else entry.outcome,
        answer=entry.answer,
        score=format_value(cell.metric, value),
        labels=entry.labels,
        extracted=texts.cut(_text(body.get("read")), SHORT_LIMIT),
        text=texts.cut(text, TEXT_LIMIT),
    )


def _text(kept: Any) -> texts.Text:
    """A text as a body has it."""
    return texts.Cut(*kept) if isinstance(kept, list) else kept or ""


def _flat(text: texts.Text) -> str:
    return text if isinstance(text, str) else f"{text.head} … {text.tail}"
