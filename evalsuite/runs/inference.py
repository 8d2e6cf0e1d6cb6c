"""Sends the owed requests of one variant, scores the replies, and writes the journal.

Requests run in the event loop; judging and writing run in one thread beside it, in the order replies arrive, so
that requests never wait for a slow scorer. The thread loads dictionaries and the like while the first replies are
awaited. A reply counts as finished once its journal line is written.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from time import perf_counter
from typing import Literal, TypeAlias, get_args

from evalsuite.endpoint.answer import Answer, Ask, FailureClass, RequestFailure
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.concurrency import Concurrency
from evalsuite.endpoint.limiter import CombinedConcurrency, RequestLimiter
from evalsuite.endpoint.wire import Request
from evalsuite.endpoint.worker_pool import run_pool
from evalsuite.errors import RunIncomplete
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.journal import Journal
from evalsuite.runs.prefix_order import SlotQueues, order_by_prefix
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.records import failed_score, journal_line, round_seconds
from evalsuite.runs.resume import PreviousReplies
from evalsuite.runs.schema import encode_line
from evalsuite.runs.work import Job, Step, Work
from evalsuite.types import FollowUpReply, Party, Score

MAX_BACKLOG_PER_WORKER = 4
"""Replies per worker that may wait for scoring before requests pause."""
MIN_FAILURES_TO_STOP = 10
"""Fewest samples in a row that must fail before a run stops."""
WATCH_SECONDS = 0.5
INTERRUPTED: FailureClass = "interrupted"
NO_PREDICTION = "the file has no prediction for the row"
MAX_BATCH = 16
"""Most replies that are scored together and written at once."""

TrafficCount: TypeAlias = Literal["requests", "retries"]
TRAFFIC: tuple[TrafficCount, ...] = get_args(TrafficCount)
Finished: TypeAlias = tuple[Job, Answer | RequestFailure]


class ScoreWriter:
    """Scores replies and writes their lines, in a thread of its own. A context manager.

    Leaving it waits until everything handed over is written; an error in the thread is raised by `check` and
    on leaving.
    """

    def __init__(self, journal: Journal, progress: RunProgress, plans: Sequence[DatasetPlan]) -> None:
        self._journal = journal
        self._progress = progress
        self._plans = plans
        self._queue: SimpleQueue[Finished | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="evalsuite-scribe")
        self._error: BaseException | None = None

    def __enter__(self) -> ScoreWriter:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self.check()

    @property
    def backlog(self) -> int:
        """Replies that wait for scoring."""
        return self._queue.qsize()

    def record(self, job: Job, answer: Answer | RequestFailure) -> None:
        """Hand over a finished request."""
        self._queue.put((job, answer))

    def check(self) -> None:
        """Raise the error of the thread, if there is one."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        self._try(self._warm_up)
        ended = False
        while not ended:
            waiting = [self._queue.get()]
            while len(waiting) < MAX_BATCH and not self._queue.empty():
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
        lines = b"".join(encode_line(journal_line(*line)) for line in judged)
        with self._journal.writing:
            self._journal.append(lines)
            for line in judged:
                self._count(*line)

    def _judged(self, job: Job, answer: Answer | RequestFailure) -> Score:
        if isinstance(answer, RequestFailure):
            return failed_score(job)
        return job.plan.task.score_and_label(job.sample.row, answer.reply, job.plan.style)

    def _count(self, job: Job, answer: Answer | RequestFailure, score: Score) -> None:
        progress = self._progress
        if isinstance(answer, RequestFailure):
            if answer.failure == INTERRUPTED:
                return
            progress.failures[answer.failure, answer.message] += 1
        self._count_usage(job, answer)
        job.count(score)
        progress.done += 1
        progress.speed_of(job.variant).samples += 1
        progress.outcomes[score.outcome] += 1

    def _count_usage(self, job: Job, answer: Answer | RequestFailure) -> None:
        """Count requests, tokens and time. An earlier start paid for a first reply that existed already."""
        progress, place = self._progress, (job.variant, job.plan.name)
        first = answer.had if isinstance(answer, RequestFailure) else answer
        if isinstance(answer, RequestFailure):
            attempts = 0 if first else answer.attempts
            progress.usage.of(*place).add_sent(attempts, answer.wasted)
        if first is None:
            return
        account = (progress.earlier if job.existing_reply else progress).usage.of(*place)
        account.add_answer("model", first)
        if first.latency_s is not None:
            completion = first.reply.completion_tokens
            account.add_times(round(first.latency_s, 4), round_seconds(first.ttft_s), completion)
        if job.existing_reply:
            progress.earlier.requests += first.attempts
        elif not first.from_cache:
            self._received(job, first.reply.completion_tokens)
        for further in first.reply.further:
            progress.usage.of(*place).add_answer(further.of, further)
            if further.of == "model" and not further.from_cache:
                self._received(job, further.reply.completion_tokens)
        progress.from_cache += _all_from_cache(first)

    def _received(self, job: Job, tokens: int | None) -> None:
        self._progress.completion_tokens += tokens or 0
        self._progress.speed_of(job.variant).completion_tokens += tokens or 0


