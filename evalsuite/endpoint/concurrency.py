"""How many requests are under way at a time: the user's number, or the number with the best throughput.

The adaptive number grows while more requests at a time finish more of them per second: doubled at first, later by a
quarter now and then. If throughput stays the same, requests only wait for each other, so the number goes back. If the
server says that it is overloaded (429, 503, a timeout), the number is cut at once. Additive increase, multiplicative decrease: Chiu and Jain 1989.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

START = 32
DEFAULT_MAXIMUM = 256
"""vLLM's default number of simultaneous sequences; beyond it requests only queue."""
MIN_MEASURED = 64
"""Answers per throughput measurement, at least. Replies differ in length, so a rate is off by some per cent."""
WORTHWHILE = 0.3
"""A trial with x % more requests at a time is kept if throughput grows by at least this share of x %."""
DECREASE = 0.7
STEP_SHARE = 0.25
RECOVERY_SHARE = 0.1


class Concurrency(Protocol):
    """What the pool of workers and the client use."""

    @property
    def limit(self) -> int:
        """Requests under way at a time, from now on."""

    @property
    def most(self) -> int:
        """What `limit` never exceeds."""

    def record_answer(self, now: float) -> None:
        """Count an answer at `now`, in seconds of any steady clock."""

    def record_overload(self) -> None:
        """Note that the server could not keep up."""

    def reset(self) -> None:
        """Forget the throughput so far: other work begins."""


@dataclass(frozen=True, slots=True)
class FixedConcurrency:
    """A fixed number: the user's, or the slots of the server."""

    limit: int

    @property
    def most(self) -> int:
        """See `Concurrency.most`."""
        return self.limit

    def record_answer(self, now: float) -> None:
        """Nothing to adapt."""

    def record_overload(self) -> None:
        """Nothing to adapt."""

    def reset(self) -> None:
        """Nothing to adapt."""


class AdaptiveConcurrency:
    """See the module's docstring. A round is as many answers as it takes to measure a limit.

    The first `limit` answers of a round belong to requests sent under the previous limit, so they are not measured.
    """

    def __init__(self, start: int = START, most: int = DEFAULT_MAXIMUM) -> None:
        self.limit = min(start, most)
        self.most = most
        self._answers, self._since, self._is_cut = 0, 0.0, False
        self.reset()

    def reset(self) -> None:
        """See `Concurrency.reset`."""
        self._proven, self._rate = self.limit, 0.0
        self._doubling = True
        self._recovering_to = 0
        self._rounds, self._patience = 0, 2
        self._begin(self.limit)

    def record_answer(self, now: float) -> None:
        """See `Concurrency.record_answer`."""
        self._answers += 1
        if self._answers == self.limit:
            self._since = now
        measured = self._answers - self.limit
        if measured >= max(self.limit, MIN_MEASURED) and now > self._since:
            self._end_round(measured / (now - self._since))

    def record_overload(self) -> None:
        """See `Concurrency.record_overload`. One cut a round: requests sent before the cut report an overload as well."""
        if self._is_cut:
            return
        self._doubling, self._rate = False, 0.0
        self._recovering_to = self.limit - 1
        self._begin(max(1, int(self.limit * DECREASE)))
        self._proven, self._is_cut = self.limit, True

    def _begin(self, limit: int) -> None:
        self.limit = max(1, min(limit, self.most))
        self._answers, self._since, self._is_cut = 0, 0.0, False

    def _end_round(self, rate: float) -> None:
        if self.limit < self._recovering_to:
            self._begin(min(self._recovering_to, self.limit + self._step(RECOVERY_SHARE)))
            self._proven = self.limit
        elif self.limit > self._proven:
            self._evaluate_trial(rate)
        else:
            self._rounds += 1
            self._rate += (rate - self._rate) / self._rounds  # the mean of all rounds at this limit
            due = self._doubling or self._rounds >= self._patience
            self._begin(self._next_limit() if due else self.limit)

    def _evaluate_trial(self, rate: float) -> None:
        growth = self.limit / self._proven - 1
        if rate >= self._rate * (1 + WORTHWHILE * growth):
            self._proven, self._rate, self._rounds = self.limit, rate, 1
            self._begin(self._next_limit() if self._doubling else self.limit)
        else:
            self._doubling = False
            self._patience = self._rounds + 2 * self._patience  # each failed trial makes the next one rarer
            self._begin(self._proven)

    def _next_limit(self) -> int:
        return 2 * self.limit if self._doubling else self.limit + self._step(STEP_SHARE)

    def _step(self, share: float) -> int:
        return max(1, int(self.limit * share))
