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
LEAST_PATIENCE_SECONDS = 10.0
KNOWN_AFTER_ANSWERS = 50
IMPATIENT_ATTEMPTS = 2
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

    def delay(self, attempt: int, retry_after: str | None = None) -> float:
        """Seconds to wait after the `attempt`-th try (from 1)."""
        own = JITTER.uniform(0.5, 1.0) * min(self.max_delay, self.first_delay * 2.0 ** (attempt - 1))
        asked = retry_after_seconds(retry_after)
        return own if asked is None else max(own, asked + JITTER.uniform(0.0, self.first_delay))


class Patience:
    """How long an attempt is waited for: a hung connection must not cost a sample all its time.

    An attempt that takes ten times as long as the slowest answer so far is taken for hung, and so is a second one. Later
    ones have what is left of the sample's deadline, so that an answer that really takes so long is had in the end.
    """

    def __init__(self) -> None:
        self._answers = 0
        self._slowest = 0.0

    @property
    def is_known(self) -> bool:
        """Whether enough answers have shown how fast the server is."""
        return self._answers >= KNOWN_AFTER_ANSWERS

    def note(self, seconds: float) -> None:
        """An answer took so long."""
        self._answers += 1
        self._slowest = max(self._slowest, seconds)

    def seconds(self, attempt: int) -> float:
        """For the `attempt`-th try (from 1); infinity where too little is known, and for late ones."""
        if attempt > IMPATIENT_ATTEMPTS or not self.is_known:
            return math.inf
        return max(LEAST_PATIENCE_SECONDS, HUNG_FACTOR * self._slowest)


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
