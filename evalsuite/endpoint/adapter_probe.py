"""Is the adapter really active? The same prompts, asked with it and without it, must be answered differently.

If the server gives log-probabilities, those of the first token are compared: they differ as soon as any weight does. The
base is asked twice to measure what differs by rounding alone. Otherwise the greedy texts are compared, which may be equal
although the adapter is active.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from evalsuite._util.http.calls import read_json, send_json
from evalsuite._util.http.transport import TransportError
from evalsuite.endpoint.wire import Generation, dumps, encode
from evalsuite.errors import ServerError
from evalsuite.types import Prompt

PROBE_TOKENS = 8
TOP_LOGPROBS = 5
TIMEOUT_SECONDS = 300.0
LEAST_DIFFERENCE = 1e-5
"""A smaller difference of log-probabilities is float32 rounding."""
NOISE_FACTOR = 4.0
HTTP_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class Liveness:
    """How base and adapter compare on the prompts. `difference`: the largest one of a first token's log-probabilities."""

    identical: bool
    by: Literal["log-probabilities", "greedy text"]
    prompts: int
    difference: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The entry of run.json."""
        rounded = None if self.difference is None else round(self.difference, 4)
        return {"identical": self.identical, "by": self.by, "prompts": self.prompts, "difference": rounded}


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """One model on a server: its name, and the extra fields each request carries."""

    base_url: str
    model: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _ProbeReply:
    text: str
    first: Mapping[str, float]
    """The first token's most probable candidates with their log-probabilities; empty if the server gives none."""


async def compare(adapter: RequestTarget, base: RequestTarget, prompts: Sequence[Prompt]) -> Liveness:
    """Ask with and without the adapter. Raises `ServerError` if the server does not answer."""
    without = [await _ask(base, prompt) for prompt in prompts]
    again = await _ask(base, prompts[0])
    with_it = [await _ask(adapter, prompt) for prompt in prompts]
    if all(reply.first for reply in (*without, *with_it)):
        noise = _difference(without[0], again)
        largest = max(_difference(*pair) for pair in zip(without, with_it, strict=True))
        floor = max(LEAST_DIFFERENCE, NOISE_FACTOR * noise)
        return Liveness(largest <= floor, "log-probabilities", len(prompts), largest)
    same = all(one.text == other.text for one, other in zip(without, with_it, strict=True))
    return Liveness(same, "greedy text", len(prompts))


async def _ask(target: RequestTarget, prompt: Prompt) -> _ProbeReply:
    request = encode(prompt, Generation(PROBE_TOKENS))
    body = orjson.loads(request.body(dumps(target.model), stream=False)) | dict(target.fields)
    chat = request.api == "chat"
    logprobs = {"logprobs": True, "top_logprobs": TOP_LOGPROBS} if chat else {"logprobs": TOP_LOGPROBS}
    url = target.base_url + ("/chat/completions" if chat else "/completions")
    try:
        response = await send_json("POST", url, TIMEOUT_SECONDS, body | logprobs)
        if response.status == HTTP_BAD_REQUEST:
            response = await send_json("POST", url, TIMEOUT_SECONDS, body)
        choice = read_json(response)["choices"][0]
        text = choice["message"].get("content") if chat else choice["text"]
    except (TransportError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ServerError(
            f"{target.base_url}: '{target.model}' did not answer when base and adapter were compared ({error}). See the server's log."
        ) from error
    return _ProbeReply(str(text or ""), _first_token(choice.get("logprobs"), chat=chat))


def _first_token(logprobs: Any, *, chat: bool) -> dict[str, float]:
    try:
        if chat:
            first = logprobs["content"][0]
            return {str(one["token"]): float(one["logprob"]) for one in (first, *first["top_logprobs"])}
        listed = {logprobs["tokens"][0]: logprobs["token_logprobs"][0], **(logprobs["top_logprobs"][0] or {})}
        return {str(token): float(value) for token, value in listed.items()}
    except (LookupError, TypeError, ValueError):
        return {}


def _difference(one: _ProbeReply, other: _ProbeReply) -> float:
    """The largest difference of the candidates that both replies list; infinite if they share none."""
    shared = one.first.keys() & other.first.keys()
    if not shared:
        return float("inf")
    return max(abs(one.first[token] - other.first[token]) for token in shared)
