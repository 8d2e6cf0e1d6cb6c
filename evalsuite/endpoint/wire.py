"""The OpenAI protocol in bytes: request bodies serialised once, responses and event streams read into `Reply`.

Source of the forms: OpenAI's API reference for `/chat/completions` and `/completions`; `reasoning_content`
(DeepSeek, vLLM, SGLang) and `reasoning` (newer vLLM, OpenRouter) hold thinking apart from the answer;
`continue_final_message` with `add_generation_prompt` (vLLM, SGLang) has the model go on with the last message, which
llama.cpp and LMDeploy do by themselves when it is the assistant's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any, Literal, TypeAlias

import orjson

from evalsuite._util.json_values import to_valid_json
from evalsuite.types import Measure, Prompt, Reply, TokenCounts

Api: TypeAlias = Literal["chat", "completions", "classify"]
TokenLimit: TypeAlias = Literal["max_tokens", "max_completion_tokens"]
Alternatives: TypeAlias = tuple[tuple[str, float], ...]
"""Texts of tokens with their natural log-probabilities."""
Pair: TypeAlias = tuple[Any, Any]
PATHS: Mapping[Api, str] = {"chat": "/chat/completions", "completions": "/completions"}
CONTINUE_FIELDS = {"continue_final_message": True, "add_generation_prompt": False}
STREAM_FIELDS = {"stream": True, "stream_options": {"include_usage": True}}
_USAGE = (
    re.compile(rb'"prompt_tokens"\s*:\s*(\d{1,9})\b'),
    re.compile(rb'"completion_tokens"\s*:\s*(\d{1,9})\b'),
)
MAX_QUOTED_CHARACTERS = 300
"""How much of a server's own words an error quotes."""


class BadReply(Exception):
    """A response of status 200 that is not an OpenAI reply."""


