"""One OpenAI-compatible server over persistent connections.

A request ends in an `Answer`, in a `RequestFailure` (this sample has no answer: data, not a crash), or in an
`EndpointError` (no request can succeed: wrong key, unknown model). Which failures are retried: see `retries`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import Any, NoReturn

from evalsuite._util.http.calls import JSON_TYPE, USER_AGENT, open_transport
from evalsuite._util.http.transport import Address, HttpResponse, Transport, TransportError
from evalsuite.endpoint.answer import Answer, FailureClass, RequestFailure
from evalsuite.endpoint.capabilities import EndpointCapabilities
from evalsuite.endpoint.concurrency import Concurrency
from evalsuite.endpoint.hang_detection import AttemptWatch, HangDetector
from evalsuite.endpoint.likelihood_requests import CLASSIFY_PATH, MissingMeasurement, read_measurement
from evalsuite.endpoint.redaction import KeyRedactor
from evalsuite.endpoint.retries import (
    Attempt,
    RetryableFailure,
    RetryPolicy,
    retry_after_seconds,
    run_with_retries,
)
from evalsuite.endpoint.stream import StreamReader
from evalsuite.endpoint.wire import (
    PATHS,
    Api,
    BadReply,
    Request,
    dumps,
    error_message,
    find_token_counts,
    read_reply,
)
from evalsuite.errors import EndpointError, RunIncomplete
from evalsuite.types import NO_TOKENS, Reply, TokenCounts

NO_LOGPROBS = "the response has no log-probabilities of tokens"
OK = 200
UNVERIFIED = EndpointCapabilities()


@dataclass(slots=True)
class Traffic:
    """Counts requests sent, retries, and requests in flight."""

    requests: int = 0
    retries: int = 0
    in_flight: int = 0


@dataclass
class Endpoint:
    """A served model. Use it as an async context manager. `api_key` never appears in a message or a repr."""

    base_url: str
    model: str
    policy: RetryPolicy
    concurrency: Concurrency
    api_key: str | None = field(default=None, repr=False)
    stream: bool = False
    traffic: Traffic = field(default_factory=Traffic)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Extra fields of every request, for this server alone."""
    capabilities: EndpointCapabilities = UNVERIFIED
    """What a probe found out; `probe` sets it once."""
    option_prefix: str = "--"
    """How the options that name this endpoint begin, for advice: `--model`, `--judge-model`."""
    transport: Transport | None = None
    """Carries the requests if they do not go over the network."""

    def __post_init__(self) -> None:
        try:
            self.address = Address.of(self.base_url)
        except ValueError as error:
            raise EndpointError(
                f"{self.base_url}: not an address ({error}). Check {self.option_prefix}base-url."
            ) from error
        self.redactor = KeyRedactor(self.api_key)
        self._paused_until = 0.0
        self._hangs = HangDetector(self.policy.deadline)
        self._paths: dict[Api, str] = {api: self.address.path + path for api, path in PATHS.items()}
        self._paths["classify"] = self.address.path.removesuffix("/v1") + CLASSIFY_PATH

    async def __aenter__(self) -> Endpoint:
        headers = {"Content-Type": JSON_TYPE, "User-Agent": USER_AGENT}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        connections = self.concurrency.most + 1
        self._transport = self.transport or open_transport(self.address, headers, connections)
        more = b"," + dumps(self.fields)[1:-1] if self.fields else b""
        self._model_json = dumps(self.model) + more
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    async def ask(self, request: Request, capabilities: EndpointCapabilities | None = None) -> Answer:
        """Send a request until it is answered, its attempts are used up, or its deadline has passed.

        `capabilities` replace the endpoint's own while it is being probed. Raises `RequestFailure` or `EndpointError`.
        """
        known = capabilities or self.capabilities
        body = request.body(
            self._model_json,
            self.stream and request.measure is None,
            known.token_limit_field,
            temperature=known.accepts_temperature,
        )
        await self._wait_while_paused()

        async def attempt(number: Attempt) -> Answer:
            return _require_logprobs(await self._attempt(request, body, number, known), request)

        return await run_with_retries(attempt, self.policy, self._note_overload, self._count_retry)

    async def get(self, path: str, timeout: float) -> HttpResponse:
        """The response to a GET below the base URL; `timeout` in seconds. Raises as `Transport.send`."""
        return await self._transport.send("GET", self.address.path + path, b"", timeout)

    def reset(self) -> None:
        """Forget how fast requests were answered: the next dataset may take longer or shorter."""
        self.concurrency.reset()
        self._hangs.reset(perf_counter())

    def explain_refusal(self, response: HttpResponse) -> str:
        """A sentence about an HTTP status that no request can pass, with what to do."""
        raw, status = self.redactor.raw(response.body), response.status
        prefix, elsewhere = self.option_prefix, response.headers.get("location")
        advice = {
            401: f"Check the key in the environment variable that {prefix}api-key-env names (OPENAI_API_KEY by default)."
            if self.api_key
            else f"It wants a key: put it into the environment variable OPENAI_API_KEY, or name another one with {prefix}api-key-env.",
            403: "The key is known but may not use this model.",
            404: f"Check {prefix}model '{self.model}' and the path of {prefix}base-url.",
        }.get(status, f"Check {prefix}base-url.")
        if elsewhere:
            target = self.redactor.text(elsewhere)
            advice = f"It redirects to {target}: give the address it redirects to as {prefix}base-url."
        return f"{self.base_url} answered HTTP {status}: {error_message(raw).rstrip('.')}. {advice}"

    async def _wait_while_paused(self) -> None:
        """Wait while the server asks everyone to come back later. The sample's deadline has not begun yet."""
        while (left := self._paused_until - perf_counter()) > 0:
            await asyncio.sleep(left)

    def _note_overload(self, retryable: RetryableFailure) -> None:
        if retryable.is_overload:
            self.concurrency.record_overload()
            wait = retryable.retry_after or 0.0
            if wait < self.policy.deadline:  # otherwise every sample fails by itself, and the run soon ends
                self._paused_until = max(self._paused_until, perf_counter() + wait)

    def _count_retry(self) -> None:
        self.traffic.retries += 1

    async def _attempt(
        self, request: Request, body: bytes, attempt: Attempt, known: EndpointCapabilities
    ) -> Answer:
        start = perf_counter()
        watch = self._hangs.begin(attempt.hangs, start)
        stream = StreamReader(start) if self.stream and request.measure is None else None
        self.traffic.requests += 1
        self.traffic.in_flight += 1
        response: HttpResponse | None = None
        try:
            response = await self._transport.send(
                "POST",
                self._paths[request.api],
                body,
                max(0.001, attempt.deadline - start),
                stream.take if stream else None,
                watch,
            )
            if response.status != OK:
                self._raise_for_status(response, attempt, known)
            reply = _read(response, request, stream)
        except (MissingMeasurement, BadReply, asyncio.TimeoutError, TransportError) as error:
            self._raise_failure(error, attempt, watch, _wasted_tokens(stream, response))
        finally:
            self.traffic.in_flight -= 1
            self._hangs.end()
        now = perf_counter()
        self.concurrency.record_answer(now)
        if (
            request.measure is None
        ):  # measuring is far quicker than generating, so it says nothing about replies
            self._hangs.record_answer(watch, now)
        ttft = stream.ttft_s if stream else None
        return Answer(self.redactor.reply(reply), now - start, ttft, attempt.number)

    def _raise_failure(
        self, error: Exception, attempt: Attempt, watch: AttemptWatch, wasted: TokenCounts
    ) -> NoReturn:
        """Turn what ended an attempt into a failure that is retried or not; see the table in `retries`."""

        def failure(kind: FailureClass, message: str) -> RequestFailure:
            found = RequestFailure(kind, message, attempts=attempt.number)
            found.wasted = wasted
            return found

        words = self.redactor.text(str(error))
        if isinstance(error, MissingMeasurement):
            raise failure("rejected", words) from None
        if isinstance(error, BadReply):
            raise RetryableFailure(failure("bad_reply", words)) from None
        if isinstance(error, TransportError):
            raise RetryableFailure(failure("connection", words)) from None
        if watch.hung:
            message = "no answer for far longer than any other took"
            raise RetryableFailure(failure("timeout", message)) from None
        self.concurrency.record_overload()
        raise failure("timeout", f"no answer within {self.policy.deadline:g} s") from None

    def _raise_for_status(
        self, response: HttpResponse, attempt: Attempt, known: EndpointCapabilities
    ) -> NoReturn:
        raw, status = self.redactor.raw(response.body), response.status
        words = f"HTTP {status}: {error_message(raw)}"
        if self.policy.retries_status(status):
            wait = retry_after_seconds(response.headers.get("retry-after"), response.headers.get("date"))
            raise RetryableFailure(RequestFailure("status", words, status=status), wait)
        if status in (401, 403, 404) or status < 400:
            if not known.verified:
                raise EndpointError(self.explain_refusal(response))
            if status == 401:
                raise RunIncomplete(
                    f"{self.explain_refusal(response)} Then run the same command again: it resumes."
                )
        raise RequestFailure("rejected", words, status=status, attempts=attempt.number)


def _read(response: HttpResponse, request: Request, stream: StreamReader | None) -> Reply:
    if stream and response.content_type != JSON_TYPE:
        return stream.reply()
    return read_measurement(response.body, request) if request.measure else read_reply(response.body)


def _require_logprobs(answer: Answer, request: Request) -> Answer:
    """The answer. Raises `RequestFailure` if the request was sent for log-probabilities and there are none."""
    if request.logprobs and answer.reply.alternatives is None:
        failure = RequestFailure("no_logprobs", NO_LOGPROBS, attempts=answer.attempts)
        failure.wasted = (answer.reply.prompt_tokens or 0, answer.reply.completion_tokens or 0)
        raise failure
    return answer


def _wasted_tokens(stream: StreamReader | None, response: HttpResponse | None) -> TokenCounts:
    """The tokens of a failed attempt, as far as the server reported or sent them."""
    if stream and (stream.spent != NO_TOKENS or response is None):
        return stream.spent
    return find_token_counts(response.body) if response else NO_TOKENS
