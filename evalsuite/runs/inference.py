"""Ask what is owed, judge what comes back, write it down.

`reconcile` finds what earlier starts finished; `Inference` asks the rest. Requests run in the event loop;
judging and writing run in one thread beside it, in the order replies arrive, so that requests never wait for a
slow scorer. A reply counts as finished once its journal line is written.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import orjson

from evalsuite.endpoint.client import Answer, Endpoint, RequestFailure
from evalsuite.endpoint.pool import run_pool
from evalsuite.endpoint.wire import Request, dumps
from evalsuite.errors import RunIncomplete
from evalsuite.runs.directory import RunDirectory
from evalsuite.runs.journal import FinishedLine, Journal, LineIndex, compact, sample_key
from evalsuite.runs.plan import DatasetPlan
from evalsuite.runs.tally import Tally
from evalsuite.types import Prompt, Reply, Sample, Score

YIELD_EVERY = 200
"""Rows passed over (they are finished) before the event loop gets a turn."""
BACKLOG_PER_WORKER = 4
"""Replies that may wait for the judge, a worker, before requests pause."""
BREAKER_FLOOR = 10
WATCH_SECONDS = 0.5


@dataclass(slots=True)
class Earlier:
    """What the samples took that earlier starts finished, as their journal lines say."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    retries: int = 0
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a journal line."""
        usage, error, attempts = line.get("usage") or {}, line.get("error"), line.get("attempts") or 0
        self.prompt_tokens += usage.get("prompt_tokens") or 0
        self.completion_tokens += usage.get("completion_tokens") or 0
        self.requests += attempts
        self.retries += max(0, attempts - 1)
        if error:
            self.failures[error["class"], error["message"]] += 1


@dataclass(slots=True)
class Meter:
    """What this start has done so far; read by the progress display while it goes on."""

    total: int = 0
    reused: int = 0
    done: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    retries: int = 0
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Samples that could not be had, by class and message."""
    earlier: Earlier = field(default_factory=Earlier)

    @property
    def owed(self) -> int:
        """Samples not finished yet."""
        return self.total - self.reused - self.done


@dataclass(slots=True)
class Job:
    """A sample on its way."""

    variant: str
    plan: DatasetPlan
    tally: Tally
    sample: Sample[Any]
    prompt: Prompt
    request: Request
    key: str


@dataclass(frozen=True, slots=True)
class Variant:
    """Who is asked: the name results stand under, and the fingerprint of what is served."""

    name: str
    fingerprint: str


@dataclass(frozen=True)
class Work:
    """The datasets of one variant with their tallies, and which of their rows are owed."""

    variant: Variant
    plans: Sequence[DatasetPlan]
    tallies: Mapping[str, Tally]
    owed: Mapping[str, bytearray | None]
    """One byte a row, 1 for owed; None when all are."""

    def owed_rows(self, plan: DatasetPlan) -> int:
        """How many rows of a dataset are owed."""
        flags = self.owed[plan.name]
        return plan.rows if flags is None else sum(flags)

    def jobs(self) -> Iterator[Job | None]:
        """The owed samples in file order, so that rows with the same few-shot prefix are neighbours."""
        for plan in self.plans:
            flags = self.owed[plan.name]
            for number, (sample, shots) in enumerate(plan.samples()):
                if flags is None or flags[number]:
                    yield make_job(plan, self.tallies[plan.name], sample, shots, self.variant)
                elif number % YIELD_EVERY == 0:
                    yield None


def make_job(
    plan: DatasetPlan, tally: Tally, sample: Sample[Any], shots: Sequence[Any], variant: Variant
) -> Job:
    """Render and serialise a sample's request, once."""
    prompt, request = plan.request(sample, shots)
    key = sample_key(variant.fingerprint, request.api, request.asked)
    return Job(variant.name, plan, tally, sample, prompt, request, key)


