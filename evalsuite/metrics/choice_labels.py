"""Read one label, or a list of joined labels, at a given place of a folded text.

Labels that are joined ("A, C", "(A)(C)", "A and C", "A、C", "ACD") are one list, whatever follows them. A letter is no
label when it belongs to a longer word, a formula or a range ("Apple", "B12", "C++", "A-D"), when it is an article or a
pronoun ("a dog", "I think"), or when another option's text begins with it ("C reactive protein" as option B).
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from evalsuite.metrics.choice_words import (
    AFTER_OWN_TEXT,
    ALTERNATIVE,
    BEFORE_OWN_TEXT,
    CLAUSE_AFTER,
    FOREIGN_LABEL,
    GENUS,
    LABEL,
    LINE_END,
    LIST_OPENING,
    LISTED_OPTION,
    NEVER_AFTER_AN_ARTICLE,
    NEXT_LINE,
    NEXT_LINE_LABEL,
    QUESTIONED,
    REFUTED,
    REFUTED_AFTER_NOT,
    STRONG_SEPARATOR,
    WEAK_SEPARATOR,
    WORD_AFTER,
)
from evalsuite.metrics.option_texts import end_of_option, starts_with_option
from evalsuite.metrics.text import normalize_text

MAX_LABELS = len(string.ascii_uppercase)
_WORD_LETTERS = "AEIOY"
"""Letters that are words of their own in one of the languages: articles, pronouns, "and", "or"."""


class LabelOutcome(Enum):
    """What stands where an answer is expected."""

    LABELS = "labels"
    UNUSABLE = "an explicit answer that cannot be used: ends the search"
    FOREIGN = "a letter that the row does not have: an earlier answer may count, but no later stage"
    NOTHING = "no answer, or one that is taken back: an earlier one may count"


@dataclass(frozen=True, slots=True)
class LabelReading:
    """Labels in the order of the text, and the position after them."""

    outcome: LabelOutcome
    labels: tuple[str, ...] = ()
    end: int = 0


@dataclass(frozen=True, slots=True)
class _Item:
    labels: tuple[str, ...]
    end: int
    """Position after the label, and after its option's text where that follows."""
    text_follows: bool
    after_comma: bool = False
    """Joined by a comma or a space only, which may also begin a new clause."""


