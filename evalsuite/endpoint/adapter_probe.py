"""Is the adapter really on? The same prompts, asked with it and without it, must be answered differently.

Where the server gives log-probabilities, those of the first token are compared: they differ as soon as any weight does. The
base is asked twice, so that what differs by rounding alone is known. Elsewhere the greedy texts are compared, which may be
equal although the adapter is on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from evalsuite.endpoint.wire import Generation, dumps, encode
from evalsuite.errors import ServerError
from evalsuite.types import Prompt

if TYPE_CHECKING:
    import httpx

PROBE_TOKENS = 8
TOP_LOGPROBS = 5
TIMEOUT_SECONDS = 300.0
LEAST_DIFFERENCE = 1e-5
"""Of log-probabilities: below it is what float32 rounds."""
NOISE_FACTOR = 4.0
HTTP_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class Liveness:
    """How base and adapter compare on the prompts; `difference` is the largest of a first token's log-probabilities."""

    identical: bool
    by: Literal["log-probabilities", "greedy text"]
    prompts: int
    difference: float | None = None

    def recorded(self) -> dict[str, Any]:
        """For run.json."""
        rounded = None if self.difference is None else round(self.difference, 4)
        return {"identical": self.identical, "by": self.by, "prompts": self.prompts, "difference": rounded}


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """One way to ask a server: the name, and the fields each request carries."""

    base_url: str
    model: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _ProbeReply:
    text: str
    first: Mapping[str, float]
    """The first token's most probable candidates with their log-probabilities; empty where the server gives none."""


async def compare(adapter: RequestTarget, base: RequestTarget, prompts: Sequence[Prompt]) -> Liveness:
    """Ask both. Raises `ServerError` when the server does not answer."""
    import httpx

    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        without = [await _ask(client, base, prompt) for prompt in prompts]
        again = await _ask(client, base, prompts[0])
        with_it = [await _ask(client, adapter, prompt) for prompt in prompts]
    if all(heard.first for heard in (*without, *with_it)):
        noise = _difference(without[0], again)
        largest = max(_difference(*pair) for pair in zip(without, with_it, strict=True))
        floor = max(LEAST_DIFFERENCE, NOISE_FACTOR * noise)
        return Liveness(largest <= floor, "log-probabilities", len(prompts), largest)
    same = all(one.text == other.text for one, other in zip(without, with_it, strict=True))
    return Liveness(same, "greedy text", len(prompts))


async def _ask(client: httpx.AsyncClient, voice: RequestTarget, prompt: Prompt) -> _ProbeReply:
    import httpx

    request = encode(prompt, Generation(PROBE_TOKENS))
    body = orjson.loads(request.body(dumps(voice.model), stream=False)) | dict(voice.fields)
    chat = request.api == "chat"
    asked = {"logprobs": True, "top_logprobs": TOP_LOGPROBS} if chat else {"logprobs": TOP_LOGPROBS}
    path = "/chat/completions" if chat else "/completions"
    try:
        response = await client.post(voice.base_url + path, json=body | asked)
        if response.status_code == HTTP_BAD_REQUEST:
            response = await client.post(voice.base_url + path, json=body)
        response.raise_for_status()
        choice = response.json()["choices"][0]
        text = choice["message"].get("content") if chat else choice["text"]
    except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ServerError(
            f"{voice.base_url}: '{voice.model}' did not answer when base and adapter were compared ({error}). See the server's log."
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
    """The largest difference of candidates both have; of those only one has, at least how far they are apart is not known."""
    shared = one.first.keys() & other.first.keys()
    if not shared:
        return float("inf")
    return max(abs(one.first[token] - other.first[token]) for token in shared)
