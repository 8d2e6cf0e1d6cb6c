"""A job and what became of it → its journal line. The form is the contract in `runs.journal`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from evalsuite.data.pictures import has_pictures, without_pictures
from evalsuite.endpoint.client import Answer, RequestFailure
from evalsuite.endpoint.wire import dumps
from evalsuite.runs.plan import DatasetPlan
from evalsuite.runs.work import Job
from evalsuite.types import Further, Measured, Reply, Score

OPTIONAL_JUDGEMENT = frozenset({"statistics", "logprobs", "categories", "cluster"})
"""Fields that only lines of some kinds have, and that judging again makes anew."""


def journal_line(job: Job, answer: Answer | RequestFailure, score: Score) -> bytes:
    """The line of a finished request."""
    if isinstance(answer, RequestFailure):
        return _failed_line(job, answer, score)
    return sample_line(
        job,
        answer.reply,
        score,
        latency_s=round(answer.latency_s, 4) if answer.latency_s is not None else None,
        ttft_s=round(answer.ttft_s, 4) if answer.ttft_s is not None else None,
        attempts=answer.attempts or None,
    )


def _failed_line(job: Job, failure: RequestFailure, score: Score) -> bytes:
    """The line of a sample that could not be had; with the first reply, where only a further one could not."""
    had = failure.had
    return sample_line(
        job,
        had.reply if had else None,
        score,
        latency_s=had.latency_s if had else None,
        attempts=(had.attempts if had else failure.attempts) or None,
        error={"class": failure.failure, "message": failure.message, "status": failure.status},
    )


def sample_line(
    job: Job,
    reply: Reply | None,
    score: Score,
    *,
    latency_s: float | None = None,
    ttft_s: float | None = None,
    attempts: int | None = None,
    error: Mapping[str, Any] | None = None,
) -> bytes:
    """The line of a judged sample, with or without a request."""
    line: dict[str, Any] = {
        "key": job.key,
        "variant": job.variant,
        "dataset": job.plan.name,
        "subset": job.sample.subset,
        "id": job.sample.id,
        "index": job.sample.index,
        "messages" if job.prompt.messages is not None else "prompt": orjson.Fragment(job.request.prompt_json),
        "reply": reply.to_json() if reply else None,
        **_judgement(score),
        "gold": job.plan.task.gold(job.sample.row),
        "usage": {
            "prompt_tokens": reply.prompt_tokens if reply else None,
            "completion_tokens": reply.completion_tokens if reply else None,
        },
        "latency_s": latency_s,
        "ttft_s": ttft_s,
        "attempts": attempts,
        "error": error,
    }
    if categories := job.plan.categories(job.sample.subset, job.sample.row):
        line["categories"] = categories
    if cluster := job.plan.task.cluster(job.sample.row):
        line["cluster"] = cluster
    if has_pictures(job.prompt.messages):
        assert job.prompt.messages is not None
        line["messages"], line["pictures"] = without_pictures(job.prompt.messages)
    if reply and reply.further:
        line["further"] = [_further_object(further) for further in reply.further]
    if job.request.tools_json:
        line["tools"] = orjson.Fragment(job.request.tools_json)
    try:
        return orjson.dumps(line) + b"\n"
    except TypeError:
        if "pictures" not in line:
            line["messages" if "messages" in line else "prompt"] = orjson.loads(job.request.prompt_json)
        if "tools" in line:
            line["tools"] = orjson.loads(job.request.tools_json)
        return dumps(line) + b"\n"


def _further_object(further: Further) -> dict[str, Any]:
    """An entry of a line's `further`."""
    reply = further.reply
    return {
        "of": further.of,
        "key": further.key,
        "reply": reply.to_json(),
        "usage": {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens},
        "latency_s": further.latency_s,
        "attempts": further.attempts or None,
    }


def _judgement(score: Score) -> dict[str, Any]:
    """The fields of a line that a scorer decides."""
    fields = {
        "outcome": score.outcome,
        "extracted": score.extracted,
        "stage": score.stage,
        "scores": score.values if score.outcome != "error" else {},
        "labels": score.labels,
    }
    return {**fields, **score.details, **({"statistics": score.statistics} if score.statistics else {})}


def judged_again(line: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """The line of a finished request for the row as it is now."""
    score = score_of_line(line, job.plan, job.sample.row)
    fresh = orjson.loads(sample_line(job, None, score))
    kept = {name: line.get(name) for name in ("reply", "usage", "latency_s", "ttft_s", "attempts", "error")}
    further = {"further": line["further"]} if line.get("further") else {}
    return {**fresh, **kept, **further}


def rescored(
    line: Mapping[str, Any], score: Score, categories: Sequence[str], cluster: str | None
) -> dict[str, Any]:
    """A line with another judgement, in the categories and the cluster it counts in now, and nothing else changed."""
    placed = {"categories": categories, "cluster": cluster}
    kept = {name: value for name, value in line.items() if name not in OPTIONAL_JUDGEMENT}
    return kept | _judgement(score) | {name: value for name, value in placed.items() if value}


def score_of_line(line: Mapping[str, Any], plan: DatasetPlan, row: Any) -> Score:
    """The reply of a line, judged by today's scorers."""
    if line["outcome"] == "error":
        return error_score(plan, row)
    return plan.task.score(row, reply_of_line(line), plan.style)


def reply_of_line(line: Mapping[str, Any]) -> Reply:
    """The reply of a line, or of an entry of its `further`."""
    usage, fields = line.get("usage") or {}, line["reply"]
    if "measured" in fields:
        fields = {**fields, "measured": Measured.from_json(fields["measured"])}
    return Reply(
        **fields,
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        further=tuple(_further_of_line(entry) for entry in line.get("further") or ()),
    )


def _further_of_line(entry: Mapping[str, Any]) -> Further:
    attempts = entry.get("attempts") or 0
    return Further(entry["of"], entry["key"], reply_of_line(entry), entry.get("latency_s"), attempts)


def answer_of_line(line: Mapping[str, Any]) -> Answer:
    """What a line says of the first request: its reply, with what it took."""
    return Answer(
        reply_of_line(line), line.get("latency_s"), line.get("ttft_s"), int(line.get("attempts") or 0)
    )


def kept_score(line: Mapping[str, Any]) -> Score:
    """The score a line holds."""
    return Score(
        outcome=line["outcome"],
        extracted=line.get("extracted"),
        stage=str(line.get("stage") or ""),
        values=line["scores"],
        labels=tuple(line.get("labels") or ()),
        statistics=line.get("statistics") or {},
    )


def failed_score(job: Job) -> Score:
    """The score of a sample that could not be had."""
    return error_score(job.plan, job.sample.row)


def error_score(plan: DatasetPlan, row: Any) -> Score:
    """What an empty reply scores, for where errors count."""
    empty = plan.task.score(row, Reply(""), plan.style)
    return Score("error", values=empty.values, statistics=empty.statistics)