def journal_line(job: Job, answer: Answer | None, score: Score, failure: RequestFailure | None) -> bytes:
    """A sample's line in the journal; its form is the contract in `runs.journal`."""
    reply = answer.reply if answer else None
    line: dict[str, Any] = {
        "key": job.key,
        "variant": job.variant,
        "dataset": job.plan.name,
        "subset": job.sample.subset,
        "id": job.sample.id,
        "index": job.sample.index,
        "messages" if job.prompt.messages is not None else "prompt": orjson.Fragment(job.request.prompt_json),
        "reply": reply.to_json() if reply else None,
        "outcome": score.outcome,
        "extracted": score.extracted,
        "stage": score.stage,
        "gold": job.plan.task.gold(job.sample.row),
        "scores": score.values,
        "labels": score.labels,
        "usage": {
            "prompt_tokens": reply.prompt_tokens if reply else None,
            "completion_tokens": reply.completion_tokens if reply else None,
        },
        "latency_s": round(answer.latency_s, 4) if answer else None,
        "ttft_s": round(answer.ttft_s, 4) if answer and answer.ttft_s is not None else None,
        "attempts": answer.attempts if answer else failure.attempts if failure else None,
        "error": _error(failure),
    }
    if score.statistics:
        line["statistics"] = score.statistics
    try:
        return orjson.dumps(line) + b"\n"
    except TypeError:
        line["messages" if "messages" in line else "prompt"] = orjson.loads(job.request.prompt_json)
        return dumps(line) + b"\n"


