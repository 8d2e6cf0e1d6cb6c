"""Scores steps given that the decision before was right, to show where in the chain a model goes wrong.

All on the `strict` reading (`evalsuite.metrics.tool_steps`), 0 to 1, None where the condition does not hold; rows
that `strict` skips are None in all of them.

`act_em_given_plan`      `act_em` over gold calls whose reply calls, too. A reply without any action is read as the
                         call of no tool, so it is in here, and 0.
`avg_f1_given_tool`      `avg_f1` over gold calls whose reply names the same tool.
`argument_name_f1`       over the same rows: F1 of the sets of argument names, values aside.
`argument_value_f1`      over the same rows: F1 of the arguments that have the gold's name and, by JSON type, its
                         value. A right name with another value counts nothing here (½ in `avg_f1`).

For the three F1, a gold input that is no JSON object is None, a reply's that is none is 0, and two empty objects
are 1, an empty and a filled one 0.
"""

from __future__ import annotations

from evalsuite.metrics.tool_steps import AgentStep, StepScore, json_equal, strict_json

VERSION = "2"
CONDITIONAL_METRICS = ("act_em_given_plan", "avg_f1_given_tool", "argument_name_f1", "argument_value_f1")


def conditional_scores(gold: AgentStep, reply: AgentStep, strict: StepScore) -> dict[str, float | None]:
    """Return the row's value in each of `CONDITIONAL_METRICS`; `strict` is the result of `score_strict` for the two steps."""
    scores: dict[str, float | None] = dict.fromkeys(CONDITIONAL_METRICS)
    if strict.skipped or gold.plan != "call" or reply.plan != "call":
        return scores
    scores["act_em_given_plan"] = strict.values["act_em"]
    if gold.action == reply.action:
        scores["avg_f1_given_tool"] = strict.values["avg_f1"]
        scores["argument_name_f1"], scores["argument_value_f1"] = argument_f1(gold.input, reply.input)
    return scores


def argument_f1(gold: str, reply: str) -> tuple[float | None, float | None]:
    """Return F1 of names and of (name, value) pairs of two written inputs; None if the gold one is not a JSON object.

    >>> argument_f1('{"city": "Porto", "day": 1}', '{"city": "Porto", "day": 2}')
    (1.0, 0.5)
    """
    expected, found = strict_json(gold), strict_json(reply)
    if not isinstance(expected, dict):
        return None, None
    if not isinstance(found, dict):
        return 0.0, 0.0
    shared = expected.keys() & found.keys()
    try:
        equal = sum(json_equal(expected[name], found[name]) for name in shared)
    except RecursionError:  # nested beyond what Python compares
        equal = 0
    both = len(expected) + len(found)
    return (1.0, 1.0) if not both else (2 * len(shared) / both, 2 * equal / both)
