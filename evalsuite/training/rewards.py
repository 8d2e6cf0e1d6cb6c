r"""Reward functions for GRPO from the scorers of a run: training rewards what the evaluation measures.

    math        1 if the reply's number is the gold one (`metrics.numbers`)
    choice      1 if the chosen option is the gold one (`metrics.choices`)
    tool_call   a step of an agent against the gold step: the mean of its `strict` scores (`metrics.tool_steps`)
    format      1 if the reply has the required format: `<think>…</think><answer>…</answer>`, or a pattern of your own

Each is called as TRL calls it, `reward(prompts=…, completions=…, **columns)`, and as ms-swift calls an ORM, `reward(completions,
**columns)`: `completions` are texts, or lists of messages of which the last counts; columns of the data set come as lists of
that length. The gold answer is in `solution`, `answer`, `target` or `ground_truth` (the first that exists); a row without a
readable one is None (TRL leaves it out; `as_orm` gives 0). Thinking is not read: a reply whose thinking never ends has no
answer.

    GRPOTrainer(reward_funcs=[rewards.math, rewards.format], …)     # TRL
    orms["evalsuite_math"] = rewards.as_orm(rewards.math)           # ms-swift
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from evalsuite.errors import ConfigError
from evalsuite.metrics import choices, numbers, tool_steps
from evalsuite.tasks.replies import answer_text
from evalsuite.types import Reply

Completion: TypeAlias = str | Sequence[Mapping[str, Any]]
Reward: TypeAlias = Callable[..., list[float | None]]
GOLD_COLUMNS = ("solution", "answer", "target", "ground_truth")
THINK_THEN_ANSWER = r"^\s*<think>.*?</think>\s*<answer>.*?</answer>\s*$"
LETTERS = "ABCD"
"""The options of a row that names none."""
TOOL_SCORES = ("plan_em", "act_em", "avg_f1", "rouge_l")


def math(completions: Sequence[Completion], **columns: Any) -> list[float | None]:
    r"""1 or 0 a completion. The gold is a number, or a solution that ends in one (`#### 18`, `\boxed{18}`).

    >>> math(["so \\boxed{1,000}", "it is 7"], solution=["#### 1000", "8"])
    [1.0, 0.0]
    """
    return [
        None if (expected := _number(gold)) is None else float(_equal(_answer(completion), expected))
        for completion, gold in zip(completions, _golds(completions, columns), strict=True)
    ]


def choice(completions: Sequence[Completion], **columns: Any) -> list[float | None]:
    """1 or 0 a completion. Options: columns `A`, `B`, …, or `options` (a mapping or a list); else the letters A to D.

    >>> choice(["The answer is B.", "A"], answer=["B", "D"])
    [1.0, 0.0]
    """
    rewards: list[float | None] = []
    for place, (completion, gold) in enumerate(zip(completions, _golds(completions, columns), strict=True)):
        options = _options(columns, place)
        try:
            expected = choices.parse_gold(gold, options)
        except ValueError:
            rewards.append(None)
            continue
        text = _answer(completion)
        chosen = choices.extract(text, options, multiple=len(expected) > 1).labels if text else None
        rewards.append(choices.accuracy(chosen, expected))
    return rewards


def tool_call(completions: Sequence[Completion], **columns: Any) -> list[float | None]:
    r"""0 to 1 a completion: the mean of what applies of plan, action, argument F1, and ROUGE-L of a final answer.

    Both steps are ReAct text or native calls (`tool_calls` of a message); `tools` lists what is offered, where given.

    >>> gold = 'Action: search\nAction Input: {"q": "tea"}'
    >>> tool_call([gold, "Action: look\nAction Input: {}"], solution=[gold, gold])
    [1.0, 0.3333333333333333]
    """
    rewards: list[float | None] = []
    for place, (completion, gold) in enumerate(zip(completions, _golds(completions, columns), strict=True)):
        expected = tool_steps.parse_step(gold) if isinstance(gold, str) and gold.strip() else None
        if expected is None:
            rewards.append(None)
            continue
        text = tool_steps.cut_at_observation(_answer(completion) or "")
        step = tool_steps.parse_step(text, _calls(completion))
        offered = _tools(columns, place) or {name for name in (expected.action,) if name}
        score = tool_steps.score_strict(expected, step, offered)
        values = [value for name in TOOL_SCORES if (value := score.values[name]) is not None]
        rewards.append(sum(values) / len(values) if values else None)
    return rewards


def format(  # noqa: A001 - as ms-swift and TRL's examples call it
    completions: Sequence[Completion], *, pattern: str = THINK_THEN_ANSWER, **_: Any
) -> list[float | None]:
    """1 or 0 a completion: whether `pattern` (a regular expression; `.` takes line ends) is found in the whole text.

    >>> format(["<think>2+2</think><answer>4</answer>", "4"])
    [1.0, 0.0]
    """
    compiled = re.compile(pattern, re.DOTALL)
    return [float(compiled.search(_text(completion)) is not None) for completion in completions]


def as_orm(reward: Reward) -> type:
    """A class as ms-swift registers it in `orms` (v3 calls it without arguments, v4 with `args`); None becomes 0.

    >>> as_orm(math)()(["5"], solution=["5"])
    [1.0]
    """

    class Orm:
        __doc__ = reward.__doc__

        def __init__(self, *_: Any, **__: Any) -> None:
            """Take what a version gives."""

        def __call__(self, completions: Sequence[Completion], **columns: Any) -> list[float]:
            return [found or 0.0 for found in reward(completions, **columns)]

    Orm.__name__ = Orm.__qualname__ = (
        f"Evalsuite{getattr(reward, '__name__', 'Reward').title().replace('_', '')}"
    )
    return Orm


def _golds(completions: Sequence[Completion], columns: Mapping[str, Any]) -> Sequence[Any]:
    name = next((name for name in GOLD_COLUMNS if columns.get(name) is not None), None)
    if name is None:
        raise ConfigError(
            f"a reward needs the gold answers: the data set has none of the columns {', '.join(GOLD_COLUMNS)}."
        )
    golds: Sequence[Any] = columns[name]
    if isinstance(golds, str) or len(golds) != len(completions):
        raise ConfigError(f"'{name}' is to be a list of {len(completions)}, one gold answer a completion.")
    return golds


def _text(completion: Completion) -> str:
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else ""
    return content if isinstance(content, str) else ""


def _answer(completion: Completion) -> str | None:
    return answer_text(Reply(_text(completion)))


def _calls(completion: Completion) -> Sequence[Mapping[str, Any]] | None:
    found = None if isinstance(completion, str) or not completion else completion[-1].get("tool_calls")
    return found if isinstance(found, list) and found else None


def _number(gold: Any) -> str | None:
    text = str(gold)
    try:
        return numbers.gold(text)
    except ValueError:
        return numbers.extract(text).value


def _equal(answer: str | None, expected: str) -> bool:
    return answer is not None and numbers.equal(numbers.extract(answer).value, expected)


def _options(columns: Mapping[str, Any], place: int) -> dict[str, str]:
    row = {name: values[place] for name, values in columns.items() if _is_column(values, place)}
    own = row.get("options", row.get("choices"))
    if isinstance(own, Mapping):
        return {str(label): str(text) for label, text in own.items()}
    if isinstance(own, list):
        return {chr(ord("A") + number): str(text) for number, text in enumerate(own)}
    return choices.option_labels({name.lower(): cell for name, cell in row.items()}) or dict.fromkeys(
        LETTERS, ""
    )


def _tools(columns: Mapping[str, Any], place: int) -> frozenset[str]:
    values = columns.get("tools", ())
    found = values[place] if _is_column(values, place) else None
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return frozenset()
    return tool_steps.tool_names(found)


def _is_column(values: Any, place: int) -> bool:
    return isinstance(values, list | tuple) and len(values) > place
