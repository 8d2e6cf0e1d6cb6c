"""Multiple choice: which option a reply chose, and what that is worth.

A reply in the very form that prompts ask for is read here, any other by `choice_reader`, whose docstring has the rules.
Source: the project's metrics definition, section 1.
"""

from __future__ import annotations

import json
import math
import re
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from evalsuite.metrics.text import ASCII_WIDTH, normalize_text

VERSION = "2"


@dataclass(frozen=True, slots=True)
class Extraction:
    """Sorted labels that a reply chose, and the stage that found them; None and "" when it is unparsed."""

    labels: tuple[str, ...] | None
    stage: str


_REQUESTED_FORM = re.compile(r"\s*(?P<whole>(?:Answer: ?|答案：)(?P<label>[A-Z]))\.?\s*")
_LAST_SENTENCE = re.compile(
    r"(?:\A|[.!?]\s+|\n\s*)(?:(?:So|Thus|Hence|Therefore),? )?"
    r"(?P<whole>(?:[Tt]he (?:correct |final )?answer is:? |Answer: ?|答案：)\(?(?P<label>[A-Z])\)?)[.。]?\s*\Z"
)
_LAST_SENTENCE_REACH = 80
_LONE_LABEL = re.compile(r"\s*(?:(?P<bold>\*\*)|\()?(?P<label>[A-Z])(?(bold)\*\*|\)?)[.。]?\s*")


def extract(
    text: str, options: Mapping[str, str], *, multiple: bool = False, cut_off: bool = False
) -> Extraction:
    """Return the option or options that a cleaned reply chose; `choice_reader` describes the stages.

    `options` maps this row's labels ("A" to "Z") to their texts. With `multiple`, several labels are one
    answer; without, several labels are no answer. A reply that was `cut_off` at its token limit is searched for
    labels only, not for options' texts. Cost is linear in the reply's length.

    >>> extract("答案：C，不是A", {"A": "水", "B": "火", "C": "土"})
    Extraction(labels=('C',), stage='marker')
    """
    if label := _read_requested_form(text, options):
        return Extraction((label,), "marker")
    if (lone := _LONE_LABEL.fullmatch(text)) and lone["label"] in options:
        return Extraction((lone["label"],), "bare")
    # The reader's patterns take longer to compile than many a run needs to read all its replies.
    from evalsuite.metrics.choice_reader import read

    return Extraction(*read(text, options, multiple=multiple, cut_off=cut_off))


def _read_requested_form(text: str, options: Mapping[str, str]) -> str | None:
    """Return the label of a reply in the form that prompts ask for, or of one that ends in such a sentence.

    Most replies are of these forms, and nothing can follow to change the answer. The stages find the same in more time.
    """
    found = _REQUESTED_FORM.fullmatch(text) or _LAST_SENTENCE.search(
        text, max(0, len(text) - _LAST_SENTENCE_REACH)
    )
    if found is None or found["label"] not in options or "{" in text[:1] or "```" in text:
        return None
    whole = found["whole"].rstrip(")").casefold()
    return None if any(whole in option.casefold() for option in options.values()) else found["label"]


