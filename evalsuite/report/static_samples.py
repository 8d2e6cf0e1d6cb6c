"""A few samples as text in the page, for readers without JavaScript. Their texts are cut; the explorer has all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.formatting import texts
from evalsuite.formatting.numbers import format_value
from evalsuite.report.samples import Message, SampleEntry
from evalsuite.report.summary_parts import WHOLE

MAX_BYTES = 100_000
"""Bytes of a page for all such rows: a third of its size without compressed samples."""
TEXT_LIMIT = 1_000
SHORT_LIMIT = 400
"""Characters of a gold answer, and of an extracted one."""
LEAD_CHARACTERS = 140
MAX_SIDES = 2


@dataclass(frozen=True, slots=True)
class VariantReply:
    """The reply of one variant to a row; see `samples`. `metric` (name, unit) judges it."""

    entry: SampleEntry
    body: Mapping[str, Any]
    messages: Sequence[Message]
    metric: Mapping[str, Any]
    label: str


@dataclass(frozen=True, slots=True)
class ReplyView:
    """A reply as text."""

    label: str
    outcome: str
    answer: str
    score: str
    labels: tuple[str, ...]
    extracted: texts.Text
    text: texts.Text


@dataclass(frozen=True, slots=True)
class RowView:
    """One row as text: the question, the gold answer and the replies."""

    place: str
    lead: str
    asked: texts.Text
    gold: texts.Text
    sides: tuple[ReplyView, ...]

    def size(self) -> int:
        """The bytes that its texts take in the page."""
        from markupsafe import escape

        found = [self.lead, self.asked, self.gold]
        for side in self.sides:
            found += [side.extracted, side.text, *side.labels]
        return sum(len(escape(texts.visible(_flat(text))).encode()) for text in found)


class ByteBudget:
    """The bytes that are left for such rows in a page."""

    def __init__(self, size: int = MAX_BYTES) -> None:
        self._left = size

    def fill(self, rows: Iterable[RowView]) -> Iterator[RowView]:
        """Yield rows until the budget is used up."""
        for row in rows:
            self._left -= row.size()
            if self._left < 0:
                return
            yield row


def view_row(replies: Sequence[VariantReply]) -> RowView:
    """Format a row with the replies of its first variants."""
    last = replies[-1]
    asked = question_of(last.messages)
    entry = last.entry
    subset = f"{entry.subset} · " if entry.subset not in (entry.dataset, WHOLE) else ""
    return RowView(
        place=f"{subset}{entry.id}",
        lead=" ".join(_flat(asked).rstrip().rpartition("\n\n")[2].split())[:LEAD_CHARACTERS],
        asked=texts.cut(asked, TEXT_LIMIT),
        gold=texts.cut(_text(last.body.get("gold")), SHORT_LIMIT),
        sides=tuple(map(_side, replies[:MAX_SIDES])),
    )


def question_of(messages: Sequence[Message]) -> texts.Text:
    """The last message of the user; of a flat prompt the last paragraph, since examples come before it."""
    from_user = [
        text for role, text in messages if role == "user" and not _flat(text).startswith("Observation:")
    ]
    if from_user:
        return from_user[-1]
    role, text = messages[-1] if messages else ("", "")
    return _flat(text).rstrip().rpartition("\n\n")[2] if role == "prompt" else text


def _side(reply: VariantReply) -> ReplyView:
    entry, body = reply.entry, reply.body
    parts = [_text(body.get(name)) for name in ("reply", "calls", "error")]
    text = next((one for one in parts if one), "")
    if body.get("reply") and body.get("calls"):
        text = f"{_flat(parts[0])}\n{_flat(parts[1])}"
    value = (body.get("scores") or {}).get(reply.metric.get("name"))
    return ReplyView(
        label=reply.label,
        outcome="" if entry.outcome == "scored" else entry.outcome,
        answer=entry.answer,
        score=format_value(reply.metric.get("unit"), value),
        labels=entry.labels,
        extracted=texts.cut(_text(body.get("read")), SHORT_LIMIT),
        text=texts.cut(text, TEXT_LIMIT),
    )


def _text(kept: Any) -> texts.Text:
    """A text of a sample body, which is a string or a list for a cut text."""
    return texts.Cut(*kept) if isinstance(kept, list) else kept or ""


def _flat(text: texts.Text) -> str:
    return text if isinstance(text, str) else f"{text.head} … {text.tail}"
