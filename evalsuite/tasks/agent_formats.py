"""The three ways to ask an agent record (`--agent-format`).

`react`         The turns of the record as ReAct text. Results become user turns that begin with `Observation:`, which
                every chat template accepts. A record without a system turn gets ours, with the tools as JSON.
`toolbench`     As ToolLLaMA is trained: a system turn with the rules and, after "Specifically, you have access to the
                following APIs: ", the functions in Python's notation; the query between line breaks and "Begin!"; steps
                that begin with a line break; results in turns of role `function`. As flat text, "System: … User: …
                Assistant: … Function: …". The rules are in our words. A system turn in ToolBench's own form is kept
                unchanged, so ToolBench's records are asked in ToolBench's words.
`openai-tools`  Tools in the request's `tools`, with JSON Schemas made from the record's parameters; steps as
                `tool_calls`; results in turns of role `tool`, linked by ids. `Finish` is added to the tools if it is
                missing. Every call has a result, because the protocol requires one.

A system turn that describes a text protocol ("Action Input") is replaced if the format is another one. Other
instructions are kept and put before ours.

Sources: ToolBench, preprocess/preprocess_toolllama_data.py, toolbench/inference/LLM/tool_llama_model.py and
Prompts/ReAct_prompts.py (the form, not the words); OpenAI's API reference for `tools` and `tool_calls`. Ids have nine
letters and digits, because Mistral's templates accept no others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalsuite.metrics.json_repair import repair_object
from evalsuite.metrics.tool_schemas import UNKNOWN, declared_parameters, tool_description, tool_schema
from evalsuite.metrics.tool_steps import FINISH, NO_ACTION, parse_step, strict_json, tool_name, tool_names
from evalsuite.tasks.dialogues import system_message
from evalsuite.types import Message, Prompt

AGENT_ROLE = "assistant"
RESULT_ROLES = frozenset({"function", "tool"})
OBSERVATION_STOP = "Observation:"
NO_RESULT = "(no result)"
"""The result of a call whose result the dialogue lacks."""
API_LIST = "Specifically, you have access to the following APIs: "
_API_LIST_MARK = "access to the following API"
_TEXT_PROTOCOL_MARK = "Action Input"
_BEGIN = "Begin!"
_FLAT_ROLES = {"system": "System", "user": "User", "assistant": "Assistant", "function": "Function"}
TOOLBENCH_RULES = (
    "You do the user's task with the help of many tools (functions).\n"
    "You are given the task first, and then it is your turn.\n"
    "At each step, think about where things stand and what comes next, and end with one function call. "
    "Your output should follow this format:\nThought:\nAction:\nAction Input:\n\n"
    "The call's result is the new state; think about it and take the next step.\n"
    "After as many steps as it takes, give your final answer.\n"
    "Remember:\n"
    "1. No step can be taken back. To begin anew, give up and restart.\n"
    "2. Keep every thought short, five sentences at most.\n"
    "3. Try one thing at a time.\n"
    'Always end by calling "Finish", with an answer that tells the user all that was asked; when the task cannot be '
    "done, or the functions keep failing, with return_type give_up_and_restart.\n"
    "Call functions by the names given here and no others.\n"
)
TOOL_CALL_RULES = (
    "Solve the user's task by calling tools, one at a time. Call Finish with return_type give_answer and final_answer "
    "when you can answer, or with return_type give_up_and_restart when the task cannot be done."
)
FINISH_PARAMETERS = {
    "type": "object",
    "properties": {
        "return_type": {"type": "string", "enum": ["give_answer", "give_up_and_restart"]},
        "final_answer": {"type": "string", "description": "The answer to the user, with give_answer."},
    },
    "required": ["return_type"],
}


def react_prompt(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, flat: bool) -> Prompt:
    """The record as ReAct text; `flat` for base models."""
    turns = [_react_turn(turn) for turn in messages]
    if turns[0]["role"] != "system":
        turns.insert(0, system_message(tools))
    if flat:
        text = "\n\n".join(str(turn["content"]) for turn in turns)
        return Prompt(text=f"{text}\n\nThought:", stop=(OBSERVATION_STOP,))
    return Prompt(messages=turns, stop=(OBSERVATION_STOP,))


def toolbench_prompt(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, flat: bool
) -> Prompt:
    """The record in ToolLLaMA's form; `flat` for the text that ToolLLaMA's code makes of the turns."""
    own, rest = _split_system_text(messages)
    functions = str([_function(tool) for tool in tools])
    rules = (
        own
        if _API_LIST_MARK in own
        else _combine_instructions(own, f"{TOOLBENCH_RULES}{API_LIST}{functions}")
    )
    turns = [{"role": "system", "content": rules}, *_toolbench_turns(rest)]
    if not flat:
        return Prompt(messages=turns, stop=(OBSERVATION_STOP,))
    lines = [f"{_FLAT_ROLES.get(turn['role'], turn['role'].title())}: {turn['content']}\n" for turn in turns]
    return Prompt(text="".join(lines) + "Assistant:\n", stop=(OBSERVATION_STOP, "\nFunction:", "\nUser:"))


def openai_prompt(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> Prompt:
    """The record in OpenAI's tool protocol."""
    own, rest = _split_system_text(messages)
    system = {"role": "system", "content": _combine_instructions(own, TOOL_CALL_RULES)}
    return Prompt(messages=[system, *_openai_turns(rest)], tools=openai_tools(tools))


