"""The wire client against a server that misbehaves in every way we know."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any, TypeVar

import pytest
from mock_server import (
    MODEL,
    PROBE,
    USAGE_EVENT,
    WAIT_SECONDS,
    Answer,
    Asked,
    MockServer,
    completion,
    cut_off,
    delta,
    document,
    dripping,
    dropped,
    events,
    failing,
    hanging,
    html,
    reply,
    truncated_json,
)

from evalsuite._util.http import socket_transport as direct
from evalsuite._util.http.aiohttp_transport import AiohttpTransport
from evalsuite._util.http.transport import Address, Transport
from evalsuite.endpoint import hang_detection
from evalsuite.endpoint.answer import Answer as Answered
from evalsuite.endpoint.answer import RequestFailure
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.concurrency import AdaptiveConcurrency, FixedConcurrency
from evalsuite.endpoint.probe import find_model, probe_request
from evalsuite.endpoint.retries import RetryPolicy, retry_after_seconds
from evalsuite.endpoint.wire import Generation, encode
from evalsuite.errors import EndpointError, ServerError
from evalsuite.types import Prompt

T = TypeVar("T")
QUICK = RetryPolicy(deadline=WAIT_SECONDS, max_attempts=3, first_delay=0.01, max_delay=0.02)
SHORT = RetryPolicy(deadline=0.4)
PATIENT = RetryPolicy(deadline=1.0, max_attempts=10_000, first_delay=0.01, max_delay=0.02)
"""Ended by the deadline alone, after many attempts."""
KEY = "sk-secret-0123456789"


@pytest.fixture(params=["direct", "general"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test here holds whichever way the bytes travel."""
    if request.param == "general":

        def through_aiohttp(root: Address, headers: Mapping[str, str], connections: int) -> Transport:
            return AiohttpTransport(root, headers, connections)

        monkeypatch.setattr("evalsuite.endpoint.client.open_transport", through_aiohttp)


def within(
    server: MockServer | str,
    do: Callable[[Endpoint], Awaitable[T]],
    policy: RetryPolicy = QUICK,
    **options: Any,
) -> T:
    url = server if isinstance(server, str) else server.url

    concurrency = options.pop("concurrency", FixedConcurrency(4))

    async def run() -> T:
        async with Endpoint(url, options.pop("model", MODEL), policy, concurrency, **options) as endpoint:
            return await do(endpoint)

    return asyncio.run(run())


def ask(
    server: MockServer | str, text: str = "question", policy: RetryPolicy = QUICK, **options: Any
) -> Answered:
    request = encode(Prompt(messages=[{"role": "user", "content": text}]), Generation(16))
    return within(server, lambda endpoint: endpoint.ask(request), policy, **options)


def test_ask_without_requested_logprobs_fails(server: MockServer) -> None:
    request = encode(Prompt(messages=[{"role": "user", "content": "x"}]), Generation(1, top_logprobs=5))
    with pytest.raises(RequestFailure, match="no log-probabilities") as caught:
        within(server, lambda endpoint: endpoint.ask(request))
    assert (caught.value.failure, caught.value.attempts, server.total) == ("no_logprobs", 1, 1)


def failure(server: MockServer | str, policy: RetryPolicy = QUICK, **options: Any) -> RequestFailure:
    with pytest.raises(RequestFailure) as caught:
        ask(server, policy=policy, **options)
    return caught.value


def once(first: Answer) -> Callable[[Asked], Answer]:
    """The given answer for the first attempt, an ordinary reply afterwards."""
    return lambda asked: first if asked.nth == 1 else reply("at last")


