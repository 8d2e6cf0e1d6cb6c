"""Questions with a free answer (`qa`), scored by ROUGE, BLEU and chrF against a reference, or the best of several.

Columns `query` (or `question`) and `response` (or `answer`, a text or a list of texts); optional `system` and `history`
(earlier turns as `[question, answer]` pairs or messages). Or `messages`, whose last assistant turn is the reference if
there is no response column. Text before the question: `columns.CONTEXT_COLUMNS`. Pictures (`image`): `data.pictures`.
Scores: `qa_scores`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalsuite.data.dataset import Dataset
from evalsuite.data.evalscope import content_text
from evalsuite.data.pictures import PICTURES, Picture, has_pictures, load_messages, with_pictures
from evalsuite.data.row_parser import RowError
from evalsuite.errors import Problem
from evalsuite.metrics import bleu
from evalsuite.tasks import qa_scores
from evalsuite.tasks.base import Task
from evalsuite.tasks.columns import (
    Columns,
    checked_messages,
    context_text,
    json_value,
    text_value,
    with_context,
)
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.replies import answer_text, harness_text, holds_turn_lines, outcome, reference_text
from evalsuite.tasks.style import (
    CHINESE_TRAIT,
    CONTEXT_TRAIT,
    MULTIPLE_TRAIT,
    PICTURE_TRAIT,
    TURN_LINES_TRAIT,
    Language,
    Style,
    select_traits,
)
from evalsuite.types import Message, Prompt, Reply, Score

MAX_TOKENS = 512
FLAT: Mapping[Language, tuple[str, str]] = {"zh": ("问题：", "回答："), "en": ("Question: ", "Answer:")}
REFERENCE_FORM = (
    "a text in the column 'response' or 'answer', or a list of texts, of which the best one counts"
)
HISTORY_FORM = "'history' as [[question, answer], …] or a list of messages"


@dataclass(frozen=True, slots=True)
class QaRow:
    """The turns up to the question, and the reference answers."""

    messages: tuple[Message, ...]
    references: tuple[str, ...]
    """Unchanged from the file; the best one counts."""
    pictures: tuple[Picture, ...] = ()
    """Shown with the question."""
    context: str = ""
    """Text that is asked before the question."""

    @property
    def question(self) -> str:
        """The text of the last turn."""
        return content_text(self.messages[-1]["content"])

    @property
    def reference(self) -> str:
        """The first reference answer: shown in examples, and the one that comparison profiles know."""
        return self.references[0]


class QaTask(Task[QaRow]):
    """Free answers compared with a reference."""

    kind: ClassVar[str] = "qa"
    columns: ClassVar[Columns] = Columns(
        required=(("query", "question", "messages"), ("response", "answer", "messages")),
        description="query (or question), response (or answer); optional context, system, history, image; or messages",
    )
    label_versions: ClassVar[Mapping[str, str]] = {"labels": qa_scores.LABELS_VERSION}
    profiles: ClassVar[tuple[str, ...]] = ("evalscope", "swift")

    def parse(self, values: Mapping[str, Any]) -> QaRow:
        """See `RowReader.parse`."""
        references = _references(values)
        turns = question_turns(values)
        if not references and turns[-1]["role"] == "assistant":
            references = (text_value(turns.pop(), "content"),)
        faults = []
        if not turns or not text_value(turns[-1], "content").strip():
            faults.append(("the question is empty", "a text in the column 'query' or 'question'"))
        elif turns[-1]["role"] == "assistant":
            expected = "messages that end in the question, or no 'response' column"
            faults.append(("the last message is the assistant's", expected))
        if not any(reference.strip() for reference in references):
            faults.append(("the reference answer is empty", REFERENCE_FORM))
        elif not any(reference_text(reference).strip() for reference in references):
            faults.append(("the reference answer holds nothing but reasoning", REFERENCE_FORM))
        if faults:
            raise RowError(*faults)
        return QaRow(tuple(turns), references, tuple(values.get(PICTURES, ())), question_context(values))

    def audit(self, row: QaRow) -> Iterable[tuple[str, str]]:
        """References in which ROUGE finds no word, or few of them."""
        return qa_scores.reference_warnings([reference_text(reference) for reference in row.references])

    def dataset_warnings(self, dataset: Dataset[QaRow]) -> Iterable[Problem]:
        """References without any 4-gram."""
        return qa_scores.dataset_warnings(dataset)

    def traits(self, row: QaRow, reply: Reply | None = None) -> Iterable[str]:
        """Chinese references decide the tokenizer of BLEU and the wording of flat prompts."""
        traits = {
            CHINESE_TRAIT: bleu.is_mostly_chinese(row.references),
            MULTIPLE_TRAIT: len(row.references) > 1,
            TURN_LINES_TRAIT: any(map(holds_turn_lines, row.references)),
            PICTURE_TRAIT: row.pictures or has_pictures(row.messages),
            CONTEXT_TRAIT: row.context,
        }
        return select_traits(traits)

    def max_tokens(self, style: Style) -> int:
        """Room for a paragraph or two."""
        return MAX_TOKENS

    def prompt(self, row: QaRow, shots: Sequence[QaRow], style: Style, subject: str) -> Prompt:
        """The turns, with few-shot examples before them; a flat text for base models."""
        if style.completions:
            question, answer = FLAT[style.lang]
            asked = [
                with_context(one.context, f"{question}{one.question}\n{answer}") for one in (*shots, row)
            ]
            blocks = [f"{text} {shot.reference}" for text, shot in zip(asked, shots, strict=False)]
            history = [str(turn["content"]) for turn in row.messages[:-1]]
            text = "\n\n".join([*blocks, *history, asked[-1]])
            return Prompt(text=text, stop=(f"\n{question.rstrip()}",))
        system = [turn for turn in row.messages if turn["role"] == "system"]
        rest = [turn for turn in row.messages if turn["role"] != "system"]
        examples: list[Message] = []
        for shot in shots:
            examples.append({"role": "user", "content": _chat_question(shot)})
            examples.append({"role": "assistant", "content": shot.reference})
        if row.pictures or row.context:
            rest[-1] = {**rest[-1], "content": _chat_question(row)}
        return Prompt(messages=load_messages([*system, *examples, *rest]))

    def gold(self, row: QaRow) -> str | list[str]:
        """The reference answer, or all of them if there are several."""
        return row.reference if len(row.references) == 1 else list(row.references)

    def row_from_gold(self, gold: str | Sequence[str], style: Style) -> QaRow:
        """Scores do not depend on the question."""
        return QaRow(({"role": "user", "content": ""},), (gold,) if isinstance(gold, str) else tuple(gold))

    def missing_for_profile(self, profile: str) -> str:
        """The profile `evalscope` needs NLTK's words."""
        if profile != "evalscope":
            return ""
        from evalsuite.metrics.english_words import missing_requirement

        return missing_requirement()

    def warm_up(self, style: Style) -> None:
        """Load the dictionaries and compute each score once."""
        text = "我" if style.data_lang == "zh" else "a"
        self.score(self.row_from_gold(text, style), Reply(text), style)

    def score(self, row: QaRow, reply: Reply, style: Style) -> Score:
        """Every overlap score of a reply. An empty reply scores 0 and counts as unparsed."""
        text = (answer_text(reply, style) or "").strip()
        references = [reference_text(reference, style).strip() for reference in row.references]
        values, statistics, labels = qa_scores.overlap_scores(references, text, style)
        if style.profiles:
            values |= _profile_scores(row, harness_text(reply) or "", style)
        return Score(outcome(bool(text), reply), text, "text" if text else "", values, labels, statistics)

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """The overlap scores, then those of the profiles."""
        return (*qa_scores.overlap_metrics(style), *(_profile_metrics(style) if style.profiles else ()))

    def label_notes(self, labels: Mapping[str, int], replies: int) -> Iterable[str]:
        """Where ROUGE or BLEU says little or nothing."""
        return qa_scores.label_notes(labels, replies)


