"""Multiple choice as other harnesses read it: their own values, and replies as ugly as they come."""

from __future__ import annotations

import string
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profile_cases import MCQ_AROUND, MCQ_MARKERS, pinned

from evalsuite.metrics.choices_profiles import (
    PROFILES,
    accuracy,
    evalscope_answer,
    first_capital,
    first_option,
)

FOUR = "ABCD"
REPLIES = st.one_of(
    st.text(),
    st.text("答案是为选 ABCDabcd:：$\\(){}*\n,，、/。.ANSWER1"),
    st.lists(st.sampled_from([*MCQ_MARKERS, *MCQ_AROUND, *FOUR])).map("".join),
)


@pytest.mark.parametrize("profile", PROFILES)
def test_scores_are_those_of_the_source(profile: str) -> None:
    vectors = pinned(f"mcq/{profile}")
    assert len(vectors) >= 15
    assert {vector["accuracy"] for _, vector in vectors} >= {0.0, 1.0}
    for record, expected in vectors:
        style = {"chinese": record["chinese"], "multiple": record["multiple"]}
        found = accuracy(profile, record["reply"], record["labels"], record["gold"], **style)
        assert found == expected["accuracy"], record


def test_what_is_read_is_what_the_source_reads() -> None:
    for profile in PROFILES:
        for record, expected in pinned(f"mcq/{profile}"):
            reply, labels = record["reply"], record["labels"]
            style = {"chinese": record["chinese"], "multiple": record["multiple"]}
            found = {
                "evalscope": lambda: evalscope_answer(reply, labels, **style),  # noqa: B023
                "oc_first_capital": lambda: first_capital(reply),  # noqa: B023
                "oc_first_option": lambda: first_option(reply, labels),  # noqa: B023
            }[profile]()
            assert found == expected["answer"], (profile, record)


def test_quirks_that_the_default_does_not_share() -> None:
    assert first_capital("The answer is C") == "T"
    assert evalscope_answer("I like DNA. The answer is C, says Bob", FOUR, chinese=False) == "B"
    assert evalscope_answer("C. Paris", FOUR, chinese=False) == ""
    assert first_option("a Dog eats A or B!", FOUR) == "D"
    assert first_option("答案是甲D乙B。完", FOUR) == "B"


@given(REPLIES, st.integers(2, 26), st.booleans(), st.booleans(), st.sets(st.sampled_from(FOUR), min_size=1))
def test_no_reply_raises_and_scores_lie_in_range(
    reply: Any, options: int, chinese: bool, multiple: bool, gold: Any
) -> None:
    labels = string.ascii_uppercase[:options]
    for profile in PROFILES:
        found = accuracy(profile, reply, labels, sorted(gold), chinese=chinese, multiple=multiple)
        assert 0.0 <= found <= 1.0
    for label in evalscope_answer(reply, labels, chinese=chinese, multiple=multiple):
        assert label in labels
        assert label in reply
    assert first_option(reply, labels) in ("", *labels)


@pytest.mark.parametrize(
    "reply",
    [
        piece * (1_000_000 // len(piece))
        for piece in (
            "答案是",
            "答案是 ",
            "The correct answer is ",
            "ANSWER: ",
            "ANSWER: $",
            "1.",
            " ",
            "ab ",
            "答案：(",
        )
    ],
    ids=lambda reply: repr(reply[:20]),
)
def test_a_megabyte_takes_no_time(reply: str) -> None:
    started = time.process_time()
    for text in (reply, f"{reply} x"):
        for profile in PROFILES:
            accuracy(profile, text, FOUR, "C", chinese="答" in reply, multiple=False)
    assert time.process_time() - started < 10
