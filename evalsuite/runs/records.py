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
from evalsuite.types import NO_TOKENS, FollowUpReply, Measurement, Reply, Score, TokenCounts

OPTIONAL_JUDGEMENT = frozenset({"statistics", "logprobs", "categories", "cluster", "offered"})
"""Fields that only lines of some kinds have, and that judging again makes anew."""
OPTIONAL_COST = ("further", "from_cache", "wasted")
"""Fields that only lines of some kinds have, and that judging again leaves as they are."""


def journal_line(job: Job, answer: Answer | RequestFailure, score: Score) -> bytes:
    """The line of a finished request."""
    if isinstance(answer, RequestFailure):
        return _failed_line(job, answer, score)
    return sample_line(
        job,
        answer.reply,
        score,
        latency_s=seconds(answer.latency_s),
        ttft_s=seconds(answer.ttft_s),
        attempts=answer.attempts or None,
        from_cache=answer.from_cache,
        wasted=answer.wasted,
    )


def seconds(value: float | None) -> float | None:
    """A duration as lines hold it."""
    return None if value is None else round(value, 4)


def _failed_line(job: Job, failure: RequestFailure, score: Score) -> bytes:
    """The line of a sample that could not be had; with the first reply, where only a further one could not."""
    had = failure.had
    return sample_line(
        job,
        had.reply if had else None,
        score,
        latency_s=seconds(had.latency_s) if had else None,
        ttft_s=seconds(had.ttft_s) if had else None,
        attempts=(had.attempts if had else failure.attempts) or None,
        error={"class": failure.failure, "message": failure.message, "status": failure.status},
        from_cache=had.from_cache if had else False,
        wasted=wasted_by(failure),
    )


def wasted_by(failure: RequestFailure) -> TokenCounts:
    """The tokens of a failed sample's attempts that came to nothing, those before its first reply included."""
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
    error: Mapping[str, Any] | None = None,
    from_cache: bool = False,
    wasted: TokenCounts = NO_TOKENS,
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
    line.update(_of_the_row(job))
    if from_cache:
        line["from_cache"] = True
    if wasted != NO_TOKENS:
        line["wasted"] = _wasted_object(wasted)
    if job.prompt.messages is not None and has_pictures(job.prompt.messages):
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


def _of_the_row(job: Job) -> dict[str, Any]:
    """What is said of a row only where there is something to say."""
    said = {
        "repeat": job.sample.repeat,
        "warning": job.warning,
        "categories": job.plan.categories(job.sample.subset, job.sample.row),
        "cluster": job.plan.task.facts(job.sample.row).cluster,
    }
    return {name: value for name, value in said.items() if value}


def _further_object(further: FollowUpReply) -> dict[str, Any]:
    """An entry of a line's `further`."""
    reply = further.reply
    return {
        "of": further.of,
        "key": further.key,
        "reply": reply.to_json(),
        "usage": {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens},
        "latency_s": further.latency_s,
        "attempts": further.attempts or None,
        **({"from_cache": True} if further.from_cache else {}),
        **({"wasted": _wasted_object(further.wasted)} if further.wasted != NO_TOKENS else {}),
    }


def _wasted_object(wasted: TokenCounts) -> dict[str, int]:
    return {"prompt_tokens": wasted[0], "completion_tokens": wasted[1]}


def wasted_from_line(line: Mapping[str, Any]) -> TokenCounts:
    """What a line, or an entry of its `further`, says that was wasted."""
    found = line.get("wasted") or {}
    return (int(found.get("prompt_tokens") or 0), int(found.get("completion_tokens") or 0))


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


def rejudged_line(line: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """The line of a finished request for the row as it is now."""
    score = judge_line(line, job.plan, job.sample.row)
    fresh = orjson.loads(sample_line(job, None, score))
    kept = {name: line.get(name) for name in ("reply", "usage", "latency_s", "ttft_s", "attempts", "error")}
    optional = {name: line[name] for name in OPTIONAL_COST if line.get(name)}
    return {**fresh, **kept, **optional}


def rescored(
    line: Mapping[str, Any], score: Score, categories: Sequence[str], cluster: str | None
) -> dict[str, Any]:
    """A line with another judgement, in the categories and the cluster it counts in now, and nothing else changed."""
    placed = {"categories": categories, "cluster": cluster}
    kept = {name: value for name, value in line.items() if name not in OPTIONAL_JUDGEMENT}
    return kept | _judgement(score) | {name: value for name, value in placed.items() if value}


def judge_line(line: Mapping[str, Any], plan: DatasetPlan, row: Any) -> Score:
    """The reply of a line, judged by today's scorers."""
    if line["outcome"] == "error":
        return error_score(plan, row)
    return plan.task.score(row, reply_from_line(line), plan.style)


def reply_from_line(line: Mapping[str, Any]) -> Reply:
    """The reply of a line, or of an entry of its `further`."""
    usage, fields = line.get("usage") or {}, line["reply"]
    if "measured" in fields:
        fields = {**fields, "measured": Measurement.from_json(fields["measured"])}
    return Reply(
        **fields,
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        further=tuple(_further_of_line(entry) for entry in line.get("further") or ()),
    )


def _further_of_line(entry: Mapping[str, Any]) -> FollowUpReply:
    attempts, cached = entry.get("attempts") or 0, bool(entry.get("from_cache"))
    return FollowUpReply(
        entry["of"],
        entry["key"],
        reply_from_line(entry),
        entry.get("latency_s"),
        attempts,
        cached,
        wasted_from_line(entry),
    )


def answer_from_line(line: Mapping[str, Any]) -> Answer:
    """What a line says of the first request: its reply, with what it took."""
    return Answer(
        reply_from_line(line),
        line.get("latency_s"),
        line.get("ttft_s"),
        int(line.get("attempts") or 0),
        from_cache=bool(line.get("from_cache")),
        wasted=wasted_from_line(line),
    )


def recorded_score(line: Mapping[str, Any]) -> Score:
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
