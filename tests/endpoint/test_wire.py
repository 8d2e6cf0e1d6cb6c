"""Bytes in both directions: nothing a server sends, and nothing a user asks, breaks the reader."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.endpoint.stream import StreamReader
from evalsuite.endpoint.wire import (
    BadReply,
    Generation,
    dumps,
    encode,
    error_message,
    quote_start,
    read_reply,
)
from evalsuite.types import Prompt, Reply

NAMES = st.sampled_from(
    [
        "choices",
        "message",
        "delta",
        "content",
        "text",
        "usage",
        "tool_calls",
        "function",
        "index",
        "id",
        "error",
        "reasoning_content",
        "reasoning",
        "finish_reason",
        "prompt_tokens",
        "arguments",
        "name",
        "detail",
        "logprobs",
        "top_logprobs",
        "token_logprobs",
        "tokens",
        "token",
        "logprob",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text()
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "message": ANY_JSON,
                    "delta": ANY_JSON,
                    "text": ANY_JSON,
                    "finish_reason": ANY_JSON,
                    "logprobs": ANY_JSON,
                },
            ),
            max_size=2,
        )
        | ANY_JSON,
        "usage": ANY_JSON,
        "error": ANY_JSON,
    },
)


def well_formed(reply: Reply) -> bool:
    return (
        isinstance(reply.text, str)
        and isinstance(reply.reasoning, str | None)
        and isinstance(reply.tool_calls, list | None)
        and all(isinstance(call, dict) for call in reply.tool_calls or [])
        and isinstance(reply.finish_reason, str | None)
        and isinstance(reply.prompt_tokens, int | None)
        and all(isinstance(token, str) and math.isfinite(value) for token, value in reply.alternatives or ())
    )


@given(DOCUMENTS)
def test_wire_any_document_is_a_reply_or_a_bad_reply(document: Any) -> None:
    with contextlib.suppress(BadReply):
        assert well_formed(read_reply(orjson.dumps(document)))


@given(st.lists(DOCUMENTS, max_size=4))
def test_wire_any_stream_is_a_reply_or_a_bad_reply(documents: list[Any]) -> None:
    reader = StreamReader()
    with contextlib.suppress(BadReply):
        for document in documents:
            reader.feed(b"data: " + orjson.dumps(document))
        reader.feed(b"data: [DONE]")
        assert well_formed(reader.reply())


@given(st.binary(max_size=200))
def test_wire_any_bytes_are_a_bad_reply_with_a_short_message(raw: bytes) -> None:
    with contextlib.suppress(BadReply):
        read_reply(raw)
    assert 0 < len(quote_start(raw)) <= 300
    assert quote_start(raw).isprintable()
    assert len(error_message(raw)) <= 300


@given(st.text(), st.sampled_from([None, ("a", "b")]))
def test_wire_any_text_is_asked_as_it_is(text: str, stop: tuple[str, ...] | None) -> None:
    request = encode(Prompt(messages=[{"role": "user", "content": text}], stop=stop or ()), Generation(5))
    for stream in (False, True):
        body = orjson.loads(request.body(b'"m"', stream))
        assert body["messages"] == [{"role": "user", "content": text}]
        assert body.get("stop") == (list(stop) if stop else None)
        assert body.get("stream", False) is stream


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a\ud800b", "a\ufffdb"),
        (["\ud83d\ude00"], ["😀"]),
        ({"\udfff": 2**64}, {"\ufffd": str(2**64)}),
        (-(2**63) - 1, str(-(2**63) - 1)),
    ],
)
def test_wire_json_cannot_carry_is_replaced(value: Any, written: Any) -> None:
    assert orjson.loads(dumps(value)) == written


def test_wire_is_nested_too_deep_ends_in_an_ellipsis() -> None:
    value: Any = "bottom"
    for _ in range(5000):
        value = [value]
    assert "…".encode() in dumps(value)


def test_wire_integer_of_too_many_digits_is_written_in_hexadecimal() -> None:
    assert orjson.loads(dumps(1 << 20_000)).startswith("0x1000")


def test_wire_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, "stray", {"type": "text", "text": "b"}]
    assert read_reply(orjson.dumps({"choices": [{"message": {"content": parts}}]})).text == "ab"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"error": {"message": "m"}}, "m"),
        ({"error": "plain"}, "plain"),
        ({"detail": "fastapi"}, "fastapi"),
        ({"message": "vllm"}, "vllm"),
        ({"object": "error"}, '{"object":"error"}'),
        ({"message": "two\n lines, \x1b[31mred\x07"}, "two lines, \ufffd[31mred\ufffd"),
    ],
)
def test_wire_servers_words_are_found_in_every_usual_form(document: Any, words: str) -> None:
    assert error_message(orjson.dumps(document)) == words


def test_wire_tools_are_part_of_what_is_asked() -> None:
    prompt = Prompt(messages=[{"role": "user", "content": "x"}], tools=[{"type": "function"}])
    request = encode(prompt, Generation(5))
    body = orjson.loads(request.body(b'"m"', stream=True))
    assert body["tools"] == [{"type": "function"}]
    assert orjson.loads(request.payload)["tools"] == [{"type": "function"}]
    assert request.tools_json == b'[{"type":"function"}]'
    without = encode(Prompt(messages=[{"role": "user", "content": "x"}]), Generation(5))
    assert "tools" not in orjson.loads(without.body(b'"m"', stream=False))


# ---------------------------------------------------------------- log-probabilities

CHAT_FORM = {
    "content": [
        {
            "token": " B",
            "logprob": -0.5,
            "top_logprobs": [
                {"token": " A", "logprob": -1.5},
                {"token": " B", "logprob": -0.5, "bytes": [32, 66]},
            ],
        },
        {"token": ".", "logprob": -0.1, "top_logprobs": [{"token": ".", "logprob": -0.1}]},
    ]
}
COMPLETIONS_FORM = {
    "tokens": [" B", "."],
    "token_logprobs": [-0.5, -0.1],
    "top_logprobs": [{" A": -1.5, " B": -0.5}, {".": -0.1}],
}


def alternatives(logprobs: Any) -> Any:
    choice = {"message": {"content": "x"}, "text": "x", "logprobs": logprobs}
    return read_reply(orjson.dumps({"choices": [choice]})).alternatives


@pytest.mark.parametrize("form", [CHAT_FORM, COMPLETIONS_FORM])
def test_wire_first_tokens_alternatives_are_read_in_both_forms(form: Any) -> None:
    assert alternatives(form) == ((" B", -0.5), (" A", -1.5))


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        [],
        "yes",
        {"content": []},
        {"content": None},
        {"content": [{"token": "B", "logprob": -0.5, "top_logprobs": []}]},
        {"content": [{"token": "B", "logprob": -0.5}]},
        {"content": [{"top_logprobs": [{"token": 3, "logprob": -1}, {"token": "A", "logprob": "x"}]}]},
        {"tokens": ["B"], "token_logprobs": [-0.5], "top_logprobs": None},
        {"tokens": [], "token_logprobs": [], "top_logprobs": []},
        {"top_logprobs": [None]},
    ],
)
def test_wire_reply_without_alternatives_has_none(logprobs: Any) -> None:
    assert alternatives(logprobs) is None


def test_wire_sampled_token_outside_the_shown_ones_is_one_of_them() -> None:
    form = {"content": [{"token": " C", "logprob": -6.0, "top_logprobs": [{"token": " A", "logprob": -0.1}]}]}
    assert alternatives(form) == ((" A", -0.1), (" C", -6.0))


def test_wire_numbers_that_are_not_json_are_left_out() -> None:
    raw = (
        b'{"choices":[{"message":{"content":"x"},"logprobs":{"content":[{"token":"A","logprob":-Infinity,'
        b'"top_logprobs":[{"token":"A","logprob":-Infinity},{"token":"B","logprob":NaN},{"token":"C","logprob":-1}]}]}}]}'
    )
    assert read_reply(raw).alternatives == (("C", -1.0),)


def test_wire_stream_keeps_the_first_tokens_alternatives() -> None:
    reader = StreamReader()
    forms: list[Any] = [None, {"content": []}, CHAT_FORM, {"content": [CHAT_FORM["content"][1]]}]
    for logprobs in forms:
        reader.feed(
            b"data: " + orjson.dumps({"choices": [{"delta": {"content": "x"}, "logprobs": logprobs}]})
        )
    reader.feed(b"data: [DONE]")
    assert reader.reply().alternatives == ((" B", -0.5), (" A", -1.5))


def test_wire_each_api_asks_for_log_probabilities_in_its_own_words() -> None:
    generation = Generation(1, top_logprobs=20)
    chat = encode(Prompt(messages=[{"role": "user", "content": "x"}]), generation)
    completions = encode(Prompt(text="x"), generation)
    for request, asked in ((chat, {"logprobs": True, "top_logprobs": 20}), (completions, {"logprobs": 20})):
        body = orjson.loads(request.body(b'"m"', stream=False))
        assert {name: value for name, value in body.items() if "logprobs" in name} == asked
        assert request.logprobs
    plain = encode(Prompt(text="x"), Generation(1))
    assert b"logprobs" not in plain.payload
    assert not plain.logprobs


def test_wire_begun_turn_is_to_be_gone_on_with() -> None:
    begun = Prompt(messages=[{"role": "assistant", "content": "Answer:"}], continues=True)
    body = orjson.loads(encode(begun, Generation(1)).body(b'"m"', stream=False))
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert b"continue" not in encode(Prompt(messages=begun.messages), Generation(1)).payload
