"""Scores given that the decision before was right: None where it was not, never 0 instead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics.tool_conditions import CONDITIONAL_METRICS, argument_f1, conditional_scores
from evalsuite.metrics.tool_steps import parse_step, score_strict

FINISH = 'Action: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "x"}'


def call(name: str = "forecast", written: str = '{"city": "Porto", "day": 1}') -> str:
    return f"Thought: so\nAction: {name}\nAction Input: {written}"


def scores(reply: str, gold: str = call()) -> dict[str, float | None]:
    expected, found = parse_step(gold), parse_step(reply)
    return conditional_scores(expected, found, score_strict(expected, found, {"forecast", "other"}))


@pytest.mark.parametrize(
    ("reply", "values"),
    [
        (call(), (1, 1, 1, 1)),
        (call(written='{"city": "Porto", "day": 2}'), (1, 0.75, 1, 0.5)),
        (call(written='{"city": "Porto", "day": "1"}'), (1, 0.75, 1, 0.5)),
        (call(written='{"town": "Porto"}'), (1, 0, 0, 0)),
        (call(written="{}"), (1, 0, 0, 0)),
        (call(written="oops"), (1, 0, 0, 0)),
        (call(written="[1]"), (1, 0, 0, 0)),
        (call("other"), (0, None, None, None)),
        (call("made_up"), (0, None, None, None)),
        ("It rains.", (0, None, None, None)),
        ("", (0, None, None, None)),
        (FINISH, (None, None, None, None)),
        ("Action: Finish", (None, None, None, None)),
    ],
)
def test_given_the_decision_before(reply: str, values: tuple[Any, ...]) -> None:
    assert scores(reply) == dict(zip(CONDITIONAL_METRICS, values, strict=True))


def test_none_where_the_gold_has_nothing_to_compare() -> None:
    nothing = dict.fromkeys(CONDITIONAL_METRICS)
    assert scores(FINISH, gold=FINISH) == nothing
    assert scores(call(), gold=call("not_offered")) == nothing
    assert scores(call(written="oops"), gold=call(written="oops")) == nothing | {"act_em_given_plan": 1}


@pytest.mark.parametrize(
    ("gold", "reply", "found"),
    [
        ("{}", "{}", (1, 1)),
        ("{}", '{"a": 1}', (0, 0)),
        ("NaN", "{}", (None, None)),
        ('{"a": NaN}', "{}", (None, None)),
    ],
)
def test_empty_and_unreadable_inputs(gold: str, reply: str, found: tuple[Any, ...]) -> None:
    assert argument_f1(gold, reply) == found


DEEP = '{"a":' + "[" * 5000 + "]" * 5000 + "}"


@given(st.text() | st.sampled_from([DEEP, "{}"]), st.text() | st.sampled_from([DEEP, '{"a": 1}']))
def test_within_0_and_1_and_nothing_raises(gold: Any, reply: Any) -> None:
    assert all(
        value is None or 0 <= value <= 1
        for value in scores(call(written=reply), gold=call(written=gold)).values()
    )
