"""A job and what became of it → its journal line. The form is the contract in `runs.journal`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from evalsuite.endpoint.client import Answer, RequestFailure
from evalsuite.endpoint.wire import dumps
from evalsuite.runs.work import Job
from evalsuite.types import Reply, Score


def journal_line(job: Job, answer: Answer | None, score: Score, failure: RequestFailure | None) -> bytes:
    """The line of a finished request."""
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
    if job.request.tools_json:
        line["tools"] = orjson.Fragment(job.request.tools_json)
    if score.statistics:
        line["statistics"] = score.statistics
    try:
        return orjson.dumps(line) + b"\n"
    except TypeError:
        line["messages" if "messages" in line else "prompt"] = orjson.loads(job.request.prompt_json)
        if "tools" in line:
            line["tools"] = orjson.loads(job.request.tools_json)
        return dumps(line) + b"\n"


def _error(failure: RequestFailure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {"class": failure.failure, "message": failure.message, "status": failure.status}


def judged_again(line: Mapping[str, Any], job: Job) -> dict[str, Any]:
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
    """The score of a sample that could not be had; corpus metrics see an empty reply where errors count."""
    empty = job.plan.task.score(job.sample.row, Reply(""), job.plan.style)
    return Score("error", statistics=empty.statistics)
