"""Ask what is owed, judge what comes back, write it down.

Requests run in the event loop; judging and writing run in one thread beside it, in the order replies arrive, so
that requests never wait for a slow scorer. The thread loads dictionaries and the like while the first replies are
awaited. A reply counts as finished once its journal line is written.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeAlias

from evalsuite.endpoint.client import Answer, Endpoint, RequestFailure
from evalsuite.endpoint.pool import run_pool
from evalsuite.errors import RunIncomplete
from evalsuite.runs.journal import Journal
from evalsuite.runs.lines import failed_score, journal_line
from evalsuite.runs.meter import Meter
from evalsuite.runs.plan import DatasetPlan
from evalsuite.runs.work import Job, Work
from evalsuite.types import Score

BACKLOG_PER_WORKER = 4
"""Replies that may wait for the judge, a worker, before requests pause."""
BREAKER_FLOOR = 10
"""Samples in a row that must fail before a run gives up, however few are asked at a time."""
WATCH_SECONDS = 0.5
MOST_LINES_AT_ONCE = 16
"""Of the replies that wait when the judge is free: judged together, written in one go."""

Finished: TypeAlias = tuple[Job, Answer | RequestFailure]


class Scribe:
    """Judges replies and writes their lines, in a thread of its own. Used as a context manager.

    Leaving it waits until everything handed over is written; an error in the thread is raised by `check` and
    on leaving.
    """

    def __init__(self, journal: Journal, meter: Meter, plans: Sequence[DatasetPlan]) -> None:
        self._journal = journal
        self._meter = meter
        self._plans = plans
        self._queue: SimpleQueue[Finished | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="evalsuite-scribe")
        self._error: BaseException | None = None

    def __enter__(self) -> Scribe:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self.check()

    @property
    def backlog(self) -> int:
        """Replies that wait to be judged."""
        return self._queue.qsize()

    def record(self, job: Job, answer: Answer | RequestFailure) -> None:
        """Hand over a finished request."""
        self._queue.put((job, answer))

    def check(self) -> None:
        """Raise what went wrong in the thread."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        self._try(self._warm_up)
        ended = False
        while not ended:
            waiting = [self._queue.get()]
            while len(waiting) < MOST_LINES_AT_ONCE and not self._queue.empty():
                waiting.append(self._queue.get())
            ended = waiting[-1] is None
            if self._error is None:
                self._try(self._write, [item for item in waiting if item is not None])

    def _try(self, step: Callable[..., None], *given: Sequence[Finished]) -> None:
        try:
            step(*given)
        except BaseException as error:  # noqa: BLE001 - handed to the other thread by `check`
            self._error = error

    def _warm_up(self) -> None:
        for plan in self._plans:
            plan.task.warm_up(plan.style)

    def _write(self, finished: Sequence[Finished]) -> None:
        judged = [(job, answer, self._judged(job, answer)) for job, answer in finished]
        self._journal.append(b"".join(journal_line(*line) for line in judged))
        for line in judged:
            self._count(*line)

    def _judged(self, job: Job, answer: Answer | RequestFailure) -> Score:
        if isinstance(answer, RequestFailure):
            return failed_score(job)
        return job.plan.task.score(job.sample.row, answer.reply, job.plan.style)

    def _count(self, job: Job, answer: Answer | RequestFailure, score: Score) -> None:
        meter = self._meter
        if isinstance(answer, RequestFailure):
            meter.failures[answer.failure, answer.message] += 1
        else:
            meter.prompt_tokens += answer.reply.prompt_tokens or 0
            meter.completion_tokens += answer.reply.completion_tokens or 0
        job.count(score)
        meter.done += 1
        meter.outcomes[score.outcome] += 1


@dataclass
class Inference:
    """One variant's owed samples against one endpoint.

    Ends early, with `RunIncomplete`, when many samples in a row fail in a way that asking again might mend: the
    server is gone or overloaded, and the rest of the rows would only be lost one by one.
    """

    work: Work
    endpoint: Endpoint
    journal: Journal
    meter: Meter
    server_check: Callable[[], None]
    _streak: int = 0
    _requests_before: int = 0
    _retries_before: int = 0

    async def run(self) -> None:
        """Ask everything. Raises `EvalsuiteError` when it cannot go on; what was finished is written by then."""
        traffic = self.endpoint.traffic
        self._requests_before = self.meter.requests - traffic.requests
        self._retries_before = self.meter.retries - traffic.retries
        owed = [plan for plan in self.work.plans if self.work.owed_rows(plan)]
        with Scribe(self.journal, self.meter, owed) as scribe:
            watcher = asyncio.ensure_future(self._watch(scribe))
            asking = asyncio.ensure_future(
                run_pool(self._jobs(), lambda job: self._ask(job, scribe), self.endpoint.concurrency)
            )
            try:
                await asyncio.wait({watcher, asking}, return_when=asyncio.FIRST_COMPLETED)
                await (watcher if watcher.done() else asking)
            finally:
                for task in (watcher, asking):
                    task.cancel()
                await asyncio.gather(watcher, asking, return_exceptions=True)

    def _jobs(self) -> Iterator[Job | None]:
        """The owed samples; a dataset's replies say little about how fast the next one's come."""
        plan: DatasetPlan | None = None
        for job in self.work.jobs():
            if job and job.plan is not plan:
                if plan:
                    self.endpoint.concurrency.renew()
                plan = job.plan
            yield job

    async def _watch(self, scribe: Scribe) -> None:
        """Notice a dead server or a full disk at once, and keep the meter's traffic figures fresh."""
        while True:
            self.server_check()
            scribe.check()
            self._read_traffic()
            await asyncio.sleep(WATCH_SECONDS)

    def _read_traffic(self) -> None:
        self.meter.requests = self._requests_before + self.endpoint.traffic.requests
        self.meter.retries = self._retries_before + self.endpoint.traffic.retries
        self.meter.concurrency = self.endpoint.concurrency.limit

    async def _ask(self, job: Job, scribe: Scribe) -> None:
        scribe.check()
        while scribe.backlog > BACKLOG_PER_WORKER * self.endpoint.concurrency.limit:
            await asyncio.sleep(0.005)
        try:
            answer: Answer | RequestFailure = await self.endpoint.ask(job.request)
            self._streak = 0
        except RequestFailure as failure:
            answer = failure
            self._count_failure(failure)
        scribe.record(job, answer)
        self._read_traffic()

    def _count_failure(self, failure: RequestFailure) -> None:
        if failure.repeatable:
            return
        if failure.failure == "connection":
            self.server_check()
        self._streak += 1
        if self._streak >= max(BREAKER_FLOOR, 2 * self.endpoint.concurrency.limit):
            raise RunIncomplete(
                f"{self._streak} samples in a row could not be had (the last: {failure.message}); the rest was not asked. "
                "Look at the server, then run the same command again: it resumes."
            )
