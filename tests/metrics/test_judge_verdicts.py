"""A judge's words are read by the contract or not at all; two verdicts on a pair make one result."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import known

from evalsuite.metrics import judge_verdicts as judgement
from evalsuite.metrics.judge_verdicts import Choice, pair_outcome, read_choice, read_score

UNREADABLE_SCORES = {
    "nothing": "",
    "a bare number": "8",
    "prose": "I would rate this answer 8 out of 10.",
    "another field": '{"rating": 8}',
    "null": '{"score": null}',
    "a boolean": '{"score": true}',
    "a list": '{"score": [8]}',
    "words": '{"score": "eight"}',
    "above the scale": '{"score": 11}',
    "below the scale": '{"score": 0}',
    "of another scale": '{"score": "4/5"}',
    "not a number": '{"score": NaN}',
    "infinite": '{"score": Infinity}',
    "too many digits": '{"score": 1' + "0" * 400 + "}",
    "an array around it": "[8]",
    "cut off": '{"reason": "It is good", "sco',
    "braces without end": "{" * 5000,
    "nested without end": '{"a":' * 5000,
}


@pytest.mark.parametrize("text", UNREADABLE_SCORES.values(), ids=UNREADABLE_SCORES)
def test_what_breaks_the_contract_is_unreadable(text: str) -> None:
    assert read_score(text, 1, 10) is None


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"score": 8, "reason": "good"}', 8.0),
        ('{"reason": "good", "score": 7.5}', 7.5),
        ('```json\n{"score": 1}\n```', 1.0),
        ('{"score": "8"}', 8.0),
        ('{"score": "8/10"}', 8.0),
        ('First {"score": 2}, no: {"score": 9}', 9.0),
        ('The form is {"score": <number>}. {"score": 3}', 3.0),
        ('{"score": 4} {"note": "done"}', 4.0),
        ('{"score": 5, "detail": {"style": 2}}', 5.0),
        ('{"reason": "use {braces} and }", "score": 6}', 6.0),
    ],
)
def test_the_last_object_with_a_score_counts(text: str, score: float) -> None:
    found = read_score(text, 1, 10)
    assert found is not None
    assert (found.score, found.repaired) == (score, False)


@pytest.mark.parametrize(
    "text", ["{'score': 8, 'reason': 'it\\'s fine'}", '{"score": 8, "reason": "line\nbreak",}', '{"score": 8']
)
def test_what_is_nearly_json_is_read_and_said_to_be_mended(text: str) -> None:
    found = read_score(text, 1, 10)
    assert found is not None
    assert (found.score, found.repaired) == (8.0, True)


def test_the_reason_is_kept_and_need_not_be_there() -> None:
    assert known(read_score('{"score": 3, "reason": "因为不对。"}', 1, 5)).reason == "因为不对。"
    assert known(read_score('{"score": 3, "reason": 7}', 1, 5)).reason == ""


@pytest.mark.parametrize(
    ("written", "choice"),
    [
        ("A", "A"),
        ("b", "B"),
        (" [[A]] ", "A"),
        ("tie", "tie"),
        ("Tie", "tie"),
        ("draw", "tie"),
        ("平局", "tie"),
    ],
)
def test_a_choice(written: str, choice: str) -> None:
    assert known(read_choice(json.dumps({"verdict": written}))).choice == choice


@pytest.mark.parametrize("written", ["C", "", "A or B", "both", None, 1, ["A"]])
def test_no_choice(written: int | list[Any] | str | None) -> None:
    assert read_choice(json.dumps({"verdict": written})) is None


@pytest.mark.parametrize(
    ("first", "second", "result", "consistent"),
    [
        ("A", "B", "win", True),
        ("B", "A", "loss", True),
        ("tie", "tie", "tie", True),
        ("A", "A", "tie", False),
        ("B", "B", "tie", False),
        ("A", "tie", "tie", False),
        ("tie", "B", "tie", False),
        ("B", "tie", "tie", False),
        ("tie", "A", "tie", False),
    ],
)
def test_only_two_agreeing_verdicts_win(first: Choice, second: Choice, result: str, consistent: bool) -> None:
    assert pair_outcome(first, second) == (result, consistent)


@given(
    st.text() | st.lists(st.sampled_from(['{"score": ', "{", "}", "8", '"', "score", ",", "\\"])).map("".join)
)
def test_reading_never_raises_and_never_leaves_the_scale(text: Any) -> None:
    found = read_score(text, 1, 10)
    assert found is None or (found.score is not None and 1 <= found.score <= 10)
    read_choice(text)


@given(st.floats(1, 10), st.text())
def test_whatever_json_writes_is_read_back(score: float, reason: str) -> None:
    found = read_score(json.dumps({"reason": reason, "score": score}), 1, 10)
    assert found is not None
    assert (found.score, found.reason, found.repaired) == (score, reason, False)


def test_a_score_as_a_share_of_its_scale() -> None:
    assert [judgement.normalized_score(score, 1, 5) for score in (1, 3, 5)] == [0.0, 0.5, 1.0]
