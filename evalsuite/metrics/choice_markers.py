"""The `marker` stage: words, boxes and tags that say "this is the answer", and the labels after or before them.

Markers are weighed from the last to the first. One that is negated, supposed, quoted from an option's text or said of
somebody else counts for nothing, and so does one whose label is taken back. The first that gives labels decides; so does
the first that gives an explicit answer that cannot be used: several labels where one is asked, "none of the above". A
letter that the row does not have gives way to an earlier label; without one it ends the search too.

"Option C is correct" is weaker: replies say it of options one by one. It counts if it is said of one option only and
either no other marker gives labels or words such as "so" or "wait" open it.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from evalsuite.metrics.choice_labels import MAX_LABELS, LabelOutcome, LabelReader, LabelReading
from evalsuite.metrics.choice_words import (
    BETWEEN_BOXES,
    CLOSING,
    GAP,
    JOINERS_BEFORE,
    LABEL,
    NOT_A_MARKER_BEFORE,
    NOT_THE_ANSWER_BEFORE,
    NOTHING_FITS,
    REFUTED_CHOICE,
    SOMEBODY_ELSE_BEFORE,
    TURN,
    MarkerPatterns,
    compile_markers,
    marker_patterns,
)
from evalsuite.metrics.option_texts import option_pattern, starts_with_option
from evalsuite.metrics.text import normalize_text, text_in_braces

BOX_LIMIT = 400
"""Characters that a box may hold: more than any list of labels. A bound keeps unclosed boxes linear."""
_MOST_MARKERS = 200
"""The last ones of a reply that are weighed: a model that repeats itself for ever takes no time."""
_CLAUSE = 40
"""Characters after a marker in which "none of the above" may begin."""
_SENTENCE_END = re.compile(r"[.;!?。\n]")
_LONE_LETTER = re.compile(r"(?<![a-z])[a-z](?![a-z])")
_TAG_END = re.compile(r"<\s*/")
_LABEL_BEFORE = re.compile(rf"(?<![A-Za-z])(?P<label>[A-Za-z]){CLOSING}{{0,3}}\s?[.、:)(-]{{0,2}}\s?\Z")
_CHOOSING = frozenset({"choose", "pick"})
_LAST_PART = 500
"""Characters at the end of a reply that are searched first: most replies answer there, and the last marker counts."""
_TURN_REACH = 60
"""Characters before "option C is correct" in which a word such as "so" is looked for."""


@dataclass(frozen=True, slots=True)
class MarkedAnswer:
    """What the markers of a reply say: labels and the stage, or that an explicit answer cannot be used."""

    labels: tuple[str, ...] | None
    stage: str = ""
    is_final: bool = True
    """False where no marker says anything: other stages may look."""


_SILENT = MarkedAnswer(None, is_final=False)


@dataclass(frozen=True, slots=True)
class _Statement:
    """One marker with what it says, and where it begins."""

    reading: LabelReading
    start: int
    stage: str = "marker"


def read_markers(reader: LabelReader, *, cut_off: bool = False) -> MarkedAnswer:
    """The answer that the markers of a reply give. In a reply that was cut off, weak markers say nothing."""
    scan = _Scan(reader, marker_patterns(reader.text))
    strong = scan.last_strong()
    weak = None if cut_off else scan.only_weak(max(strong.start, strong.reading.end + 2) if strong else 0)
    if weak is not None and (strong is None or _is_turn(reader.text, weak.start)):
        return MarkedAnswer(weak.reading.labels, "marker")
    if strong is None:
        return _SILENT
    if strong.reading.outcome is not LabelOutcome.LABELS:
        return MarkedAnswer(None)
    return MarkedAnswer(strong.reading.labels, strong.stage)


class _Spans:
    """Parts of a text, to be asked whether a match lies in one of them."""

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self._spans = sorted(spans)
        self._starts = [start for start, _ in self._spans]
        self._reach = list(accumulate((end for _, end in self._spans), max))

    def cover(self, match: re.Match[str]) -> bool:
        """Whether a part holds the whole match."""
        number = bisect_right(self._starts, match.start())
        return number > 0 and match.end() <= self._reach[number - 1]

    def cover_start(self, match: re.Match[str]) -> bool:
        """Whether the match begins in a part."""
        number = bisect_right(self._starts, match.start())
        return number > 0 and match.start() < self._reach[number - 1]


@dataclass(frozen=True, slots=True)
class _Scan:
    reader: LabelReader
    patterns: MarkerPatterns

    def last_strong(self) -> _Statement | None:
        """The last marker that says something: labels, or an answer that cannot be used.

        A marker before an option's text ("the answer is Paris") gives way to an earlier one with a label, unless words
        such as "so" or "wait" introduce it.
        """
        start = len(self.reader.text) - _LAST_PART
        if start > 0:
            found = self._last_strong(self.reader.text.rfind("\n", 0, start) + 1 or start)
            if (
                found is not None
                and found.stage == "marker"
                and found.reading.outcome is not LabelOutcome.FOREIGN
            ):
                return found
        return self._last_strong(0)

    def _last_strong(self, start: int) -> _Statement | None:
        before, after = self._candidates(start)
        by_text: _Statement | None = None
        foreign: _Statement | None = None
        while before and not (after and after[-1].start >= before[-1].start()):
            match = before.pop()
            reading, stage = self._after_marker(match, before)
            statement = _Statement(reading, match.start(), stage)
            if stage == "option_text" and not _is_turn(self.reader.text, match.start()):
                by_text = by_text or statement
            elif reading.outcome is LabelOutcome.FOREIGN:
                foreign = foreign or statement
            elif reading.outcome is LabelOutcome.UNUSABLE:
                return by_text or statement
            elif reading.outcome is LabelOutcome.LABELS:
                return by_text if by_text and stage == "option_text" else statement
        return after[-1] if after else by_text or foreign

    def _candidates(self, start: int) -> tuple[list[re.Match[str]], list[_Statement]]:
        """Markers that a label may follow, and what stands before those that follow a label."""
        text = self.reader.text
        quotations = _Spans(self._quotations())
        phrases = [
            (match, reading)
            for match in _last(self.patterns.after, text, start)
            if not quotations.cover(match)
            and (reading := self._before_phrase(match.start())).outcome is not LabelOutcome.NOTHING
        ]
        spans = _Spans([match.span() for match, _ in phrases])
        before = [
            match
            for match in _last(self.patterns.before, text, start)
            # "C is the answer" holds the noun of "the answer is", but no label follows it.
            if not quotations.cover(match) and not spans.cover_start(match)
        ]
        return before, [_Statement(reading, match.start()) for match, reading in phrases]

    def only_weak(self, start: int) -> _Statement | None:
        """From `start` on the last "option C is correct", if it is said of one option, or of one list of them, only."""
        found: list[_Statement] = []
        for match in _last(self.patterns.after_weak, self.reader.text, start):
            reading = self._before_phrase(match.start())
            if reading.outcome is LabelOutcome.LABELS:
                found.append(_Statement(reading, match.start()))
            elif reading.outcome is LabelOutcome.UNUSABLE:
                return None
        return found[-1] if len({statement.reading.labels for statement in found}) == 1 else None

    def _after_marker(self, match: re.Match[str], before: list[re.Match[str]]) -> tuple[LabelReading, str]:
        if match["box"]:
            reading = self._box(match.end())
            if reading.outcome is LabelOutcome.LABELS or len(reading.labels) > 1:
                reading = self._adjacent_boxes(reading, match, before)
            return reading, "marker"
        if match["tag"]:
            end = _TAG_END.search(self.reader.text, match.end(), match.end() + BOX_LIMIT)
            content = self.reader.text[match.end() : end.start()] if end else ""
            if content:
                return self._content(content), "marker"
        return self._after_words(match)

    def _after_words(self, match: re.Match[str]) -> tuple[LabelReading, str]:
        text = self.reader.text
        groups = match.groupdict()
        chooses = any(groups.get(name) for name in _CHOOSING)
        gap = GAP.match(text, match.end())
        position = gap.end() if gap else match.end()
        reading, stage = self.reader.read(position), "marker"
        if reading.outcome is LabelOutcome.NOTHING:
            reading, stage = self._words_instead(position, chooses=chooses)
        if reading.outcome is LabelOutcome.NOTHING:
            return reading, ""
        disqualifying = NOT_A_MARKER_BEFORE if chooses else NOT_THE_ANSWER_BEFORE
        context = text[max(0, match.start() - 28) : match.start()]
        if disqualifying.search(context) or SOMEBODY_ELSE_BEFORE.search(context):
            return LabelReading(LabelOutcome.NOTHING), ""
        if reading.outcome is LabelOutcome.LABELS and chooses and REFUTED_CHOICE.match(text, reading.end):
            return LabelReading(LabelOutcome.NOTHING), ""
        return reading, stage

    def _words_instead(self, position: int, *, chooses: bool) -> tuple[LabelReading, str]:
        """What stands after a marker instead of a label: one option's text, or "none of the above"."""
        text = self.reader.text
        label = None if chooses else self._option_at(position)
        if label is not None:
            return LabelReading(LabelOutcome.LABELS, (label,), position), "option_text"
        if chooses:
            nothing = NOTHING_FITS.match(text, position)
        else:
            nothing = NOTHING_FITS.search(text, position, position + _CLAUSE)
        if nothing and not _SENTENCE_END.search(text, position, nothing.start()):
            return LabelReading(LabelOutcome.UNUSABLE), ""
        return LabelReading(LabelOutcome.NOTHING), ""

    def _option_at(self, position: int) -> str | None:
        """The label of the one option whose text stands at `position`, the longest if one begins another."""
        options = self.reader.options
        longest = max(map(len, options.values()), default=0)
        tail = normalize_text(self.reader.text[position : position + 2 * longest + 8])
        named = [label for label, option in options.items() if starts_with_option(tail, option)]
        longest = max((len(options[label]) for label in named), default=0)
        named = [label for label in named if len(options[label]) == longest]
        return named[0] if len(named) == 1 else None

    def _box(self, start: int) -> LabelReading:
        content = text_in_braces(self.reader.text, start, BOX_LIMIT)
        return LabelReading(LabelOutcome.NOTHING) if content is None else self._content(content)

    def _content(self, content: str) -> LabelReading:
        """Labels that are the whole content of a box or a tag, or one option's whole text."""
        from evalsuite.metrics.choice_reader import read_whole

        reading = read_whole(content, self.reader.options, multiple=self.reader.multiple)
        if reading.outcome is not LabelOutcome.NOTHING:
            return reading
        plain = normalize_text(content).strip(" .。*_`$\\()[]{}")
        named = [label for label, option in self.reader.options.items() if option == plain]
        if len(named) == 1:
            return LabelReading(LabelOutcome.LABELS, (named[0],))
        if NOTHING_FITS.search(plain):
            return LabelReading(LabelOutcome.UNUSABLE)
        if any(word in plain for word in ("letter", "option", "your ")) and len(plain) < 24:
            return LabelReading(LabelOutcome.NOTHING)  # a quoted template
        return LabelReader(content.strip(), self.reader.options, self.reader.multiple).read(0)

    def _adjacent_boxes(
        self, reading: LabelReading, marker: re.Match[str], before: list[re.Match[str]]
    ) -> LabelReading:
        """Labels of a box and of the boxes before it with only separators between: one list."""
        labels = reading.labels
        for box in reversed(before[-MAX_LABELS:]):
            content = text_in_braces(self.reader.text, box.end(), BOX_LIMIT) if box["box"] else None
            if content is None:
                break
            more = self._content(content)
            joined = BETWEEN_BOXES.fullmatch(self.reader.text, box.end() + len(content), marker.start())
            if more.outcome is LabelOutcome.NOTHING or not joined:
                break
            labels, marker = (*labels, *more.labels), box
        return self.reader.fit(labels)

    def _before_phrase(self, end: int) -> LabelReading:
        """Labels that end where "is the answer" begins, with or without the option's own text."""
        text = self.reader.text
        match = JOINERS_BEFORE.search(text, max(0, end - 64), end)
        start = match.start("list") if match else self._labelled_text_before(end)
        if start is None:
            return LabelReading(LabelOutcome.NOTHING)
        context = text[max(0, start - 28) : start]
        if NOT_A_MARKER_BEFORE.search(context) or SOMEBODY_ELSE_BEFORE.search(context):
            return LabelReading(LabelOutcome.NOTHING)
        if match is None:
            label = text[start].upper()
            return LabelReading(
                LabelOutcome.LABELS if label in self.reader.options else LabelOutcome.NOTHING, (label,)
            )
        written = match["list"]
        labels = [found["run"] for found in LABEL.finditer(written) if len(found["run"]) == 1]
        labels = [label.upper() for label in labels]
        if not labels or any(label not in self.reader.options for label in labels):
            return LabelReading(LabelOutcome.NOTHING)
        return self.reader.fit(labels)

    def _labelled_text_before(self, end: int) -> int | None:
        """Position of the label in "C. Paris" before `end`."""
        text = self.reader.text
        for label, option in self.reader.options.items():
            start = max(0, end - 2 * len(option) - 8)
            found = list(option_pattern(option).finditer(text, start, end)) if option else []
            if found and not text[found[-1].end() : end].strip(" .)*_\"'”"):
                before = _LABEL_BEFORE.search(text, max(0, found[-1].start() - 8), found[-1].start())
                if before and before["label"].upper() == label:
                    return before.start("label")
        return None

    def _quotations(self) -> list[tuple[int, int]]:
        """Where options' texts stand that themselves read like an answer ("C. 选择A方案").

        A text that ends with the letter ("选B") is what a reply says by itself, unless its own label stands before it.
        """
        spans = []
        for label, option in self.reader.options.items():
            letters = _answers_in(option, self.patterns.languages) if _LONE_LETTER.search(option) else ()
            for quoted in option_pattern(option).finditer(self.reader.text) if letters else ():
                before = _LABEL_BEFORE.search(self.reader.text, max(0, quoted.start() - 8), quoted.start())
                labelled = before is not None and before["label"].upper() == label
                if labelled or len(option) not in letters:
                    spans.append(quoted.span())
        return spans


@functools.lru_cache(maxsize=512)
def _answers_in(option: str, languages: tuple[str, ...]) -> frozenset[int]:
    """Where letters end that follow a marker in an option's text."""
    found = set()
    patterns = compile_markers(languages, wide=not option.isascii())
    for marker in patterns.before.finditer(option):
        gap = GAP.match(option, marker.end())
        letter = LABEL.match(option, gap.end() if gap else marker.end())
        if letter:
            found.add(letter.end())
    return frozenset(found)


def _last(pattern: re.Pattern[str], text: str, start: int) -> deque[re.Match[str]]:
    return deque(pattern.finditer(text, start), maxlen=_MOST_MARKERS)


def _is_turn(text: str, position: int) -> bool:
    return TURN.search(text.casefold(), max(0, position - _TURN_REACH), position) is not None
