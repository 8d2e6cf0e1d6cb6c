"""Labels what is wrong with one step of a tool-using agent, with the evidence for each label.

Labels use the `strict` reading of the reply (`evalsuite.metrics.tool_steps`): text after the first `Observation:` is not read.
A label needs evidence: parameters without a description, or with one in prose only, are never missing, unknown or of the
wrong type (`evalsuite.metrics.tool_schemas` says what counts as a description).

`empty`              nothing but white space, reasoning apart, and no tool call
`truncated`          the reply ended at the token limit (finish_reason `length`), whether or not a step was read
`format_violation`   not empty, and not one well-formed step: no action, no name on one line, no `Action Input:` or
                     several, an invented `Observation:`; a call in another form than the one that was asked for, which
                     is read as the call that it is; detail: the form (`tool_texts`), `react` where native calls were
                     asked for
`wrong_plan`         call, finish and give up are the plans; the gold step has another
`hallucinated_tool`  calls a tool that is not offered; detail: the nearest offered name
`wrong_tool`         gold and reply both call, and the reply's tool is offered but another
`malformed_json`     the call's or Finish's input is no JSON object; detail: `repairable` (see `lenient_json`) or
                     `unrepairable`. Such an input has none of the labels below
`missing_required`   lacks parameters the tool requires; detail: their names
`unknown_param`      has parameters the tool does not have; detail: their names
`wrong_type`         has values of another JSON type than the tool takes; detail: the parameters' names
`wrong_value`        the gold tool, and arguments of the gold's names with other values; detail: their names
`other_arguments`    the gold tool, and fewer or other arguments than the gold call has, which the tool may well allow
                     or does not speak of; detail: the names one of the two lacks that no label above has
`repeated_step`      the same call stands in the dialogue already; detail: none

A reply that does what the gold step does gets no label for it, even if that breaks the tool's schema or repeats a call;
`gold_problems` lists such golds. So the gold step as a reply has only labels on its form. Rows that `strict` skips (the gold
names a tool that is not offered) cannot be compared: they only get the labels on form, `malformed_json` and `repeated_step`.
They get no `hallucinated_tool`, so its count is the numerator of `strict/hallucination_rate`.

Labels are plain words, so that each is one entry of the report's filter; details are stored beside them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz, process

from evalsuite.metrics.json_repair import repair_object
from evalsuite.metrics.tool_schemas import Parameter, ToolSchema
from evalsuite.metrics.tool_steps import (
    FINISH,
    INVALID_GOLD_ACTION,
    NO_ACTION,
    AgentStep,
    json_equal,
    parse_step,
    strict_json,
    strict_skip_reason,
)
from evalsuite.metrics.tool_texts import read_reply

VERSION = "3"
LABELS = (
    "empty", "truncated", "format_violation", "wrong_plan", "hallucinated_tool", "wrong_tool", "malformed_json",
    "missing_required", "unknown_param", "wrong_type", "wrong_value", "other_arguments", "repeated_step",
)  # fmt: skip
GOLD_PROBLEMS = (
    "gold_action_invalid", "gold_action_not_offered", "gold_malformed_json", "gold_missing_required",
    "gold_unknown_param", "gold_wrong_type", "gold_outside_enum",
)  # fmt: skip
MAX_NAME_LENGTH = 200
"""Characters of a tool name for which the nearest offered name is searched; longer texts are not names."""

_MISSING = object()


@dataclass(frozen=True, slots=True)
class WrittenReply:
    """A reply as it was written, for the labels on its form. `text` is cleaned."""

    text: str = ""
    tool_calls: Sequence[Mapping[str, Any]] | None = None
    truncated: bool = False
    native_calls_expected: bool = False
    """Native tool calls were asked for, so a step written as text violates the format."""


def failures(
    gold: AgentStep,
    written: WrittenReply,
    schemas: Mapping[str, ToolSchema],
    earlier: Iterable[AgentStep] = (),
) -> dict[str, Any]:
    """Return every label that applies, in the order of `LABELS`, with its detail or None. Never raises.

    `schemas` comes from `tool_schemas.offered_schemas`, `earlier` are the steps the dialogue has taken already.
    """
    reply, form = read_reply(written.text, written.tool_calls)
    found = _form_labels(written, form) | _json_labels(gold, reply)
    if not strict_skip_reason(gold, schemas.keys()):
        found |= _choice_labels(gold, reply, schemas.keys()) | _argument_labels(gold, reply, schemas)
    if _is_repeated(gold, reply, earlier):
        found["repeated_step"] = None
    return {label: found[label] for label in LABELS if label in found}


def gold_problems(gold: AgentStep, schemas: Mapping[str, ToolSchema]) -> dict[str, str]:
    """Return what is wrong with a gold step given its offered tools: a sentence for each problem, in the order of `GOLD_PROBLEMS`."""
    if gold.action == INVALID_GOLD_ACTION:
        return {"gold_action_invalid": f"the gold step calls '{INVALID_GOLD_ACTION}'"}
    if strict_skip_reason(gold, schemas.keys()):
        near = nearest_tool_name(gold.action or "", schemas.keys())
        hint = f" (the nearest name is '{near}')" if near else ""
        return {"gold_action_not_offered": f"the gold step calls '{gold.action}', which is not offered{hint}"}
    name = _tool_name_of(gold)
    if name == NO_ACTION:
        return {}
    given = strict_json(gold.input)
    if not isinstance(given, dict):
        return {"gold_malformed_json": f"the gold input of '{name}' is no JSON object"}
    faults = _schema_violations(given, schemas.get(name, ToolSchema()))
    return {
        f"gold_{fault}": f"the gold call of '{name}' {_describe_violation(fault, names)}"
        for fault, names in faults.items()
    }


def nearest_tool_name(name: str, offered: Collection[str]) -> str | None:
    """Return the offered name that is most similar to a name (normalised Indel similarity); None if no tool is offered."""
    if len(name) > MAX_NAME_LENGTH:
        return None
    found = process.extractOne(name, sorted(offered), scorer=fuzz.ratio)
    return found[0] if found else None


def _form_labels(written: WrittenReply, form: str) -> dict[str, Any]:
    found: dict[str, Any] = {"truncated": None} if written.truncated else {}
    if not written.text.strip() and not written.tool_calls:
        return found | {"empty": None}
    if written.tool_calls:
        well_formed = parse_step("", written.tool_calls[:1]).action not in (NO_ACTION, "")
    else:
        well_formed = not written.native_calls_expected and not form and _is_one_step(written.text)
        if written.native_calls_expected and not form and "Action:" in written.text:
            form = "react"
    return found if well_formed else found | {"format_violation": form or None}


def _is_one_step(text: str) -> bool:
    """Whether a text is one well-formed step. A thought may say "Action:"; the last one counts, as in `parse_step`."""
    if "Observation:" in text or text.count("Action Input:") != 1:
        return False
    _, action, after = text.rpartition("Action:")
    name, marker, _ = after.partition("Action Input:")
    return bool(action and marker) and len(name.strip().splitlines()) == 1 and name.strip() != NO_ACTION


def _json_labels(gold: AgentStep, reply: AgentStep) -> dict[str, Any]:
    if reply.action == NO_ACTION or _same_call(gold, reply) or isinstance(strict_json(reply.input), dict):
        return {}
    return {"malformed_json": "repairable" if repair_object(reply.input) is not None else "unrepairable"}


def _choice_labels(gold: AgentStep, reply: AgentStep, offered: Collection[str]) -> dict[str, Any]:
    found: dict[str, Any] = {} if gold.plan == reply.plan else {"wrong_plan": None}
    if reply.plan != "call" or reply.action == NO_ACTION:
        return found
    if reply.action not in offered:
        return found | {"hallucinated_tool": nearest_tool_name(reply.action or "", offered)}
    if gold.plan == "call" and gold.action != reply.action:
        found["wrong_tool"] = None
    return found


def _argument_labels(gold: AgentStep, reply: AgentStep, schemas: Mapping[str, ToolSchema]) -> dict[str, Any]:
    given = strict_json(reply.input)
    if not isinstance(given, dict) or reply.action == NO_ACTION:
        return {}
    same_tool = _tool_name_of(gold) == _tool_name_of(reply) and gold.plan == reply.plan
    gold_given = strict_json(gold.input) if same_tool else None
    expected: Mapping[str, Any] = gold_given if isinstance(gold_given, dict) else {}
    vouched = {name for name in given if _equal(expected.get(name, _MISSING), given[name])}
    faults = _schema_violations(given, schemas.get(_tool_name_of(reply), ToolSchema()))
    found: dict[str, Any] = {}
    for label in ("missing_required", "unknown_param", "wrong_type"):
        names = [name for name in faults.get(label, ()) if name not in vouched]
        if label == "missing_required" and same_tool:
            names = [name for name in names if name in expected]
        if names:
            found[label] = names
    if gold.plan == "call" and isinstance(gold_given, dict):
        differing = {
            "wrong_value": [name for name in given if name in expected and name not in vouched],
            "other_arguments": _unmatched_names(expected, given, found),
        }
        found |= {label: names for label, names in differing.items() if names}
    return found


def _unmatched_names(
    expected: Mapping[str, Any], given: Mapping[str, Any], labelled: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return names that only the gold call or only the reply has, without those labelled already."""
    known = {*labelled.get("missing_required", ()), *labelled.get("unknown_param", ())}
    names = (*expected.keys() - given.keys(), *given.keys() - expected.keys())
    return sorted(name for name in names if name not in known)


