"""A variant whose every reply is in the cache is answered from there, and its server is not started.

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
from evalsuite.backends.base import Served
from evalsuite.backends.machine import machine_of
from evalsuite.endpoint.cache_policy import KEY_BYTES, cache_key
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.reply_cache import identity_of
from evalsuite.endpoint.reply_store import ReplyStore
from evalsuite.endpoint.wire import Request
from evalsuite.errors import ServerError
from evalsuite.evaluation.run_state import Ledger
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.runs.work import Job, Step, Work
from evalsuite.types import Reply

FORMAT = "servers 1"
NOWHERE = "http://127.0.0.1:9/v1"
"""Stands for an address where nothing is sent to."""


class NotKept(ServerError):
    """A reply that was in the cache a moment ago is not there any more."""


class _Nobody:
    """Carries no request: a `Transport` to a server that was not started."""

    async def send(self, *_: object) -> NoReturn:
        """Say that the reply is missing."""
        raise NotKept("a reply is not in the cache any more. Run the same command again: it resumes.")

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a live server told of a variant."""

    facts: Mapping[str, Any]
    """As run.json has them; see `serving.ServedFacts`."""
    fields: Mapping[str, Any]
    """What each request carries besides."""
    models: Mapping[str, Any]
    """What `/models` said of it."""
    logprob: str | None
    """The form in which letters' probabilities could be asked for, where they were."""

    @property
    def engine(self) -> dict[str, str]:
        """See `Served.engine`."""
        return dict(self.facts["served"])

    def served(self, checkpoint: Checkpoint) -> Served:
        """The variant as it was served, by nobody now."""
        return Served(NOWHERE, checkpoint.model, self.engine, fields=self.fields, transport=_Nobody())


def leave(store: ReplyStore, ledger: Ledger, checkpoint: Checkpoint, endpoint: Endpoint) -> None:
    """Keep what a live server told of a variant."""
    place = _place(ledger, checkpoint)
    if place:
        plan = ledger.work(checkpoint).logprob_plan
        told = Told(
            ledger.facts(checkpoint), endpoint.fields, endpoint.told, plan.style.logprob if plan else None
        )
        store.keep_facts(place, asdict(told))


def recalled(store: ReplyStore, ledger: Ledger, checkpoint: Checkpoint) -> Told | None:
    """What the server told of a variant, where that and all that the variant owes is known; else None."""
    if ledger.owes_benchmarks(checkpoint) or not ledger.owes_rows(checkpoint):
        return None
    place = _place(ledger, checkpoint)
    found = store.facts(place) if place else None
    if found is None:
        return None
    told = Told(**found)
    work = ledger.work(checkpoint)
    if (plan := work.logprob_plan) and plan.style.logprob != told.logprob:
        return None
    fingerprint = ledger.serving.fingerprint(checkpoint)
    identity = identity_of(fingerprint, told.engine, told.fields, told.models)
    return told if _Kept(store, identity).all_of(work) else None


def _place(ledger: Ledger, checkpoint: Checkpoint) -> bytes | None:
    """A hash of all that decides what the variant's server tells; None where that is not known."""
    backend = ledger.serving.plan_of(checkpoint).backend.name
    machine = machine_of(backend) if backend in BACKENDS and backend != "remote" else None
    if machine is None:
        return None
    # names beside the fingerprint, since servers repeat them in what they tell
    adapters = [adapter.path.name for adapter in checkpoint.adapters]
    whom = [FORMAT, backend, ledger.serving.fingerprint(checkpoint), checkpoint.model, *adapters, machine]
    return hashlib.blake2b("\n".join(whom).encode(), digest_size=KEY_BYTES).digest()


@dataclass(frozen=True, slots=True)
class _Kept:
    """Whether requests to one party are answered in the cache."""

    store: ReplyStore
    identity: str

    def all_of(self, work: Work) -> bool:
        """Whether all that a variant owes is."""
        return all(
            self._has(job)
            for plan in work.plans
            if work.owed_rows(plan)
            for job in work.jobs_of(plan)
            if job is not None
        )

    def _has(self, job: Job) -> bool:
        reply = job.in_hand.reply if job.in_hand else self._reply(job.request)
        if reply is None or not job.plan.task.in_steps:
            return reply is not None
        return all(self._reply(step.request) is not None for step in job.steps(reply) if _of_model(step, job))

    def _reply(self, request: Request) -> Reply | None:
        return self.store.find(cache_key(self.identity, request)) if request.decided else None


def _of_model(step: Step, job: Job) -> bool:
    """Whether the model itself is asked: a judge with an address of its own answers in any case."""
    judge = job.plan.judge
    return step.of == "model" or judge is None or judge.base_url is None
