"""How near two models are by what they say next."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.conversion.fidelity import Reading, compare_readings
from evalsuite.conversion.scripts.reading import TEXTS


def reading(*following: dict[int, float], tokens: Any = None, answer: Any = "Paris") -> Reading:
    return Reading(tuple(tokens or ((1, 2),) * len(following)), following, answer)


def logs(**shares: float) -> dict[int, float]:
    return {int(token.removeprefix("t")): math.log(share) for token, share in shares.items()}


distributions = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6).map(
    lambda weights: {number: math.log(weight / sum(weights)) for number, weight in enumerate(weights)}
)


def test_fidelity_same_is_no_distance() -> None:
    one = reading(logs(t1=0.7, t2=0.3), logs(t5=1.0))
    near = compare_readings(one, one)
    assert (near.texts, near.same_next, near.same_tokens) == (2, 2, 2)
    assert near.difference == 0.0
    assert near.divergence == pytest.approx(0.0, abs=1e-9)


def test_fidelity_divergence_is_that_of_kullback_and_leibler() -> None:
    one, other = reading(logs(t1=0.75, t2=0.25)), reading(logs(t1=0.5, t2=0.5))
    assert compare_readings(one, other).divergence == pytest.approx(
        0.75 * math.log(1.5) + 0.25 * math.log(0.5), abs=1e-5
    )


def test_fidelity_is_not_listed_counts_as_one_candidate_more() -> None:
    one, other = reading(logs(t1=0.6)), reading(logs(t1=0.2))
    assert compare_readings(one, other).divergence == pytest.approx(0.6 * math.log(3) + 0.4 * math.log(0.5))


def test_fidelity_another_best_token_and_other_tokens_are_counted() -> None:
    one = reading(logs(t1=0.6, t2=0.4), logs(t1=0.9), tokens=((1, 2), (3,)))
    other = reading(logs(t1=0.4, t2=0.6), logs(t1=0.8), tokens=((1, 2), (4,)), answer="Lyon")
    near = compare_readings(one, other)
    assert (near.same_next, near.same_tokens, near.answer) == (1, 1, "Lyon")
    assert near.difference == pytest.approx((math.log(1.5) + math.log(9 / 8)) / 2)


def test_compare_readings_unlisted_candidate_counts_as_the_last() -> None:
    one, other = reading(logs(t1=0.9, t2=0.1)), reading(logs(t3=0.99, t4=0.01))
    near = compare_readings(one, other)
    assert near.same_next == 0
    assert near.difference == pytest.approx(math.log(90))
    assert near.divergence > 4


def test_fidelity_numbers_that_are_none_are_near_to_nothing() -> None:
    broken = reading({1: math.nan, 2: math.nan})
    near = compare_readings(reading(logs(t1=1.0)), broken)
    assert near.same_next == 0
    assert not near.divergence <= 100


@given(distributions, distributions)
def test_fidelity_divergence_is_never_negative(one: dict[int, float], other: dict[int, float]) -> None:
    shared = {token: other[token] for token in one if token in other}
    if len(shared) == len(one) == len(other):
        assert compare_readings(reading(one), reading(other)).divergence >= -1e-6


def test_fidelity_reading_comes_as_json() -> None:
    told = {"tokens": [[1, 2]], "next": [{"7": -0.5}], "answer": "yes"}
    assert Reading.parse(told) == Reading(((1, 2),), ({7: -0.5},), "yes")


def test_fidelity_texts_are_of_several_kinds_and_differ() -> None:
    assert len(set(TEXTS)) == len(TEXTS) >= 12
    assert any(ord(letter) > 0x4E00 for text in TEXTS for letter in text)
