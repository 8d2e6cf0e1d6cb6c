"""What every kind reads from a reply: the answer without its reasoning, and the outcome."""

from __future__ import annotations

from evalsuite.metrics.text import split_reasoning
from evalsuite.types import Outcome, Reply


def answer_text(reply: Reply) -> str | None:
    """The reply's text without its reasoning; None if the reasoning never ends, so that there is no answer."""
    answer, _ = split_reasoning(reply.text)
    return answer


def outcome(found: bool, reply: Reply) -> Outcome:
    """`scored` if an answer was found, else `truncated` if the token limit cut the reply off, else `unparsed`."""
    if found:
        return "scored"
    return "truncated" if reply.finish_reason == "length" else "unparsed"
