"""Measuring requests as vLLM takes them, and every answer that is not a measurement refused, never filled up."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mock_server import MODEL, MockServer, completion, measuring, ordinary, rewarding

from evalsuite._util.event_loop import run_to_end
from evalsuite.endpoint.answer import RequestFailure
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.concurrency import FixedConcurrency
from evalsuite.endpoint.likelihood_requests import (
    LEAST_LOGPROB,
    MissingMeasurement,
    build_request,
    read_measurement,
)
from evalsuite.endpoint.retries import RetryPolicy
from evalsuite.endpoint.wire import BadReply, Generation, Request
from evalsuite.types import Measurement, Prompt, Reply

TEXT = Prompt(text="Once upon a time.", measure="logprobs")
ASKED = {"role": "user", "content": "Which tea?"}
ANSWERED = [ASKED, {"role": "assistant", "content": "Green tea."}]
CHAT = Prompt(messages=ANSWERED, measure="logprobs")
REWARD = Prompt(messages=ANSWERED, measure="reward")
SETTINGS = Generation(77, temperature=0.9, seed=3, stop=("x",))


def body(prompt: Prompt) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(build_request(prompt, SETTINGS).body(b'"m"', stream=False))
    return found


def ask(server: MockServer, request: Request, **options: Any) -> Reply:
    async def asking() -> Reply:
        async with Endpoint(server.url, MODEL, RetryPolicy(20.0), FixedConcurrency(2), **options) as endpoint:
            return (await endpoint.ask(request)).reply

    return run_to_end(asking())


def echoed(tokens: Any, logprobs: Any, prompt_tokens: int | None = None) -> bytes:
    usage = {} if prompt_tokens is None else {"prompt_tokens": prompt_tokens}
    choice = {"text": "x", "logprobs": {"tokens": tokens, "token_logprobs": logprobs}}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


# ---------------------------------------------------------------- what is asked


def test_likelihood_text_is_echoed_with_log_probabilities_whatever_the_generation_settings() -> None:
    assert body(TEXT) == {
        "model": "m", "prompt": "Once upon a time.", "temperature": 0.0, "max_tokens": 1, "echo": True, "logprobs": 1,
    }  # fmt: skip


def test_likelihood_conversation_ends_with_its_answer_or_where_one_would_begin() -> None:
    assert body(CHAT) == {
        "model": "m", "messages": ANSWERED, "temperature": 0.0, "max_tokens": 1, "prompt_logprobs": 0,
        "add_generation_prompt": False,
    }  # fmt: skip
    assert body(Prompt(messages=[ASKED], measure="logprobs"))["add_generation_prompt"] is True


def test_likelihood_reward_model_is_asked_for_its_logit() -> None:
    assert body(REWARD) == {"model": "m", "messages": ANSWERED, "use_activation": False}


def test_likelihood_ordinary_prompt_is_asked_as_ever() -> None:
    assert body(Prompt(text="Hi")) == {"model": "m", "prompt": "Hi"} | SETTINGS.fields()


# ---------------------------------------------------------------- over real sockets


def test_likelihood_text_measured() -> None:
    with MockServer(measuring) as server:
        measured = ask(server, build_request(TEXT, SETTINGS)).measured
    assert measured is not None
    assert measured.tokens == ("Once", " upon", " a", " time.")
    assert measured.logprobs[0] is None
    assert all(value is not None and value < 0 for value in measured.logprobs[1:])


def test_likelihood_conversation_measured() -> None:
    with MockServer(measuring) as server:
        measured = ask(server, build_request(CHAT, SETTINGS)).measured
    assert measured is not None
    assert measured.tokens[1:] == ("Which", " tea?", "<end>", "<assistant>", "Green", " tea.", "<end>")
    assert len(measured.logprobs) == 8


def test_likelihood_stream_is_never_asked_for() -> None:
    with MockServer(measuring) as server:
        ask(server, build_request(TEXT, SETTINGS), stream=True)
        assert "stream" not in server.requests[0].body


def test_likelihood_reward_comes_from_beside_v1() -> None:
    with MockServer(rewarding(lambda answer: len(answer) / 4)) as server:
        reply = ask(server, build_request(REWARD, SETTINGS))
        assert server.requests[0].path == "/classify"
    assert reply.measured == Measurement(reward=2.5)


def test_likelihood_server_that_ignores_it_is_asked_once_and_refused() -> None:
    for prompt in (TEXT, CHAT):
        with MockServer(ordinary) as server, pytest.raises(RequestFailure) as caught:
            ask(server, build_request(prompt, SETTINGS))
        assert "ignores" in caught.value.message
        assert caught.value.permanent
        assert len(server.requests) == 1


# ---------------------------------------------------------------- what comes back


def read_echo(raw: bytes) -> Measurement:
    measured = read_measurement(raw, build_request(TEXT, SETTINGS)).measured
    assert measured
    return measured


def test_likelihood_generated_token_is_cut_off_with_and_without_a_count() -> None:
    tokens, logprobs = ["a", " b", " next"], [None, -1.5, -0.1]
    expected = Measurement(("a", " b"), (None, -1.5))
    assert read_echo(echoed(tokens, logprobs, 2)) == read_echo(echoed(tokens, logprobs)) == expected
    assert read_echo(echoed(tokens[:2], logprobs[:2], 2)) == expected  # nothing was generated


def test_likelihood_probability_of_nothing_is_vllms_least_and_rounding_is_cut_off() -> None:
    found = read_echo(echoed(["a", "b", "c", "d"], [None, -1e30, 1e-6, 0], 4))
    assert found.logprobs == (None, LEAST_LOGPROB, 0.0, 0.0)
    raw = echoed(["a", "b"], [None, 0], 2).replace(b"0]", b"-Infinity]")
    assert read_echo(raw).logprobs == (None, LEAST_LOGPROB)


@pytest.mark.parametrize(
    ("tokens", "logprobs", "count"),
    [
        (["a", "b"], [None, None], 2),
        (["a", "b"], [None, 0.4], 2),
        (["a", "b"], [None, "x"], 2),
        (["a", "b"], [None, True], 2),
        (["a", "b"], [None, -1.0], 7),
        (["a", "b"], [None], 2),
        (["a"], [None], None),
        ([], [], 0),
        (None, None, 2),
        ({"content": []}, None, 1),
    ],
)
def test_likelihood_echo_without_a_value_for_every_token_is_refused(
    tokens: dict[str, Any] | list[Any] | None, logprobs: list[Any] | None, count: int | None
) -> None:
    with pytest.raises(MissingMeasurement):
        read_echo(echoed(tokens, logprobs, count))


def test_likelihood_llama_cpp_sends_is_refused() -> None:
    held = {"content": [{"id": 198, "token": "\n", "logprob": -0.9, "top_logprobs": []}]}
    raw = json.dumps({"choices": [{"text": "\n", "logprobs": held}], "usage": {"prompt_tokens": 7}}).encode()
    with pytest.raises(MissingMeasurement, match="ignores 'echo'"):
        read_echo(raw)


@pytest.mark.parametrize(
    "listed", [None, [], "x", [None, None], [None, {}], [None, {"5": {"logprob": None}}], [None, 3]]
)
def test_likelihood_conversation_without_a_value_for_every_token_is_refused(
    listed: list[Any] | str | None,
) -> None:
    raw = json.dumps(completion() | {"prompt_logprobs": listed}).encode()
    with pytest.raises(MissingMeasurement):
        read_measurement(raw, build_request(CHAT, SETTINGS))


def test_likelihood_token_that_cannot_be_decoded_alone_is_known_by_its_id() -> None:
    listed = [None, {"5": {"logprob": -1, "decoded_token": "\ufffd"}}, {"6": {"logprob": -2}}]
    raw = json.dumps(completion() | {"prompt_logprobs": listed}).encode()
    assert read_measurement(raw, build_request(CHAT, SETTINGS)).measured == Measurement(
        ("", "<5>", "<6>"), (None, -1.0, -2.0)
    )


@pytest.mark.parametrize(
    "data",
    [None, [], [{}], [{"probs": []}], [{"probs": [0.2, 0.8]}], [{"probs": ["x"]}], [{"probs": [True]}], [3]],
)
def test_likelihood_is_no_reward_is_refused(data: list[Any] | None) -> None:
    with pytest.raises(MissingMeasurement):
        read_measurement(json.dumps({"data": data}).encode(), build_request(REWARD, SETTINGS))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "logprobs", "tokens", "token_logprobs", "prompt_logprobs", "data", "probs", "usage",
                         "prompt_tokens", "1"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON_VALUES, st.sampled_from([TEXT, CHAT, REWARD]))
def test_likelihood_any_document_is_measured_or_refused(document: Any, prompt: Any) -> None:
    try:
        measured = read_measurement(json.dumps(document).encode(), build_request(prompt, SETTINGS)).measured
    except BadReply:
        return
    assert measured is not None
    assert (measured.reward is not None) == (prompt is REWARD)
    assert len(measured.tokens) == len(measured.logprobs)
