"""What looks wrong in multiple-choice data although every row can be asked: `evalsuite validate` warns of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from evalsuite._util.compact import short_hash
from evalsuite.data.columns import is_empty
from evalsuite.data.option_columns import option_like
from evalsuite.errors import Problem
from evalsuite.metrics.text import normalize_text

if TYPE_CHECKING:
    from evalsuite.data.dataset import Dataset
    from evalsuite.tasks.mcq import McqRow
    from evalsuite.types import Sample

NO_VALUE_TEXTS = frozenset(
    {"nan", "none", "null", "n/a", "#n/a", "<na>", "undefined", "#name?", "#ref!", "#value!", "#div/0!"}
)
"""What programs write for an empty cell or a broken formula."""
FEWEST_ROWS_OF_ONE_ANSWER = 8
"""Rows needed for the warning. With four options, 8 rows have the same letter by chance once in 16,000 files."""
ANSWER_COLUMNS = ("response", "answer")
_LETTER = re.compile("[A-ZＡ-Ｚ]")
_QUOTED_ANSWER = re.compile(
    r"(?:\b(?:answer|correct option|correct choice)(?: is|\s*[:：=])|答案(?:是|为|\s*[:：])|故选|应选)"
    r"\s*[(（\[]?(?P<letter>[A-Z])(?![A-Za-z])"
)


def hidden_choices(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return why rows that would be read as `qa` are multiple choice after all; "" if they are not.

    They are if columns look like options, or if every answer is a single capital letter.
    """
    letters = 0
    for values in rows:
        if named := option_like([name for name, value in values.items() if not is_empty(value)]):
            return f"its columns {', '.join(named)} look like the options of a multiple choice"
        answer = next((values[name] for name in ANSWER_COLUMNS if not is_empty(values.get(name))), "")
        if not _LETTER.fullmatch(str(answer).strip()):
            return ""
        letters += 1
    return (
        "every answer is a single letter, as in a multiple choice, but there are no options"
        if letters
        else ""
    )


def row_warnings(row: McqRow) -> Iterator[tuple[str, str]]:
    """Yield what looks wrong in one row, as pairs of what it is and what is expected."""
    yield from _alike(row.options)
    for letter, text in row.options.items():
        if text.strip().lower() in NO_VALUE_TEXTS:
            yield f"option {letter} reads '{text}'", "a text, or an empty cell after the last option"
        if found := _QUOTED_ANSWER.search(text):
            yield (
                f"option {letter} holds '{found.group()}', which a reply that quotes it would be read by",
                "options that name no answer",
            )
    if found := _QUOTED_ANSWER.search(row.question):
        yield f"the question holds '{found.group()}', so it may give its answer away", "the question alone"


def _alike(options: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    reads = {letter: normalize_text(text) for letter, text in options.items()}
    for first, second in combinations(options, 2):
        if reads[first] == reads[second]:
            yield (
                f"options {first} and {second} read alike: '{options[first]}' and '{options[second]}'",
                "options that differ in more than case, width and white space",
            )


def dataset_warnings(dataset: Dataset[McqRow]) -> Iterator[Problem]:
    """Yield what looks wrong in the rows of a dataset together."""
    answers: Counter[tuple[str, ...]] = Counter()
    ids = _IdsOfSubjects()
    examples = {_question_hash(row): path.name for path, rows in dataset.pools.items() for row in rows}
    for file, sample in dataset.rows():
        answers[sample.row.answer] += 1
        ids.add(str(file.path), sample)
        if examples and (name := examples.get(_question_hash(sample.row))):
            what = f"row '{sample.id}': the question is also in {name}, whose rows are shown as examples"
            yield Problem(str(file.path), sample.line, what, "questions that the model is not shown before")
    yield from ids.warnings()
    yield from _one_answer(dataset, answers)


class _IdsOfSubjects:
    """Ids that are in several files of a folder. That is allowed: results are told apart by subject."""

    def __init__(self) -> None:
        self._first: dict[int, str] = {}
        self._repeated = 0
        self._example: Problem | None = None

    def add(self, file: str, sample: Sample[McqRow]) -> None:
        """Count a row's id, unless it is only the row's position."""
        if sample.id == str(sample.index):
            return
        first = self._first.setdefault(short_hash(sample.id), file)
        if first != file:
            self._repeated += 1
            what = f"the id '{sample.id}' is also in {first}"
            self._example = self._example or Problem(file, sample.line, what, "")

    def warnings(self) -> Iterator[Problem]:
        """Yield one warning for all of them."""
        if self._example:
            more = f" ({self._repeated} ids are in several subjects)" if self._repeated > 1 else ""
            expected = "ids that differ between subjects; equal ones are told apart by their subject"
            yield replace(self._example, what=self._example.what + more, expected=expected)


def _one_answer(dataset: Dataset[McqRow], answers: Mapping[tuple[str, ...], int]) -> Iterator[Problem]:
    rows = sum(answers.values())
    if len(answers) == 1 and rows >= FEWEST_ROWS_OF_ONE_ANSWER:
        (answer,) = answers
        what = f"the answer is {''.join(answer)} in all {rows} rows, so a model that always says it is right"
        yield Problem(str(dataset.files[0].path), 0, what, "right answers under different letters")


def _question_hash(row: McqRow) -> int:
    options: Sequence[str] = sorted(normalize_text(text) for text in row.options.values())
    return short_hash("\n".join((normalize_text(row.question), *options)))