def _error(failure: RequestFailure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {"class": failure.failure, "message": failure.message, "status": failure.status}


def reconcile(
    works: Sequence[Work],
    directory: RunDirectory,
    meter: Meter,
    *,
    keep_errors: bool,
    rejudge: Collection[str],
) -> list[Work]:
    """Count what earlier starts finished, in the works' tallies and the meter; the returned works owe the rest.

    A finished reply whose row moved or got another gold answer, or whose dataset is in `rejudge`, is judged
    again, not asked again. Lines that nothing asks for any more leave the journal.
    """
    with LineIndex(directory.journal) as finished, LineIndex(directory.superseded) as set_aside:
        if finished.empty and set_aside.empty:
            return list(works)
        with Journal(directory.journal) as journal:
            resuming = _Resuming(finished, set_aside, journal, meter.earlier, keep_errors, rejudge)
            resumed = [resuming.work(work) for work in works]
        others = finished.leftovers()
        drop = resuming.drop | finished.damaged
    compact(directory, move=others, drop=drop, taken_back=resuming.taken_back)
    return resumed


@dataclass
class _Resuming:
    """Matches the rows of the present plan with finished lines."""

    finished: LineIndex
    set_aside: LineIndex
    journal: Journal
    earlier: Earlier
    keep_errors: bool
    rejudge: Collection[str]
    drop: set[int] = field(default_factory=set)
    taken_back: set[int] = field(default_factory=set)

    def work(self, work: Work) -> Work:
        owed = {
            plan.name: bytearray(self._owes(job) for job in self._all_jobs(work, plan)) for plan in work.plans
        }
        return Work(work.variant, work.plans, work.tallies, owed)

    @staticmethod
    def _all_jobs(work: Work, plan: DatasetPlan) -> Iterator[Job]:
        for sample, shots in plan.samples():
            yield make_job(plan, work.tallies[plan.name], sample, shots, work.variant)

    def _owes(self, job: Job) -> bool:
        line = self.finished.take(job.variant, job.plan.name, job.key)
        if line and self._usable(line):
            if job.plan.name in self.rejudge or not _same_row(line.content, job):
                self.drop.add(line.offset)
                self._judge_again(line.content, job)
            else:
                self._count(line.content, job)
            return False
        if line:
            self.drop.add(line.offset)
        back = self.set_aside.take(job.variant, job.plan.name, job.key)
        if back is None or not self._usable(back):
            return True
        self.taken_back.add(back.offset)
        self._judge_again(back.content, job)
        return False

    def _judge_again(self, line: Mapping[str, Any], job: Job) -> None:
        again = _judged_again(line, job)
        self.journal.append(dumps(again) + b"\n")
        self._count(again, job)

    def _count(self, line: Mapping[str, Any], job: Job) -> None:
        self.earlier.add(line)
        cluster = job.plan.task.cluster(job.sample.row)
        statistics = line.get("statistics") or {}
        job.tally.add(job.sample.subset, line["outcome"], line["scores"], statistics, cluster)

    def _usable(self, line: FinishedLine) -> bool:
        return self.keep_errors or line.content["outcome"] != "error"


def _same_row(line: Mapping[str, Any], job: Job) -> bool:
    same_place = (line["id"], line["subset"], line["index"]) == (
        job.sample.id,
        job.sample.subset,
        job.sample.index,
    )
    return same_place and line["gold"] == job.plan.task.gold(job.sample.row)


def _judged_again(line: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """The line of a finished request for the row as it is now."""
    if line["outcome"] == "error":
        score = failed_score(job)
    else:
        usage = line.get("usage") or {}
        reply = Reply(
            **line["reply"],
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
        )
        score = job.plan.task.score(job.sample.row, reply, job.plan.style)
    fresh = orjson.loads(journal_line(job, None, score, None))
    kept = {name: line.get(name) for name in ("reply", "usage", "latency_s", "ttft_s", "attempts", "error")}
    return {**fresh, **kept}


def failed_score(job: Job) -> Score:
    """The score of a sample that could not be had; corpus metrics see an empty reply where errors count."""
    empty = job.plan.task.score(job.sample.row, Reply(""), job.plan.style)
    return Score("error", statistics=empty.statistics)


class Scribe:
    """Judges replies and writes their lines, in a thread of its own. Used as a context manager.

    Leaving it waits until everything handed over is written; an error in the thread is raised by `check` and
    on leaving.
    """

    def __init__(self, journal: Journal, meter: Meter) -> None:
        self._journal = journal
        self._meter = meter
        self._queue: SimpleQueue[tuple[Job, Answer | RequestFailure] | None] = SimpleQueue()
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
        while (item := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._write(*item)
                except BaseException as error:  # noqa: BLE001 - handed to the other thread by `check`
                    self._error = error

    def _write(self, job: Job, answer: Answer | RequestFailure) -> None:
        meter = self._meter
        if isinstance(answer, RequestFailure):
            score = failed_score(job)
            self._journal.append(journal_line(job, None, score, answer))
            meter.failures[answer.failure, answer.message] += 1
        else:
            score = job.plan.task.score(job.sample.row, answer.reply, job.plan.style)
            self._journal.append(journal_line(job, answer, score, None))
            meter.prompt_tokens += answer.reply.prompt_tokens or 0
            meter.completion_tokens += answer.reply.completion_tokens or 0
        cluster = job.plan.task.cluster(job.sample.row)
        job.tally.add(job.sample.subset, score.outcome, score.values, score.statistics, cluster)
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
        with Scribe(self.journal, self.meter) as scribe:
            watcher = asyncio.ensure_future(self._watch())
            asking = asyncio.ensure_future(
                run_pool(self.work.jobs(), lambda job: self._ask(job, scribe), self.endpoint.concurrency)
            )
            try:
                await asyncio.wait({watcher, asking}, return_when=asyncio.FIRST_COMPLETED)
                await (watcher if watcher.done() else asking)
            finally:
                for task in (watcher, asking):
                    task.cancel()
                await asyncio.gather(watcher, asking, return_exceptions=True)

    async def _watch(self) -> None:
        """Notice a dead server at once, and keep the meter's traffic figures fresh."""
        while True:
            self.server_check()
            self._read_traffic()
            await asyncio.sleep(WATCH_SECONDS)

    def _read_traffic(self) -> None:
        self.meter.requests = self._requests_before + self.endpoint.traffic.requests
        self.meter.retries = self._retries_before + self.endpoint.traffic.retries

    async def _ask(self, job: Job, scribe: Scribe) -> None:
        scribe.check()
        while scribe.backlog > BACKLOG_PER_WORKER * self.endpoint.concurrency:
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
        if self._streak >= max(BREAKER_FLOOR, 2 * self.endpoint.concurrency):
            raise RunIncomplete(
                f"{self._streak} samples in a row could not be had (the last: {failure.message}); the rest was not asked. "
                "Look at the server, then run the same command again: it resumes."
            )
