"""What the transformers server asks for, and how tokens become text: without a model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.backends.transformers_server.replies import read_tool_calls
from evalsuite.backends.transformers_server.request_parser import (
    InvalidRequest,
    read_messages,
    read_prompt,
    read_settings,
)
from evalsuite.backends.transformers_server.rows import Detokenizer, StopStringFilter


class Bytes:
    """A tokenizer whose tokens are the bytes of UTF-8."""

    def decode(self, ids: Any, **_: Any) -> Any:
        return bytes(ids).decode("utf-8", "replace")


texts = st.text(alphabet=st.sampled_from("ab \n中🙂é"), max_size=30)


@given(texts, texts)
def test_transformers_row_pieces_add_up_to_the_text_and_no_character_is_torn(prompt: str, reply: str) -> None:
    detokenizer = Detokenizer(Bytes(), list(prompt.encode()), skip_special_tokens=True)
    pieces = [detokenizer.push(token) for token in reply.encode()]
    assert "".join(pieces) + detokenizer.rest() == reply
    assert not any("\ufffd" in piece for piece in pieces)


@given(
    texts.filter(lambda text: text.isascii()),
    st.lists(st.sampled_from(["a", "ab", "ba b", "\n\n"]), min_size=1),
    st.booleans(),
)
def test_transformers_row_stop_string_cuts_wherever_the_pieces_end(
    text: str, stops: list[Any], include: bool
) -> None:
    watch = StopStringFilter(stops, include=include)
    shown = ""
    for letter in text:
        shown += watch.push(letter)
        if watch.stopped_by is not None:
            break
    else:
        shown += watch.push("", final=True)
    places = [(place + len(stop), place, stop) for stop in stops if (place := text.find(stop)) >= 0]
    if not places:
        assert (shown, watch.stopped_by) == (text, None)
        return
    first_end = min(end for end, _, _ in places)
    ending = [(place, stop) for end, place, stop in places if end == first_end]
    place, stop = min(ending)
    assert (shown, watch.stopped_by) == (text[: place + (len(stop) if include else 0)], stop)


def settings(chat: Any = True, defaults: Any = None, **body: Any) -> Any:
    return read_settings(body, defaults or {}, chat=chat)


class TestSettings:
    def test_what_a_request_does_not_say_is_the_models_own_default(self) -> None:
        found = settings(defaults={"temperature": 0.6, "top_p": 0.8, "repetition_penalty": 1.05})
        assert (found.temperature, found.top_p, found.repetition_penalty) == (0.6, 0.8, 1.05)
        assert settings(temperature=0, defaults={"temperature": 0.6}).temperature == 0
        assert settings().temperature == 1.0

    def test_lengths(self) -> None:
        assert settings().max_tokens is None
        assert settings(chat=False).max_tokens == 16
        assert settings(max_tokens=3, max_completion_tokens=4).max_tokens == 4
        assert settings(chat=False, max_tokens=0, echo=True).max_tokens == 0

    def test_log_probabilities(self) -> None:
        assert settings(logprobs=True).logprobs == 0
        assert settings(logprobs=True, top_logprobs=3).logprobs == 3
        assert settings(chat=False, logprobs=2).logprobs == 2
        assert settings(chat=False).logprobs is None

    @pytest.mark.parametrize(
        "body",
        [
            {"n": 2},
            {"logit_bias": {"1": 5}},
            {"presence_penalty": 0.5},
            {"response_format": {"type": "json_object"}},
            {"tool_choice": "required"},
            {"guided_regex": "a+"},
            {"lora": [{"id": 0, "scale": 1}]},
            {"temperature": -1},
            {"temperature": "hot"},
            {"top_p": 2},
            {"max_tokens": 0},
            {"max_tokens": 2.5},
            {"max_tokens": True},
            {"stop": [""]},
            {"stop": 3},
            {"top_logprobs": 3},
            {"stream": "yes"},
            {"echo": True},
            {"stream": True, "prompt_logprobs": 1},
            {"seed": "x"},
            {"stop_token_ids": [-1]},
        ],
    )
    def test_what_cannot_be_honoured_is_refused(self, body: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequest):
            settings(**body)

    def test_neutral_values_are_no_reason_to_refuse(self) -> None:
        settings(
            n=1,
            presence_penalty=0.0,
            logit_bias=None,
            response_format={"type": "text"},
            user="me",
            store=False,
        )


class TestPrompts:
    def test_parts_of_a_message_are_joined(self) -> None:
        content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        assert read_messages({"messages": [{"role": "user", "content": content}]}) == [
            {"role": "user", "content": "ab"}
        ]

    @pytest.mark.parametrize(
        "messages",
        [None, [], "hi", [{"content": "x"}], [{"role": "user", "content": 3}], [{"role": "user", "content": [{"type": "image_url"}]}]],
    )  # fmt: skip
    def test_other_messages_are_refused(self, messages: list[Any] | str | None) -> None:
        with pytest.raises(InvalidRequest):
            read_messages({"messages": messages})

    @pytest.mark.parametrize(
        ("prompt", "read"), [("a", "a"), (["a"], "a"), ([1, 2], [1, 2]), ([[1, 2]], [1, 2])]
    )
    def test_a_prompt_is_a_text_or_tokens(self, prompt: list[Any] | str, read: list[Any] | str) -> None:
        assert read_prompt({"prompt": prompt}) == read

    @pytest.mark.parametrize("prompt", [None, [], ["a", "b"], [1.5], {"a": 1}])
    def test_other_prompts_are_refused(self, prompt: dict[str, Any] | list[Any] | None) -> None:
        with pytest.raises(InvalidRequest):
            read_prompt({"prompt": prompt})


def test_transformers_row_tool_calls_are_read_and_what_is_none_stays_text() -> None:
    text = 'Sure. <tool_call>\n{"name": "f", "arguments": {"x": {"y": 1}}}\n</tool_call><tool_call>{broken}</tool_call>'
    (call,) = read_tool_calls(text)
    assert call["function"] == {"name": "f", "arguments": '{"x": {"y": 1}}'}
    assert read_tool_calls("none") == []
