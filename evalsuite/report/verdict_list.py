"""The verdicts at the top of a page: what changed first, the evidence beside it, the rest folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from evalsuite.comparison.document import ComparisonDocument, ResultEntry
from evalsuite.comparison.wording import verdict_parts
from evalsuite.formatting.numbers import NO_BREAK, counted, format_count
from evalsuite.metrics.verdicts import NO_DIFFERENCE

MAX_VERDICTS = 5
"""If there are more, those without a difference are folded: nobody reads so many one by one."""
MIN_COUNTED = 3
"""Fewer verdicts need no line that counts them."""
COUNT_WORDS = {"better": "better", "worse": "worse", "neither": NO_DIFFERENCE, "too-few": "too few rows"}
"""CSS class of a verdict -> the words of the line that counts verdicts."""
_KEPT_TOGETHER = (" = ", " < ", " > ", " %", "≥ ", " points", " point", " won", " lost", " rows")
"""Where a line must not break."""


class VerdictItem(Struct, frozen=True):
    """One verdict: the statement, the evidence, and the CSS class that colours it."""

    statement: str
    evidence: str
    kind: str


class VerdictList(Struct, frozen=True):
    """All verdicts of a comparison."""

    counts: tuple[tuple[str, str], ...]
    """How many went each way, as CSS class and words. Empty if a reader sees that at a glance."""
    shown: tuple[VerdictItem, ...]
    folded: tuple[VerdictItem, ...]
    folded_title: str


def verdict_list(document: ComparisonDocument) -> VerdictList:
    """List the verdicts: differences first, then the others."""
    judged = sorted(document.judged, key=lambda result: result.verdict == NO_DIFFERENCE)
    items = [_item(result, document.baseline) for result in judged]
    changed = sum(result.verdict != NO_DIFFERENCE for result in judged)
    kept = len(items) if len(items) <= MAX_VERDICTS else changed
    title = f"{counted(len(items) - kept, 'verdict')} of no detectable difference"
    return VerdictList(_counts(items), tuple(items[:kept]), tuple(items[kept:]), title)


def _item(result: ResultEntry, baseline: str) -> VerdictItem:
    statement, evidence = verdict_parts(result, baseline)
    for words in _KEPT_TOGETHER:
        evidence = evidence.replace(words, words.replace(" ", NO_BREAK))
    kind = "too-few" if result.p is None else "neither" if result.verdict == NO_DIFFERENCE else result.verdict
    return VerdictItem(statement, evidence, kind or "neither")


def _counts(items: Sequence[VerdictItem]) -> tuple[tuple[str, str], ...]:
    if len(items) < MIN_COUNTED:
        return ()
    counts = Counter(item.kind for item in items)
    return tuple(
        (kind, f"{format_count(counts[kind])} {words}") for kind, words in COUNT_WORDS.items() if counts[kind]
    )