def openai_tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The tools as the `tools` of a request: each name once, with `Finish`."""
    named = {tool_name(tool): _function(tool) for tool in reversed(tools)}
    functions = [named[name] for name in dict.fromkeys(map(tool_name, tools))]
    if FINISH not in tool_names(tools):
        functions.append(_function({"name": FINISH, "description": "End the task."}))
    return [{"type": "function", "function": function} for function in functions]


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Name, description and JSON Schema of a tool. Parameters in prose are moved to the description."""
    stated, description = declared_parameters(tool), tool_description(tool)
    schema = tool_schema(tool)
    if schema == UNKNOWN and isinstance(stated, str) and stated.strip():
        description = f"{description}\nParameters: {stated}".strip()
    parameters = schema.json_schema()
    if isinstance(stated, Mapping) and stated.get("type") == "object":
        parameters = {"properties": {}, **stated}
    elif tool_name(tool) == FINISH:
        parameters = FINISH_PARAMETERS
    return {"name": tool_name(tool), "description": description, "parameters": parameters}


def _split_system_text(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    if messages[0]["role"] != "system":
        return "", messages
    return _text(messages[0]), messages[1:]


def _combine_instructions(own: str, ours: str) -> str:
    return ours if _TEXT_PROTOCOL_MARK in own or not own.strip() else f"{own}\n\n{ours}"


def _text(turn: Message) -> str:
    content = turn["content"]
    return content if isinstance(content, str) else ""


def _react_turn(turn: Message) -> Message:
    if turn["role"] in RESULT_ROLES:
        return {"role": "user", "content": f"{OBSERVATION_STOP} {turn['content']}"}
    if turn["role"] == AGENT_ROLE and _calls(turn):
        return {"role": AGENT_ROLE, "content": _react_text(turn)}
    return {"role": turn["role"], "content": turn["content"] if turn["content"] is not None else ""}


def _calls(turn: Message) -> list[dict[str, Any]]:
    calls = turn.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _react_text(turn: Message) -> str:
    """A step with a native call as ReAct text."""
    name, written = _name_and_input(_calls(turn)[0])
    thought = _text(turn).strip()
    return f"Thought: {thought}\nAction: {name}\nAction Input: {written}"


def _name_and_input(call: Mapping[str, Any]) -> tuple[str, str]:
    step = parse_step("", [call])
    return FINISH if step.action is None else step.action, step.input


def _toolbench_turns(messages: Sequence[Message]) -> Iterator[Message]:
    asked = False
    for turn in messages:
        content = _react_turn(turn)["content"]
        if turn["role"] in RESULT_ROLES:
            named = {"name": turn["name"]} if isinstance(turn.get("name"), str) else {}
            yield {"role": "function", **named, "content": turn["content"]}
        elif turn["role"] == "user" and not asked:
            asked = True
            yield {
                "role": "user",
                "content": content if _BEGIN in str(content) else f"\n{content}\n{_BEGIN}\n",
            }
        elif turn["role"] == AGENT_ROLE and str(content).startswith("Thought:"):
            yield {"role": AGENT_ROLE, "content": f"\n{content}"}
        else:
            yield {"role": turn["role"], "content": content}


def _openai_turns(messages: Sequence[Message]) -> Iterator[Message]:
    pending_ids: list[str] = []
    """Ids of calls that have no result yet."""
    calls_before = 0
    for turn in messages:
        if turn["role"] in RESULT_ROLES:
            yield _result(turn, pending_ids) if pending_ids else _react_turn(turn)
            continue
        yield from (_empty_result(identity) for identity in pending_ids)
        pending_ids = []
        if turn["role"] != AGENT_ROLE:
            yield {"role": turn["role"], "content": turn["content"] if turn["content"] is not None else ""}
            continue
        message = _call_turn(turn, calls_before)
        pending_ids = [call["id"] for call in message.get("tool_calls", ())]
        calls_before += len(pending_ids)
        yield message
    yield from (_empty_result(identity) for identity in pending_ids)


def _result(turn: Message, pending_ids: list[str]) -> Message:
    own = turn.get("tool_call_id")
    identity = pending_ids.pop(pending_ids.index(own) if own in pending_ids else 0)
    content = (
        turn["content"]
        if isinstance(turn["content"], str)
        else json.dumps(turn["content"], ensure_ascii=False)
    )
    return {"role": "tool", "tool_call_id": identity, "content": content}


def _empty_result(identity: str) -> Message:
    return {"role": "tool", "tool_call_id": identity, "content": NO_RESULT}


def _call_turn(turn: Message, calls_before: int) -> Message:
    """A step with its calls, numbered from `calls_before`. Text without a call stays text."""
    native = _calls(turn)
    if native:
        calls = [(*_name_and_input(call), call.get("id")) for call in native]
        return {"role": AGENT_ROLE, "content": _text(turn), "tool_calls": _tool_calls(calls, calls_before)}
    text = _text(turn)
    step = parse_step(text)
    if step.action == NO_ACTION:
        return {"role": AGENT_ROLE, "content": text}
    thought = text.rpartition("Action:")[0].strip().removeprefix("Thought:").strip()
    call = (FINISH if step.action is None else step.action, step.input, None)
    return {"role": AGENT_ROLE, "content": thought, "tool_calls": _tool_calls([call], calls_before)}


def _tool_calls(calls: Sequence[tuple[str, str, Any]], calls_before: int) -> list[dict[str, Any]]:
    return [
        {
            "id": own if isinstance(own, str) and own else f"call{number:05d}",
            "type": "function",
            "function": {"name": name, "arguments": _arguments(written)},
        }
        for number, (name, written, own) in enumerate(calls, start=calls_before + 1)
    ]


def _arguments(written: str) -> str:
    """The input as JSON text of an object, which servers require: repaired if it is nearly JSON, else wrapped in one."""
    if isinstance(strict_json(written), dict):
        return written
    found = repair_object(written)
    return json.dumps({"input": written} if found is None else found, ensure_ascii=False)
