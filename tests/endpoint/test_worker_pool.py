"""The worker pool: bounded, lazy, and gone after the first error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.endpoint.concurrency import AdaptiveConcurrency, FixedConcurrency
from evalsuite.endpoint.worker_pool import run_pool


@given(
    jobs=st.lists(st.none() | st.integers(0, 3), max_size=40),
    workers=st.integers(1, 8),
)
def test_run_pool_does_every_job_once_within_the_limit(jobs: list[int | None], workers: int) -> None:
    taken, done, busy, most = 0, [], 0, 0

    def source() -> Iterator[tuple[int, int] | None]:
        nonlocal taken
        for number, turns in enumerate(jobs):
            taken += 1
            assert busy < workers, "taken although no worker was free"
            yield None if turns is None else (number, turns)

    async def work(job: tuple[int, int]) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        for _ in range(job[1]):
            await asyncio.sleep(0)
        busy -= 1
        done.append(job[0])

    asyncio.run(run_pool(source(), work, FixedConcurrency(workers)))
    assert sorted(done) == [number for number, turns in enumerate(jobs) if turns is not None]
    assert most <= workers
    assert taken == len(jobs)


def test_run_pool_first_error_cancels_other_workers() -> None:
    taken: list[int] = []
    cancelled: list[int] = []

    def source() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    async def work(job: int) -> None:
        if job == 3:
            raise ValueError("broken")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(job)
            raise

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(run_pool(source(), work, FixedConcurrency(4)))
    assert taken == [0, 1, 2, 3]
    assert sorted(cancelled) == [0, 1, 2]


def test_run_pool_error_of_the_iterator_ends_the_pool() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("the file is gone")

    async def work(job: int) -> None:
        await asyncio.sleep(0)

    with pytest.raises(OSError, match="the file is gone"):
        asyncio.run(run_pool(source(), work, FixedConcurrency(3)))


def test_run_pool_cancelled_cancels_its_workers() -> None:
    ended: list[int] = []

    async def work(job: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(job)

    async def run() -> None:
        pool = asyncio.ensure_future(run_pool(iter(range(10)), work, FixedConcurrency(2)))
        await asyncio.sleep(0.01)
        pool.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pool

    asyncio.run(run())
    assert sorted(ended) == [0, 1]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_run_pool_workers_follow_the_limit(limits: list[int]) -> None:
    class Changing(AdaptiveConcurrency):
        def __init__(self) -> None:
            super().__init__(limits[0], 9)

    concurrency, busy = Changing(), 0
    done: list[int] = []

    async def work(job: int) -> None:
        nonlocal busy
        busy += 1
        allowed = concurrency.limit
        await asyncio.sleep(0)
        assert busy <= max(allowed, *limits[: len(done) + 2])
        busy -= 1
        done.append(job)
        concurrency.limit = limits[min(len(done), len(limits) - 1)]

    asyncio.run(run_pool(iter(range(2 * len(limits))), work, concurrency))
    assert sorted(done) == list(range(2 * len(limits)))
