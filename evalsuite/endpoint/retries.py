"""How a retry is decided: which failures are retried, how often and after how long.

    what happened                                       failure       retried
    connection refused or dropped                       connection    after a growing delay
    HTTP 408, 409, 429 or 5xx                           status        after `Retry-After`, or a growing delay
    HTTP 200 without a usable OpenAI reply              bad_reply     after a growing delay
    no answer for far longer than others took           timeout       at once, at most twice (see `hang_detection`)
    no answer before the sample's deadline              timeout       no
    any other HTTP status                               rejected      no: the server read the request and refused it
    reply without the log-probabilities it was sent for no_logprobs   no
    HTTP 401, 403, 404 or a redirect before any success             no: `EndpointError` ends the run

An attempt that may be retried raises `RetryableFailure`. `run_with_retries` tries again until the attempts of the
`RetryPolicy` are used up or the sample's deadline would pass.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from time import perf_counter

from evalsuite.endpoint.answer import Answer, RequestFailure
from evalsuite.types import NO_TOKENS, TokenCounts

JITTER = random.Random()
"""A generator of its own, so that a seed the user set for training is left alone."""
RETRIED_STATUSES = frozenset({408, 409, 429})
OVERLOAD_STATUSES = frozenset({429, 503, 529})
"""Too many requests, service unavailable, and what some providers send when overloaded."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A limited number of attempts within one deadline.

    `deadline`: seconds for one sample, delays included. Delays double from `first_delay` to `max_delay` seconds, with
    jitter, unless the server sends `Retry-After`.
    """

    deadline: float
    max_attempts: int = 6
    first_delay: float = 0.5
    max_delay: float = 20.0

    def retries_status(self, status: int) -> bool:
        """Whether an HTTP status is retried: 408, 409, 429 and every 5xx."""
        return status in RETRIED_STATUSES or status >= 500

    def delay(self, attempt: int, retry_after: float | None = None, *, hung: bool = False) -> float:
        """Seconds to wait after attempt number `attempt` (from 1); none after a hung one, which took long enough.

        `retry_after`: seconds that the server asked for.
        """
        if hung:
            return 0.0
        own = JITTER.uniform(0.5, 1.0) * min(self.max_delay, self.first_delay * 2.0 ** (attempt - 1))
        return own if retry_after is None else max(own, retry_after + JITTER.uniform(0.0, self.first_delay))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a sample: its number (from 1), how many earlier ones hung, and when its time is up.

    `deadline` is in seconds of `perf_counter`.
    """

    number: int
    hangs: int
    deadline: float


class RetryableFailure(Exception):
    """An attempt failed in a way that may pass. `retry_after`: seconds that the server asked for."""

    def __init__(self, failure: RequestFailure, retry_after: float | None = None) -> None:
        self.failure = failure
        self.retry_after = retry_after
        super().__init__(failure.message)

    @property
    def is_overload(self) -> bool:
        """Whether the server says that it is overloaded."""
        return self.failure.status in OVERLOAD_STATUSES


async def run_with_retries(
    attempt: Callable[[Attempt], Awaitable[Answer]],
    policy: RetryPolicy,
    on_failure: Callable[[RetryableFailure], None],
    on_retry: Callable[[], None],
) -> Answer:
    """Call `attempt` until it returns an answer, fails for good, or the policy says to stop. Raises `RequestFailure`.

    `on_failure` hears of every failure that may pass, `on_retry` of every further attempt.
    """
    deadline = perf_counter() + policy.deadline
    number, hangs, wasted = 0, 0, NO_TOKENS
    while True:
        number += 1
        try:
            answer = await attempt(Attempt(number, hangs, deadline))
            return answer if wasted is NO_TOKENS else replace(answer, wasted=wasted)
        except RequestFailure as final:
            final.wasted = _add(wasted, final.wasted)
            raise
        except RetryableFailure as retryable:
            failure = retryable.failure
            failure.attempts = number
            failure.wasted = wasted = _add(wasted, failure.wasted)
            hung = failure.failure == "timeout"
            hangs += hung
            delay = policy.delay(number, retryable.retry_after, hung=hung)
            on_failure(retryable)
            if number >= policy.max_attempts or perf_counter() + delay >= deadline:
                raise failure from None
        on_retry()
        await asyncio.sleep(delay)


def _add(one: TokenCounts, other: TokenCounts) -> TokenCounts:
    return one if other == NO_TOKENS else (one[0] + other[0], one[1] + other[1])


def retry_after_seconds(value: str | None, sent: str | None = None) -> float | None:
    """A `Retry-After` header (seconds or an HTTP date) as seconds from now; None if there is none.

    A date is relative to `sent`, the response's `Date` header, since the server's clock may differ from ours.
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
    """The time in a `Date` header; our own clock if there is none."""
    try:
        return parsedate_to_datetime(sent).timestamp() if sent else time.time()
    except (TypeError, ValueError):
        return time.time()
