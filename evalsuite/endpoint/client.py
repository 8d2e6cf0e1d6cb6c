"""One OpenAI-compatible server over persistent connections.

A request ends in an `Answer`, in a `RequestFailure` (this sample could not be had: data, not a crash), or in
an `EndpointError` (no request can succeed: wrong key, unknown model).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, NoReturn, TypeAlias

import orjson

from evalsuite.endpoint.concurrency import Concurrency
from evalsuite.endpoint.likelihood_requests import CLASSIFY_PATH, MissingMeasurement, read_measurement
from evalsuite.endpoint.retries import HangDetector, RetryPolicy, retry_after_seconds
from evalsuite.endpoint.transport import Address, Response, Transport, TransportError, open_transport
from evalsuite.endpoint.wire import (
    PATHS,
    Api,
    BadReply,
    Request,
    StreamReader,
    TokenLimit,
    dumps,
    error_message,
    find_token_counts,
    quote_start,
    read_reply,
)
from evalsuite.errors import EndpointError, RunIncomplete, ServerError
from evalsuite.types import NO_TOKENS, Reply, TokenCounts

FailureClass: TypeAlias = Literal[
    "timeout",
    "connection",
    "status",
    "rejected",
    "bad_reply",
    "no_logprobs",
    "missing_prediction",
    "interrupted",
]
"""`missing_prediction`: nothing was to be asked; `interrupted`: the run ended between a sample's requests."""
MIN_SECRET_LENGTH = 16
"""Providers' keys are longer."""
CONTROL_TIMEOUT_SECONDS = 30.0
OVERLOAD_STATUSES = frozenset({429, 503, 529})
"""Too many requests, service unavailable, and what some providers say for overloaded."""
STATUSES_FOR_EVERY_ROW = frozenset({402, 403, 404, 405, 407, 410})
"""Payment required, forbidden, not found and the like: about who asks or what is asked, whatever the row."""
JSON_TYPE = "application/json"
MAX_LISTED_MODELS = 20
MODEL_IDENTITY_FIELDS = ("root", "parent", "meta")
"""vLLM and SGLang name the folder or hub id they loaded, and an adapter's base; llama.cpp sizes and shapes. `created` is
the time of the request with some servers, so it tells nothing."""
LLAMACPP = "llamacpp"
"""What llama.cpp's server says that its models are owned by."""
NO_LOGPROBS = "the response has no log-probabilities of tokens"
REDACTED = "[key]"
NEW_TOKEN_LIMIT: TokenLimit = "max_completion_tokens"  # noqa: S105 (a field name)
TEMPERATURE = "temperature"
PROBE_ADVICE = (
    "If it names an option, take that out or give it another value (many reasoning models want --temperature 1); "
    "a base model wants --completions."
)
JUDGE_ADVICE = "See whether --judge-base-url and --judge-model are right."


