"""When a difference is called better or worse: the level of significance, and which direction is good."""

from __future__ import annotations

from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["better", "worse", "no detectable difference"]

SIGNIFICANCE_LEVEL = 0.05
"""A difference counts when its (adjusted) p-value is below this level. Texts and tables use the same number."""

NO_DIFFERENCE: Verdict = "no detectable difference"


def gain(difference: float, *, higher_is_better: bool) -> float:
    """The difference with a sign that says whether it is an improvement: positive is won, negative is lost.

    >>> gain(-0.25, higher_is_better=False)
    0.25
    """
    return difference if higher_is_better else -difference


def decide_verdict(difference: float | None, p: float | None, *, higher_is_better: bool) -> Verdict:
    """Judge one difference by its p-value.

    >>> decide_verdict(0.02, 0.03, higher_is_better=True)
    'better'
    >>> decide_verdict(0.02, 0.30, higher_is_better=True)
    'no detectable difference'
    """
    if difference is None or p is None or p >= SIGNIFICANCE_LEVEL or difference == 0:
        return NO_DIFFERENCE
    return "better" if gain(difference, higher_is_better=higher_is_better) > 0 else "worse"
