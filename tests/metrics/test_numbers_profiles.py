"""gsm8k as other harnesses read it: their own values, and replies as ugly as they come."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profile_cases import NUMBERS, NUMBERS_AROUND, pinned

from evalsuite.metrics import numbers_profiles
from evalsuite.metrics.numbers_profiles import PROFILES, accuracy

READ = {
    "lm_eval_strict": numbers_profiles.lm_eval_strict,
    "lm_eval_flexible": numbers_profiles.lm_eval_flexible,
    "opencompass": numbers_profiles.opencompass_answer,
}
TEXTS = st.one_of(
    st.text(),
    st.text("0189.,-$# \n\0"),
    st.lists(st.sampled_from([*NUMBERS, *NUMBERS_AROUND])).map("".join),
)


@pytest.mark.parametrize("profile", PROFILES)
def test_scores_are_those_of_the_source(profile: str) -> None:
    vectors = pinned(f"gsm8k/{profile}")
    assert len(vectors) >= 15
    assert {vector["accuracy"] for _, vector in vectors} >= {0.0, 1.0}
    for record, expected in vectors:
        assert READ[profile](record["reply"]) == expected["answer"], record
        assert accuracy(profile, record["reply"], record["answer"]) == expected["accuracy"], record


def test_quirks_that_the_default_does_not_share() -> None:
    gold = "#### 18"
    assert accuracy("lm_eval_flexible", "It is 18, or so ...", gold) == 0.0
    assert accuracy("lm_eval_flexible", "It is 18.00", gold) == 0.0
    assert accuracy("lm_eval_strict", "#### 18 is wrong, #### 20", gold) == 1.0
    assert accuracy("lm_eval_strict", r"\boxed{18}", gold) == 0.0
    assert accuracy("opencompass", "It is 1,018.", gold) == 1.0
    assert accuracy("opencompass", "It is 1,000.", "#### 1,000") == 0.0
    assert accuracy("opencompass", "18.0000000001", gold) == 1.0


def test_a_gold_that_the_source_cannot_read_has_no_score() -> None:
    assert accuracy("opencompass", "18", "####18") is None


@pytest.mark.parametrize("profile", PROFILES)
@given(TEXTS, TEXTS)
def test_nothing_raises_and_scores_are_zero_or_one(profile: str, reply: Any, answer: Any) -> None:
    assert accuracy(profile, reply, answer) in (0.0, 1.0, None)
    found = READ[profile](reply)
    assert found in reply or found in ("NULL", "[invalid]")


@pytest.mark.parametrize("piece", ["#### ", "$", "1,", "-", "9", "Question:", "1."])
def test_a_megabyte_takes_no_time(piece: str) -> None:
    started = time.process_time()
    for profile in PROFILES:
        accuracy(profile, piece * (1_000_000 // len(piece)), "#### 18")
    assert time.process_time() - started < 5