@dataclass
class Inference:
    """Sends one variant's owed samples to its endpoint, and to a judge's if there is one.

    `parties` says who is asked; without a `model` every sample comes with its reply. With a judge there are as many
    workers as both take requests, so that a sample waiting for the judge keeps no place of the model empty.

    Ends early, with `RunIncomplete`, when many samples in a row fail in a way that asking again might mend: the
    server is gone or overloaded, and the rest of the rows would only be lost one by one.
    """

    work: Work
    parties: Mapping[Party, Endpoint]
    journal: Journal
    progress: RunProgress
    server_check: Callable[[], None] = lambda: None
    previous_replies: PreviousReplies | None = None
    cache_wrappers: Mapping[Party, Callable[[Ask], Ask]] = field(default_factory=dict)
    """Wraps the requests to an endpoint, such as by a cache."""
    _ask_of: dict[Party, Ask] = field(init=False)
    _endpoints: tuple[Endpoint, ...] = field(init=False)
    _concurrency: Concurrency = field(init=False)
    _lanes: SlotQueues[Job] | None = field(init=False)
    _failures_in_row: int = 0
    _counted: Counter[str] = field(default_factory=Counter)
    """Requests and retries that the progress has counted."""

    def __post_init__(self) -> None:
        self._endpoints = tuple({id(endpoint): endpoint for endpoint in self.parties.values()}.values())
        alone = len(self._endpoints) == 1
        self._concurrency = self._endpoints[0].concurrency if alone else CombinedConcurrency(self._endpoints)
        model = self.parties.get("model")
        slots = model is not None and model.capabilities.cache_per_slot
        self._lanes = SlotQueues(lambda: self._concurrency.limit) if slots else None
        self._ask_of = {"model": _no_model}
        for party, endpoint in self.parties.items():
            self._ask_of[party] = endpoint.ask if alone else RequestLimiter(endpoint).ask
        for party, wrap in self.cache_wrappers.items():
            self._ask_of[party] = wrap(self._ask_of[party])

    async def run(self) -> None:
        """Send everything. Raises `EvalsuiteError` if it cannot go on; finished samples are written by then.

        Others may be asking at the same time, so whoever runs the last one pauses the progress's pace.
        """
        began = perf_counter()
        for name in TRAFFIC:
            self._counted[name] = self._traffic(name)
        owed = [plan for plan in self.work.plans if self.work.count_owed(plan)]
        with ScoreWriter(self.journal, self.progress, owed) as scribe:
            watcher = asyncio.ensure_future(self._watch(scribe))
            asking = asyncio.ensure_future(
                run_pool(self._jobs(), lambda job: self._ask_in_slot(job, scribe), self._concurrency)
                if self._lanes
                else run_pool(self._jobs(), lambda job: self._ask(job, scribe), self._concurrency)
            )
            try:
                await asyncio.wait({watcher, asking}, return_when=asyncio.FIRST_COMPLETED)
                await (watcher if watcher.done() else asking)
            finally:
                for task in (watcher, asking):
                    task.cancel()
                await asyncio.gather(watcher, asking, return_exceptions=True)
                self._read_traffic()
                self.progress.speed_of(self.work.variant.name).seconds += perf_counter() - began
        self._note_throughput()

    def _jobs(self) -> Iterator[Job | None]:
        """The owed samples. Concurrency is measured anew for each dataset, because its replies may take another time."""
        for number, plan in enumerate(plan for plan in self.work.plans if self.work.count_owed(plan)):
            if number:
                for endpoint in self._endpoints:
                    endpoint.reset()
            yield from order_by_prefix(self.work.owed_jobs(plan), self._lanes)

    def _traffic(self, name: TrafficCount) -> int:
        return sum(getattr(endpoint.traffic, name) for endpoint in self._endpoints)

    async def _watch(self, scribe: ScoreWriter) -> None:
        """Notice a dead server or a full disk at once, and update the progress."""
        while True:
            self.server_check()
            scribe.check()
            self._read_traffic()
            self._note_throughput()
            await asyncio.sleep(WATCH_SECONDS)

    def _note_throughput(self) -> None:
        self.progress.throughput.note(perf_counter(), self.progress.done, self.progress.completion_tokens)

    def _read_traffic(self) -> None:
        """Add new requests and retries to the progress, which others may update too."""
        for name in TRAFFIC:
            now = self._traffic(name)
            setattr(self.progress, name, getattr(self.progress, name) + now - self._counted[name])
            self._counted[name] = now
        self.progress.concurrency = self._concurrency.limit

    async def _ask_in_slot(self, job: Job, scribe: ScoreWriter) -> None:
        assert self._lanes
        try:
            await self._ask(job, scribe)
        finally:
            self._lanes.finished(job)

    async def _ask(self, job: Job, scribe: ScoreWriter) -> None:
        scribe.check()
        while scribe.backlog > MAX_BACKLOG_PER_WORKER * self._concurrency.limit:
            await asyncio.sleep(0.005)
        if job.plan.task.capabilities.has_follow_ups:
            await self._ask_with_followups(job, scribe)
        else:
            try:
                had = await self._ask_of["model"](job.request)
                if not had.from_cache:  # which says nothing about the server
                    self._failures_in_row = 0
                answer: Answer | RequestFailure = had
            except RequestFailure as failure:
                answer = failure
                self._count_failure(failure, "model")
            scribe.record(job, answer)

    async def _ask_with_followups(self, job: Job, scribe: ScoreWriter) -> None:
        """Ask for the first reply unless it exists, then send the follow-up requests. Replies so far are written in any case."""
        kept = self.previous_replies.take(job) if self.previous_replies else None
        answer = job.existing_reply = kept or job.existing_reply
        asked: Party = "model"
        try:
            if answer is None:
                answer = await self._ask_of["model"](job.request)
            steps = job.steps(answer.reply)
            had = {further.key: further for further in answer.reply.further}
            for step in steps:
                if step.key not in had:
                    asked = step.of
                    had[step.key] = await self._further(step)
                    answer = _with_further(answer, had.values())
            if steps:
                answer = _with_further(answer, (had[step.key] for step in steps))
        except RequestFailure as failure:
            failure.had = answer
            if asked == "judge":
                failure.message = f"the judge: {failure.message}"
            scribe.record(job, failure)
            self._count_failure(failure, asked)
        except BaseException:
            if answer is not None and answer is not job.existing_reply:
                interrupted = RequestFailure(INTERRUPTED, "the run ended before all was asked")
                interrupted.had = answer
                scribe.record(job, interrupted)
            raise
        else:
            if not _all_from_cache(answer):
                self._failures_in_row = 0
            scribe.record(job, answer)

    async def _further(self, step: Step) -> FollowUpReply:
        answer = await self._ask_of[step.of](step.request)
        latency_s = round_seconds(answer.latency_s)
        return FollowUpReply(
            step.of, step.key, answer.reply, latency_s, answer.attempts, answer.from_cache, answer.wasted
        )

    def _count_failure(self, failure: RequestFailure, of: Party) -> None:
        if failure.concerns_one_row or failure.failure == "missing_prediction":
            return
        if failure.failure == "connection" and of == "model":
            self.server_check()
        self._failures_in_row += 1
        if self._failures_in_row >= max(MIN_FAILURES_TO_STOP, 2 * self._concurrency.limit):
            raise RunIncomplete(
                f"{self._failures_in_row} samples failed in a row (the last: {failure.message}); the rest was not asked. "
                "Look at the server, then run the same command again: it resumes."
            )


async def _no_model(_: Request) -> Answer:
    """Replaces the model where samples come with their replies: this sample has none."""
    raise RequestFailure("missing_prediction", NO_PREDICTION, attempts=0)


def _all_from_cache(answer: Answer) -> bool:
    return answer.from_cache and all(further.from_cache for further in answer.reply.further)


def _with_further(answer: Answer, further: Iterable[FollowUpReply]) -> Answer:
    return replace(answer, reply=replace(answer.reply, further=tuple(further)))