def _schema_violations(given: Mapping[str, Any], schema: ToolSchema) -> dict[str, list[str]]:
    """Return parameter names by what is wrong with them, as far as the schema says."""
    known = [(name, schema.parameters[name]) for name in given if name in schema.parameters]
    faults = {
        "missing_required": [name for name in schema.required if name not in given],
        "unknown_param": [name for name in given if schema.is_closed and name not in schema.parameters],
        "wrong_type": [name for name, parameter in known if not parameter.accepts_type_of(given[name])],
        "outside_enum": [name for name, parameter in known if _is_outside_enum(parameter, given[name])],
    }
    return {fault: names for fault, names in faults.items() if names}


def _is_outside_enum(parameter: Parameter, value: object) -> bool:
    return bool(parameter.choices) and not any(_equal(choice, value) for choice in parameter.choices)


def _describe_violation(fault: str, names: Sequence[str]) -> str:
    listed = ", ".join(f"'{name}'" for name in names)
    return {
        "missing_required": f"lacks the required {listed}",
        "unknown_param": f"gives {listed}, which the tool does not have",
        "wrong_type": f"gives {listed} in another type than the tool takes",
        "outside_enum": f"gives {listed} a value outside the tool's list",
    }[fault]


def _tool_name_of(step: AgentStep) -> str:
    """Return the tool that a step calls; giving up is a call of Finish as well."""
    return FINISH if step.action is None else step.action


def _same_call(first: AgentStep, second: AgentStep) -> bool:
    return (first.plan, first.action, first.input) == (second.plan, second.action, second.input)


def _is_repeated(gold: AgentStep, reply: AgentStep, earlier: Iterable[AgentStep]) -> bool:
    if reply.plan != "call" or reply.action == NO_ACTION or _equal_calls(gold, reply):
        return False
    return any(_equal_calls(step, reply) for step in earlier)


def _equal_calls(first: AgentStep, second: AgentStep) -> bool:
    if (first.plan, first.action) != (second.plan, second.action):
        return False
    if first.input == second.input:
        return True
    one, other = strict_json(first.input), strict_json(second.input)
    return isinstance(one, dict) and isinstance(other, dict) and _equal(one, other)


def _equal(first: object, second: object) -> bool:
    try:
        return json_equal(first, second)
    except RecursionError:  # nested beyond what Python compares
        return False
