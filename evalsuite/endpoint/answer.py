"""How a request ends: in an `Answer`, or in a `RequestFailure` that says why this one sample has no answer.

A failure is data, not a crash: it becomes a line of the journal. Errors that concern every request (wrong key, unknown
model) are an `EndpointError` instead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from evalsuite.endpoint.wire import Request
from evalsuite.types import NO_TOKENS, Reply, TokenCounts

FailureClass: TypeAlias = Literal[
    "timeout",
    "connection",
    "status",
    "rejected",
    "bad_reply",
    "no_logprobs",
    "missing_prediction",
    "interrupted",
]
"""`missing_prediction`: there was nothing to ask. `interrupted`: the run ended between two requests of a sample."""
STATUSES_FOR_EVERY_ROW = frozenset({402, 403, 404, 405, 407, 410})
"""Payment required, forbidden, not found and the like: they concern the account or the model, not one row."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply with its cost: seconds from the first byte sent to the last byte received, and attempts.

    A reply from a file or from the cache has no latency and no attempts.
    """

    reply: Reply
    latency_s: float | None = None
    ttft_s: float | None = None
    attempts: int = 0
    from_cache: bool = False
    wasted: TokenCounts = NO_TOKENS
    """Prompt and reply tokens of failed attempts, as far as the server reported or sent them."""


Ask: TypeAlias = Callable[[Request], Awaitable[Answer]]
"""Sends one request. Raises `RequestFailure` or `EndpointError`."""


class RequestFailure(Exception):
    """Why one sample has no answer, with the last HTTP status and the number of attempts.

    `had` is the sample's first answer if only a later request of the sample failed. `wasted`: see `Answer`.
    """

    had: Answer | None = None
    wasted: TokenCounts = NO_TOKENS

    def __init__(
        self, failure: FailureClass, message: str, *, status: int | None = None, attempts: int = 1
    ) -> None:
        self.failure = failure
        self.message = message
        self.status = status
        self.attempts = attempts
        super().__init__(message)

    @property
    def permanent(self) -> bool:
        """Whether the same request would fail again: the server read it and refused it."""
        return self.failure == "rejected"

    @property
    def concerns_one_row(self) -> bool:
        """Whether other rows can still succeed: not so for a revoked key, a missing model or an unpaid bill."""
        return self.permanent and self.status not in STATUSES_FOR_EVERY_ROW
