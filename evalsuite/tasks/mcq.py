"""Multiple choice (`mcq`): C-Eval-style questions with lettered options.

Columns `question`, `answer`, and options in any layout of `data.option_columns`; optional `id`, `subject`, `category`,
`explanation`. Text before the question: `columns.CONTEXT_COLUMNS`. Pictures (`image`): `data.pictures`; beside them,
VLMEvalKit's `hint`, `category` and `l2-category` have the meaning that they have there. Few-shot examples come only from
a dev file. They are chat turns that end in the same marker the instruction asks for. Reading letters:
`evalsuite.metrics.choices`. Wording: `mcq_wording`.

With `--mcq-mode logprob`, one token is requested and the letters are compared among its alternatives
(`evalsuite.metrics.label_logprobs`). The token follows the marker, with which the assistant's turn begins. If the server
cannot continue a turn, it is the whole reply to a question that ends in the marker.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from evalsuite._util.invisible import spell_out
from evalsuite.data import option_columns
from evalsuite.data.cell_lists import CellListError, looks_like_list, parse_cell
from evalsuite.data.dataset import Dataset
from evalsuite.data.option_columns import OptionFault, RowOptions
from evalsuite.data.pictures import PICTURES, Picture, with_pictures
from evalsuite.data.row_parser import RowError, RowFacts
from evalsuite.errors import Problem
from evalsuite.metrics import choices, label_logprobs
from evalsuite.metrics.text import has_cjk
from evalsuite.tasks import mcq_checks
from evalsuite.tasks.base import Task
from evalsuite.tasks.capabilities import Capabilities, FewShot
from evalsuite.tasks.ceval import CEVAL_SUBJECTS
from evalsuite.tasks.columns import (
    CONTEXT_COLUMNS,
    Columns,
    context_text,
    text_value,
    with_context,
)
from evalsuite.tasks.exam_groups import CEVAL
from evalsuite.tasks.mcq_wording import WORDINGS, McqWording
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.replies import answer_text, harness_text, outcome, reference_text
from evalsuite.tasks.style import (
    CATEGORY_TRAIT,
    CHINESE_TRAIT,
    CONTEXT_TRAIT,
    MULTIPLE_TRAIT,
    PICTURE_TRAIT,
    SUBJECT_TRAIT,
    Style,
    select_traits,
)
from evalsuite.types import Message, Prompt, Reply, Score

NUMBER_READS_LIKE_OPTION = "the answer is a number and is read as the place of an option, although the text of another option is that number"
NUMBER_READ_AS_TEXT = "the answer is a number and is read as the text of an option, although it could be the place of another option"
SEVERAL_ANSWERS = "several right answers, so every question of the dataset asks for one or more letters"
PLACE_COLUMNS = ("answer_idx", "answer_index")
"""Columns with the place or the letter of the right option, which some files have beside the answer."""
OTHER_PLACE = "'{}' names another option than the answer, which is what counts"
ANSWER_MAX_TOKENS = 128
COT_MAX_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class McqRow:
    """A question, its options by label, the right labels in order."""

    question: str
    options: Mapping[str, str]
    answer: tuple[str, ...]
    subject: str | None = None
    category: str | None = None
    explanation: str = ""
    pictures: tuple[Picture, ...] = ()
    repairs: tuple[str, ...] = ()
    """What was read although the file writes it otherwise."""
    context: str = ""
    """Text that is asked before the question."""


class McqTask(Task[McqRow]):
    """Lettered options, one right answer or several."""

    kind: ClassVar[str] = "mcq"
    version: ClassVar[str] = "2"
    columns: ClassVar[Columns] = Columns(
        description="question, A, B, C, … (or choices), answer; optional passage, id, subject, category, explanation, image"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        few_shot=FewShot(default=5), cot=True, logprob=True, exam_groups=True
    )
    profiles: ClassVar[tuple[str, ...]] = ("evalscope", "oc_first_capital", "oc_first_option")

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """A question with options A and B, or with a list of choices."""
        return "question" in values and option_columns.has_options(values)

    def missing_columns(self, columns: Collection[str]) -> list[str]:
        """Question, answer and at least two options are required."""
        missing = [f"'{name}'" for name in ("question", "answer") if name not in columns]
        if not option_columns.has_option_columns(columns):
            missing += [f"'{name.upper()}'" for name in ("a", "b") if name not in columns]
        return missing

    def parse(self, values: Mapping[str, Any]) -> McqRow:
        """See `RowReader.parse`."""
        faults: list[tuple[str, str]] = []
        question = text_value(values, "question")
        if not question.strip():
            faults.append(("the question is empty", "a text in the column 'question'"))
        found = RowOptions({})
        answer: tuple[str, ...] = ()
        repairs: tuple[str, ...] = ()
        try:
            found = option_columns.read_options(values)
            answer, repairs = _gold(values.get("answer"), found)
            repairs = (*repairs, *_contradictions(values, answer, found.texts))
        except OptionFault as fault:
            faults.append((fault.what, fault.expected))
        except ValueError:
            faults.append(_gold_problem(text_value(values, "answer"), found.texts))
        if faults:
            raise RowError(*faults)
        pictures = tuple(values.get(PICTURES, ()))
        names, context_columns = ("subject", "category"), CONTEXT_COLUMNS
        if pictures and "l2-category" in values:
            names = ("category", "l2-category")
            question = "\n".join(filter(None, (text_value(values, "hint").strip(), question)))
            context_columns = tuple(name for name in CONTEXT_COLUMNS if name != "hint")
        subject, category = (text_value(values, name).strip() or None for name in names)
        return McqRow(
            question,
            found.texts,
            answer,
            subject,
            category,
            text_value(values, "explanation"),
            pictures,
            (*found.repairs, *repairs),
            context_text(values, context_columns),
        )

    def repairs(self, row: McqRow) -> Iterable[str]:
        """What was repaired in the options and the answer, and that several answers change every prompt."""
        return (*row.repairs, SEVERAL_ANSWERS) if len(row.answer) > 1 else row.repairs

    def audit(self, row: McqRow) -> Iterable[tuple[str, str]]:
        """See `mcq_checks`."""
        return mcq_checks.row_warnings(row)

    def dataset_warnings(self, dataset: Dataset[McqRow]) -> Iterable[Problem]:
        """See `mcq_checks`."""
        return mcq_checks.dataset_warnings(dataset)

    def logprob_problems(self, row: McqRow) -> Iterable[tuple[str, str]]:
        """One token can name only one option."""
        if len(row.answer) > 1:
            yield f"several right answers, {''.join(row.answer)}", "one"

    def facts(self, row: McqRow) -> RowFacts:
        """The subject is the column `subject`, else `category`."""
        return RowFacts(row.subject or row.category, row.category)

    def traits(self, row: McqRow, reply: Reply | None = None) -> Iterable[str]:
        """See `RowReader.traits`."""
        traits = {
            CHINESE_TRAIT: has_cjk(row.question),
            MULTIPLE_TRAIT: len(row.answer) > 1,
            SUBJECT_TRAIT: row.subject,
            CATEGORY_TRAIT: row.category,
            PICTURE_TRAIT: row.pictures,
            CONTEXT_TRAIT: row.context,
        }
        return select_traits(traits)

    def max_tokens(self, style: Style) -> int:
        """Room for a short sentence, or for reasoning with `--cot`; a letter is one token."""
        if style.logprob:
            return 1
        return COT_MAX_TOKENS if style.cot else ANSWER_MAX_TOKENS

    def prompt(self, row: McqRow, shots: Sequence[McqRow], style: Style, subject: str) -> Prompt:
        """Examples as chat turns below one header; for base models a flat text that ends in the marker."""
        wording = WORDINGS[style.lang]
        header = _header(wording, style, subject)
        if style.completions:
            lead = f"{wording.reasoning}\n" if style.cot else ""
            blocks = [f"{_question(shot)}\n{lead}{_shot_answer(shot, wording, style)}" for shot in shots]
            text = "\n\n".join([header, *blocks, f"{_question(row)}\n{lead or wording.marker}".rstrip()])
            stop = ("\n\n",) if style.cot else ("\n",)
            return Prompt(text=text, stop=() if style.logprob else stop)
        tail = f"\n{wording.marker.rstrip()}" if style.logprob == "letter" else ""
        messages: list[Message] = []
        for shot in shots:
            messages.append({"role": "user", "content": _question(shot) + tail})
            messages.append({"role": "assistant", "content": _shot_answer(shot, wording, style)})
        messages.append({"role": "user", "content": _question(row) + tail})
        messages[0] = {"role": "user", "content": f"{header}\n\n{messages[0]['content']}"}
        for turn, asked in zip(messages[::2], [*shots, row], strict=True):
            turn["content"] = with_pictures(turn["content"], asked.pictures)
        if style.logprob == "marker":
            messages.append({"role": "assistant", "content": wording.marker.rstrip()})
        return Prompt(messages=messages, continues=style.logprob == "marker")

    def gold(self, row: McqRow) -> list[str]:
        """The right labels."""
        return list(row.answer)

    def score(self, row: McqRow, reply: Reply, style: Style) -> Score:
        """Right if the set of labels is exact. A reply without an answer is wrong."""
        if style.logprob:
            return _score_by_logprob(row, reply)
        text = _after_marker(answer_text(reply, style), style)
        found = None
        if text is not None:
            cut_off = reply.finish_reason == "length"
            found = choices.extract(text, row.options, multiple=style.multiple, cut_off=cut_off)
        labels = found.labels if found else None
        values = {"accuracy": choices.accuracy(labels or (), row.answer)}
        if style.multiple:
            values["partial_credit"] = choices.partial_credit(labels or (), row.answer)
        if style.profiles:
            values |= _profile_scores(row, _after_marker(harness_text(reply), style) or "", style)
        return Score(
            outcome=outcome(labels is not None, reply),
            extracted=list(labels) if labels else None,
            stage=found.stage if found else "",
            values=values,
        )

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """Accuracy over all rows and over subjects; partial credit if several answers can be right."""
        version = label_logprobs.VERSION if style.logprob else choices.VERSION
        metrics = [
            Metric("accuracy", primary=True, version=version),
            Metric("accuracy_macro", aggregate="macro", of="accuracy", version=version),
        ]
        if style.multiple:
            metrics.append(Metric("partial_credit", unit="score", version=choices.VERSION))
        if style.profiles:
            metrics += _profile_metrics(style)
        return tuple(metrics)


def _after_marker(text: str | None, style: Style) -> str | None:
    """The reply after the marker that ends a flat prompt."""
    begun = text is not None and style.completions and not style.cot
    return WORDINGS[style.lang].marker + (text or "").lstrip() if begun else text


def _profile_scores(row: McqRow, text: str, style: Style) -> dict[str, float]:
    from evalsuite.metrics import choices_profiles

    chinese, labels = style.lang == "zh", tuple(row.options)
    return {
        f"{profile}/accuracy": choices_profiles.accuracy(
            profile, text, labels, row.answer, chinese=chinese, multiple=style.multiple
        )
        for profile in style.profiles
    }


def _profile_metrics(style: Style) -> Iterator[Metric]:
    from evalsuite.metrics.choices_profiles import VERSION

    for profile in style.profiles:
        partial = profile == "evalscope" and style.multiple
        yield Metric(
            f"{profile}/accuracy", unit="score" if partial else "proportion", profile=profile, version=VERSION
        )


def _score_by_logprob(row: McqRow, reply: Reply) -> Score:
    """The most probable letter. A reply is one token, so it is never truncated."""
    found = label_logprobs.read(reply.alternatives or (), row.options)
    chosen = [found.best_label] if found.best_label else None
    return Score(
        outcome="scored" if chosen else "unparsed",
        extracted=chosen,
        stage="logprob" if chosen else "",
        values={"accuracy": choices.accuracy(chosen, row.answer)},
        details={"logprobs": {"labels": found.labels, "floor": found.floor}},
    )


def _gold(answer: Any, options: RowOptions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The right labels, and what was decided to read them. Raises `OptionFault`, or `ValueError` for no label.

    A whole number beside a list of options is a 0-based index, as MMLU is published; beside numbered columns it is a
    column's number.
    """
    if len(options.texts) < 2:
        found = "1 option" if options.texts else "no options"
        raise OptionFault(found, "at least two: texts in the columns A and B, or a list in 'choices'")
    if isinstance(answer, str):
        answer = reference_text(answer)
    if isinstance(answer, str) and looks_like_list(answer):
        with suppress(CellListError):
            answer = parse_cell(answer)
    if isinstance(answer, str) and len(answer) > 1:
        answer = reference_text(answer)
    if label := options.named(answer):
        other = [letter for letter, text in options.texts.items() if text == str(answer).strip()]
        return (label,), (NUMBER_READS_LIKE_OPTION,) if other not in ([], [label]) else ()
    if isinstance(answer, list) and answer and all(map(options.named, answer)):
        return tuple(sorted({options.named(item) or "" for item in answer})), ()
    gold = choices.parse_gold(answer, options.texts)
    return gold, (NUMBER_READ_AS_TEXT,) if _may_be_a_place(answer, gold, options.texts) else ()


