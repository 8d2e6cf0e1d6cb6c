r"""Read which option a reply chose: the stages behind `choices.extract`.

A reply (cleaned of reasoning, end-of-turn tokens and invented turns) is read in stages. The first that finds an answer
decides, and its name is recorded:

`json`         An object, alone or in a code fence, whose key `answer`, `choice`, `option`, `答案` or `选项` holds labels.
`marker`       The last explicit marker with a label after or before it: "The answer is C", "答案：C", "故选C",
               "C is the answer", "C选项正确", `\boxed{C}`, `<answer>C</answer>`, "La respuesta es C" (`choice_markers`).
`bare`         The whole reply is a label, with or without punctuation and the option's text: "c", "**C**", "C. water".
`leading`      The reply opens with a label that the end of its line, a mark (`. ) : 。 ， 、`) or a reason follows:
               "C\n\nExplanation: …", "C) because …". "A dog …" opens with an article.
`option_text`  One option's full text stands in a short reply, after a marker, or in the last sentence of a longer reply.

An explicit answer that cannot be used ends the search: two labels where one is asked, "none of the above", the row's whole
option list, and, unless an earlier marker has a label, a letter that the row does not have. Then, and where no stage finds anything, the reply is unparsed. Never
the last capital letter, never the nearest string.

Labels that are joined are one list, see `choice_labels`. They may be bracketed, bold, in LaTeX, lower-case, full-width or
circled; invisible characters do not count. Cost is linear in the reply's length.

Source: the project's metrics definition, section 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from evalsuite.metrics.choice_labels import MAX_LABELS, LabelOutcome, LabelReader, LabelReading
from evalsuite.metrics.choice_markers import MarkedAnswer, read_markers
from evalsuite.metrics.choice_words import (
    BARE,
    BETWEEN_BARE,
    FURTHER_OPTION,
    LEADING,
    LOWER_CASE_RUN,
    NEXT_LINE_LABEL,
    NOTHING_FITS,
    REASON,
    REFUTED,
    TRAILING,
    fold,
    marker_patterns,
)
from evalsuite.metrics.option_texts import read_option_text
from evalsuite.metrics.text import normalize_text

JSON_KEYS = frozenset(
    {
        "answer",
        "choice",
        "option",
        "answers",
        "choices",
        "options",
        "correct_answer",
        "final_answer",
        "correct answer",
    }
    | {"final answer", "correct_option", "correct option", "selected_option", "label", "letter"}
    | {"答案", "选项", "正确答案", "最终答案", "选择"}
)
_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(\{.*?\})\s*```", re.DOTALL)
_ARTICLE = re.compile(r"(?:the|my|la|le|die|a)\s+", re.IGNORECASE)
LINE_REACH = 300
"""Characters of the first line in which further options are looked for."""
_AROUND_TEXT = " .。*_`)]}"
_UNDECIDED = MarkedAnswer(None, is_final=False)


def read(
    text: str, options: Mapping[str, str], *, multiple: bool, cut_off: bool = False
) -> tuple[tuple[str, ...] | None, str]:
    """Return the sorted labels that a reply chose and the stage that found them; None and "" when unparsed.

    Arguments are those of `choices.extract`.
    """
    folded = fold(text)
    normalized = {label: normalize_text(fold(option)) for label, option in options.items()}
    reader = LabelReader(folded, normalized, multiple)
    answer = read_json(reader)
    if not answer.is_final:
        answer = read_markers(reader, cut_off=cut_off)
    if not answer.is_final:
        answer = read_opening(reader)
    if answer.is_final or cut_off:
        return answer.labels, answer.stage
    labels = read_option_text(folded, normalized)
    return labels, "option_text" if labels else ""


def read_gold(text: str, options: Mapping[str, str]) -> tuple[str, ...] | None:
    """Labels that a gold answer consists of, as widely as replies are read; None if it says anything else.

    "A.", "(A)", "A. apple", "选A", "Option A", "A|C" and "A和C" are labels and nothing else. "A or B" is not.
    """
    folded = fold(text).strip()
    normalized = {label: normalize_text(fold(option)) for label, option in options.items()}
    if folded.count("[") != folded.count("]") or folded.count("{") != folded.count("}"):
        return None
    whole = read_whole(folded, normalized, multiple=True)
    if whole.outcome is LabelOutcome.LABELS:
        return whole.labels
    article = _ARTICLE.match(folded)
    marker = marker_patterns(folded).before.match(folded, article.end() if article else 0)
    if marker is None:
        return None
    whole = read_whole(folded[marker.end() :], normalized, multiple=True)
    return whole.labels if whole.outcome is LabelOutcome.LABELS else None


def read_json(reader: LabelReader) -> MarkedAnswer:
    """The `json` stage."""
    text = reader.text.strip()
    fences = _FENCE.findall(text) if "```" in text else []
    written = fences[-1] if fences else text if text.startswith("{") and text.endswith("}") else ""
    values = _answer_values(written) if written else []
    readings = [_read_value(value, reader) for value in values]
    found = {reading.labels for reading in readings if reading.outcome is LabelOutcome.LABELS}
    if len(found) == 1:
        return MarkedAnswer(found.pop(), "json")
    return MarkedAnswer(None) if readings else _UNDECIDED


def read_opening(reader: LabelReader) -> MarkedAnswer:
    """The stages `bare` and `leading`: a reply that is, or begins with, a label."""
    if reader.text.count("{") > reader.text.count("}"):  # a box that was cut off
        return _UNDECIDED
    if label := _option_of_whole(reader.text, reader.options):
        return MarkedAnswer((label,), "option_text")
    whole = read_whole(reader.text, reader.options, multiple=reader.multiple)
    if whole.outcome is LabelOutcome.LABELS:
        return MarkedAnswer(whole.labels, "bare")
    if whole.outcome is LabelOutcome.UNUSABLE:
        return MarkedAnswer(None)
    opening = BARE.match(reader.text)
    position = opening.start("body") if opening else 0
    reading = reader.read(position)
    if reading.outcome is LabelOutcome.NOTHING or not _is_leading(reader, position, reading):
        return _UNDECIDED
    return (
        MarkedAnswer(reading.labels, "leading")
        if reading.outcome is LabelOutcome.LABELS
        else MarkedAnswer(None)
    )


def read_whole(text: str, options: Mapping[str, str], *, multiple: bool) -> LabelReading:
    """Labels if they are the whole text, but for punctuation, decoration and the options' own texts."""
    whole = BARE.fullmatch(text.strip())
    body = whole["body"] if whole else ""
    reader = LabelReader(body, options, multiple)
    run = LOWER_CASE_RUN.match(body)
    if run is not None and _is_only_trailing(body[run.end() :]):
        letters = run[0].upper()  # "acd" is a list of labels, but only in order: "bad" and "dab" are words
        if list(letters) == sorted(set(letters)) and all(letter in options for letter in letters):
            return reader.fit(letters)
    labels: tuple[str, ...] = ()
    bullet = BETWEEN_BARE.match(body)
    position = bullet.end() if bullet else 0
    while position < len(body) and len(labels) <= MAX_LABELS:
        found, end = _whole_item(reader, position)
        between = BETWEEN_BARE.match(body, end)
        position = between.end() if between else end
        is_glued = position == end < len(body) and body[end] not in "([{*_"
        if not found or (is_glued and not _is_only_trailing(body[end:])):
            return LabelReading(LabelOutcome.NOTHING)
        labels = (*labels, *found)
        if _is_only_trailing(body[position:]):
            return reader.fit(labels, position)
    return reader.fit(labels) if labels else LabelReading(LabelOutcome.NOTHING)


