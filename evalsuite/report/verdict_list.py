"""The verdicts of a comparison as the first screen has them: what changed first, the evidence beside, the rest folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from evalsuite.comparison.wording import NO_DIFFERENCE, verdict_parts
from evalsuite.formatting.numbers import NO_BREAK, counted, format_count

MOST_SHOWN = 5
"""More verdicts than that are not read one by one: those without a difference are folded."""
FEWEST_TALLIED = 3
KINDS = {"better": "better", "worse": "worse"}
"""Classes of the verdicts that say something changed."""
_TOGETHER = (" = ", " < ", " > ", " %", "≥ ", " points", " point", " won", " lost", " rows")
"""Not to be torn apart at the end of a line."""


class VerdictItem(Struct, frozen=True):
    """One verdict: what is said, what says so, and the class that colours it."""

    said: str
    because: str
    kind: str


class VerdictList(Struct, frozen=True):
    """`tally`: how many went which way, as (class, words); nothing where they are seen at a glance."""

    tally: tuple[tuple[str, str], ...]
    shown: tuple[VerdictItem, ...]
    folded: tuple[VerdictItem, ...]
    folded_title: str


def verdict_list(document: Mapping[str, Any]) -> VerdictList:
    """Differences first; the others too, unless they are many."""
    judged = [result for result in document["results"] if result["verdict"]]
    judged.sort(key=lambda result: str(result["verdict"]) == NO_DIFFERENCE)
    shown = [_shown(result, document["baseline"]) for result in judged]
    changed = sum(one.kind in KINDS for one in shown)
    kept = len(shown) if len(shown) <= MOST_SHOWN else changed
    title = f"{counted(len(shown) - kept, 'verdict')} of no detectable difference"
    return VerdictList(_tally(shown), tuple(shown[:kept]), tuple(shown[kept:]), title)


def _shown(result: Mapping[str, Any], baseline: str) -> VerdictItem:
    said, because = verdict_parts(result, baseline)
    for words in _TOGETHER:
        because = because.replace(words, words.replace(" ", NO_BREAK))
    kind = KINDS.get(str(result["verdict"]), "neither")
    return VerdictItem(said, because, "untold" if result["p"] is None else kind)


def _tally(shown: list[VerdictItem]) -> tuple[tuple[str, str], ...]:
    if len(shown) < FEWEST_TALLIED:
        return ()
    counts = Counter(one.kind for one in shown)
    words = {"better": "better", "worse": "worse", "neither": NO_DIFFERENCE, "untold": "too few rows"}
    return tuple(
        (kind, f"{format_count(counts[kind])} {said}") for kind, said in words.items() if counts[kind]
    )
