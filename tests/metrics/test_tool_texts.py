"""Calls written as text are read as the call that they are, and their form is named."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics.tool_steps import parse_step
from evalsuite.metrics.tool_texts import read_reply, without_markdown

NATIVE = [{"function": {"name": "forecast", "arguments": '{"city": "Porto", "day": 1}'}}]
CALL = '{"name": "forecast", "arguments": {"city": "Porto", "day": 1}}'
ARGUMENTS = '{"city": "Porto", "day": 1}'
FORMS = [
    ("tool_call", f"<tool_call>\n{CALL}\n</tool_call>"),
    ("tool_call", f"I will look.\n<tool_call>{CALL}</tool_call><tool_call>{{}}</tool_call>"),
    ("tool_call", f"<tool_call>{CALL}"),
    (
        "tool_call",
        "<tool_call>\n<function=forecast>\n<parameter=city>\nPorto\n</parameter>\n<parameter=day>\n1\n</parameter>\n</function>\n</tool_call>",
    ),
    ("python_tag", f"<|python_tag|>{CALL.replace('arguments', 'parameters')}"),
    ("python_tag", '<|python_tag|>forecast.call(city="Porto", day=1)'),
    ("python_tag", '<|python_tag|>forecast(city="Porto", day=1)'),
    ("tool_calls", f"[TOOL_CALLS][{CALL}]"),
    ("tool_calls", f"[TOOL_CALLS] [{CALL}, {CALL}]"),
    ("tool_calls", f"[TOOL_CALLS]forecast[ARGS]{ARGUMENTS}"),
    ("tool_calls", f"[TOOL_CALLS]forecast{ARGUMENTS}"),
    ("channel", f"<|channel|>commentary to=functions.forecast <|constrain|>json<|message|>{ARGUMENTS}"),
    ("function_call", json.dumps({"function_call": {"name": "forecast", "arguments": ARGUMENTS}})),
    ("function_call", json.dumps({"tool_calls": NATIVE})),
    ("fenced_json", f"```json\n{CALL}\n```"),
    ("fenced_json", f"So I call it:\n```\n{CALL}\n```\nThen I wait."),
    ("fenced_json", '```json\n{"action": "forecast", "action_input": {"city": "Porto", "day": 1}}\n```'),
    ("json", CALL),
    ("json", f'{{"name": "functions.forecast", "parameters": {ARGUMENTS}}}'),
    ("markdown", f"**Action:** forecast\n**Action Input:** {ARGUMENTS}"),
    ("markdown", f"**Action**: forecast\n**Action Input**: {ARGUMENTS}"),
    ("markdown", f"**Action**: `forecast`\nAction Input: {ARGUMENTS}"),
    ("markdown", f"*Action:* forecast\n*Action Input:* {ARGUMENTS}"),
    ("markdown", f"### Action: forecast\n### Action Input: {ARGUMENTS}"),
    ("markdown", f"### Action: `forecast`\n\n### Action Input: {ARGUMENTS}"),
    ("markdown", f"Action: `forecast`\nAction Input: {ARGUMENTS}"),
    ("markdown", f"Action: **forecast**\nAction Input: {ARGUMENTS}"),
    ("markdown", f"`Action:` forecast\n`Action Input:` {ARGUMENTS}"),
]


@pytest.mark.parametrize(("form", "text"), FORMS)
def test_read_reply_call_written_as_text_equals_the_native_call(form: str, text: str) -> None:
    step, found = read_reply(text)
    native, none = read_reply("", NATIVE)
    assert (step.plan, step.action, json.loads(step.input)) == ("call", "forecast", json.loads(native.input))
    assert (found, none) == (form, "")


def test_read_reply_finish_in_a_text_call_is_a_finish() -> None:
    call = json.dumps(
        {"name": "Finish", "arguments": {"return_type": "give_answer", "final_answer": "Rain."}}
    )
    step, form = read_reply(f"<tool_call>{call}</tool_call>")
    assert (step.plan, step.answer, form) == ("finish", "Rain.", "tool_call")


@pytest.mark.parametrize(
    "text",
    [
        "", "It rains.", "{}", "[]", '{"answer": 1}', '```json\n{"city": "Porto"}\n```', "<tool_call>", "<tool_call>{}</tool_call>",
        "<|python_tag|>", "<|python_tag|>import os", "<|python_tag|>f(g())", "<|python_tag|>f(1)", "[TOOL_CALLS]", "[TOOL_CALLS][]",
        '{"name": "x"}', '{"name": 1, "arguments": {}}', '{"name": "x", "arguments": [1]}',
    ],
)  # fmt: skip
def test_read_reply_text_that_is_no_call_calls_nothing(text: str) -> None:
    step, form = read_reply(text)
    assert (step.action, form) == ("none", "")


@pytest.mark.parametrize(
    "text",
    [
        "Thought: so\nAction: my_tool_\nAction Input: {}", "Thought: **bold** and `code`\nAction: a\nAction Input: {\"x\": \"*y*\"}",
        "Action: __init__\nAction Input: {}", "Action: a\nAction Input: `x`", "No step at all", "",
    ],
)  # fmt: skip
def test_without_markdown_plain_react_text_is_untouched(text: str) -> None:
    assert without_markdown(text) == text
    assert read_reply(text) == (parse_step(text), "")


def test_read_reply_stops_at_an_invented_observation() -> None:
    step, form = read_reply(f"Action: a\nAction Input: {{}}\nObservation: x\n<tool_call>{CALL}</tool_call>")
    assert (step.action, form) == ("a", "")


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]", "```", "json\n", CALL, "{", "}", "[", "**", "`", "Action:",
             "Action Input:", "### ", "f(", ")", "a", "\n", "<function=f>", "<parameter=p>"]
        ),
        max_size=10,
    ).map("".join)
)  # fmt: skip
def test_read_reply_never_raises(text: str) -> None:
    step, form = read_reply(text)
    assert step.plan in ("call", "finish", "give_up")
    assert not form or step.action != "none"


@pytest.mark.parametrize(
    "piece",
    [
        "<tool_call>",
        "[TOOL_CALLS]",
        "```json\n{",
        "**Action:** ",
        "Action: `",
        "{",
        "<function=f>",
        "<parameter=p>",
        "[[",
        "**",
        "###",
    ],
)
def test_read_reply_degenerate_text_takes_no_time(piece: str) -> None:
    start = time.process_time()
    read_reply(piece * 20_000)
    assert time.process_time() - start < 5


def test_a_python_call_is_read_as_the_whole_reply_only() -> None:
    for text in ('forecast(city="Porto")', '[forecast(city="Porto")]'):
        step, form = read_reply(text)
        assert (step.action, step.input, form) == ("forecast", '{"city": "Porto"}', "python_call")
    assert read_reply('I would call forecast(city="Porto")')[1] == ""
