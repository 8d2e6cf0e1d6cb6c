"""An endpoint shared by many askers: never more at a time than it takes, and no place lost to one that gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from mock_server import MODEL, WAIT_SECONDS, MockServer, hanging, ordinary

from evalsuite._util.event_loop import run_to_end
from evalsuite.endpoint.answer import Answer
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.concurrency import FixedConcurrency
from evalsuite.endpoint.limiter import CombinedConcurrency, RequestLimiter
from evalsuite.endpoint.retries import RetryPolicy
from evalsuite.endpoint.wire import Generation, Request, encode
from evalsuite.types import Prompt


class Limit:
    """A concurrency that a test sets."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.most = 64
        self.renewed = 0

    def record_answer(self, now: float) -> None:
        """Nothing to learn."""

    def record_overload(self) -> None:
        """Nothing to learn."""

    def reset(self) -> None:
        self.renewed += 1


def asking(text: str) -> Request:
    return encode(Prompt(text=text), Generation(1))


def within(work: Awaitable[Any]) -> Any:
    """Bounded: a place that is lost would have somebody wait for ever."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work, WAIT_SECONDS)

    return run_to_end(bounded())


def test_request_limiter_shares_slots_among_callers(server: MockServer) -> None:
    async def ask_all() -> list[Answer]:
        async with Endpoint(server.url, MODEL, RetryPolicy(20.0), FixedConcurrency(3)) as endpoint:
            lane = RequestLimiter(endpoint)
            return await asyncio.gather(*(lane.ask(asking(f"q{number}")) for number in range(30)))

    answers = within(ask_all())
    assert [answer.reply.text for answer in answers] == [f"q{number}" for number in range(30)]
    assert server.most_in_flight <= 3


def test_request_limiter_cancelled_caller_frees_its_slot() -> None:
    async def ask_all(server: MockServer) -> Answer:
        async with Endpoint(server.url, MODEL, RetryPolicy(20.0), FixedConcurrency(1)) as endpoint:
            lane = RequestLimiter(endpoint)
            stuck = asyncio.ensure_future(lane.ask(asking("hang")))
            while server.total < 1:
                await asyncio.sleep(0)
            waiting = [asyncio.ensure_future(lane.ask(asking(f"w{number}"))) for number in range(3)]
            await asyncio.sleep(0)
            stuck.cancel()
            await asyncio.gather(stuck, return_exceptions=True)
            waiting[0].cancel()  # it has been given the place just now
            return await waiting[2]

    with MockServer(lambda asked: hanging() if asked.prompt == "hang" else ordinary(asked)) as server:
        assert within(ask_all(server)).reply.text == "w2"


def test_request_limiter_higher_limit_admits_waiters_at_once(server: MockServer) -> None:
    async def ask_all() -> int:
        limit = Limit(1)
        async with Endpoint(server.url, MODEL, RetryPolicy(20.0), limit) as endpoint:
            lane = RequestLimiter(endpoint)
            asked = [asyncio.ensure_future(lane.ask(asking(f"q{number}"))) for number in range(12)]
            await asked[0]
            limit.limit = 8
            await asyncio.gather(*asked)
        return server.most_in_flight

    assert 1 < within(ask_all()) <= 8


def test_combined_concurrency_is_the_sum_of_endpoints() -> None:
    limits = Limit(2), Limit(5)
    endpoints = [Endpoint("http://h/v1", MODEL, RetryPolicy(1.0), limit) for limit in limits]
    together = CombinedConcurrency(endpoints)
    together.record_answer(0.0)
    together.record_overload()
    together.reset()
    assert (together.limit, together.most) == (7, 128)
    assert [cast("Limit", endpoint.concurrency).renewed for endpoint in endpoints] == [1, 1]
