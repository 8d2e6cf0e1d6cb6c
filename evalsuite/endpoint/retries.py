"""What is tried again, how often, after how long: one object."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

JITTER = random.Random()
"""Our own, so that a seed the user set for training is left alone."""
HUNG_FACTOR = 10.0
OVERTAKEN_PATIENCE_SECONDS = 2.0
LEAST_PATIENCE_SECONDS = 5.0
STALLED_PATIENCE_SECONDS = 10.0
OVERTAKEN_BY = 20
FEW_UNDER_WAY = 8
KNOWN_AFTER_ANSWERS = 50
MOST_HANGS = 2
RETRIED_STATUSES = frozenset({408, 409, 429})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounded attempts within a per-sample deadline over all of them.

    `deadline`: seconds for one sample, waiting included. Delays double from `first_delay` to `max_delay`
    seconds, with full jitter, unless the server says `Retry-After`.
    """

    deadline: float
    max_attempts: int = 6
    first_delay: float = 0.5
    max_delay: float = 20.0

    def retries_status(self, status: int) -> bool:
        """Whether an HTTP status may pass when asked again: 408, 409, 429 and every 5xx."""
        return status in RETRIED_STATUSES or status >= 500

    def delay(self, attempt: int, retry_after: str | None = None, *, hung: bool = False) -> float:
        """Seconds to wait after the `attempt`-th try (from 1); none after a hung one, which has taken long enough."""
        if hung:
            return 0.0
        own = JITTER.uniform(0.5, 1.0) * min(self.max_delay, self.first_delay * 2.0 ** (attempt - 1))
        asked = retry_after_seconds(retry_after)
        return own if asked is None else max(own, asked + JITTER.uniform(0.0, self.first_delay))


class HangDetector:
    """Which attempts are taken for hung: a lost request must not cost a sample all its time, nor the run its end.

    An attempt is hung when it takes ten times as long as the slowest answer so far, and also, at least,
        two seconds    where requests that were sent later have been answered: it holds a place that others could use
        five seconds   where few are under way, so that sending them again costs a server little
        ten seconds    where many are and none is answered: the server as a whole stands still
    After two such attempts a sample has what is left of its deadline, so that an answer that really takes so long is had in
    the end; from then on it is the slowest, and others like it are waited for.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._renewed = -math.inf
        self._known = 0
        self._slowest = 0.0
        self.answered = 0
        self.under_way = 0

    def begin(self, hangs: int, now: float) -> AttemptWatch:
        """Watch an attempt sent `now` (seconds of a steady clock); `hangs` of the sample's before were hung."""
        overtaken_at = self.answered + self.under_way + OVERTAKEN_BY
        self.under_way += 1
        return AttemptWatch(self, hangs, now, overtaken_at)

    def note(self, watch: AttemptWatch, now: float) -> None:
        """A watched attempt was answered."""
        self.answered += 1
        if watch.start >= self._renewed:
            self._known += 1
            self._slowest = max(self._slowest, now - watch.start)

    def reset(self, now: float) -> None:
        """Other work begins: how long answers took so far says nothing about it."""
        self._renewed, self._known, self._slowest = now, 0, 0.0

    def seconds(self, watch: AttemptWatch) -> float:
        """How long an attempt is waited for at most; infinity where too little is known, and after two hangs."""
        if watch.hangs >= MOST_HANGS or self._known < KNOWN_AFTER_ANSWERS:
            return math.inf
        return max(min(self._least(watch), self._deadline / 3), HUNG_FACTOR * self._slowest)

    def _least(self, watch: AttemptWatch) -> float:
        if self.answered >= watch.overtaken_at:
            return OVERTAKEN_PATIENCE_SECONDS
        return LEAST_PATIENCE_SECONDS if self.under_way <= FEW_UNDER_WAY else STALLED_PATIENCE_SECONDS


@dataclass(slots=True)
class AttemptWatch:
    """One attempt; a transport asks it now and then whether it is hung."""

    patience: HangDetector
    hangs: int
    start: float
    overtaken_at: int
    """Once so many requests are answered, `OVERTAKEN_BY` of them were sent later than this one."""
    hung: bool = False

    def __call__(self) -> bool:
        """Whether to wait no longer."""
        self.hung = time.perf_counter() - self.start > self.patience.seconds(self)
        return self.hung


def retry_after_seconds(value: str | None, sent: str | None = None) -> float | None:
    """A `Retry-After` header, seconds or an HTTP date, as seconds from now; None when there is none.

    A date counts from the one the server says it answered at (the header `Date`), since our clock may be another one.
    """
    if not value:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, until - _timestamp(sent))


def _timestamp(sent: str | None) -> float:
    """What a `Date` header says, else what our clock does."""
    try:
        return parsedate_to_datetime(sent).timestamp() if sent else time.time()
    except (TypeError, ValueError):
        return time.time()
