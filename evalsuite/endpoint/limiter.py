"""One endpoint for several askers, and several endpoints for one pool of workers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.endpoint.answer import Answer
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.wire import Request


class RequestLimiter:
    """An endpoint that gets as many requests at a time as its concurrency says, however many workers ask."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def ask(self, request: Request) -> Answer:
        """See `Endpoint.ask`; waits for its turn, which is not counted as time of the request."""
        while self._in_use >= self._endpoint.concurrency.limit:
            await self._turn()
        self._in_use += 1
        try:
            return await self._endpoint.ask(request)
        finally:
            self._in_use -= 1
            self._wake()

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._wake()  # the turn may have been given already: it is another one's now
            raise

    def _wake(self) -> None:
        """Give every free place to one that waits; who comes first is asked first."""
        free = self._endpoint.concurrency.limit - self._in_use
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


@dataclass(frozen=True, slots=True)
class CombinedConcurrency:
    """As many workers as all endpoints together take requests; each endpoint finds its own number (see `Concurrency`)."""

    endpoints: Sequence[Endpoint]

    @property
    def limit(self) -> int:
        """The sum of the endpoints'."""
        return sum(endpoint.concurrency.limit for endpoint in self.endpoints)

    @property
    def most(self) -> int:
        """The sum of the endpoints'."""
        return sum(endpoint.concurrency.most for endpoint in self.endpoints)

    def record_answer(self, now: float) -> None:
        """The endpoints are told themselves."""

    def record_overload(self) -> None:
        """The endpoints are told themselves."""

    def reset(self) -> None:
        """Other work begins for all of them."""
        for endpoint in self.endpoints:
            endpoint.concurrency.reset()
