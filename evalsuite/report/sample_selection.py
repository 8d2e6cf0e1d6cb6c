"""Which questions a page shows when not all of them fit: bad ones first, then an even draw of the others.

A question is shown with the replies of all variants, or not at all. It has the first of these kinds that applies:

1. a reply has another outcome than `scored`
2. variants have different scores
3. a reply is not right
4. all others

Three quarters of the room are for the first three kinds, shared evenly among kinds and datasets; what one does not need
goes to the others. Within a kind the largest difference, or the lowest score, comes first. The rest of the room, at least a
quarter, is an even draw of all remaining questions. The draw uses a hash, so that rendering twice shows the same samples.

A question takes about twenty-five bytes.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from math import inf
from typing import NamedTuple, TypeAlias

from evalsuite.formatting.numbers import format_count
from evalsuite.report.samples import SampleEntry

BAD_PERCENT = 75
"""Percentage of the room for bad questions. The others show what is usual."""

UNSCORED, DIFFERENT, LOW, OTHER = range(4)
Class: TypeAlias = tuple[int, int]
"""A kind and the number of a dataset."""

GROUP_BITS = 50
"""Bits to shift a hash by. What is left is the number of a group, which is searched linearly."""
DIGITS = 4
"""Digits kept of a difference or score, so that there are few distinct ones."""
PLACE_BITS = 16
"""Bits of a hash that order equal questions: finer than the room needs, and few enough to count."""
PLACES = 1 << PLACE_BITS
_UNSCORED_FLAG, _LOW_FLAG = 1, 2


class IndexedQuestion(NamedTuple):
    """One question. `number` is its hash. Of a class, questions with a low `priority` are taken first."""

    number: int
    kind: int
    dataset: int
    priority: float
    samples: int

    @property
    def place(self) -> int:
        """Its position among questions of its class with the same priority."""
        return self.number % PLACES

    @property
    def draw(self) -> int:
        """Its position in the draw, from other bits of the hash than `place`."""
        return (self.number >> PLACE_BITS) % PLACES


class QuestionIndex:
    """All questions of a run. `several` says whether there are several variants to compare."""

    def __init__(self, *, several: bool) -> None:
        self.several = several
        self._groups: defaultdict[int, _Group] = defaultdict(_Group)
        self._datasets: dict[str, int] = {}

    def add(self, number: int, entry: SampleEntry) -> None:
        """Add a sample of the question with this hash."""
        dataset = self._datasets.setdefault(entry.dataset, len(self._datasets))
        self._groups[number >> GROUP_BITS].add(number, dataset, entry)

    def __iter__(self) -> Iterator[IndexedQuestion]:
        for group in self._groups.values():
            for number, dataset, lowest, highest, flags, samples in group:
                spread = highest - lowest if self.several and highest > lowest else 0.0
                kind = (
                    UNSCORED
                    if flags & _UNSCORED_FLAG
                    else DIFFERENT
                    if spread
                    else LOW
                    if flags & _LOW_FLAG
                    else OTHER
                )
                priority = lowest if kind == LOW else -spread
                yield IndexedQuestion(number, kind, dataset, float(f"{priority:.{DIGITS}g}"), samples)


class _Group:
    """The questions whose hashes have the same first bits."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._datasets = array("H")
        self._lowest = array("f")
        self._highest = array("f")
        self._flags = bytearray()
        self._samples = array("I")

    def add(self, number: int, dataset: int, entry: SampleEntry) -> None:
        flags = _UNSCORED_FLAG * entry.is_unscored + _LOW_FLAG * (
            entry.score is not None and entry.answer != "right"
        )
        lowest, highest = (inf, -inf) if entry.score is None else (entry.score, entry.score)
        if number not in self._numbers:
            self._numbers.append(number)
            self._datasets.append(dataset)
            self._lowest.append(lowest)
            self._highest.append(highest)
            self._flags.append(flags)
            self._samples.append(1)
            return
        at = self._numbers.index(number)
        self._lowest[at] = min(self._lowest[at], lowest)
        self._highest[at] = max(self._highest[at], highest)
        self._flags[at] |= flags
        self._samples[at] += 1

    def __iter__(self) -> Iterator[tuple[int, int, float, float, int, int]]:
        return zip(
            self._numbers, self._datasets, self._lowest, self._highest, self._flags, self._samples,
            strict=True,
        )  # fmt: skip


