"""A fixed number of workers that pull work from an iterator: never one task per row."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

JobT = TypeVar("JobT")


async def run_pool(
    jobs: Iterator[JobT | None],
    work: Callable[[JobT], Awaitable[None]],
    workers: int,
) -> None:
    """Run `work` on every job, `workers` at a time, until the iterator ends or a worker raises.

    A job is taken only when a worker is free, so that nothing piles up in memory. None from the iterator means
    "nothing yet": the event loop gets a turn. The first exception cancels the other workers and is raised.
    """

    async def worker() -> None:
        for job in jobs:
            if job is None:
                await asyncio.sleep(0)
            else:
                await work(job)

    tasks = [asyncio.ensure_future(worker()) for _ in range(workers)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
