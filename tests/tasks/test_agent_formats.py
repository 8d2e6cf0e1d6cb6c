"""Agent prompts in three formats: each keeps to its protocol, even for malformed dialogues."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import SHARED_DATA

from evalsuite.metrics.tool_steps import parse_step
from evalsuite.tasks.agent_formats import (
    API_LIST,
    FINISH_PARAMETERS,
    NO_RESULT,
    TOOL_CALL_RULES,
    openai_prompt,
    openai_tools,
    react_prompt,
    toolbench_prompt,
)
from evalsuite.tasks.style import Style
from evalsuite.tasks.toolbench import ToolBenchTask

SHARED = SHARED_DATA / "toolbench"
TOOLS = [
    {"name": "forecast", "description": "Weather.", "parameters": {"day": "integer, required, from today"}}
]
STEP = 'Thought: so\nAction: forecast\nAction Input: {"day": 1}'
FINISH = 'Thought: done\nAction: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "rain"}'
TEXT_PROTOCOL = "Reply with Thought:, Action:, Action Input:"


def turn(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


DIALOGUE = [
    turn("system", TEXT_PROTOCOL),
    turn("user", "Weather?"),
    turn("assistant", STEP),
    turn("function", "wet", name="forecast"),
    turn("assistant", FINISH),
    turn("user", "And tomorrow?"),
]


def openai(*turns: dict[str, Any]) -> list[dict[str, Any]]:
    """Messages after the system turn."""
    return list(openai_prompt([turn("system", ""), *turns], TOOLS).messages or ())[1:]


class TestOpenaiTools:
    def test_openai_prompt_of_a_dialogue_links_calls_and_results(self) -> None:
        prompt = openai_prompt(DIALOGUE, TOOLS)
        arguments = '{"return_type": "give_answer", "final_answer": "rain"}'
        assert prompt.messages == [
            turn("system", TOOL_CALL_RULES),
            turn("user", "Weather?"),
            turn(
                "assistant",
                "so",
                tool_calls=[
                    {
                        "id": "call00001",
                        "type": "function",
                        "function": {"name": "forecast", "arguments": '{"day": 1}'},
                    }
                ],
            ),
            turn("tool", "wet", tool_call_id="call00001"),
            turn(
                "assistant",
                "done",
                tool_calls=[
                    {
                        "id": "call00002",
                        "type": "function",
                        "function": {"name": "Finish", "arguments": arguments},
                    }
                ],
            ),
            turn("tool", NO_RESULT, tool_call_id="call00002"),
            turn("user", "And tomorrow?"),
        ]
        assert prompt.stop == ()

    def test_openai_tools_have_json_schemas_and_finish(self) -> None:
        forecast, finish = openai_tools(TOOLS)
        assert forecast == {
            "type": "function",
            "function": {
                "name": "forecast",
                "description": "Weather.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "day": {"type": "integer", "description": "integer, required, from today"}
                    },
                    "required": ["day"],
                },
            },
        }
        assert (finish["function"]["name"], finish["function"]["parameters"]) == ("Finish", FINISH_PARAMETERS)

    def test_openai_tools_with_own_schema_and_finish_are_kept(self) -> None:
        schema = {"type": "object", "properties": {"x": {"type": "string"}}, "required": [], "strict": True}
        wrapped = {"type": "function", "function": {"name": "f", "description": "F.", "parameters": schema}}
        (first, second) = openai_tools([wrapped, {"name": "Finish", "parameters": schema}])
        assert first == wrapped
        assert second["function"]["parameters"] == schema

    @pytest.mark.parametrize("parameters", [None, "", "day: which day", 7, [1], {"type": "object"}])
    def test_openai_tools_with_unreadable_parameters_accept_anything(
        self, parameters: dict[str, Any] | int | list[Any] | str | None
    ) -> None:
        (function, *_) = [one["function"] for one in openai_tools([{"name": "f", "parameters": parameters}])]
        assert function["parameters"]["type"] == "object"
        assert ("Parameters: day: which day" in function["description"]) is (parameters == "day: which day")

    def test_openai_tools_with_a_repeated_name_offer_it_once(self) -> None:
        names = [tool["function"]["name"] for tool in openai_tools([*TOOLS, *TOOLS])]
        assert names == ["forecast", "Finish"]

    @pytest.mark.parametrize(
        ("written", "arguments"),
        [
            ("", {"input": ""}),
            ("{'day': 1", {"day": 1}),
            ("[1]", {"input": "[1]"}),
            ("soon", {"input": "soon"}),
        ],
    )
    def test_openai_prompt_arguments_are_always_an_object(
        self, written: str, arguments: dict[str, Any]
    ) -> None:
        (step, _) = openai(turn("assistant", f"Action: forecast\nAction Input: {written}"))
        assert json.loads(step["tool_calls"][0]["function"]["arguments"]) == arguments

    def test_openai_prompt_result_without_a_call_becomes_text(self) -> None:
        assert openai(turn("function", "wet")) == [turn("user", "Observation: wet")]

    def test_openai_prompt_native_calls_keep_their_ids(self) -> None:
        calls = [
            {"id": name, "function": {"name": "forecast", "arguments": {"day": 1}}} for name in ("a", "b")
        ]
        messages = openai(
            turn("assistant", None, tool_calls=calls),
            turn("tool", {"x": 1}, tool_call_id="b"),
            turn("user", "so?"),
        )
        assert [call["id"] for call in messages[0]["tool_calls"]] == ["a", "b"]
        assert [(one["tool_call_id"], one["content"]) for one in messages[1:3]] == [
            ("b", '{"x": 1}'),
            ("a", NO_RESULT),
        ]

    def test_openai_prompt_keeps_instructions_and_drops_text_protocols(self) -> None:
        (system, _) = openai_prompt([turn("system", "Be polite."), turn("user", "x")], TOOLS).messages or ()
        assert system["content"] == f"Be polite.\n\n{TOOL_CALL_RULES}"
        (system, _) = openai_prompt([turn("user", "x"), turn("user", "y")][:1], TOOLS).messages or ()
        assert system["content"] == TOOL_CALL_RULES

    @settings(deadline=None)
    @given(
        st.lists(
            st.builds(
                turn,
                st.sampled_from(["user", "assistant", "function", "tool", "system"]),
                st.none()
                | st.text(max_size=5)
                | st.sampled_from([STEP, FINISH, "Action: x", "Action Input: {'a'"]),
            ),
            min_size=1,
            max_size=8,
        )
    )
    def test_openai_prompt_every_call_is_followed_by_one_result(self, turns: list[Any]) -> None:
        waiting: list[str] = []
        for message in openai_prompt(turns, TOOLS).messages or ():
            if message["role"] == "tool":
                waiting.remove(message["tool_call_id"])
                continue
            assert not waiting
            waiting = [call["id"] for call in message.get("tool_calls", ())]
            assert all(
                isinstance(json.loads(call["function"]["arguments"]), dict)
                for call in message.get("tool_calls", ())
            )
        assert not waiting


class TestToolbench:
    def test_toolbench_prompt_of_a_dialogue(self) -> None:
        system, *rest = toolbench_prompt(DIALOGUE, TOOLS, flat=False).messages or ()
        _, apis = system["content"].split(API_LIST)
        assert apis.startswith(
            "[{'name': 'forecast', 'description': 'Weather.', 'parameters': {'type': 'object'"
        )
        assert rest == [
            turn("user", "\nWeather?\nBegin!\n"),
            turn("assistant", f"\n{STEP}"),
            turn("function", "wet", name="forecast"),
            turn("assistant", f"\n{FINISH}"),
            turn("user", "And tomorrow?"),
        ]

    def test_toolbench_prompt_flat(self) -> None:
        prompt = toolbench_prompt(DIALOGUE[:4], TOOLS, flat=True)
        assert prompt.text is not None
        assert prompt.text.startswith("System: You do the user's task")
        assert prompt.text.endswith(
            f"User: \nWeather?\nBegin!\n\nAssistant: \n{STEP}\nFunction: wet\nAssistant:\n"
        )
        assert "\nFunction:" in prompt.stop

    def test_toolbench_prompt_keeps_a_toolbench_system_turn(self) -> None:
        own = f"You are … Action Input:\n{API_LIST}[]"
        turns = [turn("system", own), turn("user", "\nx\nBegin!\n")]
        assert toolbench_prompt(turns, TOOLS, flat=False).messages == turns


def test_react_prompt_writes_native_calls_as_text() -> None:
    calls = [{"function": {"name": "forecast", "arguments": '{"day": 1}'}}]
    (_, step) = (
        react_prompt([DIALOGUE[0], turn("assistant", "so", tool_calls=calls)], TOOLS, flat=False).messages
        or ()
    )
    assert step == turn("assistant", STEP)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not on this machine")
def test_published_records_have_the_same_content_in_every_format() -> None:
    task = ToolBenchTask()
    for values in json.loads((SHARED / "static_out_of_domain.json").read_text(encoding="utf-8")):
        row = task.parse(values)
        asked = [turn["content"] for turn in row.messages if turn["role"] == "assistant"]
        for name in ("react", "toolbench", "openai-tools"):
            prompt = task.prompt(row, [], Style("en", 0, agent_format=name), "x")
            steps = [turn for turn in prompt.messages or () if turn["role"] == "assistant"]
            for step, written in zip(steps, asked, strict=True):
                read, expected = parse_step(step["content"], step.get("tool_calls")), parse_step(written)
                assert (read.plan, read.action, read.answer) == (
                    expected.plan,
                    expected.action,
                    expected.answer,
                )
