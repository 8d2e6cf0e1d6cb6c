"""Orders rows so that prompts with a common beginning follow each other, which makes a server's prefix cache hit.

A file may name its subjects, its few-shot examples, its tool lists in any order; engines keep what they computed of a prompt
only until other prompts push it out. So a window of the rows to come is put in order of their text, in which prompts with
a long beginning in common are neighbours.

Engines with one cache for all requests (vLLM, SGLang) let requests under way at the same time share it. llama.cpp has one
for each of its slots: neighbours sent at the same time would each be read from the start. There the rows in order are
cut into as many lanes as requests are under way at a time, and each lane sends its next row when its last one is answered:
that finds the slot free whose cache begins alike.

Where the file's own order is nearly as good (one set of examples for all rows,
steps of a dialogue one after the other) it is left as it is.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

FIRST_WINDOW = 64
"""Rows rendered before the first request is sent. Later windows double in size."""
MOST_ROWS = 2048
MOST_BYTES = 8 << 20
"""Most bytes of prompts in a window. Two windows, with each prompt twice, are in memory."""
MAX_COMPARED_PAIRS = 128
"""Most pairs of neighbours that are compared to find out whether an order pays."""
MIN_GAIN_BYTES = 256
"""Least gain per row on average: engines share blocks of 16 or more tokens, about 64 letters."""


class SerialisedRequest(Protocol):
    """A request as the server gets it; see `endpoint.wire.Request`."""

    @property
    def payload(self) -> bytes:
        """The prompt with its tools and generation settings, serialised."""

    @property
    def tools_json(self) -> bytes:
        """The tools, which chat templates put before everything else."""


class Owed(Protocol):
    """A sample that is still to be asked."""

    @property
    def request(self) -> SerialisedRequest:
        """Its first request."""


OwedT = TypeVar("OwedT", bound=Owed)


class _Window(Generic[OwedT]):
    """Rows that are sorted together."""

    def __init__(self, most: int) -> None:
        self.rows: list[OwedT] = []
        self._most = most
        self._bytes = 0

    def fill(self, jobs: Iterator[OwedT | None], count: int) -> Iterator[None]:
        """Add up to `count` jobs, as far as there is room. Yields None for each None among the jobs."""
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
                self._bytes += len(job.request.payload)


def order_by_prefix(
    jobs: Iterator[OwedT | None], lanes: SlotQueues[OwedT] | None = None
) -> Iterator[OwedT | None]:
    """The same jobs, each window in the better order; None ("nothing yet") is passed on.

    `lanes`: for a server with a cache for each slot.

    While a window is sent the next one is filled, two rows for each that leaves, so that the event loop never waits long.
    """
    most = FIRST_WINDOW
    window = _Window[OwedT](most)
    yield from window.fill(jobs, most)
    while window.rows:
        most = min(2 * most, MOST_ROWS)
        ahead = _Window[OwedT](most)
        for job in lanes.deal(window.rows) if lanes else sort_by_prefix(window.rows):
            yield job
            yield from ahead.fill(jobs, 2)
        window = ahead


def sort_by_prefix(window: Sequence[OwedT]) -> Sequence[OwedT]:
    """Sort rows by their text, unless their own order is as good."""
    return _sorted_by_prefix(window) or window


def _sorted_by_prefix(window: Sequence[OwedT], at_a_time: int = 1) -> list[OwedT] | None:
    """The sorted rows; None if their own order, sent `at_a_time` at a time, is as good."""
    texts = [job.request.tools_json + job.request.payload for job in window]
    places = sorted(range(len(window)), key=texts.__getitem__)
    gain = _mean_shared_bytes([texts[place] for place in places]) - _mean_shared_bytes(texts, at_a_time)
    return [window[place] for place in places] if gain > MIN_GAIN_BYTES else None


class SlotQueues(Generic[OwedT]):
    """Distributes rows over queues, one for each cache slot of the server. `limit` gives their number; report answered rows to `finished`."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._lane_of: dict[int, _Lane[OwedT]] = {}
        """The queue of each row under way, by the row's `id()`."""

    def deal(self, window: Sequence[OwedT]) -> Iterator[OwedT]:
        """The rows, each from the queue with the fewest rows under way."""
        count = max(1, min(self._limit(), len(window)))
        rows = _sorted_by_prefix(window, count)
        if rows is None:
            yield from window
            return
        borders = [len(rows) * number // count for number in range(count + 1)]
        lanes = [_Lane(deque(rows[start:end])) for start, end in pairwise(borders)]
        while lanes := [lane for lane in lanes if lane.rows]:
            lane = min(lanes, key=lambda one: (one.under_way, -len(one.rows)))
            # where rows of all lanes are under way, one from the end begins like none of them
            job = lane.rows.pop() if lane.under_way else lane.rows.popleft()
            lane.under_way += 1
            self._lane_of[id(job)] = lane
            yield job

    def finished(self, job: OwedT) -> None:
        """Note that a row is answered, so that its queue may send the next one."""
        lane = self._lane_of.pop(id(job), None)
        if lane:
            lane.under_way -= 1


@dataclass(slots=True)
class _Lane(Generic[OwedT]):
    rows: deque[OwedT]
    under_way: int = 0


def _mean_shared_bytes(texts: Sequence[bytes], distance: int = 1) -> float:
    """Mean length of the common prefix of a text and the one `distance` before it, in bytes; of many texts, a random sample is compared."""
    later = range(distance, len(texts))
    looked_at = (
        later if len(later) <= MAX_COMPARED_PAIRS else random.Random(0).sample(later, MAX_COMPARED_PAIRS)
    )
    return sum(_shared_prefix_length(texts[place - distance], texts[place]) for place in looked_at) / max(
        1, len(looked_at)
    )


def _shared_prefix_length(one: bytes, other: bytes) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
