"""Shares one endpoint among many workers, and one pool of workers among several endpoints."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.endpoint.answer import Answer
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.wire import Request


class RequestLimiter:
    """Limits the requests to an endpoint to its concurrency, however many workers send them."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def ask(self, request: Request) -> Answer:
        """See `Endpoint.ask`. Waits for a free slot first; the wait does not count as latency."""
        while self._in_use >= self._endpoint.concurrency.limit:
            await self._wait_for_slot()
        self._in_use += 1
        try:
            return await self._endpoint.ask(request)
        finally:
            self._in_use -= 1
            self._wake()

    async def _wait_for_slot(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._wake()  # this waiter may have been given a slot already: pass it on
            raise

    def _wake(self) -> None:
        """Give every free slot to a waiter, first come, first served."""
        free = self._endpoint.concurrency.limit - self._in_use
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


@dataclass(frozen=True, slots=True)
class CombinedConcurrency:
    """The sum of several endpoints' concurrency; each endpoint adapts its own (see `Concurrency`)."""

    endpoints: Sequence[Endpoint]

    @property
    def limit(self) -> int:
        """The sum over the endpoints."""
        return sum(endpoint.concurrency.limit for endpoint in self.endpoints)

    @property
    def most(self) -> int:
        """The sum over the endpoints."""
        return sum(endpoint.concurrency.most for endpoint in self.endpoints)

    def record_answer(self, now: float) -> None:
        """Nothing: each endpoint records its own."""

    def record_overload(self) -> None:
        """Nothing: each endpoint records its own."""

    def reset(self) -> None:
        """Reset every endpoint's concurrency."""
        for endpoint in self.endpoints:
            endpoint.concurrency.reset()
