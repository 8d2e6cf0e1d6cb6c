r"""Grade-school word problems (`gsm8k`): reason, then give a number.

Columns `question` and `answer`, the gold number after the last `####`. Chat asks for the number in `\boxed{}`,
with worked examples as chat turns; `--completions` uses the classic `Question:/Answer:` form. Examples come from a dev
file if there is one, else from the four that were written for this project. Reading and comparing numbers:
`evalsuite.metrics.numbers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalsuite.data.row_parser import RowError
from evalsuite.metrics import numbers
from evalsuite.metrics.text import has_cjk
from evalsuite.tasks.base import Task
from evalsuite.tasks.capabilities import Capabilities, FewShot
from evalsuite.tasks.columns import Columns, context_text, text_value, with_context
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.replies import answer_text, harness_text, outcome, reference_text
from evalsuite.tasks.style import CHINESE_TRAIT, CONTEXT_TRAIT, Language, Style, select_traits
from evalsuite.types import Message, Prompt, Reply, Score

COMPLETION_STOPS = ("Question:", "</s>", "<|im_end|>")
INSTRUCTIONS: Mapping[Language, str] = {
    "en": r"Please reason step by step, and put your final answer within \boxed{}.",
    "zh": r"请一步一步推理，并把最终答案写在 \boxed{} 中。",
}
CLOSINGS: Mapping[Language, str] = {
    "en": r"The final answer is \boxed{%s}.",
    "zh": r"最终答案是 \boxed{%s}。",
}
_CALCULATOR_MARK = re.compile(r"<<[^<>]*>>")


@dataclass(frozen=True, slots=True)
class Gsm8kRow:
    """A problem, its worked solution without calculator marks, and the gold number."""

    question: str
    solution: str
    answer: str
    written_answer: str = ""
    """The answer column unchanged: profiles read the gold from it in the ways of their harnesses."""
    context: str = ""
    """Text that is asked before the question."""


EXAMPLES = (
    Gsm8kRow(
        "A bakery fills 6 trays with 12 rolls each. By noon 45 rolls are sold. How many rolls are left?",
        "There are 6 * 12 = 72 rolls.\nAfter noon 72 - 45 = 27 rolls are left.",
        "27",
    ),
    Gsm8kRow(
        "Nora saves $15 a week. After 8 weeks she buys a helmet for $38 and a bell for $7. How much money does she have left?",
        "She saves 15 * 8 = 120 dollars.\nShe spends 38 + 7 = 45 dollars.\nShe has 120 - 45 = 75 dollars left.",
        "75",
    ),
    Gsm8kRow(
        "A train has 4 carriages with 60 seats and 2 carriages with 45 seats. Two thirds of all seats are taken. How many seats are free?",
        "There are 4 * 60 + 2 * 45 = 240 + 90 = 330 seats.\nTaken are 330 * 2 / 3 = 220 seats.\nFree are 330 - 220 = 110 seats.",
        "110",
    ),
    Gsm8kRow(
        "Ben reads 20 pages on Monday, twice as many on Tuesday and 10 fewer than on Tuesday on Wednesday. How many pages does he read in the three days?",
        "On Tuesday he reads 20 * 2 = 40 pages.\nOn Wednesday he reads 40 - 10 = 30 pages.\nIn all he reads 20 + 40 + 30 = 90 pages.",
        "90",
    ),
)
"""Written for this project, so no evaluated row is ever shown as an example."""


class Gsm8kTask(Task[Gsm8kRow]):
    """Word problems with one number as the answer."""

    kind: ClassVar[str] = "gsm8k"
    version: ClassVar[str] = "2"
    columns: ClassVar[Columns] = Columns(
        required=("question", "answer"),
        description="question, answer (the number after ####); optional id, context",
    )
    capabilities: ClassVar[Capabilities] = Capabilities(few_shot=FewShot(default=4, builtin=EXAMPLES))
    profiles: ClassVar[tuple[str, ...]] = ("lm_eval_strict", "lm_eval_flexible", "opencompass")

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """A question whose answer carries the `####` mark."""
        return "question" in values and "####" in text_value(values, "answer")

    def parse(self, values: Mapping[str, Any]) -> Gsm8kRow:
        """See `RowReader.parse`."""
        faults: list[tuple[str, str]] = []
        question, answer, gold = text_value(values, "question"), text_value(values, "answer"), ""
        if not question.strip():
            faults.append(("the question is empty", "a text in the column 'question'"))
        try:
            gold = numbers.gold(reference_text(answer))
        except ValueError:
            faults.append(
                (_gold_problem(answer), "a solution in the column 'answer' that ends in '#### NUMBER'")
            )
        if faults:
            raise RowError(*faults)
        solution = _CALCULATOR_MARK.sub("", answer.rpartition("####")[0]).strip()
        return Gsm8kRow(question.strip(), solution, gold, answer, context_text(values))

    def traits(self, row: Gsm8kRow, reply: Reply | None = None) -> Iterable[str]:
        """See `RowReader.traits`."""
        traits = {CHINESE_TRAIT: has_cjk(row.question), CONTEXT_TRAIT: row.context}
        return select_traits(traits)

    def prompt(self, row: Gsm8kRow, shots: Sequence[Gsm8kRow], style: Style, subject: str) -> Prompt:
        """Worked examples as chat turns, or the classic flat form."""
        if style.completions:
            blocks = [f"{_flat_question(shot)} {shot.solution}\n#### {shot.answer}" for shot in shots]
            return Prompt(text="\n\n".join([*blocks, _flat_question(row)]), stop=COMPLETION_STOPS)
        messages: list[Message] = []
        for shot in shots:
            messages.append({"role": "user", "content": _chat_question(shot, style)})
            messages.append(
                {"role": "assistant", "content": f"{shot.solution}\n{CLOSINGS[style.lang] % shot.answer}"}
            )
        messages.append({"role": "user", "content": _chat_question(row, style)})
        return Prompt(messages=messages)

    def row_from_gold(self, gold: str, style: Style) -> Gsm8kRow | None:
        """Scores do not depend on the problem. Profiles do read the whole answer column, so they need the row."""
        return None if style.profiles else Gsm8kRow("", "", gold)

    def score(self, row: Gsm8kRow, reply: Reply, style: Style) -> Score:
        """Right if equal as decimals; `strict` counts only a `####` or boxed answer."""
        text = answer_text(reply, style)
        found = numbers.extract(text) if text is not None else None
        value = found.value if found else None
        right = value is not None and numbers.equal(value, row.answer)
        stage = found.stage if found else ""
        judged = outcome(value is not None, reply)
        ended = reply.finish_reason
        values: dict[str, float | None] = {
            "accuracy": float(right),
            "strict": float(right and found is not None and found.strict),
            "truncated_rate": None if ended is None else float(ended == "length"),
        }
        if style.profiles:
            values |= _profile_scores(row, harness_text(reply) or "", style)
        return Score(judged, value, stage, values)

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """Read them together: a low `strict` shows a wrong form, a high `truncated_rate` too small a `--max-tokens`."""
        return (
            Metric("accuracy", primary=True, version=numbers.VERSION),
            Metric("strict", version=numbers.VERSION),
            Metric("truncated_rate", higher_is_better=False, version=numbers.VERSION),
            *(_profile_metrics(style) if style.profiles else ()),
        )


def _profile_scores(row: Gsm8kRow, text: str, style: Style) -> dict[str, float | None]:
    from evalsuite.metrics.numbers_profiles import accuracy

    return {f"{name}/accuracy": accuracy(name, text, row.written_answer) for name in style.profiles}


def _profile_metrics(style: Style) -> list[Metric]:
    from evalsuite.metrics.numbers_profiles import VERSION

    return [Metric(f"{name}/accuracy", profile=name, version=VERSION) for name in style.profiles]


def _gold_problem(answer: str) -> str:
    _, hashes, after = answer.rpartition("####")
    return f"the answer has {after.strip()[:60]!r} for its number" if hashes else "the answer has no '####'"


def _chat_question(row: Gsm8kRow, style: Style) -> str:
    return f"{with_context(row.context, row.question)}\n{INSTRUCTIONS[style.lang]}"


def _flat_question(row: Gsm8kRow) -> str:
    return with_context(row.context, f"Question: {row.question}\nAnswer:")
