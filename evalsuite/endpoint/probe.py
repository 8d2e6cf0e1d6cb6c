"""Finds out, before any data is sent, whether an endpoint serves the model and how it must be asked.

    /models                 does the server list the model? what tells its checkpoint from another?
    one token               does it answer a request of the kind the run will send?
    max_completion_tokens   does it only accept the newer name of the token limit?
    temperature             does it (a judge) refuse to be given one?

The result is one `EndpointCapabilities`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from evalsuite._util.http.transport import TransportError
from evalsuite.endpoint.answer import RequestFailure
from evalsuite.endpoint.capabilities import EndpointCapabilities
from evalsuite.endpoint.client import OK, Endpoint
from evalsuite.endpoint.wire import Request, TokenLimit, quote_start
from evalsuite.errors import EndpointError, ServerError

CONTROL_TIMEOUT_SECONDS = 30.0
MAX_LISTED_MODELS = 20
MODEL_IDENTITY_FIELDS = ("root", "parent", "meta")
"""vLLM and SGLang name the folder or hub id they loaded and an adapter's base; llama.cpp sizes and shapes. `created` is
left out: with some servers it is the time of the request."""
LLAMACPP = "llamacpp"
"""The `owned_by` of llama.cpp's server."""
NEW_TOKEN_LIMIT: TokenLimit = "max_completion_tokens"  # noqa: S105 (a field name)
TEMPERATURE = "temperature"
HTTP_TOO_MANY_REQUESTS = 429
PROBE_ADVICE = (
    "If it names an option, take that out or give it another value (many reasoning models want --temperature 1); "
    "a base model wants --completions."
)


async def list_models(endpoint: Endpoint) -> dict[str, Mapping[str, Any]] | None:
    """The entries of `/models` by name; None if the server has no such list.

    Raises `ServerError` if it cannot be reached, `EndpointError` for a wrong key or if it is no OpenAI endpoint.
    """
    prefix, url = endpoint.option_prefix, endpoint.base_url
    try:
        response = await endpoint.get("/models", CONTROL_TIMEOUT_SECONDS)
    except (TransportError, asyncio.TimeoutError) as error:
        why = endpoint.redactor.text(str(error)) or f"no answer within {CONTROL_TIMEOUT_SECONDS:g} s"
        raise ServerError(
            f"cannot reach {url}: {why}. Is the server running, and is {prefix}base-url right?"
        ) from error
    raw, status = endpoint.redactor.raw(response.body), response.status
    if status in (401, 403) or 300 <= status < 400:
        raise EndpointError(endpoint.explain_refusal(response))
    if "html" in response.content_type or raw.lstrip()[:1] == b"<":
        raise EndpointError(
            f"{url} answers HTML (HTTP {status}: {quote_start(raw)[:80]}), so it is not an OpenAI endpoint. {prefix}base-url usually ends in /v1."
        )
    return _read_models(raw) if status == OK else None


async def find_model(endpoint: Endpoint, found: EndpointCapabilities | None = None) -> EndpointCapabilities:
    """Add what `/models` says of the model. Raises `EndpointError` if the server lists other models only."""
    found = found or EndpointCapabilities()
    models = await list_models(endpoint)
    if not models:
        return found
    if endpoint.model not in models:
        names = list(models)
        listed = ", ".join(names[:MAX_LISTED_MODELS]) + (", …" if len(names) > MAX_LISTED_MODELS else "")
        raise EndpointError(
            f"{endpoint.base_url} does not serve the model '{endpoint.model}'. It serves: {listed}. "
            f"Give one of them with {endpoint.option_prefix}model."
        )
    entry = models[endpoint.model]
    details = {name: entry[name] for name in MODEL_IDENTITY_FIELDS if entry.get(name)}
    return replace(found, model_details=details, cache_per_slot=entry.get("owned_by") == LLAMACPP)


async def probe_request(
    endpoint: Endpoint,
    request: Request,
    found: EndpointCapabilities | None = None,
    advice: str = PROBE_ADVICE,
) -> EndpointCapabilities:
    """Send one request that must succeed. Raises `EndpointError` or `ServerError`.

    `advice` is for a server that read the request and refused it.
    """
    found = found or EndpointCapabilities()
    try:
        found = await _try_either_limit_field(endpoint, request, found)
    except RequestFailure as failure:
        message = f"{endpoint.base_url} lists '{endpoint.model}' but a one-token request failed: {failure.message.rstrip('.')}."
        if failure.permanent:
            raise EndpointError(f"{message} {advice}") from failure
        busy = failure.status == HTTP_TOO_MANY_REQUESTS
        waiting = "Wait a little and run it again." if busy else "See the server's log."
        raise ServerError(f"{message} {waiting}") from failure
    return replace(found, verified=True)


async def probe_without_temperature(
    endpoint: Endpoint, request: Request, found: EndpointCapabilities, advice: str
) -> EndpointCapabilities:
    """As `probe_request`; a server that refuses the temperature is asked again without one."""
    try:
        return await probe_request(endpoint, request, found, advice)
    except EndpointError as error:
        if TEMPERATURE not in str(error):
            raise
        return await probe_request(endpoint, request, replace(found, accepts_temperature=False), advice)


async def _try_either_limit_field(
    endpoint: Endpoint, request: Request, found: EndpointCapabilities
) -> EndpointCapabilities:
    try:
        await endpoint.ask(request, found)
    except RequestFailure as failure:
        if not (failure.permanent and NEW_TOKEN_LIMIT in failure.message and request.api == "chat"):
            raise
        found = replace(found, token_limit_field=NEW_TOKEN_LIMIT)
        await endpoint.ask(request, found)
    return found


def _read_models(raw: bytes) -> dict[str, Mapping[str, Any]] | None:
    try:
        listed = orjson.loads(raw)["data"]
        return {str(model["id"]): model for model in listed}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
