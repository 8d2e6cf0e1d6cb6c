"""In which order rows are sent: those that begin alike next to each other, so that a server's prefix cache hits.

A file may name its subjects, its few-shot examples, its tool lists in any order; engines keep what they computed of a prompt
only until other prompts push it out. So a window of the rows to come is put in order of their text, in which prompts with
a long beginning in common are neighbours. Where the file's own order is nearly as good (one set of examples for all rows,
steps of a dialogue one after the other) it is left as it is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

FIRST_WINDOW = 64
"""Rows rendered before the first request is sent; windows double from there, so that nobody waits for them."""
MOST_ROWS = 2048
MOST_BYTES = 8 << 20
"""Of prompts in a window: two windows, each prompt twice, are in memory at a time."""
MOST_PAIRS = 128
"""Of neighbours that are compared to know whether an order is worth it."""
WORTHWHILE_BYTES = 256
"""Gained by a row on average; engines share blocks of 16 tokens and more, some 64 letters."""


class Asking(Protocol):
    """What has a prompt; see `endpoint.wire.Request`."""

    @property
    def asked(self) -> bytes:
        """The prompt with what is asked of it, serialised."""

    @property
    def tools_json(self) -> bytes:
        """The tools, which chat templates put before everything else."""


class Owed(Protocol):
    """A sample that is to be asked."""

    @property
    def request(self) -> Asking:
        """Its first request."""


OwedT = TypeVar("OwedT", bound=Owed)


class _Window(Generic[OwedT]):
    """Rows that are put in order together."""

    def __init__(self, most: int) -> None:
        self.rows: list[OwedT] = []
        self._most = most
        self._bytes = 0

    def fill(self, jobs: Iterator[OwedT | None], count: int) -> Iterator[None]:
        """Take so many jobs more, as far as there is room; what is not one is passed on."""
        wanted = min(len(self.rows) + count, self._most)
        while len(self.rows) < wanted and self._bytes < MOST_BYTES:
            try:
                job = next(jobs)
            except StopIteration:
                return
            if job is None:
                yield None
            else:
                self.rows.append(job)
                self._bytes += len(job.request.asked)


def arranged(jobs: Iterator[OwedT | None]) -> Iterator[OwedT | None]:
    """The same jobs, each window in the better order; None ("nothing yet") is passed on.

    While a window is sent the next one is filled, two rows for each that leaves, so that the event loop never waits long.
    """
    most = FIRST_WINDOW
    window = _Window[OwedT](most)
    yield from window.fill(jobs, most)
    while window.rows:
        most = min(2 * most, MOST_ROWS)
        ahead = _Window[OwedT](most)
        for job in in_better_order(window.rows):
            yield job
            yield from ahead.fill(jobs, 2)
        window = ahead


def in_better_order(window: Sequence[OwedT]) -> Sequence[OwedT]:
    """The rows by their text, unless the order they have does as well."""
    texts = [job.request.tools_json + job.request.asked for job in window]
    places = sorted(range(len(window)), key=texts.__getitem__)
    gain = _shared([texts[place] for place in places]) - _shared(texts)
    return [window[place] for place in places] if gain > WORTHWHILE_BYTES else window


def _shared(texts: Sequence[bytes]) -> float:
    """The bytes that a text has in common with the one before, from the start, on average; of many, drawn ones are read."""
    later = range(1, len(texts))
    looked_at = later if len(later) <= MOST_PAIRS else random.Random(0).sample(later, MOST_PAIRS)
    return sum(_shared_by(texts[place - 1], texts[place]) for place in looked_at) / max(1, len(looked_at))


def _shared_by(one: bytes, other: bytes) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
