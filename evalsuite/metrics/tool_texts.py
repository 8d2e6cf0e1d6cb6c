r"""Tool calls that a model writes into its text where they do not belong: read as the call that they are.

Each form has a name, which the label `format_violation` carries as its detail:

    tool_call      <tool_call>{"name": …, "arguments": …}</tool_call>, with JSON or with <function=…><parameter=…> inside
    python_tag     <|python_tag|>{"name": …, "parameters": …} or <|python_tag|>forecast.call(city="Porto")
    tool_calls     [TOOL_CALLS][{"name": …, "arguments": …}] or [TOOL_CALLS]forecast[ARGS]{…}
    channel        <|channel|>commentary to=functions.forecast<|message|>{…}
    function_call  a JSON object with OpenAI's older "function_call", or with "tool_calls"
    fenced_json    ```json {"name": …, "arguments": …} ```, also as {"action": …, "action_input": …}
    json           such an object as the whole reply
    python_call    forecast(city="Porto") as the whole reply, also in square brackets
    markdown       Markdown around `Action:`, `Action Input:` or the tool's name in ReAct text

The first call is the step, as with native calls. Profile `strict` reads these forms, profile `paper` does not.

Sources: the chat templates of Hermes, Qwen, Llama 3, Mistral, gpt-oss; OpenAI's API reference for `function_call`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalsuite.metrics.tool_steps import NO_ACTION, AgentStep, cut_at_observation, parse_step

MAX_LENGTH = 100_000
"""Characters; no call is longer."""
_NAMES = ("name", "tool", "tool_name", "function", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "action_input", "tool_input")

_WORD = re.compile(
    r"(?P<heading>^[ \t]*#{1,6}[ \t]*)?(?P<open>[*_`]{0,3})(?P<word>Action(?: Input)?)(?P<close>[*_`]{0,3})[ \t]*:"
    r"(?P<after>[ \t]*[*_`]{1,3})?",
    re.MULTILINE,
)
_MARKED_NAME = re.compile(
    r"(?<=Action:)(?P<before>\s*)(?P<mark>\*\*|`|\*)(?P<name>[^\n*`]{1,200}?)(?P=mark)(?=\s|$)"
)
_TOOL_CALL = re.compile(r"<tool_call>\s*(?P<content>.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
_FUNCTION = re.compile(r"<function=(?P<name>[^>\n]{1,200})>(?P<content>.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(
    r"<parameter=(?P<name>[^>\n]{1,200})>\n?(?P<value>.*?)\n?(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL
)
_PYTHON_TAG = re.compile(r"<\|python_tag\|>\s*(?P<content>.*)", re.DOTALL)
_TOOL_CALLS = re.compile(
    r"\[TOOL_CALLS\]\s*(?P<name>[\w.-]{0,200})\s*(?:\[ARGS\])?\s*(?P<content>.*)", re.DOTALL
)
_CHANNEL = re.compile(
    r"<\|channel\|>\s*\w+\s+to=(?:functions\.)?(?P<name>[\w.-]{1,200})[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>(?P<content>.*)",
    re.DOTALL,
)
_FENCE = re.compile(r"```[ \t]*(?:\w+)?[ \t]*\n?(?P<content>\s*[{\[].*?)```", re.DOTALL)
_DECODER = json.JSONDecoder()


def read_reply(text: str, tool_calls: Sequence[Mapping[str, Any]] | None = None) -> tuple[AgentStep, str]:
    r"""Return the step of a reply and the form that its call was written in: "" for a native call or plain ReAct text.

    Text after the first `Observation:` is not read. Never raises.

    >>> read_reply('<tool_call>{"name": "forecast", "arguments": {"day": 1}}</tool_call>')
    (AgentStep(plan='call', action='forecast', input='{"day": 1}', answer=None), 'tool_call')
    >>> read_reply('**Action:** `forecast`\nAction Input: {"day": 1}')
    (AgentStep(plan='call', action='forecast', input='{"day": 1}', answer=None), 'markdown')
    """
    text = cut_at_observation(text)
    if tool_calls:
        return parse_step(text, tool_calls), ""
    plain = without_markdown(text)
    step = parse_step(plain)
    if step.action != NO_ACTION:
        return step, "markdown" if plain != text else ""
    if len(text) <= MAX_LENGTH:
        for form, read in _FORMS.items():
            if (call := read(text)) is not None:
                return parse_step("", [{"function": call}]), form
    return step, ""


def without_markdown(text: str) -> str:
    """Drop Markdown around `Action:`, `Action Input:` and the tool's name; any other text stays as it is."""
    if "Action" not in text:
        return text
    plain = _WORD.sub(_plain_word, text)
    return _MARKED_NAME.sub(lambda found: f"{found['before']}{found['name'].strip()}", plain)