class RequestFailure(Exception):
    """One sample that could not be had: why, with which last HTTP status, after how many attempts.

    `had` is its first reply, where only a further request of the sample failed. `wasted`: see `Answer`.
    """

    had: Answer | None = None
    wasted: TokenCounts = NO_TOKENS

    def __init__(
        self, failure: FailureClass, message: str, *, status: int | None = None, attempts: int = 1
    ) -> None:
        self.failure = failure
        self.message = message
        self.status = status
        self.attempts = attempts
        super().__init__(message)

    @property
    def repeatable(self) -> bool:
        """Whether the same request would fail in the same way again (the server read it and said no)."""
        return self.failure == "rejected"

    @property
    def concerns_one_row(self) -> bool:
        """Whether it says nothing of the other rows: no key that was withdrawn, no model that is gone, no bill unpaid."""
        return self.repeatable and self.status not in STATUSES_FOR_EVERY_ROW


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply with what it took: seconds from the first byte sent to the last received, attempts.

    A reply that a file or the cache held took no attempt and no time.
    """

    reply: Reply
    latency_s: float | None = None
    ttft_s: float | None = None
    attempts: int = 0
    from_cache: bool = False
    wasted: TokenCounts = NO_TOKENS
    """Tokens of attempts that came to nothing, of prompts and of replies, as far as the server told or sent them."""


Ask: TypeAlias = Callable[[Request], Awaitable[Answer]]
"""One way to an answer. Raises `RequestFailure` or `EndpointError`."""


@dataclass(slots=True)
class Traffic:
    """Counters of what went over the wire."""

    requests: int = 0
    retries: int = 0
    in_flight: int = 0


class _RetryableFailure(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, failure: RequestFailure, retry_after: str | None = None) -> None:
        self.failure = failure
        self.retry_after = retry_after
        super().__init__(failure.message)


@dataclass
class Endpoint:
    """A served model. Used as an async context manager; `api_key` never appears in a message or a repr."""

    base_url: str
    model: str
    policy: RetryPolicy
    concurrency: Concurrency
    api_key: str | None = field(default=None, repr=False)
    stream: bool = False
    traffic: Traffic = field(default_factory=Traffic)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What each request carries besides what was asked, for this server alone."""
    proven: bool = False
    """Whether a request has succeeded: after that a refusal is about one sample, not about the endpoint."""
    limit_field: TokenLimit = "max_tokens"
    """OpenAI's reasoning models want it under its newer name; `probe` finds out."""
    sends_temperature: bool = True
    """Some judges take none but their own; see `endpoints.check_judge`."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What `/models` says of the model besides its name, where that tells one checkpoint from another; see `check_model`."""
    cache_per_slot: bool = False
    """Whether requests under way at the same time share no cache of prompts; see `check_model`."""
    option_prefix: str = "--"
    """Of the options that name it, for advice: `--model`, `--judge-model`."""
    transport: Transport | None = None
    """What carries the requests, where that is not the network: then nothing is ever taken for hung."""

    def __post_init__(self) -> None:
        try:
            self._address = Address.of(self.base_url)
        except ValueError as error:
            raise EndpointError(
                f"{self.base_url}: not an address ({error}). Check {self.option_prefix}base-url."
            ) from error
        self._paused_until = 0.0
        self._patience = HangDetector(self.policy.deadline)
        self._paths: dict[Api, str] = {api: self._address.path + path for api, path in PATHS.items()}
        self._paths["classify"] = self._address.path.removesuffix("/v1") + CLASSIFY_PATH

    async def __aenter__(self) -> Endpoint:
        headers = {"Content-Type": JSON_TYPE, "User-Agent": "evalsuite"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        self._transport = self.transport or open_transport(self._address, headers, self.concurrency.most + 1)
        more = b"," + dumps(self.fields)[1:-1] if self.fields else b""
        self._model_json = dumps(self.model) + more
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    def redact(self, text: str) -> str:
        """The text without the key, should a server repeat it."""
        return text.replace(self.api_key, REDACTED) if self.api_key else text

    def _redact_bytes(self, raw: bytes) -> bytes:
        """An error response without the key: done before anything is cut or quoted."""
        return raw.replace(self.api_key.encode(), REDACTED.encode()) if self.api_key else raw

    def _redact_reply(self, reply: Reply) -> Reply:
        """A reply without the key, which may have arrived in pieces or escaped.

        A short key is a placeholder for a local server ("none", "EMPTY", "x"): no secret, and part of ordinary
        answers, which must be judged as they are.
        """
        if not self.api_key or len(self.api_key) < MIN_SECRET_LENGTH:
            return reply
        if self.api_key not in f"{reply.text}{reply.reasoning}{reply.tool_calls}":
            return reply
        calls = orjson.loads(self.redact(orjson.dumps(reply.tool_calls).decode()))
        reasoning = self.redact(reply.reasoning) if reply.reasoning else None
        return replace(reply, text=self.redact(reply.text), reasoning=reasoning, tool_calls=calls)

    async def ask(self, request: Request) -> Answer:
        """Send a request until it is answered, its attempts are used up, or its deadline has passed.

        Raises `RequestFailure` or `EndpointError`.
        """
        body = request.body(
            self._model_json,
            self.stream and request.measure is None,
            self.limit_field,
            temperature=self.sends_temperature,
        )
        await self._wait_while_paused()
        deadline = perf_counter() + self.policy.deadline
        attempt, hangs, wasted = 0, 0, NO_TOKENS
        while True:
            attempt += 1
            try:
                answer = _require_logprobs(
                    await self._attempt(request, body, deadline, attempt, hangs), request
                )
                return answer if wasted is NO_TOKENS else replace(answer, wasted=wasted)
            except RequestFailure as final:
                final.wasted = _sum(wasted, final.wasted)
                raise
            except _RetryableFailure as again:
                failure = again.failure
                failure.attempts = attempt
                failure.wasted = wasted = _sum(wasted, failure.wasted)
                hung = failure.failure == "timeout"
                hangs += hung
                delay = self.policy.delay(attempt, again.retry_after, hung=hung)
                self._note_overload(failure, again.retry_after)
                if attempt >= self.policy.max_attempts or perf_counter() + delay >= deadline:
                    raise failure from None
            self.traffic.retries += 1
            await asyncio.sleep(delay)

    def reset(self) -> None:
        """Other work begins: how fast requests were answered so far says nothing about it."""
        self.concurrency.reset()
        self._patience.reset(perf_counter())

    async def _wait_while_paused(self) -> None:
        """Wait while the server has asked everyone to come back later; a sample's time has not begun yet."""
        while (left := self._paused_until - perf_counter()) > 0:
            await asyncio.sleep(left)

    def _note_overload(self, failure: RequestFailure, retry_after: str | None) -> None:
        if failure.status in OVERLOAD_STATUSES:
            self.concurrency.record_overload()
            asked = retry_after_seconds(retry_after) or 0.0
            if asked < self.policy.deadline:  # else every sample fails by itself, and the run soon ends
                self._paused_until = max(self._paused_until, perf_counter() + asked)

    async def _attempt(
        self, request: Request, body: bytes, deadline: float, attempt: int, hangs: int
    ) -> Answer:
        start = perf_counter()
        watch = self._patience.begin(hangs, start)
        stream = StreamReader(start) if self.stream and request.measure is None else None
        response: Response | None = None
        self.traffic.requests += 1
        self.traffic.in_flight += 1
        try:
            response = await self._transport.send(
                "POST",
                self._paths[request.api],
                body,
                max(0.001, deadline - start),
                stream.take if stream else None,
                watch,
            )
            if response.status != 200:
                self._raise_for_status(response, attempt)
            if stream and response.content_type != JSON_TYPE:
                reply = stream.reply()
            elif request.measure:
                reply = read_measurement(response.body, request)
            else:
                reply = read_reply(response.body)
        except MissingMeasurement as error:
            failure = RequestFailure("rejected", self.redact(str(error)), attempts=attempt)
            failure.wasted = _wasted_tokens(stream, response)
            raise failure from None
        except BadReply as error:
            raise _retryable("bad_reply", self.redact(str(error)), stream, response) from None
        except asyncio.TimeoutError:
            if watch.hung:
                raise _retryable("timeout", "no answer for far longer than any other took", stream) from None
            self.concurrency.record_overload()
            message = f"no answer within {self.policy.deadline:g} s"
            failure = RequestFailure("timeout", message, attempts=attempt)
            failure.wasted = _wasted_tokens(stream)
            raise failure from None
        except TransportError as error:
            raise _retryable("connection", self.redact(str(error)), stream) from None
        finally:
            self.traffic.in_flight -= 1
            self._patience.under_way -= 1
        now = perf_counter()
        self.concurrency.record_answer(now)
        if request.measure is None:  # far quicker than generating, so no measure for the others
            self._patience.note(watch, now)
        ttft = stream.ttft_s if stream else None
        return Answer(self._redact_reply(reply), now - start, ttft, attempt)

    def _raise_for_status(self, response: Response, attempt: int) -> NoReturn:
        raw, status = self._redact_bytes(response.body), response.status
        words = f"HTTP {status}: {error_message(raw)}"
        if self.policy.retries_status(status):
            told = retry_after_seconds(response.headers.get("retry-after"), response.headers.get("date"))
            again = RequestFailure("status", words, status=status)
            raise _RetryableFailure(again, None if told is None else str(told))
        if status in (401, 403, 404) or status < 400:
            if not self.proven:
                raise EndpointError(self._fatal_message(response, raw))
            if status == 401:
                raise RunIncomplete(
                    f"{self._fatal_message(response, raw)} Then run the same command again: it resumes."
                )
        raise RequestFailure("rejected", words, status=status, attempts=attempt)

    def _fatal_message(self, response: Response, raw: bytes) -> str:
        status, elsewhere = response.status, response.headers.get("location")
        prefix = self.option_prefix
        advice = {
            401: f"Check the key in the environment variable that {prefix}api-key-env names (OPENAI_API_KEY by default)."
            if self.api_key
            else f"It wants a key: put it into the environment variable OPENAI_API_KEY, or name another one with {prefix}api-key-env.",
            403: "The key is known but may not use this model.",
            404: f"Check {prefix}model '{self.model}' and the path of {prefix}base-url.",
        }.get(status, f"Check {prefix}base-url.")
        if elsewhere:
            advice = f"It redirects to {self.redact(elsewhere)}: give the address it redirects to as {prefix}base-url."
        return f"{self.base_url} answered HTTP {status}: {error_message(raw).rstrip('.')}. {advice}"

    async def served_models(self) -> list[str] | None:
        """The names in `/models`; None when the server has no such list. Raises as `_listed_models`."""
        listed = await self._listed_models()
        return None if listed is None else list(listed)

    async def _listed_models(self) -> dict[str, Mapping[str, Any]] | None:
        """The entries of `/models` by name; None when the server has no such list.

        Raises `ServerError` when it cannot be reached, `EndpointError` for a wrong key or something else than
        an OpenAI endpoint.
        """
        try:
            response = await self._transport.send(
                "GET", self._address.path + "/models", b"", CONTROL_TIMEOUT_SECONDS
            )
        except (TransportError, asyncio.TimeoutError) as error:
            why = self.redact(str(error)) or f"no answer within {CONTROL_TIMEOUT_SECONDS:g} s"
            raise ServerError(
                f"cannot reach {self.base_url}: {why}. Is the server running, and is {self.option_prefix}base-url right?"
            ) from error
        raw, status = self._redact_bytes(response.body), response.status
        is_html = "html" in response.content_type or raw.lstrip()[:1] == b"<"
        if status in (401, 403) or 300 <= status < 400:
            raise EndpointError(self._fatal_message(response, raw))
        if is_html:
            raise EndpointError(
                f"{self.base_url} answers HTML (HTTP {status}: {quote_start(raw)[:80]}), so it is not an OpenAI endpoint. {self.option_prefix}base-url usually ends in /v1."
            )
        if status != 200:
            return None
        return _models(raw)

    async def check_model(self) -> None:
        """Refuse a model name that the server does not list, naming those it does. Raises `EndpointError`."""
        names = await self._listed_models()
        if names and self.model in names:
            entry = names[self.model]
            self.told = {name: entry[name] for name in MODEL_IDENTITY_FIELDS if entry.get(name)}
            self.cache_per_slot = entry.get("owned_by") == LLAMACPP
        elif names:
            listed = ", ".join(list(names)[:MAX_LISTED_MODELS]) + (
                ", …" if len(names) > MAX_LISTED_MODELS else ""
            )
            raise EndpointError(
                f"{self.base_url} does not serve the model '{self.model}'. It serves: {listed}. Give one of them with {self.option_prefix}model."
            )

    async def _ask_with_either_limit_field(self, request: Request) -> None:
        try:
            await self.ask(request)
        except RequestFailure as failure:
            if not (failure.repeatable and NEW_TOKEN_LIMIT in failure.message and request.api == "chat"):
                raise
            self.limit_field = NEW_TOKEN_LIMIT
            await self.ask(request)

    async def probe(self, request: Request, advice: str = PROBE_ADVICE) -> None:
        """One request that must succeed before any data is sent. Raises `EndpointError` or `ServerError`.

        `advice` is for a server that read the request and will not answer it.
        """
        try:
            await self._ask_with_either_limit_field(request)
            self.proven = True
        except RequestFailure as failure:
            message = f"{self.base_url} lists '{self.model}' but a one-token request failed: {failure.message.rstrip('.')}."
            if failure.repeatable:
                raise EndpointError(f"{message} {advice}") from failure
            waiting = "Wait a little and run it again." if failure.status == 429 else "See the server's log."
            raise ServerError(f"{message} {waiting}") from failure


def _require_logprobs(answer: Answer, request: Request) -> Answer:
    """The answer; raises `RequestFailure` when it lacks what the request was sent for."""
    if request.logprobs and answer.reply.alternatives is None:
        failure = RequestFailure("no_logprobs", NO_LOGPROBS, attempts=answer.attempts)
        failure.wasted = (answer.reply.prompt_tokens or 0, answer.reply.completion_tokens or 0)
        raise failure
    return answer


def _retryable(
    failure: FailureClass, message: str, stream: StreamReader | None, response: Response | None = None
) -> _RetryableFailure:
    """An attempt that may succeed when repeated, with what it has cost."""
    found = RequestFailure(failure, message)
    found.wasted = _wasted_tokens(stream, response)
    return _RetryableFailure(found)


def _wasted_tokens(stream: StreamReader | None, response: Response | None = None) -> TokenCounts:
    """The tokens of an attempt that came to nothing."""
    if stream and (stream.spent != NO_TOKENS or response is None):
        return stream.spent
    return find_token_counts(response.body) if response else NO_TOKENS


def _sum(one: TokenCounts, other: TokenCounts) -> TokenCounts:
    return one if other == NO_TOKENS else (one[0] + other[0], one[1] + other[1])


def _models(raw: bytes) -> dict[str, Mapping[str, Any]] | None:
    try:
        listed = orjson.loads(raw)["data"]
        return {str(model["id"]): model for model in listed}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