def _option_of_whole(text: str, options: Mapping[str, str]) -> str | None:
    """The one option whose text, of more than a letter, is the whole text: "A and B" as the text of D."""
    plain = normalize_text(text).strip(" .。*_`")
    named = [label for label, option in options.items() if len(option) > 1 and option.strip(" .。") == plain]
    return named[0] if len(named) == 1 else None


def _whole_item(reader: LabelReader, position: int) -> tuple[tuple[str, ...], int]:
    """A label with its option's text; for the last one, text that differs in marks only counts as its own."""
    opening = BARE.match(reader.text, position)
    start = opening.start("body") if opening else position
    labels, end = reader.label_at(start)
    if not labels:
        return (), position
    after = reader.past_own_text(labels, end)
    own = reader.options[labels[0]] if len(labels) == 1 else ""
    rest = reader.text[end : end + 2 * len(own) + 32]
    is_last = end + len(rest) == len(reader.text)
    if own and is_last and _bare_text(rest) == own.strip(_AROUND_TEXT):
        return labels, len(reader.text)
    if after > end:
        return labels, after
    return labels, end


def _bare_text(text: str) -> str:
    return normalize_text(text.strip(" .。:、,)(*_`-–—\n")).strip(_AROUND_TEXT)


def _is_leading(reader: LabelReader, position: int, reading: LabelReading) -> bool:
    """Whether labels that open a reply are followed by what may follow an answer."""
    text = reader.text
    follows = LEADING.match(text, reading.end)
    after_text = len(reading.labels) == 1 and text[reading.end - 1 : reading.end].isalnum()
    if follows is None and REASON.match(text, reading.end) is None:
        return after_text and reading.end > position + 2
    if follows is not None and follows["mark"] and _opens_list(reader, reading):
        return False
    is_pronoun = text[position : position + 1] in "Ii" and follows is not None and follows["mark"] == ","
    return not is_pronoun and REFUTED.match(text, reading.end) is None


