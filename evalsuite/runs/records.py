"""Builds journal lines (`SampleLine`) from jobs and answers, and scores recorded lines again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from evalsuite.data.pictures import has_pictures, without_pictures
from evalsuite.endpoint.answer import Answer, RequestFailure
from evalsuite.endpoint.wire import dumps
from evalsuite.runs.schema import (
    ErrorEntry,
    FollowUpEntry,
    LabelLogprobsEntry,
    ReplyEntry,
    SampleLine,
    TokenUsage,
)
from evalsuite.runs.scored_dataset import ScoredDataset
from evalsuite.runs.work import Job
from evalsuite.types import NO_TOKENS, Reply, Score, TokenCounts


def journal_line(job: Job, answer: Answer | RequestFailure, score: Score) -> SampleLine:
    """Build the line of a finished request."""
    if isinstance(answer, RequestFailure):
        return _failed_line(job, answer, score)
    return sample_line(
        job,
        answer.reply,
        score,
        latency_s=round_seconds(answer.latency_s),
        ttft_s=round_seconds(answer.ttft_s),
        attempts=answer.attempts or None,
        from_cache=answer.from_cache,
        wasted=answer.wasted,
    )


def round_seconds(value: float | None) -> float | None:
    """Round a duration to what lines hold: 0.1 ms."""
    return None if value is None else round(value, 4)


def _failed_line(job: Job, failure: RequestFailure, score: Score) -> SampleLine:
    """Build the line of a failed sample. It keeps the first reply if only a follow-up request failed."""
    first = failure.had
    return sample_line(
        job,
        first.reply if first else None,
        score,
        latency_s=round_seconds(first.latency_s) if first else None,
        ttft_s=round_seconds(first.ttft_s) if first else None,
        attempts=(first.attempts if first else failure.attempts) or None,
        error=ErrorEntry(kind=failure.failure, message=failure.message, status=failure.status),
        from_cache=first.from_cache if first else False,
        wasted=wasted_by(failure),
    )


def wasted_by(failure: RequestFailure) -> TokenCounts:
    """Tokens of a failed sample's attempts without a usable reply, those before its first reply included."""
    before = failure.had.wasted if failure.had else NO_TOKENS
    return (before[0] + failure.wasted[0], before[1] + failure.wasted[1])


def sample_line(
    job: Job,
    reply: Reply | None,
    score: Score,
    *,
    latency_s: float | None = None,
    ttft_s: float | None = None,
    attempts: int | None = None,
    error: ErrorEntry | None = None,
    from_cache: bool = False,
    wasted: TokenCounts = NO_TOKENS,
) -> SampleLine:
    """Build the line of a scored sample, whether a request was sent or not."""
    messages, pictures = Raw(job.request.prompt_json), None
    if job.prompt.messages is not None and has_pictures(job.prompt.messages):
        shown, pictures = without_pictures(job.prompt.messages)
        messages = Raw(dumps(shown))
    is_chat = job.prompt.messages is not None
    return SampleLine(
        key=job.key,
        variant=job.variant,
        dataset=job.plan.name,
        subset=job.sample.subset,
        id=job.sample.id,
        index=job.sample.index,
        messages=messages if is_chat else UNSET,
        prompt=UNSET if is_chat else messages,
        reply=ReplyEntry.of(reply) if reply else None,
        **_judgement(score),
        gold=job.plan.task.gold(job.sample.row),
        usage=TokenUsage.of(reply),
        latency_s=latency_s,
        ttft_s=ttft_s,
        attempts=attempts,
        error=error,
        repeat=job.sample.repeat,
        warning=job.warning,
        categories=job.plan.categories(job.sample.subset, job.sample.row),
        cluster=job.plan.task.facts(job.sample.row).cluster or None,
        from_cache=from_cache,
        wasted=TokenUsage.of_counts(wasted),
        pictures=pictures,
        further=tuple(map(FollowUpEntry.from_reply, reply.further)) if reply else (),
        tools=Raw(job.request.tools_json) if job.request.tools_json else UNSET,
    )


def _judgement(score: Score) -> dict[str, Any]:
    """The fields of a line that a scorer decides."""
    details = dict(score.details)
    logprobs = details.pop("logprobs", None)
    offered = details.pop("offered", None)
    return {
        "outcome": score.outcome,
        "extracted": score.extracted,
        "stage": score.stage,
        "scores": dict(score.values) if score.outcome != "error" else {},
        "labels": score.labels,
        "offered": None if offered is None else tuple(offered),
        "logprobs": LabelLogprobsEntry(**logprobs) if logprobs else None,
        "details": details,
        "statistics": {name: tuple(values) for name, values in score.statistics.items()},
    }


def rejudged_line(line: SampleLine, job: Job) -> SampleLine:
    """Score the reply of a finished line for the row as it is now."""
    return msgspec.structs.replace(
        sample_line(job, None, judge_line(line, job.plan, job.sample.row)),
        reply=line.reply,
        usage=line.usage,
        latency_s=line.latency_s,
        ttft_s=line.ttft_s,
        attempts=line.attempts,
        error=line.error,
        from_cache=line.from_cache,
        wasted=line.wasted,
        further=line.further,
    )


def rescored_line(
    line: SampleLine, score: Score, categories: Sequence[str], cluster: str | None
) -> SampleLine:
    """Give a line another score, and the categories and the cluster that its row counts in now."""
    return msgspec.structs.replace(
        line, **_judgement(score), categories=tuple(categories), cluster=cluster or None
    )


def judge_line(line: SampleLine, dataset: ScoredDataset, row: Any) -> Score:
    """Score the reply of a line with today's scorers."""
    if line.failed:
        return error_score(dataset, row)
    return dataset.task.score_and_label(row, line.to_reply(), dataset.style)


def answer_from_line(line: SampleLine) -> Answer:
    """The first reply of a line as an answer, with its costs."""
    return Answer(
        line.to_reply(),
        line.latency_s,
        line.ttft_s,
        line.attempts or 0,
        from_cache=line.from_cache,
        wasted=line.wasted_tokens,
    )


def failed_score(job: Job) -> Score:
    """The score of a sample without a reply."""
    return error_score(job.plan, job.sample.row)


def error_score(dataset: ScoredDataset, row: Any) -> Score:
    """What an empty reply scores, for runs in which errors count as wrong."""
    empty = dataset.task.score(row, Reply(""), dataset.style)
    return Score("error", values=empty.values, statistics=empty.statistics)
