"""Better, worse or no detectable difference: one rule for every output."""

import doctest

import pytest

from evalsuite.metrics import verdicts
from evalsuite.metrics.verdicts import NO_DIFFERENCE, SIGNIFICANCE_LEVEL, decide_verdict


def test_verdicts_docstring_examples_hold() -> None:
    assert doctest.testmod(verdicts).failed == 0


@pytest.mark.parametrize(
    ("difference", "p", "higher_is_better", "verdict"),
    [
        (0.1, 0.049, True, "better"),
        (-0.1, 0.049, True, "worse"),
        (0.1, 0.049, False, "worse"),
        (-0.1, 0.049, False, "better"),
        (0.1, SIGNIFICANCE_LEVEL, True, NO_DIFFERENCE),
        (0.0, 0.001, True, NO_DIFFERENCE),
        (None, 0.001, True, NO_DIFFERENCE),
        (0.1, None, True, NO_DIFFERENCE),
    ],
)
def test_decide_verdict_needs_a_difference_below_the_level(
    difference: float | None, p: float | None, higher_is_better: bool, verdict: str
) -> None:
    assert decide_verdict(difference, p, higher_is_better=higher_is_better) == verdict
