"""The OpenAI protocol in bytes: serialises request bodies once, reads responses and event streams into `Reply`.

Sources: OpenAI's API reference for `/chat/completions` and `/completions`. `reasoning_content` (DeepSeek, vLLM, SGLang) and
`reasoning` (newer vLLM, OpenRouter) separate thinking from the answer. `continue_final_message` with
`add_generation_prompt` (vLLM, SGLang) makes the model continue the last message; llama.cpp and LMDeploy do so by themselves
if it is the assistant's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import orjson

from evalsuite._util.json_values import to_valid_json
from evalsuite.types import Measure, Prompt, Reply, TokenCounts

Api: TypeAlias = Literal["chat", "completions", "classify"]
TokenLimit: TypeAlias = Literal["max_tokens", "max_completion_tokens"]
Alternatives: TypeAlias = tuple[tuple[str, float], ...]
"""Token texts with their natural log-probabilities."""
Pair: TypeAlias = tuple[Any, Any]
PATHS: Mapping[Api, str] = {"chat": "/chat/completions", "completions": "/completions"}
CONTINUE_FIELDS = {"continue_final_message": True, "add_generation_prompt": False}
STREAM_FIELDS = {"stream": True, "stream_options": {"include_usage": True}}
_USAGE = (
    re.compile(rb'"prompt_tokens"\s*:\s*(\d{1,9})\b'),
    re.compile(rb'"completion_tokens"\s*:\s*(\d{1,9})\b'),
)
MAX_QUOTED_CHARACTERS = 300
"""How much of a server's message an error quotes."""


class BadReply(Exception):
    """A response with status 200 that is not an OpenAI reply."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Generation settings; the same for every row of a dataset."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    """Number of alternatives per token to request, with their log-probabilities; None for none."""

    def fields(self, prompt_stop: tuple[str, ...] = ()) -> dict[str, Any]:
        """The request's fields; settings that are None are not sent."""
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
    """One request, serialised once. `payload` is the part that identifies it: prompt, tools and generation settings."""

    api: Api
    payload: bytes
    prompt_json: bytes
    tools_json: bytes = b""
    """Empty if the request offers no tools."""
    measure: Measure | None = None
    """What to measure if no reply is wanted; see `endpoint.likelihood_requests`."""
    logprobs: bool = False
    """Whether the reply must have log-probabilities."""
    deterministic: bool = False
    """Whether the reply does not depend on chance: temperature 0, or a measurement."""

    def body(
        self, model_json: bytes, stream: bool, limit: TokenLimit = "max_tokens", *, temperature: bool = True
    ) -> bytes:
        """The complete JSON body for a model. `limit`: the field in which the server takes the limit of a reply's tokens.

        Without `temperature` the server uses its own.
        """
        tail = b"," + orjson.dumps(STREAM_FIELDS)[1:] if stream else b"}"
        payload = self.payload
        if not temperature:
            before, _, after = payload.rpartition(b'"temperature":')  # never the last field
            payload = before + after.partition(b",")[2]
        if limit != "max_tokens" and self.api != "classify":
            before, _, after = payload.rpartition(b'"max_tokens":')  # generation settings come last
            payload = before + b'"' + limit.encode() + b'":' + after
        return b'{"model":' + model_json + b"," + payload[1:-1] + tail


def encode(prompt: Prompt, generation: Generation) -> Request:
    """Serialise a prompt with its generation settings."""
    chat, logprobs = prompt.messages is not None, generation.top_logprobs is not None
    deterministic = generation.temperature == 0.0
    fields = _settings(generation, prompt.stop, chat, prompt.continues)
    if prompt.messages is not None:
        content = dumps(prompt.messages)
        tools = b"" if prompt.tools is None else dumps(prompt.tools)
        named = b'"tools":' + tools + b"," if tools else b""
        payload = b'{"messages":' + content + b"," + named + fields[1:]
        return Request("chat", payload, content, tools, logprobs=logprobs, deterministic=deterministic)
    content = dumps(prompt.text)
    payload = b'{"prompt":' + content + b"," + fields[1:]
    return Request("completions", payload, content, logprobs=logprobs, deterministic=deterministic)


@lru_cache(maxsize=64)
def _settings(generation: Generation, prompt_stop: tuple[str, ...], chat: bool, continues: bool) -> bytes:
    """The fields other than the prompt as JSON: the same for every row of a dataset."""
    fields = generation.fields(prompt_stop)
    if generation.top_logprobs is not None:
        _request_logprobs(fields, chat=chat)
    if continues:
        fields |= CONTINUE_FIELDS
    return dumps(fields)


def _request_logprobs(fields: dict[str, Any], *, chat: bool) -> None:
    """Chat has a switch and a number; completions have the number instead of the switch."""
    fields["logprobs"] = True if chat else fields.pop("top_logprobs")


