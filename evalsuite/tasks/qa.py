"""Questions with a free answer (`qa`), scored by ROUGE, BLEU and chrF against a reference.

Columns `query` (or `question`) and `response` (or `answer`); optional `system` and `history` (earlier turns
as `[question, answer]` pairs or messages); or `messages`, whose last assistant turn is the reference when there is
no response column; pictures (`image`, see `data.pictures`). Scores: `evalsuite.metrics.rouge` and `evalsuite.metrics.bleu`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalsuite.data.pictures import PICTURES, Picture, with_pictures
from evalsuite.data.row_parser import RowError, RowFacts
from evalsuite.metrics import bleu, rouge
from evalsuite.metrics.bleu_tokens import Tokenize
from evalsuite.metrics.text import length_ratio, tokenize_pair
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
from evalsuite.tasks.replies import answer_text, outcome
from evalsuite.tasks.style import CHINESE_TRAIT, CONTEXT_TRAIT, PICTURE_TRAIT, Language, Style
from evalsuite.types import Message, Prompt, Reply, Score

MAX_TOKENS = 512
FLAT: Mapping[Language, tuple[str, str]] = {"zh": ("问题：", "回答："), "en": ("Question: ", "Answer:")}
NO_WORDS = "no_words"
"""The label of a reply of nothing but punctuation: its zero is no matter of the words chosen."""
REFERENCE_WITHOUT_WORDS = "reference_without_words"
"""The label of a row whose ROUGE is 0 whatever the reply, as rouge-score has it: punctuation, or another script."""
LABELS_VERSION = "1"
HISTORY_FORM = "'history' as [[question, answer], …] or a list of messages"


@dataclass(frozen=True, slots=True)
class QaRow:
    """The turns up to and including the question, and the reference answer."""

    messages: tuple[Message, ...]
    reference: str
    pictures: tuple[Picture, ...] = ()
    """Shown with the question."""
    context: str = ""
    """Text that is asked before the question."""

    @property
    def question(self) -> str:
        """The last turn's text."""
        return str(self.messages[-1]["content"])


