"""Requests for the log-probabilities or the reward of a given text, and how their responses are read.

    text, log-probabilities       POST /completions        echo, logprobs: 1, max_tokens: 1
    messages, log-probabilities   POST /chat/completions   prompt_logprobs: 0, add_generation_prompt, max_tokens: 1
    messages, reward              POST /classify           use_activation: false; beside /v1, not below it

`echo` with `logprobs` is OpenAI's older protocol: the prompt's tokens come back before the generated one, which is
dropped. `prompt_logprobs` and `/classify` are vLLM's; its chat template renders the messages. An assistant message at the
end is part of the text; without one, the text ends where the answer would begin. A reward model is a classifier with one
class and no activation, so its logit is the reward.

Many servers accept these fields and ignore them (llama.cpp, `transformers serve`). A response without a value for every
token is refused (`MissingMeasurement`), never completed by guessing.

Sources: OpenAI's reference of `/completions`; vLLM 0.32 (`entrypoints/openai`, `entrypoints/pooling/classify`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from evalsuite.endpoint.wire import (
    BadReply,
    Generation,
    Request,
    count_or_none,
    dumps,
    encode,
    first_choice,
    loads,
)
from evalsuite.types import Measurement, Prompt, Reply

CLASSIFY_PATH = "/classify"
ONE_TOKEN = Generation(max_tokens=1)
"""Servers refuse to generate no token at all; this one is dropped."""
ECHO = {"echo": True, "logprobs": 1}
LEAST_LOGPROB = -9999.0
"""vLLM's value for a probability of 0, whose logarithm JSON cannot hold."""
ROUNDING = 1e-3
"""Rounding may lift a log-probability this far above 0."""
UNDECODABLE = "\ufffd"


class MissingMeasurement(BadReply):
    """A response without the values that were requested; asking again would not help."""


def build_request(prompt: Prompt, generation: Generation) -> Request:
    """Serialise a prompt that is to be answered or measured."""
    if prompt.measure is None:
        return encode(prompt, generation)
    if prompt.messages is None:
        content = dumps(prompt.text)
        fields = dumps({**ONE_TOKEN.fields(), **ECHO})
        payload = b'{"prompt":' + content + b"," + fields[1:]
        return Request("completions", payload, content, measure="logprobs", deterministic=True)
    content = dumps(prompt.messages)
    if prompt.measure == "reward":
        payload = b'{"messages":' + content + b',"use_activation":false}'
        return Request("classify", payload, content, measure="reward", deterministic=True)
    to_answer = prompt.messages[-1].get("role") != "assistant"
    fields = dumps({**ONE_TOKEN.fields(), "prompt_logprobs": 0, "add_generation_prompt": to_answer})
    payload = b'{"messages":' + content + b"," + fields[1:]
    return Request("chat", payload, content, measure="logprobs", deterministic=True)


def read_measurement(raw: bytes, request: Request) -> Reply:
    """Read the server's values for the text. Raises `BadReply`; `MissingMeasurement` if asking again would not help."""
    document = loads(raw)
    usage = document.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    prompt_tokens = count_or_none(usage.get("prompt_tokens"))
    if request.measure == "reward":
        measured = Measurement(reward=_reward(document))
    elif request.api == "chat":
        measured = _read_chat(document)
    else:
        measured = _read_echo(first_choice(document), prompt_tokens)
    return Reply("", prompt_tokens=prompt_tokens, measured=measured)


def _read_echo(choice: Mapping[str, Any], prompt_tokens: int | None) -> Measurement:
    """Read the prompt's part of an echoed completion: all tokens but the last if the server does not count them."""
    held = choice.get("logprobs")
    held = held if isinstance(held, Mapping) else {}
    tokens, logprobs = held.get("tokens"), held.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(logprobs, list) or len(tokens) != len(logprobs):
        raise MissingMeasurement(
            "it ignores 'echo' with 'logprobs': no log-probabilities of the prompt came back"
        )
    count = len(tokens) - 1 if prompt_tokens is None else prompt_tokens
    if not 0 < count <= len(tokens):
        raise MissingMeasurement(
            f"it gives {len(tokens)} log-probabilities for a prompt of {count} tokens and the one after it"
        )
    return _build_measurement(list(map(str, tokens[:count])), logprobs[:count])


def _read_chat(document: Mapping[str, Any]) -> Measurement:
    """Read `prompt_logprobs`: an object by token id for each token, null for the first."""
    listed = document.get("prompt_logprobs")
    if not isinstance(listed, list) or not listed:
        raise MissingMeasurement(
            "it ignores 'prompt_logprobs': no log-probabilities of the messages came back"
        )
    tokens: list[str] = []
    logprobs: list[Any] = []
    for entry in listed:
        token, logprob = _chat_token(entry)
        tokens.append(token)
        logprobs.append(logprob)
    return _build_measurement(tokens, logprobs)


def _chat_token(entry: Any) -> tuple[str, Any]:
    """A token's text (its id if it cannot be decoded by itself) and its log-probability."""
    if not isinstance(entry, Mapping) or not entry:
        return "", None
    token_id, details = next(iter(entry.items()))
    details = details if isinstance(details, Mapping) else {}
    decoded = details.get("decoded_token")
    readable = isinstance(decoded, str) and UNDECODABLE not in decoded
    return str(decoded) if readable else f"<{token_id}>", details.get("logprob")


def _build_measurement(tokens: Sequence[str], logprobs: Sequence[Any]) -> Measurement:
    """Require a value for every token but the first."""
    if any(value is None for value in islice(logprobs, 1, None)):
        raise MissingMeasurement("it leaves out the log-probabilities of some of the prompt's tokens")
    return Measurement(tuple(tokens), tuple(None if value is None else _logprob(value) for value in logprobs))


def _logprob(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value > ROUNDING:
        raise MissingMeasurement(f"it gives {value!r} for a log-probability")
    return min(0.0, max(LEAST_LOGPROB, float(value)))


def _reward(document: Mapping[str, Any]) -> float:
    """The logit of the only class."""
    data = document.get("data")
    first = data[0] if isinstance(data, list) and data else None
    values = first.get("probs") if isinstance(first, Mapping) else None
    if not isinstance(values, list) or not values:
        raise MissingMeasurement("it answers /classify without 'data' and 'probs'")
    if len(values) != 1:
        raise MissingMeasurement(f"it is a classifier of {len(values)} classes; a reward model has one")
    value = values[0]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MissingMeasurement(f"it gives {value!r} for a reward")
    return float(value)
