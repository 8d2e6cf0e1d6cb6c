"""The lines of the breakdown tables that a step counts on. The reasons of skipped metrics add up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.tasks.style import Style
from evalsuite.tasks.toolbench import ToolBenchTask
from evalsuite.types import Reply, Score

TASK = ToolBenchTask()
STYLE = Style("en", 0)
TOOLS = [{"name": "forecast", "parameters": {"day": "integer"}}, {"name": "find_city"}, {"name": "Finish"}]
USER = {"role": "user", "content": "?"}


def call(name: str = "forecast", written: str = '{"day": 1}') -> str:
    return f"Thought: so\nAction: {name}\nAction Input: {written}"


FINISH = call("Finish", '{"return_type": "give_answer", "final_answer": "rain"}')
GIVE_UP = call("Finish", '{"return_type": "give_up_and_restart"}')


def lines(reply: str, target: str = call(), **changed: Any) -> dict[str, list[tuple[str, ...]]]:
    row = TASK.parse({"messages": [USER], "tools": TOOLS, "target": target} | changed)
    found: dict[str, list[tuple[str, ...]]] = {}
    for name, key in TASK.breakdown_keys(row, TASK.score(row, Reply(reply), STYLE)):
        found.setdefault(name, []).append(key)
    return found


@pytest.mark.parametrize(
    ("reply", "pair"),
    [
        (call(), ("forecast", "forecast")),
        (call("find_city"), ("forecast", "find_city")),
        (call("forcast"), ("forecast", "forcast (not offered)")),
        (FINISH, ("forecast", "Finish")),
        (GIVE_UP, ("forecast", "Finish (give up)")),
        ("It rains.", ("forecast", "(no action)")),
        ("", ("forecast", "(no action)")),
    ],
)
def test_breakdown_confusion(reply: str, pair: tuple[Any, ...]) -> None:
    assert lines(reply)["confusion"] == [pair]


@pytest.mark.parametrize(
    ("reply", "target", "pair"),
    [
        (call(), call(), ("the gold tool", "the gold tool")),
        (call("find_city"), call(), ("the gold tool", "another tool")),
        (call("forcast"), call(), ("the gold tool", "a tool that is not offered")),
        ("It rains.", call(), ("the gold tool", "(no action)")),
        (GIVE_UP, FINISH, ("Finish", "Finish (give up)")),
        (call(), FINISH, ("Finish", "another tool")),
        ("It rains.", "Thought: so", ("(no action)", "(no action)")),
    ],
)
def test_breakdown_choices(reply: str, target: str, pair: tuple[Any, ...]) -> None:
    assert lines(reply, target)["choices"] == [pair]


def test_breakdown_confusion_leaves_out_skipped_rows() -> None:
    found = lines(call(), target=call("gone"))
    assert "confusion" not in found
    assert "choices" not in found
    assert found["gold_audit"] == [("gold_action_not_offered",)]
    assert ("strict/plan_em", "gold_action_not_offered") in found["skipped"]


def test_breakdown_invented_tools_have_the_nearest_name() -> None:
    assert lines(call("forcast"))["invented"] == [("forcast", "forecast")]


@pytest.mark.parametrize(
    ("turns", "line"), [(0, "0"), (2, "2"), (11, "10–15"), (16, "16–31"), (400, "32 or more")]
)
def test_breakdown_by_depth(turns: int, line: str) -> None:
    messages = [USER, *({"role": role, "content": ""} for role in ["assistant", "function"] * 200)][
        : turns + 1
    ]
    assert lines(call(), messages=messages)["by_depth"] == [(line,)]


@pytest.mark.parametrize(("tools", "line"), [(0, "0"), (1, "1"), (4, "3–4"), (8, "5–8"), (99, "33 or more")])
def test_breakdown_by_tools(tools: int, line: str) -> None:
    offered = [{"name": f"t{number}"} for number in range(tools)] + [{"name": "Finish"}]
    assert lines(call(), tools=offered)["by_tools"] == [(line,)]


TARGETS = [call(), call(written="{}"), call(written="oops"), call("gone"), FINISH, GIVE_UP, call("none", "[1]"),
           call("invalid_hallucination_function_name"), "hm", FINISH.replace("rain", "...")]  # fmt: skip


@settings(deadline=None)
@given(st.sampled_from(TARGETS), st.sampled_from([*TARGETS, "", "\ud800"]))
def test_breakdown_skipped_has_one_reason_each(target: str, reply: str) -> None:
    row = TASK.parse({"messages": [USER], "tools": TOOLS, "target": target})
    score = TASK.score(row, Reply(reply), STYLE)
    skipped = Counter(metric for name, (metric, *_) in TASK.breakdown_keys(row, score) if name == "skipped")
    assert skipped == Counter(metric for metric, value in score.values.items() if value is None)


def test_breakdown_keys_of_an_older_journal_do_not_raise() -> None:
    row = TASK.parse({"messages": [USER], "tools": TOOLS, "target": call()})
    for extracted in (None, "x", {"plan": "call"}, {"failures": None}):
        list(TASK.breakdown_keys(row, Score("scored", extracted=extracted, labels=("hallucinated_tool",))))
