"""Which endpoints a configuration asks, with which keys, and that they answer before any data is sent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from evalsuite.backends.base import ServedModel
from evalsuite.config import RunConfig
from evalsuite.endpoint.client import JUDGE_ADVICE, TEMPERATURE, Endpoint
from evalsuite.endpoint.concurrency import AdaptiveConcurrency, Concurrency, FixedConcurrency
from evalsuite.endpoint.likelihood_requests import build_request
from evalsuite.endpoint.retries import RetryPolicy
from evalsuite.endpoint.wire import Generation
from evalsuite.errors import ConfigError, EndpointError
from evalsuite.options.model import OPENAI_KEY_VARIABLE
from evalsuite.runs.plan import DatasetPlan, Judge
from evalsuite.tasks.base import GREETING
from evalsuite.types import Measure, Prompt

MEASURE_ADVICE: dict[tuple[Measure, bool], str] = {
    ("logprobs", True): (
        "Log-probabilities of a given text come from vLLM, and from servers that take /completions with 'echo' and "
        "'logprobs' as OpenAI's own did; llama.cpp and transformers serve ignore them. Take --backend transformers (evalsuite's own "
        "server gives them), or serve the model with vLLM and give --base-url."
    ),
    ("logprobs", False): (
        "Log-probabilities of a conversation come from vLLM ('prompt_logprobs'); llama.cpp and transformers serve ignore "
        "them. Take --backend transformers (evalsuite's own server gives them), serve the model with vLLM and give --base-url, or compare flat texts with --completions where /completions takes 'echo'."
    ),
    ("reward", False): (
        "Rewards come from vLLM's /classify, of a sequence classifier with one class: vllm serve REWARD_MODEL --runner pooling. "
        "A model that generates is compared with --preference-mode logprob."
    ),
}
"""By what is measured and whether of flat texts: which servers can."""


def model_endpoint(config: RunConfig, served: ServedModel) -> Endpoint:
    """The model under test."""
    return Endpoint(
        served.base_url,
        served.model,
        RetryPolicy(config.timeout),
        _concurrency(config, served.slots),
        _api_key(config, "api_key_env") if config.base_url else None,
        config.stream,
        fields=served.fields,
        transport=served.transport,
    )


def judge_endpoint(config: RunConfig, judge: Judge) -> Endpoint:
    """A judge with an address of its own."""
    assert judge.base_url
    return Endpoint(
        judge.base_url,
        judge.model,
        RetryPolicy(config.timeout),
        _concurrency(config, None),
        _api_key(config, "judge_api_key_env"),
        option_prefix="--judge-",
    )


def _concurrency(config: RunConfig, slots: int | None) -> Concurrency:
    """What the user says; else the server's slots, where it tells them; else what is found while asking."""
    if config.concurrency != "auto":
        return FixedConcurrency(config.concurrency)
    return FixedConcurrency(slots) if slots else AdaptiveConcurrency()


def _api_key(config: RunConfig, field: str) -> str | None:
    """The key, without the newline that `$(cat key.txt)` and .env files leave; None where there is none."""
    variable: str = getattr(config, field)
    key = os.environ.get(variable, "").strip()
    if not key and variable != OPENAI_KEY_VARIABLE:
        raise ConfigError(f"--{field.replace('_', '-')} {variable}: that environment variable is not set.")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"the environment variable {variable} holds characters that no key has (a line break, a letter outside ASCII); "
            "set it to the key alone."
        )
    return key or None


async def check_model(endpoint: Endpoint, plans: Sequence[DatasetPlan]) -> None:
    """The name is served, and one small request of each kind that the datasets make is answered.

    Both are asked at the same time, since each takes a slow server its time; a name that is not served is what is told.
    Raises `EndpointError` or `ServerError`.
    """
    probing = asyncio.ensure_future(_probe(endpoint, plans))
    try:
        await endpoint.check_model()
        await probing
    finally:
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)


async def _probe(endpoint: Endpoint, plans: Sequence[DatasetPlan]) -> None:
    seen: set[tuple[str, Measure | None]] = set()
    for plan in plans:
        prompt = plan.task.probe(plan.style)
        settings = plan.generation
        asked = Generation(1, settings.temperature, settings.top_p, settings.seed, settings.stop)
        request = build_request(prompt, asked)
        if (request.api, request.measure) in seen:
            continue
        seen.add((request.api, request.measure))
        if request.measure is None:
            await endpoint.probe(request)
            continue
        advice = MEASURE_ADVICE[request.measure, request.api == "completions"]
        try:
            await endpoint.probe(request, advice)
        except EndpointError as error:
            if advice in str(error):
                raise
            raise EndpointError(f"{error} {advice}") from error


async def check_judge(endpoint: Endpoint) -> None:
    """The judge is served and answers, at its own temperature where it takes no other.

    Raises `EndpointError` or `ServerError`.
    """
    await endpoint.check_model()
    greeting = Prompt(messages=[{"role": "user", "content": GREETING}])
    request = build_request(greeting, Generation(1))
    try:
        await endpoint.probe(request, JUDGE_ADVICE)
    except EndpointError as error:
        if TEMPERATURE not in str(error):
            raise
        endpoint.sends_temperature = False
        await endpoint.probe(request, JUDGE_ADVICE)