def _opens_list(reader: LabelReader, reading: LabelReading) -> bool:
    """Whether further options follow with texts that are not this row's: "A. …、C. …", or on the next line."""
    line = reader.text[reading.end : reading.end + LINE_REACH].partition("\n")[0]
    following = FURTHER_OPTION.search(line)
    if following is None and reader.multiple:
        following = NEXT_LINE_LABEL.match(reader.text, reading.end)
    return following is not None and following["label"] in reader.options


def _answer_values(written: str) -> list[Any]:
    try:
        document = json.loads(written)
    except (ValueError, RecursionError):
        return []
    if not isinstance(document, dict):
        return []
    return [value for key, value in document.items() if fold(str(key)).strip().casefold() in JSON_KEYS]


def _read_value(value: object, reader: LabelReader) -> LabelReading:
    """Labels that a JSON value holds: a label, a list of labels, or options' texts."""
    if isinstance(value, list):
        readings = [_read_value(item, reader) for item in value]
        if not readings or any(reading.outcome is LabelOutcome.NOTHING for reading in readings):
            return LabelReading(LabelOutcome.UNUSABLE)
        return reader.fit([label for reading in readings for label in reading.labels])
    if not isinstance(value, str | int | float):
        return LabelReading(LabelOutcome.NOTHING)
    text = normalize_text(fold(str(value)))
    label = _option_of_whole(text, reader.options)
    if label is None and not isinstance(value, str):
        label = next((label for label, option in reader.options.items() if option == text), None)
    if label is not None:
        return LabelReading(LabelOutcome.LABELS, (label,))
    whole = read_whole(fold(str(value)), reader.options, multiple=reader.multiple)
    if whole.outcome is not LabelOutcome.NOTHING or NOTHING_FITS.search(text):
        return whole
    return LabelReader(fold(str(value)).strip(), reader.options, reader.multiple).read(0)


def _is_only_trailing(text: str) -> bool:
    trailing = TRAILING.match(text)
    return trailing is not None and trailing.end() == len(text)
