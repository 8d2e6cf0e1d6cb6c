"""Which questions a page shows when not all of them fit: the bad ones first, the worst of them; then an even draw.

A question is shown with the replies of all variants, or not at all. It is of the first of these kinds that fits: some
reply ended in anything but a score; variants scored differently; some reply was not right; the others. Three quarters
of the room are for the first three kinds, dealt out evenly among them and the datasets: what one does not need goes to
the rest. Of a kind the largest difference, or the lowest score, comes first. What is left of the room, a quarter at least,
is an even draw of all that is left, by a hash: rendering twice shows the same.

Some twenty-five bytes are kept of a question.
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
"""Of the room, for questions that are worth a look; the others show what is usual."""

UNSCORED, DIFFERENT, LOW, OTHER = range(4)
Class: TypeAlias = tuple[int, int]
"""A kind, and the number of a dataset."""

GROUP_BITS = 50
"""To shift a hash by: what is left is the number of a group, which is searched from end to end."""
DIGITS = 4
"""Of a difference or a score: there are only so many different ones."""
PLACE_BITS = 16
"""Of a hash, for an order among what is alike: finer than the room needs, and few enough to count."""
PLACES = 1 << PLACE_BITS
_UNSCORED_FLAG, _LOW_FLAG = 1, 2


class IndexedQuestion(NamedTuple):
    """One question: its hash; among its class those with a low `turn` are taken first; how many samples it has."""

    number: int
    kind: int
    dataset: int
    turn: float
    samples: int

    @property
    def place(self) -> int:
        """Among those of its class with the same turn."""
        return self.number % PLACES

    @property
    def draw(self) -> int:
        """Among all that are drawn: of other bits than the place."""
        return (self.number >> PLACE_BITS) % PLACES


class QuestionIndex:
    """What is known of every question. `several`: variants are held against each other."""

    def __init__(self, *, several: bool) -> None:
        self.several = several
        self._groups: defaultdict[int, _Group] = defaultdict(_Group)
        self._datasets: dict[str, int] = {}

    def add(self, number: int, entry: SampleEntry) -> None:
        """Takes one sample of the question with that hash."""
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
                turn = lowest if kind == LOW else -spread
                yield IndexedQuestion(number, kind, dataset, float(f"{turn:.{DIGITS}g}"), samples)


class _Group:
    """The questions whose hashes begin alike."""

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
    """The questions that are shown: those of so many samples as there is room for, at most."""

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
        """Of each bad class the first turn, and the first place in it, that is not taken any more."""
        turns: defaultdict[Class, Counter[float]] = defaultdict(Counter)
        for question in questions:
            self._all[question.kind] += 1
            turns[question.kind, question.dataset][question.turn] += question.samples
        rooms = _rooms({of: found.total() for of, found in turns.items()}, room)
        ends = {of: _end(turns[of], part) for of, part in rooms.items()}
        places: defaultdict[Class, Counter[float]] = defaultdict(Counter)
        for question in questions:
            of = question.kind, question.dataset
            if of in ends and question.turn == ends[of][0]:
                places[of][question.place] += question.samples
        return {of: (turn, _end(places[of], left)[0]) for of, (turn, left) in ends.items()}

    def _take_bad(
        self, questions: QuestionIndex, borders: Mapping[Class, tuple[float, float]], room: int
    ) -> int:
        """Takes what lies before the border of its class; the room that is left."""
        for question in questions:
            border = borders.get((question.kind, question.dataset))
            if border and (question.turn, question.place) < border:
                self._numbers.add(question.number)
                self._taken[question.kind] += 1
                room -= question.samples
        return room

    def _draw(self, questions: QuestionIndex, room: int) -> None:
        """Takes some of what is left, bad or not."""
        draws: Counter[float] = Counter()
        for question in questions:
            if question.number not in self._numbers:
                draws[question.draw] += question.samples
        end, _ = _end(draws, room)
        drawn = [one.number for one in questions if one.draw < end and one.number not in self._numbers]
        self._drawn = len(drawn)
        self._numbers.update(drawn)

    def words(self) -> str:
        """Which ones they are, in a sentence."""
        others = "others " if self._all[UNSCORED] or self._all[DIFFERENT] else ""
        ended = "with a reply that ended" if self._several else "that ended"
        found = [
            self._words_of(UNSCORED, f"{ended} unparsed, truncated or in an error"),
            self._words_of(DIFFERENT, "that variants scored differently", "the largest differences"),
            self._words_of(LOW, f"{others}that scored below full marks", "the lowest scores"),
            f"{format_count(self._drawn)} drawn evenly from all others" if self._drawn else "",
        ]
        which = "; ".join(words for words in found if words)
        shown = "These questions, each with the replies of all variants" if self._several else "These"
        return f"{shown}: {which}." if which else ""

    def _words_of(self, kind: int, which: str, first: str = "") -> str:
        taken, of = self._taken[kind], self._all[kind]
        if not taken:
            return ""
        if taken == of:
            return f"all {format_count(of)} {which}"
        return f"{format_count(taken)} of {format_count(of)} {which}" + (
            f", those with {first}" if first else ""
        )


def _rooms(sizes: Mapping[Class, int], room: int) -> dict[Class, int]:
    """The room of each bad class: equal shares, and what one does not need goes to the others."""
    bad = sorted((size, of) for of, size in sizes.items() if of[0] != OTHER)
    left = max(-(-room * BAD_PERCENT // 100), room - sum(sizes.values()) + sum(size for size, _ in bad))
    rooms = {}
    for number, (size, of) in enumerate(bad):
        rooms[of] = min(size, left // (len(bad) - number))
        left -= rooms[of]
    return rooms


def _end(sizes: Mapping[float, int], room: int) -> tuple[float, int]:
    """In ascending order the first that does not fit any more (infinity where all fit), and the room before it."""
    for value in sorted(sizes):
        if sizes[value] > room:
            return value, room
        room -= sizes[value]
    return inf, room
