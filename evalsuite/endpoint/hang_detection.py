"""Finds attempts that hang: a lost request must not use up its sample's time, nor keep the run from ending.

The limit grows with the slowest answer so far, so a server that is slow for every request is never given up early.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

HUNG_FACTOR = 10.0
OVERTAKEN_PATIENCE_SECONDS = 2.0
LEAST_PATIENCE_SECONDS = 5.0
STALLED_PATIENCE_SECONDS = 10.0
OVERTAKEN_BY = 20
FEW_UNDER_WAY = 8
KNOWN_AFTER_ANSWERS = 50
MAX_HANGS = 2


class HangDetector:
    """Decides which attempts hang.

    An attempt hangs when it takes ten times as long as the slowest answer so far, and at least

        2 seconds    if later requests have been answered: it occupies a slot that others could use
        5 seconds    if few requests are under way: sending them again costs the server little
        10 seconds   if many are under way and none is answered: the server as a whole is stuck

    After two hangs a sample waits until its deadline, so an answer that really takes that long still arrives. It then
    counts as the slowest answer, and similar requests are waited for.
    """

    def __init__(self, deadline: float) -> None:
        """`deadline`: seconds that one sample may take."""
        self._deadline = deadline
        self._reset_at = -math.inf
        self._known = 0
        self._slowest = 0.0
        self.answered = 0
        self.under_way = 0

    def begin(self, hangs: int, now: float) -> AttemptWatch:
        """Watch an attempt sent at `now` (seconds of `perf_counter`); `hangs` earlier attempts of the sample hung."""
        overtaken_at = self.answered + self.under_way + OVERTAKEN_BY
        self.under_way += 1
        return AttemptWatch(self, hangs, now, overtaken_at)

    def end(self) -> None:
        """Count an attempt that is no longer under way."""
        self.under_way -= 1

    def record_answer(self, watch: AttemptWatch, now: float) -> None:
        """Learn from an attempt that was answered."""
        self.answered += 1
        if watch.start >= self._reset_at:
            self._known += 1
            self._slowest = max(self._slowest, now - watch.start)

    def reset(self, now: float) -> None:
        """Forget how long answers took: the next dataset may take longer."""
        self._reset_at, self._known, self._slowest = now, 0, 0.0

    def limit(self, watch: AttemptWatch) -> float:
        """Seconds to wait for an attempt; infinity while too little is known, and after two hangs."""
        if watch.hangs >= MAX_HANGS or self._known < KNOWN_AFTER_ANSWERS:
            return math.inf
        return max(min(self._minimum(watch), self._deadline / 3), HUNG_FACTOR * self._slowest)

    def _minimum(self, watch: AttemptWatch) -> float:
        if self.answered >= watch.overtaken_at:
            return OVERTAKEN_PATIENCE_SECONDS
        return LEAST_PATIENCE_SECONDS if self.under_way <= FEW_UNDER_WAY else STALLED_PATIENCE_SECONDS


@dataclass(slots=True)
class AttemptWatch:
    """One attempt. The transport calls it now and then to learn whether to give up."""

    detector: HangDetector
    hangs: int
    start: float
    overtaken_at: int
    """Once this many requests are answered, `OVERTAKEN_BY` of them were sent later than this one."""
    hung: bool = False

    def __call__(self) -> bool:
        """Whether to give up waiting."""
        self.hung = time.perf_counter() - self.start > self.detector.limit(self)
        return self.hung