def _plain_word(found: re.Match[str]) -> str:
    """The word and its colon. Marks behind the colon belong to it in `**Action:**`, else to what follows."""
    if not (found["heading"] or found["open"] or found["close"]):
        return found[0]
    after = "" if found["open"] and not found["close"] else found["after"] or ""
    return f"{found['word']}:{after}"


Call = dict[str, Any]
"""A call as OpenAI's API has it: `name`, and `arguments` as JSON text or as an object."""


def _tool_call(text: str) -> Call | None:
    found = _TOOL_CALL.search(text)
    if found is None:
        return None
    if function := _FUNCTION.search(found["content"]):
        parameters = _PARAMETER.finditer(function["content"])
        arguments = {one["name"].strip(): _parameter_value(one["value"]) for one in parameters}
        return {"name": function["name"].strip(), "arguments": arguments}
    return _call_of(_json_at_start(found["content"]))


def _parameter_value(written: str) -> Any:
    """A value inside `<parameter=…>`: JSON where it is JSON, else the text."""
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return written.strip()


def _python_tag(text: str) -> Call | None:
    found = _PYTHON_TAG.search(text)
    if found is None:
        return None
    return _call_of(_json_at_start(found["content"])) or _python_call(found["content"])


def _python_call(written: str) -> Call | None:
    """Read `forecast.call(city="Porto")` or `forecast(city="Porto")`, whose arguments are literals with names."""
    line = written.strip().split("\n")[0][:2000]
    try:
        call = ast.parse(line, mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            return None
        arguments = {str(one.arg): ast.literal_eval(one.value) for one in call.keywords if one.arg}
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    name = ast.unparse(call.func).removesuffix(".call")
    return {"name": name, "arguments": arguments}


def _mistral_calls(text: str) -> Call | None:
    found = _TOOL_CALLS.search(text)
    if found is None:
        return None
    value = _json_at_start(found["content"])
    if found["name"]:
        return {"name": found["name"], "arguments": value} if isinstance(value, dict) else None
    return _call_of(value)


def _channel_call(text: str) -> Call | None:
    found = _CHANNEL.search(text)
    if found is None:
        return None
    value = _json_at_start(found["content"])
    return {"name": found["name"], "arguments": value if isinstance(value, dict) else found["content"]}


def _legacy_call(text: str) -> Call | None:
    value = _json_at_start(_unfenced(text))
    if not isinstance(value, dict):
        return None
    nested = value.get("function_call", value.get("tool_calls"))
    return _call_of(nested)


def _fenced_json(text: str) -> Call | None:
    fences = (_call_of(_json_at_start(fence["content"])) for fence in _FENCE.finditer(text))
    return next((call for call in fences if call is not None), None)


def _bare_json(text: str) -> Call | None:
    return _call_of(_json_at_start(text))


def _bare_python_call(text: str) -> Call | None:
    line = text.strip().removeprefix("[").removesuffix("]")
    call = None if "\n" in line else _python_call(line)
    return call if call and call["arguments"] else None


_FORMS = {
    "tool_call": _tool_call,
    "python_tag": _python_tag,
    "tool_calls": _mistral_calls,
    "channel": _channel_call,
    "function_call": _legacy_call,
    "fenced_json": _fenced_json,
    "json": _bare_json,
    "python_call": _bare_python_call,
}


def _unfenced(text: str) -> str:
    fence = _FENCE.search(text)
    return fence["content"] if fence else text


def _json_at_start(text: str) -> Any:
    """The JSON value that a text begins with; None without one."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[")):
        return None
    try:
        return _DECODER.raw_decode(stripped)[0]
    except (ValueError, RecursionError):
        return None


def _call_of(value: Any) -> Call | None:
    """The call that a JSON value stands for, the first of several; None where it is none."""
    if isinstance(value, list):
        return _call_of(value[0]) if value else None
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("function"), dict):
        return _call_of(value["function"])
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
    key = next((key for key in _ARGUMENTS if key in value), None)
    if name is None or key is None or not isinstance(value[key], dict | str | None):
        return None
    return {"name": name.removeprefix("functions."), "arguments": value[key]}