def _profile_scores(row: QaRow, reply: str, style: Style) -> dict[str, float | None]:
    from evalsuite.metrics.qa_profiles import score

    return {
        f"{profile}/{name}": value
        for profile in style.profiles
        for name, value in score(profile, row.reference, reply).items()
    }


def _profile_metrics(style: Style) -> Iterator[Metric]:
    from evalsuite.metrics import english_words, qa_profiles

    for profile in style.profiles:
        for name in qa_profiles.METRICS[profile]:
            counts_nltk_words = profile == "evalscope" and name in qa_profiles.EVALSCOPE_BLEU
            nltk = f":nltk:{english_words.version()}" if counts_nltk_words else ""
            yield Metric(
                f"{profile}/{name}",
                unit="bleu" if profile == "swift" else "score",
                profile=profile,
                version=qa_profiles.VERSION + nltk,
                detail=profile == "evalscope" and name != qa_profiles.EVALSCOPE_PRIMARY,
            )


def _references(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The reference answers in the columns `response` or `answer`: a text, or a list of texts. Raises `RowError`."""
    name = next((name for name in ("response", "answer") if text_value(values, name).strip()), "")
    value = values.get(name)
    if isinstance(value, str) and value.strip().startswith("[") and value.strip().endswith("]"):
        value = _decoded_list(value)
    if isinstance(value, Mapping):
        raise RowError((f"'{name}' is an object", REFERENCE_FORM))
    if not isinstance(value, list | tuple):
        return (text_value(values, name),) if name else ()
    for number, one in enumerate(value, start=1):
        if isinstance(one, bool) or not isinstance(one, str | int | float) or not str(one).strip():
            raise RowError((f"entry {number} of '{name}' is {one!r}", REFERENCE_FORM))
    return tuple(map(str, value))


def _decoded_list(written: str) -> Any:
    """The list of texts that a cell holds as JSON, or the text itself."""
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return written
    return (
        found if isinstance(found, list) and found and all(isinstance(one, str) for one in found) else written
    )


def question_context(values: Mapping[str, Any]) -> str:
    """The text that is asked before the question; "" for a chat history, which holds all that is asked."""
    return "" if values.get("messages") else context_text(values)


def _chat_question(row: QaRow) -> str | list[dict[str, Any]]:
    return with_pictures(with_context(row.context, row.question), row.pictures)


def question_turns(values: Mapping[str, Any]) -> list[Message]:
    """The turns up to the question, from `messages` or from `system`, `history` and the question. Raises `RowError`."""
    if values.get("messages"):
        return list(checked_messages(json_value(values, "messages", "a list of messages")))
    system = text_value(values, "system")
    turns: list[Message] = [{"role": "system", "content": system}] if system.strip() else []
    history = json_value(values, "history", HISTORY_FORM) or []
    if not isinstance(history, list):
        raise RowError((f"'history' is {history!r}", HISTORY_FORM))
    for turn in history:
        turns += _history_turn(turn)
    return [*turns, {"role": "user", "content": text_value(values, "query", "question")}]


def _history_turn(turn: Any) -> list[Message]:
    if isinstance(turn, dict):
        return checked_messages([turn], "history")
    if not isinstance(turn, list) or len(turn) != 2 or None in turn:
        raise RowError((f"a turn of 'history' is {turn!r}", HISTORY_FORM))
    question, answer = turn
    return [{"role": "user", "content": str(question)}, {"role": "assistant", "content": str(answer)}]
