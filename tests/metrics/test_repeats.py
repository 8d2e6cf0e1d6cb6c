"""pass@k and pass^k against counting every draw."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics.repeats import pass_at_k, pass_hat_k

CASES = st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))


@given(CASES)
def test_both_equal_the_share_of_all_draws(case: tuple[int, int, int]) -> None:
    n, c, k = case
    draws = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert pass_hat_k(n, c, k) == pytest.approx(sum(map(all, draws)) / len(draws))


def test_one_try_is_the_share_of_right_ones() -> None:
    assert pass_at_k(10, 3, 1) == pytest.approx(pass_hat_k(10, 3, 1)) == pytest.approx(0.3)


@pytest.mark.parametrize("case", [(3, 4, 1), (3, -1, 1), (3, 1, 0), (3, 1, 4), (0, 0, 1)])
def test_impossible_counts_are_refused(case: tuple[Any, ...]) -> None:
    for function in (pass_at_k, pass_hat_k):
        with pytest.raises(ValueError, match="expected"):
            function(*case)