def closed_port() -> int:
    """A port nobody listens on: bound here for a moment, then closed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ---------------------------------------------------------------- replies


def test_ask_reads_usage_and_latency() -> None:
    with MockServer(lambda _: reply("fine", reasoning_content="hm", finish_reason="length")) as server:
        answer = ask(server)
    assert (answer.reply.text, answer.reply.reasoning, answer.reply.finish_reason) == ("fine", "hm", "length")
    assert (answer.reply.prompt_tokens, answer.reply.completion_tokens) == (7, 3)
    assert (answer.attempts, answer.ttft_s) == (1, None)
    assert answer.latency_s is not None
    assert answer.latency_s > 0


def test_ask_sends_what_openai_documents() -> None:
    generation = Generation(16, 0.5, top_p=0.9, seed=3, stop=("END",))
    prompts = [
        Prompt(messages=[{"role": "user", "content": "q"}], stop=("\n", "END")),
        Prompt(text="flat"),
    ]
    with MockServer() as server:
        for prompt in prompts:
            within(server, lambda endpoint, p=prompt: endpoint.ask(encode(p, generation)), api_key=KEY)  # type: ignore[misc]
    chat, flat = server.requests
    shared = {"model": MODEL, "temperature": 0.5, "max_tokens": 16, "top_p": 0.9, "seed": 3}
    assert chat.path == "/v1/chat/completions"
    assert chat.body == shared | {"messages": [{"role": "user", "content": "q"}], "stop": ["END", "\n"]}
    assert flat.path == "/v1/completions"
    assert flat.body == shared | {"prompt": "flat", "stop": ["END"]}
    assert chat.headers["authorization"] == f"Bearer {KEY}"
    assert chat.headers["content-type"] == "application/json"


def test_ask_empty_content_is_a_reply_without_retry() -> None:
    with MockServer(lambda _: reply(None)) as server:
        assert ask(server).reply.text == ""
    assert server.total == 1


def test_ask_megabyte_reply_arrives_completely() -> None:
    text = "深い" * 500_000
    with MockServer(lambda _: reply(text)) as server:
        assert ask(server).reply.text == text
    with MockServer(lambda _: events(delta(content=text), delta("stop"))) as server:
        assert ask(server, stream=True).reply.text == text


def test_ask_lone_surrogates_become_replacement_characters() -> None:
    broken = Answer(json.dumps(completion("half \ud83d emoji")).encode())
    with MockServer(lambda _: broken) as server:
        assert ask(server, "half \ud800 here").reply.text == "half \ufffd emoji"
    assert server.requests[0].prompt == "half \ufffd here"
    assert server.total == 1


def test_ask_reuses_connections() -> None:
    async def ask_often(endpoint: Endpoint) -> None:
        request = encode(Prompt(messages=[{"role": "user", "content": "q"}]), Generation(1))
        for _ in range(5):
            await endpoint.ask(request)
        assert endpoint.traffic.requests == 5

    with MockServer() as server:
        within(server, ask_often)
        assert server.connections == 1


# ---------------------------------------------------------------- what is asked again


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_ask_temporary_status_is_retried(status: int) -> None:
    with MockServer(once(failing(status))) as server:
        answer = ask(server)
    assert (answer.reply.text, answer.attempts, server.total) == ("at last", 2, 2)


@pytest.mark.parametrize(
    "broken", [dropped(), cut_off(), truncated_json(), html(), document([1]), document({})]
)
def test_ask_broken_connection_or_body_is_retried(broken: Answer) -> None:
    with MockServer(once(broken)) as server:
        answer = ask(server)
    assert (answer.reply.text, answer.attempts, server.total) == ("at last", 2, 2)


@pytest.mark.parametrize("status", [400, 405, 413, 415, 422])
def test_ask_rejected_request_is_not_retried_and_quotes_the_server(status: int) -> None:
    with MockServer(lambda _: failing(status, "max_tokens is too large: 99999")) as server:
        found = failure(server)
    assert (found.failure, found.status, found.attempts) == ("rejected", status, 1)
    assert found.permanent
    assert "max_tokens is too large: 99999" in found.message
    assert server.total == 1


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "--api-key-env"), (403, "may not use"), (404, f"--model '{MODEL}'")]
)
def test_ask_refusal_of_every_request_is_an_endpoint_error_with_advice(status: int, advice: str) -> None:
    with MockServer(lambda _: failing(status, "go away")) as server, pytest.raises(EndpointError) as caught:
        ask(server)
    assert server.url in str(caught.value)
    assert f"HTTP {status}: go away" in str(caught.value)
    assert advice in str(caught.value)
    assert server.total == 1


def test_ask_stops_after_max_attempts_with_the_last_failure() -> None:
    with MockServer(lambda asked: failing(503, f"attempt {asked.nth}")) as server:
        found = failure(server)
    assert (found.failure, found.status, found.attempts) == ("status", 503, 3)
    assert "attempt 3" in found.message
    assert server.total == 3


def test_ask_redirect_is_reported_and_not_followed() -> None:
    moved = Answer(b"", 308, headers={"Location": "https://elsewhere.example/v1"})
    with MockServer(lambda _: moved, models_answer=moved) as server:
        for do in (lambda: ask(server), lambda: within(server, find_model)):
            with pytest.raises(EndpointError, match=r"HTTP 308.*https://elsewhere\.example/v1"):
                do()


# ---------------------------------------------------------------- time


def test_retry_after_seconds_delays_the_retry() -> None:
    policy = RetryPolicy(deadline=WAIT_SECONDS, max_attempts=2, first_delay=0.0, max_delay=0.0)
    with MockServer(once(failing(429, **{"Retry-After": "0.3"}))) as server:
        started = time.monotonic()
        assert ask(server, policy=policy).attempts == 2
    assert time.monotonic() - started >= 0.3


def test_retry_after_pauses_all_requests() -> None:
    policy = RetryPolicy(deadline=WAIT_SECONDS, max_attempts=2, first_delay=0.0, max_delay=0.0)
    arrivals: dict[str, float] = {}

    def behave(asked: Asked) -> Answer:
        arrivals[f"{asked.prompt} {asked.nth}"] = time.monotonic()
        return (
            failing(429, **{"Retry-After": "0.4"}) if asked.prompt == "first" and asked.nth == 1 else reply()
        )

    async def ask_both(endpoint: Endpoint) -> None:
        requests = [
            encode(Prompt(messages=[{"role": "user", "content": text}]), Generation(1))
            for text in ("first", "second")
        ]
        first = asyncio.ensure_future(endpoint.ask(requests[0]))
        while not arrivals or endpoint.traffic.in_flight:
            await asyncio.sleep(0.001)
        await endpoint.ask(requests[1])
        await first

    with MockServer(behave) as server:
        within(server, ask_both, policy)
    assert arrivals["second 1"] - arrivals["first 1"] >= 0.4


@pytest.mark.parametrize("refusal", [failing(429), failing(503), hanging()], ids=["429", "503", "hang"])
def test_overload_status_lowers_concurrency(refusal: Answer) -> None:
    concurrency = AdaptiveConcurrency(10)
    with MockServer(lambda _: refusal) as server:
        failure(server, SHORT, concurrency=concurrency)
    assert concurrency.limit == 7


def test_retry_after_beyond_the_deadline_fails_at_once() -> None:
    with MockServer(lambda _: failing(429, "slow down", **{"Retry-After": "3600"})) as server:
        found = failure(server)
    assert (found.failure, found.status, found.attempts) == ("status", 429, 1)


def test_retry_after_date_is_relative_to_now() -> None:
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=100), usegmt=True)
    assert 90 < QUICK.delay(1, retry_after_seconds(soon)) <= 100 + QUICK.first_delay
    past = format_datetime(datetime.now(timezone.utc) - timedelta(days=1), usegmt=True)
    assert 0 < QUICK.delay(1, retry_after_seconds(past)) <= QUICK.max_delay


def test_retry_after_date_is_relative_to_the_servers_clock() -> None:
    moment = datetime(2001, 1, 1, tzinfo=timezone.utc)
    dates = {
        "Date": format_datetime(moment, usegmt=True),
        "Retry-After": format_datetime(moment + timedelta(seconds=1), usegmt=True),
    }
    with MockServer(once(failing(429, **dates))) as server:
        started = time.monotonic()
        assert ask(server).attempts == 2
    assert time.monotonic() - started >= 1.0
    assert retry_after_seconds(dates["Retry-After"], "nonsense") == 0.0


@pytest.mark.parametrize("header", ["0", "-1", "nan", "inf"])
def test_retry_after_never_removes_the_delay(header: str) -> None:
    policy = RetryPolicy(10.0, first_delay=1.0, max_delay=4.0)
    assert 2.0 <= policy.delay(3, retry_after_seconds(header)) <= 4.0


@pytest.mark.parametrize("header", [None, "", "soon", "12 parsecs", "Mon, 99 Foo 2020"])
def test_retry_after_unreadable_keeps_the_ordinary_delay(header: str | None) -> None:
    policy = RetryPolicy(10.0, first_delay=1.0, max_delay=4.0)
    for attempt, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (9, 4.0)):
        assert longest / 2 <= policy.delay(attempt, retry_after_seconds(header)) <= longest


@pytest.mark.parametrize("silence", [hanging(), dripping()], ids=["hang", "drip"])
@pytest.mark.parametrize("stream", [False, True])
def test_ask_silence_and_slow_drip_time_out_at_the_deadline(silence: Answer, stream: bool) -> None:
    with MockServer(lambda _: silence) as server:
        found = failure(server, SHORT, stream=stream)
    assert (found.failure, found.attempts) == ("timeout", 1)
    assert "0.4 s" in found.message


def test_hang_is_retried_once_answers_show_the_servers_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hang_detection, "LEAST_PATIENCE_SECONDS", 0.2)
    policy = RetryPolicy(deadline=WAIT_SECONDS, first_delay=0.0, max_delay=0.0)

    def behave(asked: Asked) -> Answer:
        return hanging() if asked.prompt == "hung" and asked.nth == 1 else reply()

    async def ask_many(endpoint: Endpoint) -> Answered:
        for number in range(hang_detection.KNOWN_AFTER_ANSWERS):
            await endpoint.ask(
                encode(Prompt(messages=[{"role": "user", "content": str(number)}]), Generation(1))
            )
        return await endpoint.ask(
            encode(Prompt(messages=[{"role": "user", "content": "hung"}]), Generation(1))
        )

    with MockServer(behave) as server:
        assert within(server, ask_many, policy).attempts == 2


def test_hang_count_ignores_other_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hang_detection, "LEAST_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(direct, "CHECK_SECONDS", 0.05)
    policy = RetryPolicy(deadline=WAIT_SECONDS, first_delay=0.0, max_delay=0.0)
    unlucky = {1: failing(500), 2: failing(429), 3: hanging(), 4: hanging()}

    def behave(asked: Asked) -> Answer:
        return unlucky.get(asked.nth, reply()) if asked.prompt == "unlucky" else reply()

    async def ask_many(endpoint: Endpoint) -> Answered:
        for text in (*map(str, range(hang_detection.KNOWN_AFTER_ANSWERS)), "unlucky"):
            answer = await endpoint.ask(
                encode(Prompt(messages=[{"role": "user", "content": text}]), Generation(1))
            )
        return answer

    with MockServer(behave) as server:
        assert within(server, ask_many, policy).attempts == 5


def test_hang_before_the_first_answers_is_retried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hang_detection, "OVERTAKEN_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(direct, "CHECK_SECONDS", 0.05)
    policy = RetryPolicy(deadline=WAIT_SECONDS, first_delay=0.0, max_delay=0.0)

    def behave(asked: Asked) -> Answer:
        return hanging() if asked.prompt == "hung" and asked.nth == 1 else reply()

    async def ask_hung_first(endpoint: Endpoint) -> Answered:
        hung = asyncio.ensure_future(
            endpoint.ask(encode(Prompt(messages=[{"role": "user", "content": "hung"}]), Generation(1)))
        )
        while not endpoint.traffic.in_flight:
            await asyncio.sleep(0)
        for number in range(hang_detection.KNOWN_AFTER_ANSWERS):
            await endpoint.ask(
                encode(Prompt(messages=[{"role": "user", "content": str(number)}]), Generation(1))
            )
        return await hung

    with MockServer(behave) as server:
        assert within(server, ask_hung_first, policy).attempts == 2


def detector_after(seconds: float, deadline: float = 600.0) -> hang_detection.HangDetector:
    """That of a server which took so long for each of as many answers as it takes to know it."""
    detector = hang_detection.HangDetector(deadline)
    for _ in range(hang_detection.KNOWN_AFTER_ANSWERS):
        watch = detector.begin(0, 0.0)
        assert detector.limit(watch) == math.inf
        detector.end()
        detector.record_answer(watch, seconds)
    return detector


def test_hang_limit_starts_with_enough_answers_and_ends_after_two_hangs() -> None:
    detector = detector_after(7.0)
    assert [detector.limit(detector.begin(hangs, 0.0)) for hangs in (0, 1, 2)] == [70.0, 70.0, math.inf]


def test_hang_limit_is_longer_for_a_stalled_server_than_for_an_overtaken_request() -> None:
    detector = detector_after(0.1)
    *earlier, waiting = (detector.begin(0, 0.0) for _ in range(hang_detection.FEW_UNDER_WAY + 1))
    for watch in earlier:
        detector.record_answer(watch, 0.1)
    for _ in range(hang_detection.OVERTAKEN_BY):
        later = detector.begin(0, 0.0)
        assert detector.limit(waiting) == hang_detection.STALLED_PATIENCE_SECONDS
        detector.record_answer(later, 0.1)
    assert detector.limit(waiting) == hang_detection.OVERTAKEN_PATIENCE_SECONDS


def test_hang_limit_is_short_with_few_requests_under_way() -> None:
    detector = detector_after(0.1)
    waiting = [detector.begin(0, 0.0) for _ in range(hang_detection.FEW_UNDER_WAY)]
    assert {detector.limit(watch) for watch in waiting} == {hang_detection.LEAST_PATIENCE_SECONDS}


def test_hang_limit_leaves_time_for_three_attempts() -> None:
    detector = detector_after(0.1, deadline=3.0)
    assert detector.limit(detector.begin(0, 0.0)) == 1.0


def test_hang_limit_forgets_answers_before_a_reset() -> None:
    detector = detector_after(0.1)
    late = detector.begin(0, 0.0)
    detector.reset(now=1.0)
    for _ in range(hang_detection.KNOWN_AFTER_ANSWERS):
        detector.record_answer(late, 0.1)  # asked before the change
    assert detector.limit(detector.begin(0, 2.0)) == math.inf


def test_retry_delay_after_a_hang_is_zero() -> None:
    assert RetryPolicy(10.0, first_delay=4.0).delay(1, hung=True) == 0.0


def test_ask_endless_stream_times_out_at_the_deadline() -> None:
    forever = Answer(
        content_type="text/event-stream",
        body=b'data: {"choices":[{"delta":{"content":"la"}}]}\n\n' * 10_000,
        drip=0.01,
    )
    with MockServer(lambda _: forever) as server:
        assert failure(server, SHORT, stream=True).failure == "timeout"


def test_deadline_covers_all_attempts() -> None:
    with MockServer(lambda _: failing(500)) as server:
        found = failure(server, PATIENT)
    assert found.failure == "status"
    assert 1 < found.attempts < PATIENT.max_attempts
    assert server.total == found.attempts


def test_deadline_after_a_failure_is_what_is_left() -> None:
    with MockServer(lambda asked: failing(500) if asked.nth < 3 else hanging()) as server:
        found = failure(server, PATIENT)
    assert (found.failure, found.attempts) == ("timeout", 3)


# ---------------------------------------------------------------- streams


def test_stream_text_is_assembled() -> None:
    pieces = [
        delta(role="assistant", content=""),
        delta(reasoning_content="think "),
        delta(reasoning_content="hard"),
        delta(content="an"),
        delta(content="swer"),
        delta("stop"),
        USAGE_EVENT,
    ]
    with MockServer(lambda _: events(*pieces)) as server:
        answer = ask(server, stream=True)
    assert server.requests[0].body["stream"] is True
    assert server.requests[0].body["stream_options"] == {"include_usage": True}
    assert (answer.reply.text, answer.reply.reasoning) == ("answer", "think hard")
    assert (answer.reply.finish_reason, answer.reply.completion_tokens) == ("stop", 3)
    assert answer.ttft_s is not None
    assert answer.latency_s is not None
    assert 0 < answer.ttft_s <= answer.latency_s


def test_stream_tool_calls_are_assembled() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"index": index, "function": function} | (
            {"id": f"call-{index}"} if "name" in function else {}
        )

    pieces = [
        delta(tool_calls=[call(0, name="look", arguments="")]),
        delta(tool_calls=[call(0, arguments='{"a"')]),
        delta(tool_calls=[call(1, name="jump", arguments="{}"), call(0, arguments=":1}")]),
        delta("tool_calls"),
    ]
    with MockServer(lambda _: events(*pieces)) as server:
        found = ask(server, stream=True).reply.tool_calls
    assert found == [
        {"id": "call-0", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}},
        {"id": "call-1", "type": "function", "function": {"name": "jump", "arguments": "{}"}},
    ]


def test_stream_chunks_may_be_split_anywhere() -> None:
    whole = b"".join(events(delta(content="déjà "), delta(content="vu"), delta("stop")).chunks or ())
    whole = whole.replace(b"\n\n", b"\r\n\r\n: a comment\r\n\r\n")
    for size in (1, 7, 4096):
        chunks = tuple(whole[at : at + size] for at in range(0, len(whole), size))
        with MockServer(lambda _, c=chunks: Answer(content_type="text/event-stream", chunks=c)) as server:  # type: ignore[misc]
            assert ask(server, stream=True).reply.text == "déjà vu"


def test_stream_truncated_is_retried() -> None:
    torn = events(delta(content="half an ans"), done=False)
    with MockServer(
        lambda asked: torn if asked.nth == 1 else events(delta(content="all"), delta("stop"))
    ) as server:
        answer = ask(server, stream=True)
    assert (answer.reply.text, answer.attempts) == ("all", 2)


def test_stream_error_event_quotes_the_server() -> None:
    pieces = [delta(content="so far"), {"error": {"message": "CUDA out of memory"}}]
    with MockServer(lambda _: events(*pieces)) as server:
        found = failure(server, stream=True)
    assert (found.failure, found.attempts) == ("bad_reply", 3)
    assert "CUDA out of memory" in found.message


def test_stream_error_event_is_reported_inside_another_exception() -> None:
    """Python remembers, with every exception, the one that is being handled meanwhile; it is not the reason."""
    broken = events({"error": {"message": "out of memory"}})
    with MockServer(lambda _: broken) as server:
        try:
            _ = dict[str, str]()["something else"]
        except KeyError:
            found = failure(server, stream=True)
    assert (found.failure, found.attempts) == ("bad_reply", 3)
    assert "out of memory" in found.message


def test_stream_empty_error_field_is_ignored() -> None:
    pieces = [delta(content="fine") | {"error": None}, delta("stop")]
    with MockServer(lambda _: events(*pieces)) as server:
        assert ask(server, stream=True).reply.text == "fine"


def test_stream_request_accepts_a_whole_response() -> None:
    with MockServer(lambda _: reply("whole")) as server:
        assert ask(server, stream=True).reply.text == "whole"


# ---------------------------------------------------------------- the right server


def test_probe_finds_the_newer_token_limit_field() -> None:
    def openai(asked: Asked) -> Answer:
        if "max_tokens" in asked.body:
            words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            return failing(400, words)
        return reply("fine")

    prompt = Prompt(
        messages=[{"role": "user", "content": 'say "max_tokens":1'}],
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"max_tokens": {}}}}],
    )
    request = encode(prompt, Generation(16))

    async def probe_and_ask(endpoint: Endpoint) -> str:
        greeting = encode(Prompt(messages=[{"role": "user", "content": PROBE}]), Generation(1))
        endpoint.capabilities = await probe_request(endpoint, greeting)
        return (await endpoint.ask(request)).reply.text

    with MockServer(openai) as server:
        assert within(server, probe_and_ask) == "fine"
    body = server.requests[-1].body
    assert body["max_completion_tokens"] == 16
    assert "max_tokens" not in body
    assert body["messages"] == prompt.messages
    assert body["tools"] == prompt.tools


def test_find_model_unreachable_address_is_a_server_error() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    with pytest.raises(ServerError, match="Is the server running"):
        within(url, find_model)
    assert failure(url).failure == "connection"


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "http://[::1/v1"])
def test_endpoint_impossible_address_is_refused(url: str) -> None:
    with pytest.raises(EndpointError, match="--base-url"):
        within(url, find_model)


def test_find_model_wrong_name_lists_served_models() -> None:
    with MockServer(models=["base", "sft"]) as server, pytest.raises(EndpointError, match="base, sft"):
        within(server, find_model)


def test_find_model_wrong_name_lists_a_limited_number() -> None:
    with MockServer(models=[f"m{n}" for n in range(500)]) as server, pytest.raises(EndpointError) as caught:
        within(server, find_model)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("answer", [failing(404), document({"ok": True}), document([]), failing(500)])
def test_find_model_without_a_model_list_is_accepted(answer: Answer) -> None:
    with MockServer(models_answer=answer) as server:
        within(server, find_model)


@pytest.mark.parametrize("status", [200, 404])
def test_find_model_html_is_refused(status: int) -> None:
    with (
        MockServer(models_answer=html(status)) as server,
        pytest.raises(EndpointError, match="usually ends in /v1"),
    ):
        within(server, find_model)


def test_probe_request_rejected_is_an_endpoint_error_and_failed_a_server_error() -> None:
    probe = encode(Prompt(messages=[{"role": "user", "content": "Hello"}]), Generation(1))
    with MockServer(lambda _: failing(400, "no chat template")) as server:
        with pytest.raises(EndpointError, match=r"no chat template.*--completions"):
            within(server, lambda endpoint: probe_request(endpoint, probe))
        server.behave = lambda _: failing(500, "boom")
        with pytest.raises(ServerError, match="boom"):
            within(server, lambda endpoint: probe_request(endpoint, probe))


# ---------------------------------------------------------------- the key


def padded(prefix: int) -> str:
    """The key at the very place where long words of a server are cut."""
    return "x" * prefix + KEY


@pytest.mark.parametrize("words", [KEY, padded(290), padded(1190)])
@pytest.mark.parametrize("status", [400, 401, 500])
def test_api_key_is_removed_from_error_messages(words: str, status: int) -> None:
    refused = pytest.raises((RequestFailure, EndpointError))
    with MockServer(lambda _: failing(status, words)) as server, refused as caught:
        ask(server, api_key=KEY)
    assert "sk-" not in str(caught.value)


def test_api_key_is_removed_from_model_list_errors() -> None:
    for answer in (
        Answer(f"<html>{KEY}</html>".encode(), content_type="text/html"),
        failing(401, padded(290)),
        document({"data": [{"id": KEY}]}),
        Answer(b"", 302, headers={"Location": f"http://elsewhere/?key={KEY}"}),
    ):
        with MockServer(models_answer=answer) as server, pytest.raises(EndpointError) as caught:
            within(server, find_model, api_key=KEY)
        assert "sk-" not in str(caught.value)


def test_api_key_is_removed_from_replies() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": KEY}}
    whole = reply(f"You sent {KEY}", reasoning_content=KEY, tool_calls=[call])
    pieces = events(delta(content=KEY[:5]), delta(content=KEY[5:], reasoning_content=KEY), delta("stop"))
    escaped = Answer(whole.body.replace(b"sk-", b"\\u0073k-"))
    for answer, stream in ((whole, False), (escaped, False), (pieces, True)):
        with MockServer(lambda _, a=answer: a) as server:  # type: ignore[misc]
            found = ask(server, api_key=KEY, stream=stream)
        assert "secret" not in repr(found)
        assert "[key]" in found.reply.text


def test_api_key_is_not_in_the_repr() -> None:
    assert KEY not in repr(Endpoint("http://h/v1", MODEL, QUICK, FixedConcurrency(1), KEY))