def parse_gold(answer: object, options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sorted gold labels of a row.

    Read in this order: one letter in any case; the full text of exactly one option; several letters ("AC",
    "A,C", "A、C", ["A", "C"] or that list as JSON text); any form in which a reply may give labels and nothing else
    ("A.", "(A)", "A. apple", "选A", "Option A", "A|C", "A和C"). Raises ValueError, with what was expected, otherwise.

    >>> parse_gold("a、C", {"A": "water", "B": "fire", "C": "earth"})
    ('A', 'C')
    >>> parse_gold("(B) fire", {"A": "water", "B": "fire", "C": "earth"})
    ('B',)
    """
    if isinstance(answer, list | tuple):
        return _read_gold_items(answer, answer, options)
    text = cell_text(answer)
    folded = text.translate(ASCII_WIDTH)
    if len(folded) == 1 and folded.upper() in options:
        return (folded.upper(),)
    if label := _option_with_text(text, options):
        return (label,)
    if folded.startswith("["):
        try:
            items = json.loads(folded)
        except (ValueError, RecursionError):
            items = None
        if isinstance(items, list):
            return _read_gold_items(items, answer, options)
    letters = re.findall("[A-Z]", folded.upper())
    if re.fullmatch(r"[A-Z](?:[,、;/&+\s]*[A-Z])+", folded.upper()) and options.keys() >= set(letters):
        return _read_gold_items(letters, answer, options)
    if labels := _read_gold_widely(text, options):
        return labels
    raise _gold_error(answer, options)


def option_labels(row: Mapping[str, object]) -> dict[str, str]:
    """Return the options of a row given by lower-cased column name: the longest run from `a` with a value.

    Empty cells (None, NaN, blank text) end the run; numbers become text.

    >>> option_labels({"question": "?", "a": "yes", "b": 2, "c": "", "d": "no"})
    {'A': 'yes', 'B': '2'}
    """
    labels: dict[str, str] = {}
    for letter in string.ascii_lowercase:
        text = cell_text(row.get(letter))
        if not text:
            break
        labels[letter.upper()] = text
    return labels


def cell_text(value: object) -> str:
    """Return a table cell as stripped text: None and NaN are empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).strip()


def accuracy(predicted: Collection[str] | None, gold: Collection[str]) -> float:
    """1.0 if exactly the gold labels were chosen, else 0.0; 0.0 for an unparsed reply (None)."""
    return float(predicted is not None and set(predicted) == set(gold))


def partial_credit(predicted: Collection[str] | None, gold: Collection[str]) -> float:
    """Share of the gold labels that were chosen, in 0 to 1; 0.0 as soon as a wrong label is among them.

    |predicted ∩ gold| / |gold| if predicted ⊆ gold, else 0: the rule of Chinese multi-answer examinations. An
    unparsed or empty prediction, or an empty gold, is 0.0.

    >>> partial_credit(["A"], ["A", "C"]), partial_credit(["A", "B"], ["A", "C"])
    (0.5, 0.0)
    """
    chosen, right = set(predicted or ()), set(gold)
    return len(chosen) / len(right) if chosen and right and chosen <= right else 0.0


def _read_gold_widely(text: str, options: Mapping[str, str]) -> tuple[str, ...] | None:
    from evalsuite.metrics.choice_reader import read_gold

    return read_gold(text, options) if text else None


def _read_gold_items(items: Sequence[object], answer: object, options: Mapping[str, str]) -> tuple[str, ...]:
    labels: list[str] = []
    for item in items:
        text = cell_text(item)
        folded = text.translate(ASCII_WIDTH).upper()
        if len(folded) == 1 and folded in options:
            label: str | None = folded
        else:
            label = _option_with_text(text, options)
            found = None if label else _read_gold_widely(text, options)
            label = found[0] if found and len(found) == 1 else label
        if label is None or label in labels:
            raise _gold_error(answer, options)
        labels.append(label)
    if not labels:
        raise _gold_error(answer, options)
    return tuple(sorted(labels))


def _option_with_text(text: str, options: Mapping[str, str]) -> str | None:
    """Return the one option that reads `text`: to the letter, else ignoring case, width and white space."""
    exact = [label for label, option in options.items() if option.strip() == text]
    loose = exact or [
        label for label, option in options.items() if normalize_text(option) == normalize_text(text)
    ]
    return loose[0] if text and len(loose) == 1 else None


def _gold_error(answer: object, options: Mapping[str, str]) -> ValueError:
    labels = ", ".join(sorted(options)) or "none, the row has no options"
    shown = repr(answer) if len(repr(answer)) <= 80 else repr(answer)[:77] + "..."
    return ValueError(
        f"answer {shown} is not a choice of this row; expected one of its labels ({labels}), several labels such as"
        " AC or A,C, or the full text of exactly one option"
    )
