"""Generated agent steps, as ugly as models write them, for the published ToolBench scorer and ours."""

from __future__ import annotations

import json
import random
from typing import Any

PAPER_NAMES = {
    "rouge": "rouge_l",
    "plan_em": "plan_em",
    "action_em": "act_em",
    "easy_f1": "easy_f1",
    "hard_f1": "hard_f1",
    "f1": "avg_f1",
    "hallu_rate": "hallucination_rate",
}
"""The published scorer's names of its numbers → ours."""
OFFERED = ("search", "weather", "Finish")
NAMES = (*OFFERED, "none", "", "invalid_hallucination_function_name", "invented", "search for tea")
TOOL_LISTS = (*[OFFERED] * 6, ("search", "Finish"), ("search", "weather"), (), (*OFFERED, "", "none"))
NO_OBJECTS = (
    "not json",
    "[1]",
    "[]",
    "null",
    '"s"',
    '{"x": NaN}',
    "{'x': 1}",
    "",
    " {} ",
    "1",
    '{"x": 1',
    "true",
)
VALUES = (1, 1.0, True, False, 0, "1", "x", None, [1], [True], {"k": 1}, {"k": True}, "", -1, 2)
WORDS = ("the", "cat", "sat", "on", "mat", ".", ",", "A", "a.", "b.c", "..", "\n", "x", "我", "...")
ANSWERS_OF_NOTHING = ("", ".", None, 5, ["a b", "c"], ",", "None")
UNREADABLE_FINISHES = ("{}", "[]", "oops", '{"return_type": 1}', '{"return_type": "give_answer"}', "null")
ODD_STEPS = (
    "", "text only", "Action:", 'Action Input: {"x": 1}', "Action Input: {} Action: search", "Action: search", "action: search",
    'Action: search\nAction: weather\nAction Input: {}\nAction Input: {"x": 1}',
    "Action: search Action Input: {} Observation: x Action: weather Action Input: {}",
)  # fmt: skip


def step(name: str, given: str) -> str:
    return f"Thought: t\nAction: {name}\nAction Input: {given}"


COMPANIONS = [
    {"target": text, "predictions": text, "tools": [{"name": "search"}]}
    for text in (
        step("search", "{}"),
        step("search", '{"x": 1}'),
        step("Finish", '{"return_type": "give_answer", "final_answer": "tea"}'),
    )
]
"""One step of each kind the scorer divides by the number of: it raises where a kind is missing."""


def any_batch(chance: random.Random) -> dict[str, Any]:
    """Five records and the companions; the scorer gives numbers for all of them together."""
    companions = [{**one, "tools": [{"name": name} for name in OFFERED]} for one in COMPANIONS]
    return {"records": [*companions, *(any_record(chance) for _ in range(5))]}


def any_record(chance: random.Random) -> dict[str, Any]:
    gold = any_step(chance)
    reply = gold if chance.random() < 0.3 else any_step(chance)
    if chance.random() < 0.2:
        reply = gold.replace("1", "2", 1)
    tools = [{"name": name} for name in chance.choice(TOOL_LISTS)]
    return {"target": gold, "predictions": reply, "tools": tools}


def any_step(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.05:
        return chance.choice(ODD_STEPS)
    name = "Finish" if kind < 0.4 else chance.choice(OFFERED[:2]) if kind < 0.85 else chance.choice(NAMES)
    given = any_finish(chance) if name == "Finish" else any_arguments(chance)
    space = chance.choice(("\n", " ", "\n\n"))
    return (
        f"Thought: t{space}Action: {name}{space}Action Input: {given}{chance.choice(('', '', chr(10), ' '))}"
    )


def any_arguments(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.33:
        return "{}" if kind < 0.25 else chance.choice(NO_OBJECTS)
    names = chance.sample(("x", "y", "z", "w"), chance.randint(0, 4))
    return json.dumps({name: chance.choice(VALUES) for name in names})


def any_finish(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.15:
        return '{"return_type": "give_up_and_restart"}'
    if kind < 0.25:
        return chance.choice(UNREADABLE_FINISHES)
    answer: Any = chance.choice(ANSWERS_OF_NOTHING)
    if kind < 0.85:
        answer = " ".join(chance.choices(WORDS, k=chance.randint(1, 25)))
    return json.dumps({"return_type": "give_answer", "final_answer": answer if has_words(answer) else "tea"})


def has_words(answer: Any) -> bool:
    """The scorer raises on an answer of nothing but periods, except those it reads as None."""
    text = str(answer)
    return text.strip() in ("", ".", ",") or any(text.split("."))
