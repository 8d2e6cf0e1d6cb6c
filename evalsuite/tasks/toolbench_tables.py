"""The breakdown tables of a `toolbench` dataset, and the lines that a sample counts on.

`labels`      Failure labels and notes. A sample counts on the line of each of its labels.
`choices`     What the gold step and the reply do: the same tool, another tool, a tool that is not offered, Finish,
              giving up, nothing. It covers the rows of `confusion`.
`confusion`   The tool of the gold step and the tool of the reply, correct pairs included. Rows that `strict` skips are
              left out. Giving up is separate from Finish, and a tool that is not offered is marked.
`invented`    Tools that are not offered, with the offered tool whose name is nearest.
`by_depth`    Scores by the number of agent and result turns before the step.
`by_tools`    Scores by the number of tools offered, without Finish.
`skipped`     Why a metric does not apply to a sample. The reasons of a metric add up to its `n_skipped`.
`gold_audit`  Gold steps that break the schemas of their own tools (`evalsuite validate` names the rows).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalsuite.metrics.tool_failures import gold_problems
from evalsuite.metrics.tool_schemas import offered_schemas
from evalsuite.metrics.tool_steps import (
    FINISH,
    INVALID_GOLD_ACTION,
    NO_ACTION,
    AgentStep,
    parse_step,
    strict_json,
)
from evalsuite.tasks.agent_formats import AGENT_ROLE, RESULT_ROLES
from evalsuite.tasks.metric import Breakdown
from evalsuite.types import Message, Score

GIVE_UP = f"{FINISH} (give up)"
NO_CALL = "(no action)"
GOLD_TOOL = "the gold tool"
BY_GROUP = ("strict/plan_em", "strict/act_em", "strict/hallucination_rate", "strict/avg_f1")
DEPTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 32)
TOOL_COUNTS = (0, 1, 2, 3, 5, 9, 17, 33)
"""First value of each line of the table; a line ends before the next one begins."""

TABLES = (
    Breakdown(
        "labels", "Failure labels", ("label",), filter="label", note="A sample has every label that applies."
    ),
    Breakdown("choices", "Steps", ("gold step", "reply's step")),
    Breakdown(
        "confusion",
        "Tools: gold and reply",
        ("gold tool", "reply's tool"),
        averages=("strict/avg_f1",),
        note="Most frequent pairs first, correct ones included.",
    ),
    Breakdown("invented", "Tools that are not offered", ("called", "nearest offered")),
    Breakdown("by_depth", "By depth", ("turns before",), averages=BY_GROUP, numeric_order=True),
    Breakdown("by_tools", "By number of tools", ("tools offered",), averages=BY_GROUP, numeric_order=True),
    Breakdown(
        "skipped",
        "Where a metric does not apply",
        ("metric", "because"),
        note="The reasons of a metric add up to the samples it skipped.",
    ),
    Breakdown(
        "gold_audit",
        "Gold steps with a fault",
        ("fault",),
        note="They break the schemas of their own tools; evalsuite validate names the rows.",
    ),
)


def table_keys(
    target: str, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], score: Score
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The lines that a judged sample counts on: pairs of a table's name and a key."""
    gold, schemas = parse_step(target), offered_schemas(tools)
    extracted = score.extracted if isinstance(score.extracted, Mapping) else {}
    plan, action = str(extracted.get("plan", "")), extracted.get("action")
    yield from (("labels", (label,)) for label in score.labels)
    if score.values.get("strict/plan_em") is not None:
        yield (
            "choices",
            (_choice(gold.plan, gold.action, gold, schemas), _choice(plan, action, gold, schemas)),
        )
        yield "confusion", (_tool(gold.plan, gold.action, schemas), _tool(plan, action, schemas))
    if "hallucinated_tool" in score.labels:
        near = (extracted.get("failures") or {}).get("hallucinated_tool")
        yield "invented", (str(action), str(near or "(none)"))
    yield "by_depth", (_range(_depth(messages), DEPTHS),)
    yield "by_tools", (_range(len(schemas.keys() - {FINISH}), TOOL_COUNTS),)
    for metric, value in score.values.items():
        if value is None:
            yield "skipped", (metric, _reason(metric, gold, plan, action, score.values))
    yield from (("gold_audit", (fault,)) for fault in gold_problems(gold, schemas))


def _tool(plan: str, action: object, offered: Mapping[str, Any]) -> str:
    if plan == "give_up":
        return GIVE_UP
    if action == NO_ACTION:
        return NO_CALL
    return str(action) if plan == "finish" or action in offered else f"{action} (not offered)"


def _choice(plan: str, action: object, gold: AgentStep, offered: Mapping[str, Any]) -> str:
    if plan != "call" or action == NO_ACTION:
        return _tool(plan, action, offered)
    if gold.plan == "call" and action == gold.action:
        return GOLD_TOOL
    return "another tool" if action in offered else "a tool that is not offered"


def _depth(messages: Sequence[Message]) -> int:
    return sum(turn["role"] == AGENT_ROLE or turn["role"] in RESULT_ROLES for turn in messages)


def _range(number: int, starts: Sequence[int]) -> str:
    """The range that a number falls into: "3–4", "33 or more"."""
    place = max(place for place, start in enumerate(starts) if start <= number)
    if place == len(starts) - 1:
        return f"{starts[place]} or more"
    first, last = starts[place], starts[place + 1] - 1
    return str(first) if first == last else f"{first}–{last}"


def _reason(
    metric: str, gold: AgentStep, plan: str, action: object, values: Mapping[str, float | None]
) -> str:
    """Why a metric does not apply to a sample."""
    profile, _, name = metric.partition("/")
    if values.get(f"{profile}/plan_em") is None:
        return "gold_action_invalid" if gold.action == INVALID_GOLD_ACTION else "gold_action_not_offered"
    if name == "rouge_l":
        return "gold_answer_without_words" if gold.plan == "finish" else "gold_is_no_answer"
    if gold.plan != "call":
        return "gold_is_no_call"
    if name.endswith("_given_plan") or (name.startswith(("argument_", "avg_f1_given")) and plan != "call"):
        return "reply_is_no_call"
    if name.startswith(("argument_", "avg_f1_given")) and action != gold.action:
        return "reply_calls_another_tool"
    if strict_json(gold.input) == {}:
        return "gold_has_no_arguments"
    return (
        "gold_has_arguments" if name == "easy_f1" and _is_json(gold, profile) else "gold_input_not_an_object"
    )


def _is_json(gold: AgentStep, profile: str) -> bool:
    """Whether the gold input counts as JSON: `paper` accepts any value, `strict` only an object."""
    given = strict_json(gold.input)
    return isinstance(given, dict) or (profile == "paper" and given is not None)