@dataclass(frozen=True, slots=True)
class Generation:
    """How a reply is generated; the same for every row of a dataset."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    """How many alternatives to each token are asked for, with their log-probabilities."""

    def fields(self, prompt_stop: tuple[str, ...] = ()) -> dict[str, Any]:
        """The request's fields; what is not set is not sent."""
        stop = list(dict.fromkeys((*self.stop, *prompt_stop)))
        fields = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        optional = {
            "top_p": self.top_p,
            "seed": self.seed,
            "stop": stop or None,
            "top_logprobs": self.top_logprobs,
        }
        return fields | {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Request:
    """One request, serialised once. `asked` is the part that identifies it: prompt, tools and generation."""

    api: Api
    asked: bytes
    prompt_json: bytes
    tools_json: bytes = b""
    """Empty where the request names no tools."""
    measure: Measure | None = None
    """Set where no reply is asked for; see `endpoint.likelihood_requests`."""
    logprobs: bool = False
    """A reply without log-probabilities is of no use."""
    deterministic: bool = False
    """Whether the reply is decided by what is asked: nothing is drawn at random."""

    def body(
        self, model_json: bytes, stream: bool, limit: TokenLimit = "max_tokens", *, temperature: bool = True
    ) -> bytes:
        """The whole JSON body for a model; `limit` is what the server calls the limit of a reply's tokens.

        Without `temperature` the server's own is taken.
        """
        tail = b"," + orjson.dumps(STREAM_FIELDS)[1:] if stream else b"}"
        asked = self.asked
        if not temperature:
            before, _, after = asked.rpartition(b'"temperature":')  # never the last field
            asked = before + after.partition(b",")[2]
        if limit != "max_tokens" and self.api != "classify":
            before, _, after = asked.rpartition(b'"max_tokens":')  # generation settings come last
            asked = before + b'"' + limit.encode() + b'":' + after
        return b'{"model":' + model_json + b"," + asked[1:-1] + tail


def encode(prompt: Prompt, generation: Generation) -> Request:
    """Serialise a prompt with its generation settings."""
    chat, logprobs = prompt.messages is not None, generation.top_logprobs is not None
    deterministic = generation.temperature == 0.0
    fields = _settings(generation, prompt.stop, chat, prompt.continues)
    if prompt.messages is not None:
        content = dumps(prompt.messages)
        tools = b"" if prompt.tools is None else dumps(prompt.tools)
        named = b'"tools":' + tools + b"," if tools else b""
        asked = b'{"messages":' + content + b"," + named + fields[1:]
        return Request("chat", asked, content, tools, logprobs=logprobs, deterministic=deterministic)
    content = dumps(prompt.text)
    asked = b'{"prompt":' + content + b"," + fields[1:]
    return Request("completions", asked, content, logprobs=logprobs, deterministic=deterministic)


@lru_cache(maxsize=64)
def _settings(generation: Generation, prompt_stop: tuple[str, ...], chat: bool, continues: bool) -> bytes:
    """The fields besides the prompt as JSON: the same for every row of a dataset."""
    asked = generation.fields(prompt_stop)
    if generation.top_logprobs is not None:
        _ask_for_logprobs(asked, chat=chat)
    if continues:
        asked |= CONTINUE_FIELDS
    return dumps(asked)


def _ask_for_logprobs(fields: dict[str, Any], *, chat: bool) -> None:
    """Chat has a switch and a number, completions the number in the switch's place."""
    fields["logprobs"] = True if chat else fields.pop("top_logprobs")


def dumps(value: Any) -> bytes:
    """JSON bytes that every reader takes: what JSON or UTF-8 cannot carry is replaced.

    A lone surrogate becomes U+FFFD, an integer of more than 64 bits and what is nested too deep become text.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(to_valid_json(value), default=str)


def read_reply(raw: bytes) -> Reply:
    """The first choice of a chat or text completion. Raises `BadReply`."""
    document = loads(raw)
    choice = first_choice(document)
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {"content": choice.get("text")}
    logprobs = choice.get("logprobs")
    return _reply(
        message,
        choice.get("finish_reason"),
        document.get("usage"),
        first_token_alternatives(logprobs) if logprobs else None,
    )


def loads(raw: bytes) -> dict[str, Any]:
    """The JSON object of a response, what JSON forbids mended. Raises `BadReply`."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        document = _loads_leniently(raw, error)
    if not isinstance(document, dict):
        raise BadReply(f"the response is not a JSON object: {quote_start(raw)}")
    return document


def _loads_leniently(raw: bytes, error: orjson.JSONDecodeError) -> Any:
    """What Python servers write although JSON forbids it: half of an emoji (a lone surrogate), `NaN`."""
    import json

    try:
        return to_valid_json(json.loads(raw))
    except (ValueError, RecursionError):
        raise BadReply(f"the response is not JSON ({error}): {quote_start(raw)}") from error


def first_choice(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first of a response's choices. Raises `BadReply`."""
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise BadReply(
            f"the response has no choices: {server_message(document) or quote_start(orjson.dumps(document))}"
        )
    choice: Mapping[str, Any] = choices[0]
    return choice


def first_token_alternatives(logprobs: Any) -> Alternatives | None:
    """What the first token could have been, most probable first; None where the server names no alternatives.

    Reads a choice's `logprobs` of chat, `{"content": [{"token", "logprob", "top_logprobs": […]}, …]}`, which llama.cpp
    writes for completions too, and of completions, `{"tokens": […], "token_logprobs": […], "top_logprobs": [{…}, …]}`.
    What is no pair of a text and a finite number is left out. The token itself is among its alternatives.
    """
    if not isinstance(logprobs, dict):
        return None
    content = _objects(logprobs.get("content"))
    own, pairs = _chat_alternatives(content[0]) if content else _completion_alternatives(logprobs)
    found = [(token, float(value)) for token, value in pairs if _is_logprob(token, value)]
    if not found:
        return None
    if _is_logprob(*own) and own[0] not in [token for token, _ in found]:
        found.append((own[0], float(own[1])))
    return tuple(sorted(found, key=lambda pair: -pair[1]))


def _chat_alternatives(first: Mapping[str, Any]) -> tuple[Pair, list[Pair]]:
    pairs = [(one.get("token"), one.get("logprob")) for one in _objects(first.get("top_logprobs"))]
    return (first.get("token"), first.get("logprob")), pairs


def _completion_alternatives(logprobs: Mapping[str, Any]) -> tuple[Pair, list[Pair]]:
    token, value, top = (_first(logprobs.get(name)) for name in ("tokens", "token_logprobs", "top_logprobs"))
    return (token, value), list(top.items()) if isinstance(top, dict) else []


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _is_logprob(token: Any, value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(token, str) and number


def _reply(
    message: Mapping[str, Any], finish_reason: Any, usage: Any, alternatives: Alternatives | None
) -> Reply:
    usage = usage if isinstance(usage, dict) else {}
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in _objects(content))
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return Reply(
        text=content if isinstance(content, str) else "",
        reasoning=reasoning if isinstance(reasoning, str) and reasoning else None,
        tool_calls=_objects(message.get("tool_calls")) or None,
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        prompt_tokens=count_or_none(usage.get("prompt_tokens")),
        completion_tokens=count_or_none(usage.get("completion_tokens")),
        alternatives=alternatives,
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; empty for what is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def find_token_counts(raw: bytes) -> TokenCounts:
    """What `usage` says in a response of no use, wherever it stands and whatever is broken around it; else nothing."""
    prompt, completion = (pattern.search(raw) for pattern in _USAGE)
    return (int(prompt[1]) if prompt else 0, int(completion[1]) if completion else 0)


def count_or_none(value: Any) -> int | None:
    """A number of tokens as `usage` gives it; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


class StreamReader:
    """Assembles a reply from the `data:` events of a stream. `finished` is set by the closing `[DONE]`.

    `ttft_s` is the time from `start` (of `perf_counter`) to the first piece of the reply, in seconds.
    """

    def __init__(self, start: float = 0.0) -> None:
        self.finished = False
        self.ttft_s: float | None = None
        self._start = start
        self._torn = b""
        self._pieces = 0
        self._parts: dict[str, list[str]] = {"content": [], "reasoning_content": []}
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish_reason: str | None = None
        self._usage: Any = None
        self._alternatives: Alternatives | None = None

    def take(self, piece: bytes) -> None:
        """Take the next bytes of the response, cut anywhere. Raises `BadReply`."""
        *lines, self._torn = (self._torn + piece).split(b"\n")
        for line in lines:
            if self.feed(line):
                self._pieces += 1
                if self.ttft_s is None:
                    self.ttft_s = perf_counter() - self._start

    @property
    def spent(self) -> TokenCounts:
        """The tokens so far: what the server told, else one for each piece, which is what servers send."""
        usage = self._usage if isinstance(self._usage, dict) else {}
        told = count_or_none(usage.get("prompt_tokens")), count_or_none(usage.get("completion_tokens"))
        return (told[0] or 0, self._pieces if told[1] is None else told[1])

    def feed(self, line: bytes) -> bool:
        """Take one line; True when it carried a piece of the reply. Raises `BadReply`."""
        if not line.startswith(b"data:"):
            return False
        data = line[5:].strip()
        if data == b"[DONE]":
            self.finished = True
            return False
        event = loads(data)
        if event.get("error"):
            raise BadReply(f"the server broke off the stream: {server_message(event)}")
        self._usage = event.get("usage") or self._usage
        if not event.get("choices"):
            return False
        choice = first_choice(event)
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        if self._alternatives is None and (logprobs := choice.get("logprobs")):
            self._alternatives = first_token_alternatives(logprobs)
        delta = choice.get("delta")
        return self._take(delta if isinstance(delta, dict) else {"content": choice.get("text")})

    def reply(self) -> Reply:
        """What has arrived. Raises `BadReply` when the stream ended without its closing event."""
        self.feed(self._torn)
        if not self.finished and self._finish_reason is None:
            raise BadReply("the stream ended before the reply did")
        message: dict[str, Any] = {name: "".join(parts) for name, parts in self._parts.items()}
        message["tool_calls"] = [self._calls[index] for index in sorted(self._calls)]
        return _reply(message, self._finish_reason, self._usage, self._alternatives)

    def _take(self, delta: Mapping[str, Any]) -> bool:
        pieces = {
            "content": delta.get("content"),
            "reasoning_content": delta.get("reasoning_content") or delta.get("reasoning"),
        }
        calls = _objects(delta.get("tool_calls"))
        for name, piece in pieces.items():
            if isinstance(piece, str):
                self._parts[name].append(piece)
        for call in calls:
            self._take_call(call)
        return any(pieces.values()) or bool(calls)

    def _take_call(self, call: Mapping[str, Any]) -> None:
        index, function = call.get("index"), call.get("function")
        known = self._calls.setdefault(
            index if isinstance(index, int) else 0,
            {"type": "function", "function": {"name": "", "arguments": ""}},
        )
        if call.get("id"):
            known["id"] = call["id"]
        for name in ("name", "arguments"):
            piece = function.get(name) if isinstance(function, dict) else None
            known["function"][name] += piece if isinstance(piece, str) else ""


def server_message(document: Any) -> str:
    """The message inside an error response, in any of the usual forms."""
    if not isinstance(document, dict):
        return ""
    error = document.get("error", document)
    if isinstance(error, str):
        return _shown(error)
    if isinstance(error, dict):
        words = error.get("message") or error.get("detail") or error.get("error")
        return _shown(str(words)) if words else ""
    return ""


def error_message(raw: bytes) -> str:
    """What a server said in an error response, whatever its form."""
    try:
        return server_message(orjson.loads(raw)) or quote_start(raw)
    except orjson.JSONDecodeError:
        return quote_start(raw)


def quote_start(raw: bytes) -> str:
    """The beginning of a response as one line."""
    return _shown(raw[: 4 * MAX_QUOTED_CHARACTERS].decode("utf-8", "replace")) or "(an empty response)"


def _shown(text: str) -> str:
    """The beginning of what a server said as one line, without what a terminal would obey."""
    line = " ".join(text.split())[:MAX_QUOTED_CHARACTERS]
    return "".join(character if character.isprintable() else "\ufffd" for character in line)
