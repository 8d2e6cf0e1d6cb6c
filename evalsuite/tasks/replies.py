"""What every kind reads from a reply: the cleaned answer, and the outcome."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from evalsuite.metrics.cleaning import END_TOKEN, REASONING, RUNS_ON, UNKNOWN_BLOCK, CleanedText, clean_text
from evalsuite.metrics.text import split_reasoning
from evalsuite.tasks.style import Style
from evalsuite.types import Outcome, Reply

UNKNOWN_BLOCK_SHARE = 0.05
"""Above this share of replies with an unknown block a note names `--reasoning-tags`."""
_DROPPED = (
    (REASONING, "contained reasoning"),
    (END_TOKEN, "ended in an end-of-turn token"),
    (RUNS_ON, "went on with an invented turn after the answer"),
)


def cleaned_reply(reply: Reply, style: Style | None = None) -> CleanedText:
    """The reply's text as it is judged, and what was dropped from it (`metrics.cleaning`)."""
    return _clean(reply.text, *_options(style))


def answer_text(reply: Reply, style: Style | None = None) -> str | None:
    """The reply's text as it is judged; None if its reasoning never ends, so that there is no answer."""
    return cleaned_reply(reply, style).text


def verdict_text(reply: Reply) -> str:
    """A judge's reply without reasoning and end-of-turn tokens; lines that quote a dialogue do not end it."""
    return _clean(reply.text, (), False).text or ""


def reference_text(text: str, style: Style | None = None) -> str:
    """A reference answer, cleaned as replies are; unchanged if a block of reasoning in it never closes."""
    cleaned = _clean(text, *_options(style)).text
    return text if cleaned is None else cleaned


def holds_turn_lines(text: str) -> bool:
    """Whether a reference holds lines such as "Question:" that would end a reply."""
    return "\n" in text.strip() and clean_text(text) != clean_text(text, cut_lines=False)


def harness_text(reply: Reply) -> str | None:
    """The reply's text as comparison profiles read it: `<think>` blocks are dropped, nothing else."""
    answer, _ = split_reasoning(reply.text)
    return answer


def cleaning_notes(labels: Mapping[str, int], replies: int) -> Iterator[str]:
    """Sentences about what cleaning dropped from a dataset's replies, and about blocks that it may have missed."""
    counts = [f"{labels[label]} {what}" for label, what in _DROPPED if labels.get(label)]
    if counts:
        yield f"of {replies} replies, {', '.join(counts)}; that text is not scored."
    blocks = {
        label.removeprefix(UNKNOWN_BLOCK): count
        for label, count in labels.items()
        if label.startswith(UNKNOWN_BLOCK)
    }
    if sum(blocks.values()) > UNKNOWN_BLOCK_SHARE * replies:
        tags = max(blocks, key=lambda marks: (blocks[marks], marks))
        yield (
            f"{sum(blocks.values())} of {replies} replies open with a block that looks like reasoning and was scored as part "
            f"of the answer. If it is reasoning, add --reasoning-tags '{tags}'."
        )


def outcome(found: bool, reply: Reply) -> Outcome:
    """`scored` if an answer was found, else `truncated` if the token limit cut the reply off, else `unparsed`."""
    if found:
        return "scored"
    return "truncated" if reply.finish_reason == "length" else "unparsed"


def _options(style: Style | None) -> tuple[tuple[str, ...], bool]:
    return ((), True) if style is None else (style.reasoning_tags, not style.keeps_turn_lines)


@functools.lru_cache(maxsize=16)
def _clean(text: str, tags: tuple[str, ...], cut_lines: bool) -> CleanedText:
    """Remembered for the few texts of one row, which the scorer and the labels both need."""
    pairs = [
        (opening.strip(), closing.strip()) for opening, _, closing in (tag.partition(",") for tag in tags)
    ]
    return clean_text(text, pairs, cut_lines=cut_lines)
