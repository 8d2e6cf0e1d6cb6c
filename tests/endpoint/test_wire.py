"""Bytes in both directions: nothing a server sends, and nothing a user asks, breaks the reader."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.endpoint.wire import (
    BadReply,
    Generation,
    StreamReader,
    dumps,
    encode,
    error_words,
    quoted,
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
    )


@given(DOCUMENTS)
def test_any_document_is_a_reply_or_a_bad_reply(document: Any) -> None:
    with contextlib.suppress(BadReply):
        assert well_formed(read_reply(orjson.dumps(document)))


@given(st.lists(DOCUMENTS, max_size=4))
def test_any_stream_is_a_reply_or_a_bad_reply(documents: list[Any]) -> None:
    reader = StreamReader()
    with contextlib.suppress(BadReply):
        for document in documents:
            reader.feed(b"data: " + orjson.dumps(document))
        reader.feed(b"data: [DONE]")
        assert well_formed(reader.reply())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bad_reply_with_a_short_message(raw: bytes) -> None:
    with contextlib.suppress(BadReply):
        read_reply(raw)
    assert 0 < len(quoted(raw)) <= 300
    assert len(error_words(raw)) <= 300


@given(st.text(), st.sampled_from([None, ("a", "b")]))
def test_any_text_is_asked_as_it_is(text: str, stop: tuple[str, ...] | None) -> None:
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
def test_what_json_cannot_carry_is_replaced(value: Any, written: Any) -> None:
    assert orjson.loads(dumps(value)) == written


def test_what_is_nested_too_deep_ends_in_an_ellipsis() -> None:
    value: Any = "bottom"
    for _ in range(5000):
        value = [value]
    assert "…".encode() in dumps(value)


def test_an_integer_of_too_many_digits_is_written_in_hexadecimal() -> None:
    assert orjson.loads(dumps(1 << 20_000)).startswith("0x1000")


def test_text_parts_are_joined() -> None:
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
    ],
)
def test_the_servers_words_are_found_in_every_usual_form(document: Any, words: str) -> None:
    assert error_words(orjson.dumps(document)) == words


def test_tools_are_part_of_what_is_asked():
    prompt = Prompt(messages=[{"role": "user", "content": "x"}], tools=[{"type": "function"}])
    request = encode(prompt, Generation(5))
    body = orjson.loads(request.body(b'"m"', stream=True))
    assert body["tools"] == [{"type": "function"}]
    assert orjson.loads(request.asked)["tools"] == [{"type": "function"}]
    assert request.tools_json == b'[{"type":"function"}]'
    without = encode(Prompt(messages=[{"role": "user", "content": "x"}]), Generation(5))
    assert "tools" not in orjson.loads(without.body(b'"m"', stream=False))
