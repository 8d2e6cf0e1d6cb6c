r"""Which option a reply in any words chose: the reader behind `choices.extract`.

A reply (already without reasoning, see `text.split_reasoning`) is read in three stages; the first that
gives labels wins:

`marker`       the **last** explicit marker that a valid label follows: 答案, 正确答案, 答案是, 答案为, 故选, 应选, 选,
               选择, 正确选项, "answer is", "answer:", "correct option is", `\boxed{}`; 答案 or "answer" alone in
               brackets, bold or a tag ("【答案】B", "**Answer** B", "<answer>B</answer>"). The label may be
               bracketed, quoted, bold, in LaTeX, full width or lower-case.
`bare`         the whole reply is a label, with or without punctuation or that option's text.
`option_text`  exactly one option's full text stands in the reply, and is not negated before it ("不会变大",
               "can't be fire").

Otherwise the reply is unparsed. Never the last capital letter, never the nearest string. A marker counts
for nothing when it is negated ("不应当选A", "the wrong answer is B"), tells somebody else's choice ("很多人会选A"; but
"不对，我选C" counts), asks or supposes ("请选择", "如果选A"), belongs to another word ("选项", "误选"), or when what
follows it is
- not one of this row's labels ("[LETTER]", "E" of four), or part of a longer word ("Apple", "B12", "C++");
- an article or pronoun: an undecorated A or I before another word ("a matter of taste"), unless that word
  cannot follow an article ("A because") or the words are that option's text ("A good question");
- the beginning of another option's text ("C reactive protein" as option B);
- itself a part of an option's text ("答案：C. 选择A方案");
- refuted at once ("A不对") or, after 选, in the same or the next clause ("选A，这是错误的");
- offered as an alternative ("A or B", "A/B/C/D"), or the head of a list of options;
- several labels where one is expected ("AC").

Where several are expected, labels may carry their options' texts, on one line or on a line each ("A. 水、C. 土"),
"选项", brackets ("(A)(C)") or boxes of their own (`\boxed{A}, \boxed{C}`).

Source: the project's metrics definition, section 1.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalsuite.metrics.choice_words import (
    AFTER_OWN_TEXT,
    ALTERNATIVE,
    BARE,
    BEFORE_OWN_TEXT,
    BETWEEN_BARE,
    BETWEEN_BOXES,
    GAP,
    LABEL,
    LABEL_BEFORE,
    LINE_END,
    LIST_END,
    LIST_OPENING,
    LOWER_CASE_RUN,
    MARKER,
    NEVER_AFTER_AN_ARTICLE,
    NEXT_LINE,
    NEXT_LINE_LABEL,
    NOT_A_MARKER_BEFORE,
    NOT_THE_ANSWER_BEFORE,
    REFUTED,
    REFUTED_CHOICE,
    SOMEBODY_ELSE_BEFORE,
    STRONG_SEPARATOR,
    TRAILING,
    WEAK_SEPARATOR,
    WORD_AFTER,
)
from evalsuite.metrics.option_texts import chosen_by_text, opens, own_text
from evalsuite.metrics.text import ASCII_WIDTH, normalize_text, text_in_braces

# Long enough for any label list or option's text; a bound keeps unclosed boxes linear.
_BOX_LIMIT = 400


def read(text: str, options: Mapping[str, str], *, multiple: bool) -> tuple[tuple[str, ...] | None, str]:
    """Return the sorted labels that a reply chose and the stage that found them; None and "" when unparsed.

    Arguments as of `choices.extract`. Cost is linear in the reply's length.
    """
    folded = text.translate(ASCII_WIDTH)
    reader = _Reader(folded, {label: normalize_text(option) for label, option in options.items()}, multiple)
    if labels := reader.marked():
        return labels, "marker"
    if labels := reader.bare(folded):
        return labels, "bare"
    if labels := chosen_by_text(folded, reader.options):
        return labels, "option_text"
    return None, ""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads labels out of one folded reply. `options` holds plain texts, see `text.normalize_text`."""

    text: str
    options: Mapping[str, str]
    multiple: bool

    def marked(self) -> tuple[str, ...] | None:
        """Labels after the last marker that valid labels follow."""
        quotations = self.quotations()
        markers = [marker for marker in MARKER.finditer(self.text) if not _is_quoted(marker, quotations)]
        while markers:
            marker = markers.pop()
            labels = self.boxed(marker.end()) if marker["box"] else self.following(marker)
            if labels and marker["box"] and self.multiple:
                return self.neighbouring_boxes(labels, marker, markers)
            if labels:
                return labels
        return None

    def quotations(self) -> list[tuple[int, int]]:
        """Where options' texts stand that themselves read like an answer ("C. 选择A方案").

        A text that ends with the letter ("选B") is what a reply says by itself, unless its own label stands before it.
        """
        spans = []
        for label, option in self.options.items():
            letters = _answers_in(option)
            for quoted in own_text(option).finditer(self.text) if letters else ():
                before = LABEL_BEFORE.search(self.text, max(0, quoted.start() - 8), quoted.start())
                labelled = before is not None and before["label"].upper() == label
                if labelled or len(option) not in letters:
                    spans.append(quoted.span())
        return spans

    def neighbouring_boxes(
        self, labels: tuple[str, ...], marker: re.Match[str], before: list[re.Match[str]]
    ) -> tuple[str, ...] | None:
        """Labels of a box and of the boxes that stand before it with only separators between."""
        for box in reversed(before[-len(string.ascii_uppercase) :]):
            content = text_in_braces(self.text, box.end(), _BOX_LIMIT) if box["box"] else None
            more = None if content is None else self.bare(content)
            if content is None or not more:
                break
            if not BETWEEN_BOXES.fullmatch(self.text, box.end() + len(content), marker.start()):
                break
            labels, marker = (*labels, *more), box
        return self.fit(labels)

    def boxed(self, start: int) -> tuple[str, ...] | None:
        """Labels that are the whole content of the box opening before `start`."""
        content = text_in_braces(self.text, start, _BOX_LIMIT)
        return None if content is None else self.bare(content)

    def following(self, marker: re.Match[str]) -> tuple[str, ...] | None:
        """Labels right after a marker in words."""
        disqualifying = NOT_A_MARKER_BEFORE if marker["choose"] else NOT_THE_ANSWER_BEFORE
        before = self.text[max(0, marker.start() - 24) : marker.start()]
        if disqualifying.search(before) or SOMEBODY_ELSE_BEFORE.search(before):
            return None
        gap = GAP.match(self.text, marker.end())
        position = gap.end() if gap else marker.end()
        labels, end = self.label_list(position)
        if not labels or self.heads_a_list(marker.end(), position, end):
            return None
        return None if marker["choose"] and REFUTED_CHOICE.match(self.text, end) else labels

    def label_list(self, position: int) -> tuple[tuple[str, ...] | None, int]:
        """Return the labels from `position` on, sorted and fit for this row (else None), and where they end."""
        labels, end = self.label_at(position)
        if not labels or self.is_prose(position, end):
            return None, end
        labels, end = self.enumeration(position)
        if ALTERNATIVE.match(self.text, end) or REFUTED.match(self.text, end):
            return None, end
        return self.fit(labels), end

    def enumeration(self, position: int) -> tuple[tuple[str, ...], int]:
        """Labels joined by separators from `position` on, and where they end.

        A comma or space joins only if the enumeration then ends like one: "A, C." but not "A, C is wrong". With
        `multiple`, a label may carry its option's text, and then a line's end joins such labels too.
        """
        found, label_end = self.label_at(position)
        end = self.past_own_text(found, label_end)
        with_text = end > label_end
        sure, sure_end, weak = found, end, False
        while found and len(found) <= len(string.ascii_uppercase):
            separator = STRONG_SEPARATOR.match(self.text, end) or WEAK_SEPARATOR.match(self.text, end)
            labels, label_end = self.listed(separator.end()) if separator else ((), end)
            if not labels and with_text:
                separator = None
                labels, label_end = self.next_line(end)
            if not labels:
                break
            found, end = (*found, *labels), label_end
            weak = weak or (separator is not None and separator.re is WEAK_SEPARATOR)
            if not weak:
                sure, sure_end = found, end
        return (found, end) if LIST_END.match(self.text, end) else (sure, sure_end)

    def listed(self, position: int) -> tuple[tuple[str, ...], int]:
        """A further label of an enumeration; "选项C" only if it is not refuted on its own."""
        opening = LIST_OPENING.match(self.text, position)
        labels, end = self.label_at(opening.end()) if opening else ((), position)
        end = self.past_own_text(labels, end)
        if opening and opening["naming"] and (refuted := REFUTED.match(self.text, end)):
            return (labels if "都" in refuted[0] or "均" in refuted[0] else ()), end
        return labels, end

    def next_line(self, end: int) -> tuple[tuple[str, ...], int]:
        """A label with its option's text, alone on the line after `end`."""
        line = NEXT_LINE.match(self.text, end)
        if line is None:
            return (), end
        labels, label_end = self.label_at(line.end())
        text_end = self.past_own_text(labels, label_end)
        alone = text_end > label_end and LINE_END.match(self.text, text_end)
        return (labels, text_end) if alone else ((), end)

    def past_own_text(self, labels: tuple[str, ...], end: int) -> int:
        """Where the option's text after its label ends, when several labels may count; else `end`."""
        if not self.multiple or len(labels) != 1 or not self.options[labels[0]]:
            return end
        before = BEFORE_OWN_TEXT.match(self.text, end)
        own = own_text(self.options[labels[0]]).match(self.text, before.end() if before else end)
        closing = AFTER_OWN_TEXT.match(self.text, own.end()) if own else None
        return closing.end() if closing else end

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

    def fit(self, labels: Sequence[str]) -> tuple[str, ...] | None:
        unique = tuple(sorted(set(labels)))
        return unique if self.multiple or len(unique) == 1 else None

    def is_prose(self, position: int, end: int) -> bool:
        """Whether the letter at `position` is a word of a sentence rather than a label."""
        label = self.text[position].upper()
        reach = 2 * max(map(len, self.options.values()), default=0) + 8
        tail = normalize_text(self.text[position : position + reach])
        if any(opens(tail, text) for other, text in self.options.items() if len(text) > 1 and other != label):
            return True
        word = WORD_AFTER.match(self.text, position + 1)
        if label not in "AI" or end != position + 1 or word is None:
            return False
        if NEVER_AFTER_AN_ARTICLE.fullmatch(word["word"].lower()) or len(self.enumeration(position)[0]) > 1:
            return False
        own = self.options[label]
        if own and (opens(tail, own) or opens(normalize_text(self.text[end : end + reach]), own)):
            return False
        return word["word"][0].islower() or self.text[position].islower()

    def heads_a_list(self, marker_end: int, position: int, end: int) -> bool:
        """Whether the label, on a line after the marker, only begins a list of the row's options."""
        following = NEXT_LINE_LABEL.match(self.text, end)
        return (
            "\n" in self.text[marker_end:position]
            and following is not None
            and following["label"] in self.options
        )

    def bare(self, text: str) -> tuple[str, ...] | None:
        """Labels if they are the whole text, but for punctuation, decoration and the option's own text."""
        whole = BARE.fullmatch(text.strip())
        body = whole["body"] if whole else ""
        if set_of_labels := self.lower_case_run(body):
            return set_of_labels
        found, end = _Reader(body, self.options, self.multiple).enumeration(0)
        rest = body[end:]
        if found and (_is_only_trailing(rest) or (len(found) == 1 and self.is_text_of(found[0], rest))):
            return self.fit(found)
        return self.bare_list(body) if self.multiple else None

    def bare_list(self, body: str) -> tuple[str, ...] | None:
        """Several labels that are the whole text: "(A)(C)", or a line for each with its option's text."""
        reader = _Reader(body, self.options, self.multiple)
        found: tuple[str, ...] = ()
        bullet = BETWEEN_BARE.match(body)
        position = bullet.end() if bullet else 0
        while position < len(body):
            labels, end = reader.listed(position)
            between = BETWEEN_BARE.match(body, end)
            position = between.end() if between else end
            glued = position == end < len(body) and body[end] not in "([{*_"
            if not labels or glued or len(found) > len(string.ascii_uppercase):
                return None
            found = (*found, *labels)
        return self.fit(found) if found else None

    def lower_case_run(self, body: str) -> tuple[str, ...] | None:
        """Standing alone, "acd" is a set of labels too, but only in order: "bad" and "dab" are words."""
        run = LOWER_CASE_RUN.match(body)
        if run is None or not _is_only_trailing(body[run.end() :]):
            return None
        letters = run[0].upper()
        in_order = list(letters) == sorted(set(letters)) and all(letter in self.options for letter in letters)
        return self.fit(letters) if in_order else None

    def is_text_of(self, label: str, rest: str) -> bool:
        own = self.options[label]
        trailing = TRAILING.match(rest)
        candidates = {normalize_text(rest), normalize_text(rest[trailing.end() if trailing else 0 :])}
        candidates |= {candidate.strip(" .。*_`)]}") for candidate in candidates}
        return bool(own) and own in candidates


@functools.lru_cache(maxsize=512)
def _answers_in(option: str) -> frozenset[int]:
    """Where letters end that follow a marker in an option's text."""
    found = set()
    for marker in MARKER.finditer(option):
        gap = GAP.match(option, marker.end())
        letter = LABEL.match(option, gap.end() if gap else marker.end())
        if letter:
            found.add(letter.end())
    return frozenset(found)


def _is_quoted(marker: re.Match[str], quotations: Sequence[tuple[int, int]]) -> bool:
    return any(start <= marker.start() and marker.end() <= end for start, end in quotations)


def _is_only_trailing(text: str) -> bool:
    trailing = TRAILING.match(text)
    return trailing is not None and trailing.end() == len(text)
