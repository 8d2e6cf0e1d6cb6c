"""Workers that take jobs from an iterator, as many as the concurrency allows: never one task per row."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from evalsuite.endpoint.concurrency import Concurrency

JobT = TypeVar("JobT")


async def run_pool(
    jobs: Iterator[JobT | None],
    work: Callable[[JobT], Awaitable[None]],
    concurrency: Concurrency,
) -> None:
    """Run `work` on every job, `concurrency.limit` at a time, until the iterator ends or a worker raises.

    A job is taken only when a worker is free, so nothing piles up in memory. None from the iterator means "nothing
    yet": other tasks run first. The first exception cancels the other workers and is raised.
    """
    pool = _Pool(jobs, work, concurrency)
    pool.start_workers()
    try:
        await pool.ended
    finally:
        await pool.cancel_workers()


class _Pool(Generic[JobT]):
    """The workers of one pool. `ended` completes when the last worker ends, or fails with the first error."""

    def __init__(
        self, jobs: Iterator[JobT | None], work: Callable[[JobT], Awaitable[None]], concurrency: Concurrency
    ) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._jobs = jobs
        self._work = work
        self._concurrency = concurrency
        self._workers: set[asyncio.Task[None]] = set()
        self._active = 0
        """Workers at work; decremented the moment one decides to end, so that two do not end for the same reason."""
        self._exhausted = False

    def start_workers(self) -> None:
        """Start workers up to the concurrency limit."""
        while self._active < self._concurrency.limit and not (self._exhausted or self.ended.done()):
            self._active += 1
            worker = asyncio.ensure_future(self._run_worker())
            self._workers.add(worker)
            worker.add_done_callback(self._worker_done)

    async def cancel_workers(self) -> None:
        """Cancel the workers and wait until they have ended."""
        left = list(self._workers)
        for worker in left:
            worker.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _run_worker(self) -> None:
        try:
            await self._process_jobs()
        finally:
            self._active -= 1

    async def _process_jobs(self) -> None:
        while self._active <= self._concurrency.limit:
            try:
                job = next(self._jobs)
            except StopIteration:
                self._exhausted = True
                return
            if job is None:
                await asyncio.sleep(0)
            else:
                await self._work(job)
                self.start_workers()

    def _worker_done(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if self.ended.done():
            return
        if not worker.cancelled() and (error := worker.exception()):
            self.ended.set_exception(error)
        elif not self._workers:
            self.ended.set_result(None)
