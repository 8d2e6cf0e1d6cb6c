"""Reads one step of a tool-using agent (ToolBench-Static) and scores it in two profiles.

**Reading.** Action = text after the last `Action:`, cut at the first following `Action Input:`, trimmed; without
one, `none`. Input = text after the last `Action Input:`, trimmed; without one, `{}`. Action `Finish` whose JSON
has return_type `give_answer` is plan *finish*, with answer str(final_answer), or "None" when that is missing or
one of "", ".", ","; any other or unreadable Finish is plan *give_up*, which has no action. Everything else is
plan *call*. Native `tool_calls` take precedence over the text; the first call is the step. `tool_texts` reads further forms
for profile `strict`.

**Rows.** A row's value is 0 to 1, or None if a metric does not apply. A profile's number is the mean over the rows that are
not None, and null if there are none. N is all rows, K those not skipped.

Profile `paper` (SWIFT paper, ToolBench-Static), to the last bit:
- skipped: gold action `invalid_hallucination_function_name`; or the reply did not give up, the gold action is
  not `none`, and the gold action is not an offered tool (so a gold give-up stays only when the reply gives up);
- `plan_em` over K: equal plans. `act_em` over K with a gold call: equal names, `none` for a reply that gave up;
- `hallucination_rate` over **N**: the reply names a tool that is not offered (none and give up never do); a
  skipped row is 0;
- `avg_f1`, `easy_f1` (gold `{}`), `hard_f1` (any other gold) over K with a gold call: names differ → 0 in all three; gold
  input not JSON → None; reply's input not an object → 0; gold `{}` → 1 for `{}`, else 0; otherwise s = equal
  values + ½ · keys with another value, R = s / |gold|, P = s / |reply|, F = 2RP / (R + P). Values compare as
  Python compares them: 1 == 1.0 == True;
- `rouge_l` over K with a gold finish, the reply's answer being `none` when it is no finish: `paper_rouge_l`.
Where the reference script raises or divides by zero: a metric without rows is null (also `rouge_l` without a gold finish,
which is 0 there), a reply's answer without a word ("...") scores 0 and is noted, a gold answer without a word gives None.

Profile `strict` (ours) differs in this:
- the reply is cut at its first `Observation:`, because the model invents what follows;
- only the gold decides whether a row is skipped: `invalid_hallucination_function_name`, or a call of a tool that is not
  offered. A skipped row is None in all metrics. A gold give-up and a gold without action count; `Finish` belongs to
  the protocol and need not be offered;
- a reply without an action has no plan: its `plan_em` is 0, unless the gold has no action either;
- `act_em` and the F1 scores need a call: giving up never equals a gold without action;
- F1 applies by the gold input alone: a JSON object, `{}` for `easy_f1`, any other for `hard_f1`, even when names
  differ. Values compare by JSON type: true is not 1, "1" is not 1, 1 is 1.0. NaN and Infinity are not JSON.

`tool_failures` labels failures, `tool_conditions` has the conditional scores.

Sources: SWIFT (arXiv 2408.05517); the reference scorer in the wheel `evalscope`
(third_party/toolbench_static/eval.py) and `rouge` 1.0.1, both reimplemented; Qin et al., ToolLLM (2307.16789).
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from evalsuite.metrics.paper_rouge import paper_rouge_l, split_sentences

VERSION = "1"
"""Version of profile `paper`, and of reading a step."""
STRICT_VERSION = "2"
"""Version of profile `strict`."""

Plan: TypeAlias = Literal["call", "finish", "give_up"]
METRICS = ("plan_em", "act_em", "hallucination_rate", "avg_f1", "easy_f1", "hard_f1", "rouge_l")

NO_ACTION = "none"
FINISH = "Finish"
INVALID_GOLD_ACTION = "invalid_hallucination_function_name"

SKIPPED_INVALID_GOLD = "gold_action_invalid"
SKIPPED_GOLD_NOT_OFFERED = "gold_action_not_offered"
NOTE_EMPTY_ANSWER = "answer_without_words"

_ACTION, _ACTION_INPUT, _OBSERVATION = "Action:", "Action Input:", "Observation:"


@dataclass(frozen=True, slots=True)
class AgentStep:
    """A step as it was read. `action` is None only for give_up; `answer` is set only for finish."""

    plan: Plan
    action: str | None
    input: str
    """The call's arguments as they were written, usually a JSON object."""
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class StepScore:
    """A row's value in each of `METRICS`, the reason why it was skipped or "", and notes on its values."""

    values: Mapping[str, float | None]
    skipped: str = ""
    notes: tuple[str, ...] = ()