class QuestionSelection:
    """The questions that a page shows. Their samples are at most `room`."""

    def __init__(self, questions: QuestionIndex, room: int) -> None:
        self._several = questions.several
        self._all: Counter[int] = Counter()
        self._taken: Counter[int] = Counter()
        self._numbers: set[int] = set()
        self._drawn = 0
        borders = self._borders(questions, room)
        left = self._take_bad(questions, borders, room)
        self._draw(questions, left)

    def __contains__(self, number: int) -> bool:
        return number in self._numbers

    def _borders(self, questions: QuestionIndex, room: int) -> dict[Class, tuple[float, float]]:
        """The first priority, and the first place within it, that is not taken any more, for each bad class."""
        priorities: defaultdict[Class, Counter[float]] = defaultdict(Counter)
        for question in questions:
            self._all[question.kind] += 1
            priorities[question.kind, question.dataset][question.priority] += question.samples
        rooms = _rooms({of: found.total() for of, found in priorities.items()}, room)
        ends = {of: _end(priorities[of], part) for of, part in rooms.items()}
        places: defaultdict[Class, Counter[float]] = defaultdict(Counter)
        for question in questions:
            of = question.kind, question.dataset
            if of in ends and question.priority == ends[of][0]:
                places[of][question.place] += question.samples
        return {of: (priority, _end(places[of], left)[0]) for of, (priority, left) in ends.items()}

    def _take_bad(
        self, questions: QuestionIndex, borders: Mapping[Class, tuple[float, float]], room: int
    ) -> int:
        """Take the questions before the border of their class. Returns the room that is left."""
        for question in questions:
            border = borders.get((question.kind, question.dataset))
            if border and (question.priority, question.place) < border:
                self._numbers.add(question.number)
                self._taken[question.kind] += 1
                room -= question.samples
        return room

    def _draw(self, questions: QuestionIndex, room: int) -> None:
        """Draw from the remaining questions, bad or not."""
        draws: Counter[float] = Counter()
        for question in questions:
            if question.number not in self._numbers:
                draws[question.draw] += question.samples
        end, _ = _end(draws, room)
        drawn = [one.number for one in questions if one.draw < end and one.number not in self._numbers]
        self._drawn = len(drawn)
        self._numbers.update(drawn)

    def describe(self) -> str:
        """A sentence that says which questions were selected."""
        others = "others " if self._all[UNSCORED] or self._all[DIFFERENT] else ""
        ended = "with a reply that ended" if self._several else "that ended"
        found = [
            self._describe_kind(UNSCORED, f"{ended} unparsed, truncated or in an error"),
            self._describe_kind(DIFFERENT, "that variants scored differently", "the largest differences"),
            self._describe_kind(LOW, f"{others}that scored below full marks", "the lowest scores"),
            f"{format_count(self._drawn)} drawn evenly from all others" if self._drawn else "",
        ]
        which = "; ".join(words for words in found if words)
        shown = "These questions, each with the replies of all variants" if self._several else "These"
        return f"{shown}: {which}." if which else ""

    def _describe_kind(self, kind: int, which: str, first: str = "") -> str:
        taken, of = self._taken[kind], self._all[kind]
        if not taken:
            return ""
        if taken == of:
            return f"all {format_count(of)} {which}"
        return f"{format_count(taken)} of {format_count(of)} {which}" + (
            f", those with {first}" if first else ""
        )


def _rooms(sizes: Mapping[Class, int], room: int) -> dict[Class, int]:
    """The room of each bad class: equal shares; what one does not need goes to the others."""
    bad = sorted((size, of) for of, size in sizes.items() if of[0] != OTHER)
    left = max(-(-room * BAD_PERCENT // 100), room - sum(sizes.values()) + sum(size for size, _ in bad))
    rooms = {}
    for number, (size, of) in enumerate(bad):
        rooms[of] = min(size, left // (len(bad) - number))
        left -= rooms[of]
    return rooms


def _end(sizes: Mapping[float, int], room: int) -> tuple[float, int]:
    """The first value, in ascending order, that does not fit any more, and the room before it. Infinity if all fit."""
    for value in sorted(sizes):
        if sizes[value] > room:
            return value, room
        room -= sizes[value]
    return inf, room
