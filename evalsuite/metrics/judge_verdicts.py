"""Reads a judge's verdicts, and combines the two verdicts on a pair.

**Contract.** A judge of one answer ends with a JSON object that has `score`, a judge of two with one that has
`verdict`: `A`, `B` or `tie`; both may have `reason`. The last object that has the field counts, wherever it stands (in
a code fence, after reasoning). A score may be written as a text ("8", "8/10"); it must lie on the scale. An object that
is nearly JSON is repaired (`metrics.json_repair`), since judges quote answers and forget to escape. Anything else is
unreadable: such a verdict is excluded from the score and counted.

**Pairs** are judged twice, the answers' places swapped the second time, because judges favour a place. A win counts only
when both verdicts say so; verdicts that differ, one of them a tie included, are a tie. If either is unreadable, so is
the pair.

    first verdict   second verdict (places swapped)   outcome   consistent
    A               B                                 win       yes
    B               A                                 loss      yes
    tie             tie                               tie       yes
    any other two                                     tie       no

Source: Zheng et al. 2023 (MT-Bench and Chatbot Arena, arXiv 2306.05685), section 3.4.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from evalsuite.metrics.finite import finite
from evalsuite.metrics.json_repair import repair_object

VERSION = "1"
Choice: TypeAlias = Literal["A", "B", "tie"]
Result: TypeAlias = Literal["win", "tie", "loss"]
SCORE, VERDICT, REASON = "score", "verdict", "reason"
CHOICES_BY_WORD: Mapping[str, Choice] = {
    "a": "A",
    "b": "B",
    "tie": "tie",
    "draw": "tie",
    "equal": "tie",
    "平局": "tie",
}
MAX_LENGTH = 20_000
"""Characters read, from the end, where the verdict is."""
MAX_OBJECTS_TRIED = 50
"""Opening braces tried, from the end."""
_WRITTEN_SCORE = re.compile(r"(?P<score>-?\d+(?:\.\d+)?)(?:\s*/\s*(?P<of>\d+(?:\.\d+)?))?")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's verdict: a score on its scale or a choice, and the reason. `repaired`: its JSON had to be repaired."""

    score: float | None = None
    choice: Choice | None = None
    reason: str = ""
    repaired: bool = False


def read_score(text: str, low: float, high: float) -> Verdict | None:
    """Return the verdict on one answer; None if it is unreadable or off the scale.

    >>> read_score('Well argued. {"score": 8, "reason": "Correct and clear."}', 1, 10)
    Verdict(score=8.0, choice=None, reason='Correct and clear.', repaired=False)
    >>> read_score("I would give it an 8.", 1, 10) is None
    True
    """
    found, repaired = _last_object(text, SCORE)
    score = _number(found.get(SCORE), high)
    if score is None or not low <= score <= high:
        return None
    return Verdict(score=score, reason=_reason(found), repaired=repaired)


def read_choice(text: str) -> Verdict | None:
    """Return the verdict on a pair; None if it is unreadable.

    >>> read_choice('{"reason": "B answers the question.", "verdict": "b"}')
    Verdict(score=None, choice='B', reason='B answers the question.', repaired=False)
    """
    found, repaired = _last_object(text, VERDICT)
    written = found.get(VERDICT)
    choice = CHOICES_BY_WORD.get(written.strip(" []").casefold()) if isinstance(written, str) else None
    return None if choice is None else Verdict(choice=choice, reason=_reason(found), repaired=repaired)


def pair_outcome(first: Choice, second: Choice) -> tuple[Result, bool]:
    """Return the outcome for the answer that was first in the first verdict, and whether both verdicts agree.

    >>> pair_outcome("A", "B"), pair_outcome("A", "A")
    (('win', True), ('tie', False))
    """
    if (first, second) == ("A", "B"):
        return "win", True
    if (first, second) == ("B", "A"):
        return "loss", True
    return "tie", first == second == "tie"


def normalized_score(score: float, low: float, high: float) -> float:
    """Return a score as a share of its scale: 0 is the lowest, 1 the highest."""
    return (score - low) / (high - low)


def _last_object(text: str, field: str) -> tuple[Mapping[str, Any], bool]:
    """Return the last object that has the field, and whether it had to be repaired; an empty one if there is none."""
    tail = text[-MAX_LENGTH:]
    at = len(tail)
    for _ in range(MAX_OBJECTS_TRIED):
        at = tail.rfind("{", 0, at)
        if at < 0:
            break
        found = _decode_at(tail, at)
        if found is not None and field in found:
            return found, False
        repaired = repair_object(tail[at:]) if found is None else None
        if repaired is not None and field in repaired:
            return repaired, True
    return {}, False


def _decode_at(text: str, at: int) -> Mapping[str, Any] | None:
    try:
        found, _ = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _number(value: Any, high: float) -> float | None:
    if isinstance(value, str):
        written = _WRITTEN_SCORE.fullmatch(value.strip())
        if written is None or (written["of"] and float(written["of"]) != high):
            return None
        value = float(written["score"])
    return finite(value)


def _reason(found: Mapping[str, Any]) -> str:
    reason = found.get(REASON)
    return reason if isinstance(reason, str) else ""
