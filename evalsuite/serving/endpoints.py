"""The endpoints of a configuration with their keys, and the check that they answer before any data is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from evalsuite._util.http.environment import read_api_key
from evalsuite.backends.base import ServedModel
from evalsuite.config import RunConfig
from evalsuite.endpoint.capabilities import EndpointCapabilities
from evalsuite.endpoint.client import UNVERIFIED, Endpoint
from evalsuite.endpoint.concurrency import AdaptiveConcurrency, Concurrency, FixedConcurrency
from evalsuite.endpoint.likelihood_requests import build_request
from evalsuite.endpoint.probe import find_model, probe_request, probe_without_temperature
from evalsuite.endpoint.retries import RetryPolicy
from evalsuite.endpoint.wire import Generation
from evalsuite.errors import ConfigError, EndpointError
from evalsuite.options.model import OPENAI_KEY_VARIABLE
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.judges import Judge
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
"""(what is measured, whether in flat texts) → which servers can measure it."""
JUDGE_ADVICE = "See whether --judge-base-url and --judge-model are right."


def model_endpoint(
    config: RunConfig, served: ServedModel, capabilities: EndpointCapabilities = UNVERIFIED
) -> Endpoint:
    """The model under test. Give `capabilities` if they are known from an earlier start."""
    return Endpoint(
        served.base_url,
        served.model,
        RetryPolicy(config.timeout),
        _concurrency(config, served.slots),
        _api_key(config, "api_key_env") if config.base_url else None,
        config.stream,
        fields=served.fields,
        capabilities=capabilities,
        transport=served.transport,
    )


def judge_endpoint(config: RunConfig, judge: Judge) -> Endpoint:
    """A judge that has its own address."""
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
    """What the user sets, or the server's slots, or a number that adapts to the server's throughput."""
    if config.concurrency != "auto":
        return FixedConcurrency(config.concurrency)
    return FixedConcurrency(slots) if slots else AdaptiveConcurrency()


def _api_key(config: RunConfig, field: str) -> str | None:
    """The key; None if there is none. Raises `ConfigError` for one that cannot be a key."""
    variable: str = getattr(config, field)
    key = read_api_key(variable)
    if key is None and variable != OPENAI_KEY_VARIABLE:
        raise ConfigError(f"--{field.replace('_', '-')} {variable}: that environment variable is not set.")
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"the environment variable {variable} holds characters that no key has (a line break, a letter outside ASCII); "
            "set it to the key alone."
        )
    return key


async def probe_model(endpoint: Endpoint, plans: Sequence[DatasetPlan]) -> None:
    """Check that the model is served and answers one small request of each kind that the datasets send.

    Both checks run at the same time, since a slow server takes time for each; an unknown model name is reported first.
    Sets `endpoint.capabilities`. Raises `EndpointError` or `ServerError`.
    """
    probing = asyncio.ensure_future(_probe_requests(endpoint, plans))
    try:
        found = await find_model(endpoint)
        answered = await probing
    finally:
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
    endpoint.capabilities = replace(
        answered, model_details=found.model_details, cache_per_slot=found.cache_per_slot
    )


async def probe_judge(endpoint: Endpoint) -> None:
    """Check that the judge is served and answers, at its own temperature if it accepts no other.

    Sets `endpoint.capabilities`. Raises `EndpointError` or `ServerError`.
    """
    found = await find_model(endpoint)
    greeting = Prompt(messages=[{"role": "user", "content": GREETING}])
    request = build_request(greeting, Generation(1))
    endpoint.capabilities = await probe_without_temperature(endpoint, request, found, JUDGE_ADVICE)


async def _probe_requests(endpoint: Endpoint, plans: Sequence[DatasetPlan]) -> EndpointCapabilities:
    found = EndpointCapabilities()
    seen: set[tuple[str, Measure | None]] = set()
    for plan in plans:
        prompt = plan.task.probe(plan.style)
        settings = plan.generation
        one_token = Generation(1, settings.temperature, settings.top_p, settings.seed, settings.stop)
        request = build_request(prompt, one_token)
        if (request.api, request.measure) in seen:
            continue
        seen.add((request.api, request.measure))
        if request.measure is None:
            found = await probe_request(endpoint, request, found)
            continue
        advice = MEASURE_ADVICE[request.measure, request.api == "completions"]
        try:
            found = await probe_request(endpoint, request, found, advice)
        except EndpointError as error:
            if advice in str(error):
                raise
            raise EndpointError(f"{error} {advice}") from error
    return found