def dumps(value: Any) -> bytes:
    """JSON bytes that every reader accepts: what JSON or UTF-8 cannot hold is replaced.

    A lone surrogate becomes U+FFFD; an integer of more than 64 bits and values nested too deeply become text.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(to_valid_json(value), default=str)


def read_reply(raw: bytes) -> Reply:
    """Read the first choice of a chat or text completion. Raises `BadReply`."""
    document = loads(raw)
    choice = first_choice(document)
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {"content": choice.get("text")}
    logprobs = choice.get("logprobs")
    return build_reply(
        message,
        choice.get("finish_reason"),
        document.get("usage"),
        first_token_alternatives(logprobs) if logprobs else None,
    )


def loads(raw: bytes) -> dict[str, Any]:
    """The JSON object of a response; common violations of JSON are repaired. Raises `BadReply`."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        document = _loads_leniently(raw, error)
    if not isinstance(document, dict):
        raise BadReply(f"the response is not a JSON object: {quote_start(raw)}")
    return document


def _loads_leniently(raw: bytes, error: orjson.JSONDecodeError) -> Any:
    """Read what Python servers write although JSON forbids it: half of an emoji (a lone surrogate), `NaN`."""
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
    """The alternatives to the first token, most probable first; None if the server lists none.

    Reads a choice's `logprobs` of chat, `{"content": [{"token", "logprob", "top_logprobs": […]}, …]}`, which llama.cpp
    writes for completions too, and of completions, `{"tokens": […], "token_logprobs": […], "top_logprobs": [{…}, …]}`.
    Entries other than a text with a finite number are skipped. The token itself is among its alternatives.
    """
    if not isinstance(logprobs, dict):
        return None
    content = list_objects(logprobs.get("content"))
    own, pairs = _chat_alternatives(content[0]) if content else _completion_alternatives(logprobs)
    found = [(token, float(value)) for token, value in pairs if _is_logprob(token, value)]
    if not found:
        return None
    if _is_logprob(*own) and own[0] not in [token for token, _ in found]:
        found.append((own[0], float(own[1])))
    return tuple(sorted(found, key=lambda pair: -pair[1]))


def _chat_alternatives(first: Mapping[str, Any]) -> tuple[Pair, list[Pair]]:
    pairs = [(one.get("token"), one.get("logprob")) for one in list_objects(first.get("top_logprobs"))]
    return (first.get("token"), first.get("logprob")), pairs


def _completion_alternatives(logprobs: Mapping[str, Any]) -> tuple[Pair, list[Pair]]:
    token, value, top = (_first(logprobs.get(name)) for name in ("tokens", "token_logprobs", "top_logprobs"))
    return (token, value), list(top.items()) if isinstance(top, dict) else []


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _is_logprob(token: Any, value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(token, str) and number


def build_reply(
    message: Mapping[str, Any], finish_reason: Any, usage: Any, alternatives: Alternatives | None
) -> Reply:
    """Build a reply from the parts of a response; values of the wrong type are dropped."""
    usage = usage if isinstance(usage, dict) else {}
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in list_objects(content))
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return Reply(
        text=content if isinstance(content, str) else "",
        reasoning=reasoning if isinstance(reasoning, str) and reasoning else None,
        tool_calls=list_objects(message.get("tool_calls")) or None,
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        prompt_tokens=count_or_none(usage.get("prompt_tokens")),
        completion_tokens=count_or_none(usage.get("completion_tokens")),
        alternatives=alternatives,
    )


def list_objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; empty for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def find_token_counts(raw: bytes) -> TokenCounts:
    """The token counts of `usage` anywhere in a broken response; zeros if there are none."""
    prompt, completion = (pattern.search(raw) for pattern in _USAGE)
    return (int(prompt[1]) if prompt else 0, int(completion[1]) if completion else 0)


def count_or_none(value: Any) -> int | None:
    """A token count from `usage`; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def server_message(document: Any) -> str:
    """The message inside an error response, in any of the usual forms."""
    if not isinstance(document, dict):
        return ""
    error = document.get("error", document)
    if isinstance(error, str):
        return _one_line(error)
    if isinstance(error, dict):
        words = error.get("message") or error.get("detail") or error.get("error")
        return _one_line(str(words)) if words else ""
    return ""


def error_message(raw: bytes) -> str:
    """The message of an error response, whatever its form."""
    try:
        return server_message(orjson.loads(raw)) or quote_start(raw)
    except orjson.JSONDecodeError:
        return quote_start(raw)


def quote_start(raw: bytes) -> str:
    """The beginning of a response as one line."""
    return _one_line(raw[: 4 * MAX_QUOTED_CHARACTERS].decode("utf-8", "replace")) or "(an empty response)"


def _one_line(text: str) -> str:
    """The beginning of a server's message as one line, without control characters."""
    line = " ".join(text.split())[:MAX_QUOTED_CHARACTERS]
    return "".join(character if character.isprintable() else "\ufffd" for character in line)
