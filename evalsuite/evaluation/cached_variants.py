"""Answers a variant from the cache, without starting its server, if the cache has every reply.

Replies stand in the cache under what the live server told of itself (versions, dtype, device, template). So a server
that was started leaves there what it told, under all that decided it and is known without it: the variant's fingerprint
(weights, tokenizer, template, adapters, arguments), every package beside the engine, the system, the GPUs. Where all of
that is as it was, the server would tell the same. Where anything differs, or one reply is missing, it is started.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from evalsuite.backends import BACKENDS
from evalsuite.backends.base import ServedModel
from evalsuite.backends.machine import describe_machine
from evalsuite.endpoint.cache_policy import KEY_BYTES, cache_key
from evalsuite.endpoint.capabilities import EndpointCapabilities
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.reply_cache import cache_identity
from evalsuite.endpoint.reply_store import ReplyStore
from evalsuite.endpoint.wire import Request
from evalsuite.errors import ServerError
from evalsuite.evaluation.run_state import RunState
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.runs.work import Job, Step, Work
from evalsuite.types import Reply

FORMAT = "servers 1"
NOWHERE = "http://127.0.0.1:9/v1"
"""A placeholder address: nothing is sent to it."""


class ReplyNotCached(ServerError):
    """A reply that was in the cache a moment ago is not there any more."""


class _UnusedTransport:
    """A `Transport` for a server that was not started. Any request is an error."""

    async def send(self, *_: object) -> NoReturn:
        """Say that the reply is missing."""
        raise ReplyNotCached("a reply is not in the cache any more. Run the same command again: it resumes.")

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a running server said about a variant."""

    facts: Mapping[str, Any]
    """The entry of run.json; see `serving.variants.ServedFacts`."""
    fields: Mapping[str, Any]
    """Extra fields of every request."""
    models: Mapping[str, Any]
    """The entry of `/models`."""
    logprob: str | None
    """The form in which label log-probabilities were asked for, if they were."""

    @property
    def engine(self) -> dict[str, str]:
        """What the engine says of itself."""
        return dict(self.facts["served"])

    @property
    def capabilities(self) -> EndpointCapabilities:
        """What the server was known to do."""
        return EndpointCapabilities(model_details=self.models)

    def served(self, checkpoint: Checkpoint) -> ServedModel:
        """The variant as it was served, with a transport that sends nothing."""
        return ServedModel(
            NOWHERE, checkpoint.model, self.engine, fields=self.fields, transport=_UnusedTransport()
        )


def store_server_facts(
    store: ReplyStore, state: RunState, checkpoint: Checkpoint, endpoint: Endpoint
) -> None:
    """Store what a running server said about a variant."""
    place = _place(state, checkpoint)
    if place:
        plan = state.work(checkpoint).logprob_plan
        told = ServerFacts(
            state.facts(checkpoint),
            endpoint.fields,
            endpoint.capabilities.model_details,
            plan.style.logprob if plan else None,
        )
        store.put_facts(place, asdict(told))


def find_server_facts(store: ReplyStore, state: RunState, checkpoint: Checkpoint) -> ServerFacts | None:
    """The facts of a variant if the cache has them and every reply that the variant owes; None otherwise."""
    if state.has_owed_benchmarks(checkpoint) or not state.has_owed_rows(checkpoint):
        return None
    place = _place(state, checkpoint)
    found = store.facts(place) if place else None
    if found is None:
        return None
    told = ServerFacts(**found)
    work = state.work(checkpoint)
    if (plan := work.logprob_plan) and plan.style.logprob != told.logprob:
        return None
    fingerprint = state.serving.fingerprint(checkpoint)
    identity = cache_identity(fingerprint, told.engine, told.fields, told.models)
    return told if _CacheLookup(store, identity).all_of(work) else None


def _place(state: RunState, checkpoint: Checkpoint) -> bytes | None:
    """A hash of everything that decides what the variant's server says; None if that is unknown."""
    backend = state.serving.plan_of(checkpoint).backend.name
    machine = describe_machine(backend) if backend in BACKENDS and backend != "remote" else None
    if machine is None:
        return None
    # names beside the fingerprint, since servers repeat them in what they tell
    adapters = [adapter.path.name for adapter in checkpoint.adapters]
    whom = [FORMAT, backend, state.serving.fingerprint(checkpoint), checkpoint.model, *adapters, machine]
    return hashlib.blake2b("\n".join(whom).encode(), digest_size=KEY_BYTES).digest()


@dataclass(frozen=True, slots=True)
class _CacheLookup:
    """Looks up whether the cache has the replies to requests."""

    store: ReplyStore
    identity: str

    def all_of(self, work: Work) -> bool:
        """Whether it has every reply that a variant owes."""
        return all(
            self._has(job)
            for plan in work.plans
            if work.count_owed(plan)
            for job in work.owed_jobs(plan)
            if job is not None
        )

    def _has(self, job: Job) -> bool:
        reply = job.existing_reply.reply if job.existing_reply else self._reply(job.request)
        if reply is None or not job.plan.task.capabilities.has_follow_ups:
            return reply is not None
        return all(self._reply(step.request) is not None for step in job.steps(reply) if _of_model(step, job))

    def _reply(self, request: Request) -> Reply | None:
        return self.store.find(cache_key(self.identity, request)) if request.deterministic else None


def _of_model(step: Step, job: Job) -> bool:
    """Whether the step asks the model itself. A judge with its own address can answer in any case."""
    judge = job.plan.judge
    return step.of == "model" or judge is None or judge.base_url is None
