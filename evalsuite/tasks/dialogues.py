"""ToolBench dialogues (`conversations`) → steps: one row for each decision of the agent.

Turns are `{"from", "value"}`, with `from` one of user, assistant (the thought, which ends in "Next: caller",
"conclusion" or "give up"), caller (the call as ReAct text), observation, conclusion. The messages of a step are all
turns before it; its target is the decision as ReAct text. A thought is skipped if the turn it announces does not
follow. Tools have `Name`, `function` (the description) and `input`; the tool `Finish` is added if it is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalsuite.data.row_parser import RowError
from evalsuite.metrics.tool_steps import FINISH, tool_names
from evalsuite.types import Message

SYSTEM = (
    "You solve the user's task by calling tools, one at a time. Reply with exactly:\n"
    "Thought: <your reasoning>\nAction: <one tool name>\nAction Input: <a JSON object>\n"
    "Call Finish with return_type give_answer and final_answer when you can answer, "
    "or with return_type give_up_and_restart when the task cannot be done.\nTools:\n"
)
"""The instruction before the list of tools, for dialogues without an instruction."""
FINISH_TOOL = {
    "name": FINISH,
    "description": "End the task.",
    "parameters": {
        "return_type": "give_answer | give_up_and_restart",
        "final_answer": "the answer, with give_answer",
    },
}
CONVERSATION_FORM = "'conversations' as a list of objects with 'from' and 'value'"
_NO_TURN = {"from": "", "value": ""}


def system_message(tools: Sequence[Mapping[str, Any]]) -> Message:
    """The instruction with the tools that are offered."""
    return {"role": "system", "content": SYSTEM + json.dumps(list(tools), ensure_ascii=False)}


def dialogue_steps(turns: Any, tools: Sequence[Mapping[str, Any]]) -> Iterator[tuple[list[Message], str]]:
    """Pairs of the messages before a step and the step. Raises `RowError` if `turns` is not a dialogue."""
    checked = _checked_turns(turns)
    messages = [system_message(tools)]
    called = ""
    for turn, following in zip(checked, [*checked[1:], _NO_TURN], strict=True):
        if turn["from"] == "user":
            messages.append({"role": "user", "content": turn["value"]})
        elif turn["from"] == "observation":
            messages.append({"role": "function", "name": called, "content": turn["value"]})
        elif turn["from"] == "assistant" and (decision := _decision(turn["value"], following)):
            called, target = decision
            yield list(messages), target
            messages.append({"role": "assistant", "content": target})


def described_tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The tools of a dialogue under the names that steps use, with `Finish`."""
    described = [_tool_with_names(tool) for tool in tools]
    return described if FINISH in tool_names(described) else [*described, FINISH_TOOL]


def _tool_with_names(tool: Mapping[str, Any]) -> dict[str, Any]:
    if "Name" not in tool:
        return dict(tool)
    return {"name": tool["Name"], "description": tool.get("function"), "parameters": tool.get("input")}


def _checked_turns(turns: Any) -> list[dict[str, str]]:
    if not isinstance(turns, list) or not turns:
        raise RowError(("'conversations' is not a list of turns", CONVERSATION_FORM))
    for number, turn in enumerate(turns, start=1):
        fields = (turn.get("from"), turn.get("value")) if isinstance(turn, dict) else ()
        if not fields or not all(isinstance(field, str) for field in fields):
            raise RowError(
                (
                    f"turn {number} of 'conversations' is not an object with 'from' and 'value'",
                    CONVERSATION_FORM,
                )
            )
    return turns


def _decision(text: str, following: Mapping[str, str]) -> tuple[str, str] | None:
    """The tool that is called and the step as ReAct text; None if the thought leads to no step."""
    thought, _, announced = text.rpartition("Next:")
    announced = announced.strip().rstrip(".")
    if announced == "give up":
        return FINISH, _finish(thought, return_type="give_up_and_restart")
    if (announced, following["from"]) == ("conclusion", "conclusion"):
        answer = following["value"].strip()
        return FINISH, _finish(thought, return_type="give_answer", final_answer=answer)
    if (announced, following["from"]) == ("caller", "caller"):
        action, _, written = following["value"].partition("Action Input:")
        name = action.replace("Action:", "").strip()
        return name, _react(thought, name, written.strip())
    return None


def _finish(thought: str, **arguments: str) -> str:
    return _react(thought, FINISH, json.dumps(arguments, ensure_ascii=False))


def _react(thought: str, action: str, written: str) -> str:
    return f"Thought: {thought.strip()}\nAction: {action}\nAction Input: {written}"
