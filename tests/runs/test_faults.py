"""Every fault on a real socket, whole runs: once, it costs a retry; for ever, it costs one sample and bounded time."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mock_server import (
    EVENTS,
    JSON,
    PROBE,
    Answer,
    Asked,
    MockServer,
    cut_off,
    delta,
    document,
    dripping,
    dropped,
    events,
    failing,
    hanging,
    html,
    ordinary,
    truncated_json,
)
from run_helpers import arguments, call, config, lines_of, numbered, summary_of, write_qa

from evalsuite.errors import RunIncomplete
from evalsuite.evaluation.evaluate import evaluate

ROWS = 12
TIMEOUT_SECONDS = 1.5
AMPLE_SECONDS = 20.0
"""Far more than the deadline of one sample, far less than a test that waits for ever."""
BROKEN_EVENT = b'data: {"choices": [{"del\n\n'

PLAIN = {
    "429": (failing(429), "status"),
    "500": (failing(500), "status"),
    "drop": (dropped(), "connection"),
    "cut off": (cut_off(), "connection"),
    "truncated JSON": (truncated_json(), "bad_reply"),
    "no JSON": (Answer(b"so sorry"), "bad_reply"),
    "no body": (Answer(b""), "bad_reply"),
    "no choices": (document({"choices": []}), "bad_reply"),
    "null": (document(None), "bad_reply"),
    "HTML": (html(), "bad_reply"),
    "hang": (hanging(), "timeout"),
    "slow drip": (dripping(), "timeout"),
}
STREAMED = {
    "429": (failing(429), "status"),
    "drop": (dropped(), "connection"),
    "ends early": (events(delta(content="half"), done=False), "bad_reply"),
    "cut off": (events(delta(content="half" * 100), delta("stop"), cut_at=300), "connection"),
    "truncated JSON": (Answer(content_type=EVENTS, chunks=(BROKEN_EVENT,)), "bad_reply"),
    "error inside": (events({"error": {"message": "out of memory"}}), "bad_reply"),
    "no body": (Answer(content_type=EVENTS, chunks=()), "bad_reply"),
    "truncated JSON unstreamed": (Answer(b'{"choices": [', content_type=JSON), "bad_reply"),
    "hang": (hanging(), "timeout"),
    "slow drip": (dripping(), "timeout"),
}
FAULTS = [
    pytest.param(fault, expected, stream, id=f"{name}{', streamed' if stream else ''}")
    for stream, faults in ((False, PLAIN), (True, STREAMED))
    for name, (fault, expected) in faults.items()
]


def faulty(fault: Answer, *, times: float) -> Any:
    """Questions 3 and 8 meet the fault, so many times."""

    def behave(asked: Asked) -> Answer:
        meets = asked.prompt in ("question 3", "question 8") and asked.nth <= times
        return fault if meets else ordinary(asked)

    return behave


@pytest.mark.parametrize(("fault", "expected", "stream"), FAULTS)
def test_a_fault_that_stays_costs_one_sample_and_bounded_time(
    server: MockServer, tmp_path: Path, fault: Answer, expected: str, stream: bool
) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(ROWS))
    server.behave = faulty(fault, times=float("inf"))
    began = time.monotonic()
    run = evaluate(
        config(server, tmp_path / "out", data, stream=stream, on_error="skip", timeout=TIMEOUT_SECONDS)
    )
    assert time.monotonic() - began < AMPLE_SECONDS
    lines = lines_of(run.path)
    assert Counter(line["index"] for line in lines) == Counter(range(ROWS))
    errors = {line["index"]: line["error"] for line in lines if line["error"]}
    assert {place: error["class"] for place, error in errors.items()} == {3: expected, 8: expected}
    assert all(error["message"] for error in errors.values())
    assert {error["status"] for error in errors.values()} == (
        {fault.status} if expected == "status" else {None}
    )
    attempts = [line["attempts"] for line in lines if line["error"]]
    assert all(1 <= count <= 6 for count in attempts)
    assert run.summary.variants["mock-model"].datasets["qa"].subsets["all"].n_error == 2


@pytest.mark.parametrize(
    ("fault", "stream"),
    [
        pytest.param(fault, stream, id=case.id)
        for case in FAULTS
        for fault, expected, stream in [case.values]
        if expected != "timeout"
    ],
)
def test_a_fault_that_passes_costs_a_retry_and_no_sample(
    server: MockServer, tmp_path: Path, fault: Answer, stream: bool
) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(ROWS))
    server.behave = faulty(fault, times=1)
    run = evaluate(config(server, tmp_path / "out", data, stream=stream))
    assert run.complete
    assert run.metric("rouge_l") == 1.0
    assert Counter(line["index"] for line in lines_of(run.path)) == Counter(range(ROWS))
    assert {line["index"]: line["attempts"] for line in lines_of(run.path) if line["attempts"] > 1} == {
        3: 2,
        8: 2,
    }
    assert run.summary.totals.retries == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("content", ["", None])
def test_an_empty_reply_is_told_from_a_wrong_one_and_asked_once(
    server: MockServer, tmp_path: Path, stream: bool, content: str | None
) -> None:
    def behave(asked: Asked) -> Answer:
        if asked.prompt != "question 3":
            return ordinary(asked)
        found = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
        return events(delta("stop", content=content)) if stream else document(found)

    server.behave = behave
    data = write_qa(tmp_path / "qa.jsonl", numbered(ROWS))
    run = evaluate(config(server, tmp_path / "out", data, stream=stream))
    outcomes = {line["index"]: line["outcome"] for line in lines_of(run.path) if line["outcome"] != "scored"}
    assert outcomes == {3: "unparsed"}
    assert server.asked["question 3"] == 1


# ---------------------------------------------------------------- the circuit breaker


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (failing(500, "CUDA error"), "HTTP 500: CUDA error"),
        (truncated_json(), "not JSON"),
        (dropped(), "closed the connection"),
        (hanging(), "no answer within 0.5 s"),
        (failing(402, "the quota is used up"), "HTTP 402: the quota is used up"),
        (failing(403, "the key was withdrawn"), "HTTP 403: the key was withdrawn"),
        (failing(404, "no such model any more"), "HTTP 404: no such model any more"),
    ],
    ids=["500", "truncated JSON", "drop", "hang", "payment", "key", "model"],
)
def test_many_equal_failures_in_a_row_end_the_run_with_what_is_known(
    server: MockServer, tmp_path: Path, fault: Answer, said: str
) -> None:
    rows = 400
    data = write_qa(tmp_path / "qa.jsonl", numbered(rows))
    healthy = {f"question {number}" for number in range(8)} | {PROBE}
    server.behave = lambda asked: ordinary(asked) if asked.prompt in healthy else fault
    with pytest.raises(RunIncomplete, match="samples failed in a row"):
        evaluate(config(server, tmp_path / "out", data, timeout=0.5))
    asked = len(set(server.asked) - healthy)
    assert 10 <= asked <= 30
    summary = summary_of(tmp_path / "out" / "run")
    assert summary["complete"] is False
    assert any(said in error["message"] for error in summary["errors"])
    assert sum(line["error"] is None for line in lines_of(tmp_path / "out" / "run")) == 8
    server.behave = ordinary
    server.forget()
    assert evaluate(config(server, tmp_path / "out", data)).complete
    assert server.total == rows - 8


@pytest.mark.parametrize("status", [400, 413, 422])
def test_rows_that_a_server_will_not_read_do_not_end_the_run(
    server: MockServer, tmp_path: Path, status: int
) -> None:
    """Prompts too long for the model, one after the other: each is lost by itself, and the others are asked."""
    data = write_qa(tmp_path / "qa.jsonl", numbered(60))
    known = {f"question {number}" for number in (0, 59)} | {PROBE}
    too_long = failing(status, "the prompt is too long")
    server.behave = lambda asked: ordinary(asked) if asked.prompt in known else too_long
    run = evaluate(config(server, tmp_path / "out", data, on_error="skip"))
    assert Counter(line["outcome"] for line in lines_of(run.path)) == {"error": 58, "scored": 2}
    assert run.complete


def test_the_breaker_ends_the_command_with_3_and_says_what_to_do(server: MockServer, tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(100))
    server.behave = lambda asked: (
        ordinary(asked) if asked.prompt == PROBE else failing(503, **{"Retry-After": "3600"})
    )
    done = call(arguments(server, tmp_path / "out", data, more=["--json"]))
    assert done.returncode == 3
    assert "samples failed in a row (the last: HTTP 503" in done.stderr
    assert "run the same command again: it resumes" in done.stderr
    summary = json.loads(done.stdout)
    assert (summary["complete"], summary["errors"][0]["class"]) == (False, "status")


def test_hits_of_the_cache_do_not_hide_a_server_that_is_gone(server: MockServer, tmp_path: Path) -> None:
    """Rows found in the cache stand between those that fail, so that the failures are never next to each other."""
    cache, rows = tmp_path / "cache", numbered(200)
    warm = write_qa(tmp_path / "warm.jsonl", rows[::2])
    evaluate(config(server, tmp_path / "out", warm, name="warm", cache=cache))
    server.forget()
    server.behave = lambda asked: ordinary(asked) if asked.prompt == PROBE else failing(500)
    data = write_qa(tmp_path / "qa.jsonl", rows)
    with pytest.raises(RunIncomplete, match="in a row"):
        evaluate(config(server, tmp_path / "out", data, cache=cache, timeout=0.3))
    assert len(set(server.asked)) < 50
