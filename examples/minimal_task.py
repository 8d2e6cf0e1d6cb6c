"""A complete kind of dataset: words to be spelled backwards.

A new kind is a file like this one in `evalsuite/tasks`, and a line in `evalsuite.tasks.KINDS`, such as
`"spelling": "evalsuite.tasks.spelling:SpellingTask"`. Then `evalsuite run -d words.csv` finds files with the columns
`word` and `answer`, asks and scores them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.tasks.base import Task
from evalsuite.tasks.columns import Columns, required_text
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.replies import answer_text, outcome
from evalsuite.tasks.style import Style
from evalsuite.types import Prompt, Reply, Score


@dataclass(frozen=True, slots=True)
class SpellingRow:
    """A word, and its letters from last to first."""

    word: str
    answer: str


class SpellingTask(Task[SpellingRow]):
    """Words to be spelled backwards."""

    kind = "spelling"
    columns = Columns(required=("word", "answer"), optional=("id",))

    def parse(self, values: Mapping[str, Any]) -> SpellingRow:
        """A row of the file, checked."""
        return SpellingRow(required_text(values, "word"), required_text(values, "answer"))

    def prompt(self, row: SpellingRow, shots: Sequence[SpellingRow], style: Style, subject: str) -> Prompt:
        """What the model is asked."""
        question = f"Spell '{row.word}' backwards. Reply with the letters only."
        return Prompt(messages=[{"role": "user", "content": question}])

    def score(self, row: SpellingRow, reply: Reply, style: Style) -> Score:
        """Exact match, without regard to case and white space around the reply."""
        text = (answer_text(reply) or "").strip()
        right = text.lower() == row.answer.lower()
        return Score(outcome(bool(text), reply), text, "text" if text else "", {"accuracy": float(right)})

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """What the scores add up to."""
        return (Metric("accuracy", primary=True),)