def parse_step(text: str | None, tool_calls: Sequence[Mapping[str, Any]] | None = None) -> AgentStep:
    r"""Read a step from ReAct text, or from native `tool_calls` if there are any. Never raises.

    >>> parse_step('Thought: so\nAction: search\nAction Input: {"q": "x"}')
    AgentStep(plan='call', action='search', input='{"q": "x"}', answer=None)
    """
    action, written = _native_call(tool_calls[0]) if tool_calls else _react_call(text or "")
    if action != FINISH:
        return AgentStep("call", action, written)
    answer = _final_answer(written)
    return (
        AgentStep("give_up", None, written)
        if answer is None
        else AgentStep("finish", FINISH, written, answer)
    )


def cut_at_observation(text: str | None) -> str:
    """Return the reply up to its first `Observation:`: observations come from tools, never from the agent."""
    return (text or "").partition(_OBSERVATION)[0]


def tool_names(tools: object) -> frozenset[str]:
    """Return the names of offered tools, each under `name`, `Name` or OpenAI's `function.name`; tools without a name are ignored."""
    named = tools if isinstance(tools, list | tuple) else ()
    return frozenset(name for tool in named if (name := tool_name(tool)) is not None)


def score_paper(gold: AgentStep, reply: AgentStep, offered: Collection[str]) -> StepScore:
    """Score a step as the reference scorer does; the module's docstring has the definition. Each value is in 0 to 1.

    Both steps come from `parse_step`, `offered` from `tool_names`.
    """
    if skipped := _paper_skip_reason(gold, reply, offered):
        return StepScore({**dict.fromkeys(METRICS), "hallucination_rate": 0.0}, skipped)
    values: dict[str, float | None] = dict.fromkeys(METRICS)
    values["plan_em"] = float(gold.plan == reply.plan)
    values["hallucination_rate"] = float(
        reply.action not in (None, NO_ACTION) and reply.action not in offered
    )
    if gold.plan == "call":
        # A reply that gave up counts as the call `none` with `{}`, and so may equal a gold without action.
        called = reply if reply.action is not None else AgentStep("call", NO_ACTION, "{}")
        values["act_em"] = float(gold.action == called.action)
        values.update(_paper_f1(gold, called))
    notes: tuple[str, ...] = ()
    if gold.plan == "finish":
        values["rouge_l"], notes = _answer_rouge_l(gold, reply)
    return StepScore(values, notes=notes)


def score_strict(gold: AgentStep, reply: AgentStep, offered: Collection[str]) -> StepScore:
    r"""Score a step by our own rules; the module's docstring has the definition. Each value is in 0 to 1.

    Both steps come from `parse_step`, the reply's text through `cut_at_observation`; `offered` from `tool_names`.

    >>> gold = parse_step('Action: search\nAction Input: {"q": "tea", "n": 1}')
    >>> reply = parse_step('Action: search\nAction Input: {"q": "tea", "n": true}')
    >>> score_strict(gold, reply, {"search"}).values["avg_f1"], score_paper(gold, reply, {"search"}).values["avg_f1"]
    (0.75, 1.0)
    """
    if skipped := strict_skip_reason(gold, offered):
        return StepScore(dict.fromkeys(METRICS), skipped)
    values: dict[str, float | None] = dict.fromkeys(METRICS)
    decided = reply.action != NO_ACTION or gold.action == NO_ACTION
    values["plan_em"] = float(decided and gold.plan == reply.plan)
    values["hallucination_rate"] = float(
        reply.plan == "call" and reply.action != NO_ACTION and reply.action not in offered
    )
    if gold.plan == "call":
        values["act_em"] = float(gold.action == reply.action)
        values.update(_strict_f1(gold, reply))
    notes: tuple[str, ...] = ()
    if gold.plan == "finish":
        values["rouge_l"], notes = _answer_rouge_l(gold, reply)
    return StepScore(values, notes=notes)


def _react_call(text: str) -> tuple[str, str]:
    _, marker, after = text.rpartition(_ACTION)
    action = after.partition(_ACTION_INPUT)[0].strip() if marker else NO_ACTION
    _, marker, after = text.rpartition(_ACTION_INPUT)
    return action, after.strip() if marker else "{}"


def _native_call(call: object) -> tuple[str, str]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return NO_ACTION, "{}"
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(arguments, str):  # the protocol says JSON text, some servers send the object itself
        arguments = _as_json(arguments)
    return name.strip() if isinstance(name, str) else NO_ACTION, arguments.strip() or "{}"