@dataclass(frozen=True, slots=True)
class LabelReader:
    """Reads labels of one row. `options` maps labels to normalized texts; `multiple` allows several."""

    text: str
    options: Mapping[str, str]
    multiple: bool

    def read(self, position: int) -> LabelReading:
        """Read the label or labels at `position`, where an answer is expected."""
        labels, end = self.label_at(position)
        if not labels:
            foreign = FOREIGN_LABEL.match(self.text, position)
            if foreign is None or foreign["label"] in self.options:
                return LabelReading(LabelOutcome.NOTHING, end=position)
            return LabelReading(LabelOutcome.FOREIGN, end=foreign.end())
        if self.is_word(position, end, labels):
            return LabelReading(LabelOutcome.NOTHING, end=position)
        items = self._items(position)
        kept = self._without_clause(items)
        if not kept:
            return LabelReading(LabelOutcome.NOTHING, end=items[-1].end)
        end = kept[-1].end
        if QUESTIONED.match(self.text, end):
            return LabelReading(LabelOutcome.NOTHING, end=end)
        labels = tuple(label for item in kept for label in item.labels)
        if ALTERNATIVE.match(self.text, end):
            return LabelReading(LabelOutcome.UNUSABLE, labels, end)
        if len(set(labels)) == 1 and labels[0] == next(iter(self.options)):
            if self._is_followed_by_options(position) or (
                items[0].text_follows and self._is_first_of_lines(position)
            ):
                labels = tuple(self.options)
            elif self._is_first_of_lines(position):  # another question's options
                return LabelReading(LabelOutcome.NOTHING, end=end)
        return self.fit(labels, end)

    def fit(self, labels: Sequence[str], end: int = 0) -> LabelReading:
        """Unusable if several labels stand where one is asked."""
        unique = tuple(sorted(set(labels)))
        fits = bool(unique) and (self.multiple or len(unique) == 1)
        return LabelReading(LabelOutcome.LABELS if fits else LabelOutcome.UNUSABLE, unique, end)

    def label_at(self, position: int) -> tuple[tuple[str, ...], int]:
        """One label, or a run of capital labels ("ACD"), at `position`; () when there is none."""
        match = LABEL.match(self.text, position)
        if match is None:
            return (), position
        run = match["run"]
        if len(run) == 1:
            run = run.upper()
        elif run != run.upper() or len(set(run)) != len(run):
            return (), position
        return (tuple(run) if all(letter in self.options for letter in run) else ()), match.end()

    def is_word(self, position: int, end: int, labels: Sequence[str]) -> bool:
        """Whether the letters at `position` are a word of a sentence rather than labels."""
        label = labels[0]
        if self._opens_other_option(position, label):
            return True
        word = WORD_AFTER.match(self.text, end)
        if word is None or end != position + len(labels):
            return False
        written = self.text[position]
        if NEVER_AFTER_AN_ARTICLE.fullmatch(word["word"]):
            return False
        if len(labels) == 1 and written.isupper() and label not in _WORD_LETTERS:
            return False
        if len(self._items(position)) > 1:
            return False
        own = self.options[label]
        if len(labels) == 1 and own and (self._has_text(position, own) or self._has_text(end, own)):
            return False
        return word["word"][0].islower() or written.islower()

    def past_own_text(self, labels: Sequence[str], end: int) -> int:
        """Position after the option's own text, if it follows its label; else `end`."""
        if len(labels) != 1 or not self.options[labels[0]]:
            return end
        before = BEFORE_OWN_TEXT.match(self.text, end)
        own_end = end_of_option(self.text, before.end() if before else end, self.options[labels[0]])
        closing = AFTER_OWN_TEXT.match(self.text, own_end) if own_end else None
        return closing.end() if closing else end

    def _opens_other_option(self, position: int, label: str) -> bool:
        """Whether the letter only opens another option's text: "C reactive protein" as option B."""
        first = label.lower()
        return any(
            other != label and len(text) > 1 and text[0] == first and self._has_text(position, text)
            for other, text in self.options.items()
        )

    def _has_text(self, position: int, option: str) -> bool:
        tail = normalize_text(self.text[position : position + 2 * len(option) + 8])
        return starts_with_option(tail, option)

    def _item(self, labels: tuple[str, ...], end: int, *, after_comma: bool = False) -> _Item:
        text_end = self.past_own_text(labels, end)
        return _Item(labels, text_end, text_end > end, after_comma)

    def _items(self, position: int) -> list[_Item]:
        items = [self._item(*self.label_at(position))]
        while len(items) <= MAX_LABELS:
            item = self._next_item(items[-1], lower_case=self.text[position].islower())
            if item is None:
                break
            items.append(item)
        return items

    def _next_item(self, last: _Item, *, lower_case: bool) -> _Item | None:
        separator = STRONG_SEPARATOR.match(self.text, last.end)
        weak = None if separator else WEAK_SEPARATOR.match(self.text, last.end)
        found = separator or weak
        if found is None:
            return self._next_line_item(last) if self.multiple and last.text_follows else None
        opening = LIST_OPENING.match(self.text, found.end())
        start = opening.end() if opening else found.end()
        labels, end = self.label_at(start)
        if not labels or (self.text[start].islower() and not lower_case):
            return None
        item = self._item(labels, end, after_comma=weak is not None)
        if not item.text_follows and GENUS.match(self.text, end):
            return None
        if opening and opening["naming"] and (refuted := REFUTED.match(self.text, item.end)):
            return item if "都" in refuted[0] or "均" in refuted[0] else None
        return None if self._is_article(start, end, item) else item

    def _is_article(self, start: int, end: int, item: _Item) -> bool:
        """Whether a further letter begins a clause: "C, a metal", "C, I think"."""
        word = WORD_AFTER.match(self.text, end)
        if word is None or item.text_follows or end != start + 1:
            return False
        may_be_word = self.text[start].upper() in _WORD_LETTERS or self.text[start].islower()
        return (
            may_be_word and word["word"][0].islower() and not NEVER_AFTER_AN_ARTICLE.fullmatch(word["word"])
        )

    def _next_line_item(self, last: _Item) -> _Item | None:
        """A label with its option's text, alone on the line after the last one's."""
        line = NEXT_LINE.match(self.text, last.end)
        if line is None:
            return None
        item = self._item(*self.label_at(line.end()))
        alone = item.text_follows and LINE_END.match(self.text, item.end)
        return item if item.labels and alone else None

    def _without_clause(self, items: list[_Item]) -> list[_Item]:
        """Items without those that a comma only seemed to join ("C, A is wrong"); none if all are refuted."""
        end = items[-1].end
        refuted = self._is_refuted(items[-1])
        clause = refuted or (items[-1].after_comma and CLAUSE_AFTER.match(self.text, end))
        if not clause:
            return items
        commas = [number for number, item in enumerate(items) if item.after_comma]
        if commas:
            return items[: commas[-1]]
        return [] if refuted else items

    def _is_refuted(self, item: _Item) -> bool:
        """Whether the words after a label, and after its option's text, take the answer back.

        "C is not …" does; after the text ("C. iron is not magnetic") only "wrong" or "not correct" do. Words that the
        option's own text opens with do not.
        """
        refuted = REFUTED.match(self.text, item.end)
        if refuted is None:
            return False
        if item.text_follows:
            is_plain_not = refuted[0].casefold().endswith(("not", "n't", "n’t", "不是"))
            return not is_plain_not or REFUTED_AFTER_NOT.match(self.text, refuted.end()) is not None
        own = self.options[item.labels[-1]] if len(item.labels) == 1 else ""
        return REFUTED.match(f" {own}") is None

    def _is_followed_by_options(self, position: int) -> bool:
        """Whether all of the row's labels follow one another on this line: "A. … B. … C. …"."""
        reach = 2 * sum(map(len, self.options.values())) + 40 * len(self.options)
        line = self.text[position : position + reach].partition("\n")[0]
        heads = [
            head["label"] for head in LISTED_OPTION.finditer(line) if not REFUTED.match(line, head.end() - 1)
        ]
        return len(self.options) > 1 and heads[: len(self.options)] == list(self.options)

    def _is_first_of_lines(self, position: int) -> bool:
        """Whether the next line goes on with the row's second label."""
        following = NEXT_LINE_LABEL.match(self.text, position)
        second = [*self.options, ""][1]
        is_listed = LISTED_OPTION.match(self.text, position) is not None
        return is_listed and following is not None and following["label"] == second