class QaTask(Task[QaRow]):
    """Free answers compared with a reference."""

    kind: ClassVar[str] = "qa"
    columns: ClassVar[Columns] = Columns(
        required=(("query", "question", "messages"), ("response", "answer", "messages")),
        description="query (or question), response (or answer); optional system, history, image; or messages",
    )
    label_versions: ClassVar[Mapping[str, str]] = {"labels": LABELS_VERSION}
    profiles: ClassVar[tuple[str, ...]] = ("evalscope", "swift")

    def parse(self, values: Mapping[str, Any]) -> QaRow:
        """See `RowReader.parse`."""
        reference = text_value(values, "response", "answer")
        turns = question_turns(values)
        if not reference and turns[-1]["role"] == "assistant":
            reference = text_value(turns.pop(), "content")
        faults = []
        if not turns or not text_value(turns[-1], "content").strip():
            faults.append(("the question is empty", "a text in the column 'query' or 'question'"))
        elif turns[-1]["role"] == "assistant":
            expected = "messages that end in the question, or no 'response' column"
            faults.append(("the last message is the assistant's", expected))
        if not reference.strip():
            faults.append(("the reference answer is empty", "a text in the column 'response' or 'answer'"))
        if faults:
            raise RowError(*faults)
        return QaRow(tuple(turns), reference, tuple(values.get(PICTURES, ())), question_context(values))

    def audit(self, row: QaRow) -> Iterable[tuple[str, str]]:
        """A reference in which ROUGE finds no word."""
        words, _ = tokenize_pair(row.reference, "")
        if not words:
            what = f"ROUGE finds no word in the reference, so it is 0 for every reply [{REFERENCE_WITHOUT_WORDS}]"
            yield what, "a reference with Latin letters, digits, or Chinese, Japanese or Korean characters"

    def facts(self, row: QaRow, reply: Reply | None = None) -> RowFacts:
        """Chinese references decide BLEU's tokenizer and the wording of flat prompts."""
        held = {
            CHINESE_TRAIT: bleu.is_mostly_chinese([row.reference]),
            PICTURE_TRAIT: row.pictures,
            CONTEXT_TRAIT: row.context,
        }
        return RowFacts(traits=tuple(trait for trait, value in held.items() if value))

    def max_tokens(self, style: Style) -> int:
        """Room for a paragraph or two."""
        return MAX_TOKENS

    def prompt(self, row: QaRow, shots: Sequence[QaRow], style: Style, subject: str) -> Prompt:
        """The turns as they are, examples before them; a flat form for base models."""
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
        return Prompt(messages=[*system, *examples, *rest])

    def gold(self, row: QaRow) -> str:
        """The reference answer."""
        return row.reference

    def row_from_gold(self, gold: str, style: Style) -> QaRow:
        """The question plays no part in the scores."""
        return QaRow(({"role": "user", "content": ""},), gold)

    def missing_for_profile(self, profile: str) -> str:
        """EvalScope counts NLTK's words."""
        if profile != "evalscope":
            return ""
        from evalsuite.metrics.english_words import missing_requirement

        return missing_requirement()

    def warm_up(self, style: Style) -> None:
        """Words, n-grams and corpus scores, each once."""
        text = "我" if style.data_lang == "zh" else "a"
        self.score(self.row_from_gold(text, style), Reply(text), style)

    def score(self, row: QaRow, reply: Reply, style: Style) -> Score:
        """Every overlap score of one reply; an empty reply scores 0 and is counted as unparsed."""
        whole = answer_text(reply) or ""
        text = whole.strip()
        reference, prediction = tokenize_pair(row.reference, text)
        scores = rouge.score(reference, prediction)
        values: dict[str, float | None] = {}
        for name, part in (
            ("rouge_1", scores.rouge_1),
            ("rouge_2", scores.rouge_2),
            ("rouge_l", scores.rouge_l),
        ):
            values |= {
                name: part.f_measure,
                f"{name}_precision": part.precision,
                f"{name}_recall": part.recall,
            }
        values["length_ratio"] = length_ratio(reference, prediction)
        counts = bleu.bleu_statistics(text, row.reference, _tokenizer(style))
        values["bleu"] = bleu.sentence_bleu(counts)
        if style.profiles:
            values |= _profile_scores(row, whole, style)
        statistics = {"bleu": counts, "chrf": bleu.chrf_statistics(text, row.reference)}
        applying = {NO_WORDS: text and not prediction, REFERENCE_WITHOUT_WORDS: not reference}
        labels = tuple(label for label, applies in applying.items() if applies)
        return Score(outcome(bool(text), reply), text, "text" if text else "", values, labels, statistics)

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """ROUGE-L leads; `length_ratio` shows a recall-shaped gain for what it is."""
        rouges = [
            Metric(
                name + part,
                unit="score",
                primary=name + part == "rouge_l",
                detail=bool(part),
                version=rouge.VERSION,
            )
            for name in ("rouge_1", "rouge_2", "rouge_l")
            for part in ("", "_precision", "_recall")
        ]
        bleu_version = f"{bleu.VERSION}:{bleu.bleu_signature(_tokenizer(style))}"
        chrf_version = f"{bleu.VERSION}:{bleu.chrf_signature()}"
        return (
            *sorted(rouges, key=lambda metric: not metric.primary),
            Metric(
                "bleu",
                unit="bleu",
                aggregate="corpus",
                from_statistics=bleu.bleu_from_statistics,
                version=bleu_version,
            ),
            Metric(
                "chrf",
                unit="bleu",
                aggregate="corpus",
                from_statistics=bleu.chrf_from_statistics,
                version=chrf_version,
            ),
            Metric("length_ratio", unit="ratio", version=rouge.VERSION),
            *(_profile_metrics(style) if style.profiles else ()),
        )


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


def _tokenizer(style: Style) -> Tokenize:
    return "zh" if style.data_lang == "zh" else "13a"


def _chat_question(row: QaRow) -> str | list[dict[str, Any]]:
    return with_pictures(with_context(row.context, row.question), row.pictures)


def question_context(values: Mapping[str, Any]) -> str:
    """The text that is asked before the question; "" for a chat history, which holds all that is asked."""
    return "" if values.get("messages") else context_text(values)


def question_turns(values: Mapping[str, Any]) -> list[Message]:
    """The turns up to the question, from messages or from system, history and question. Raises `RowError`."""
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