def _contradictions(
    values: Mapping[str, Any], gold: Sequence[str], texts: Mapping[str, str]
) -> Iterator[str]:
    """What a second column says of the right option, if neither a letter nor a 0- or 1-based place agrees."""
    for name in PLACE_COLUMNS:
        said = text_value(values, name).strip().upper() if name in values and len(gold) == 1 else ""
        named = {letter for place, letter in enumerate(texts) if said in (letter, str(place), str(place + 1))}
        if named and not named & set(gold):
            yield OTHER_PLACE.format(name)


def _may_be_a_place(answer: Any, gold: Sequence[str], texts: Mapping[str, str]) -> bool:
    """Whether a number that was read as an option's text could be the 0- or 1-based place of another option."""
    number = str(answer).strip()
    if not (number.isascii() and number.isdecimal() and len(number) < 3):
        return False
    return any(int(number) in (place, place + 1) and letter not in gold for place, letter in enumerate(texts))


def _gold_problem(answer: str, options: Mapping[str, str]) -> tuple[str, str]:
    what = (
        f"the answer '{spell_out(answer)}' is not among the options"
        if answer.strip()
        else "the answer is empty"
    )
    return what, f"one of {', '.join(options)}, several of them (AC), or the full text of one option"


@lru_cache(maxsize=256)
def _header(wording: McqWording, style: Style, subject: str) -> str:
    plain = subject.replace("_", " ")
    title = CEVAL_SUBJECTS.get(subject, plain) if style.lang == "zh" else plain
    if not style.subjects:
        opening = wording.header_without_subject
    elif style.exam == CEVAL:
        opening = wording.header_ceval.format(subject=title)
    else:
        opening = wording.header.format(subject=title)
    form = wording.cot if style.cot else wording.letter if style.logprob == "letter" else wording.direct
    form = form.format(marker=wording.marker, letters=wording.several if style.multiple else wording.letters)
    space = "" if style.lang == "zh" else " "
    return space.join(
        [opening, *([wording.multiple] if style.multiple else []), *([] if style.completions else [form])]
    )


def _question(row: McqRow) -> str:
    asked = with_context(row.context, row.question.strip())
    return "\n".join([asked, *(f"{label}. {text}" for label, text in row.options.items())])


def _shot_answer(row: McqRow, wording: McqWording, style: Style) -> str:
    answer = f"{'' if style.logprob == 'letter' else wording.marker}{''.join(row.answer)}"
    return f"{row.explanation.strip()}\n{answer}" if style.cot and row.explanation else answer