def _as_json(arguments: object) -> str:
    if arguments is None:
        return "{}"
    try:
        return json.dumps(arguments, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""


def _final_answer(written: str) -> str | None:
    """Return the answer of a Finish input; None if it does not give one (then the step gives up)."""
    try:
        arguments = json.loads(written)
    except (ValueError, RecursionError):
        return None
    if not isinstance(arguments, dict) or arguments.get("return_type") != "give_answer":
        return None
    answer = str(arguments.get("final_answer"))
    return "None" if answer.strip() in ("", ".", ",") else answer


def tool_name(tool: object) -> str | None:
    """Return a tool's name, under `name`, `Name` or OpenAI's `function.name`; None if it has none."""
    if not isinstance(tool, Mapping):
        return None
    function = tool.get(
        "function"
    )  # in ToolBench's own files a description, so only a mapping is looked into
    nested = function.get("name") if isinstance(function, Mapping) else None
    return next(
        (name for name in (tool.get("name"), tool.get("Name"), nested) if isinstance(name, str)), None
    )


def _paper_skip_reason(gold: AgentStep, reply: AgentStep, offered: Collection[str]) -> str:
    if gold.action == INVALID_GOLD_ACTION:
        return SKIPPED_INVALID_GOLD
    offers_gold = gold.action == NO_ACTION or gold.action in offered
    return "" if reply.plan == "give_up" or offers_gold else SKIPPED_GOLD_NOT_OFFERED


def strict_skip_reason(gold: AgentStep, offered: Collection[str]) -> str:
    """Return the reason why profile `strict` skips a row, or ""."""
    if gold.action == INVALID_GOLD_ACTION:
        return SKIPPED_INVALID_GOLD
    not_offered = gold.plan == "call" and gold.action != NO_ACTION and gold.action not in offered
    return SKIPPED_GOLD_NOT_OFFERED if not_offered else ""


def _paper_f1(gold: AgentStep, reply: AgentStep) -> dict[str, float]:
    if gold.action != reply.action:
        return {"avg_f1": 0.0, "easy_f1": 0.0, "hard_f1": 0.0}
    try:
        expected = json.loads(gold.input)
    except (ValueError, RecursionError):
        return {}
    try:
        f1 = _argument_f1(expected, json.loads(reply.input), operator.eq)
    except (ValueError, RecursionError):
        f1 = 0.0
    return {"avg_f1": f1, ("easy_f1" if expected == {} else "hard_f1"): f1}


def _strict_f1(gold: AgentStep, reply: AgentStep) -> dict[str, float]:
    expected, found = strict_json(gold.input), strict_json(reply.input)
    if not isinstance(expected, dict):
        return {}
    try:
        f1 = _argument_f1(expected, found, json_equal) if gold.action == reply.action else 0.0
    except RecursionError:  # nested beyond what Python compares
        f1 = 0.0
    return {"avg_f1": f1, ("hard_f1" if expected else "easy_f1"): f1}


def _argument_f1(expected: object, found: object, equal: Callable[[Any, Any], bool]) -> float:
    """F1 of arguments: an equal value counts 1, a right name with another value ½, over the names of both sides."""
    if not isinstance(expected, dict) or not isinstance(found, dict):
        return 0.0
    if not expected or not found:
        return float(expected == found)
    shared = expected.keys() & found.keys()
    hits = sum(1.0 if equal(expected[name], found[name]) else 0.5 for name in shared)
    if not hits:
        return 0.0
    recall, precision = hits / len(expected), hits / len(found)
    return 2 * recall * precision / (recall + precision)


def json_equal(first: object, second: object) -> bool:
    """Whether two parsed JSON values are equal by JSON type: true is not 1, "1" is not 1, 1 is 1.0."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(json_equal(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(json_equal, first, second))
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    return first == second


def strict_json(written: str) -> object:
    """Parse JSON as the standard has it, without NaN and Infinity; None if it is not JSON. Never raises."""
    try:
        return json.loads(written, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _answer_rouge_l(gold: AgentStep, reply: AgentStep) -> tuple[float | None, tuple[str, ...]]:
    reference, hypothesis = gold.answer or "", reply.answer if reply.answer is not None else NO_ACTION
    if not split_sentences(reference):
        return None, (NOTE_EMPTY_ANSWER,)
    score = paper_rouge_l(reference, hypothesis)
    return (0.0, (NOTE_EMPTY_ANSWER,)) if score is None else (score, ())
