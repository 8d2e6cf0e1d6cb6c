"""`--backend auto`: which engine serves which checkpoint, and why; which of them share a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from evalsuite.backends import BACKENDS, open_backend
from evalsuite.backends.base import Backend
from evalsuite.backends.compatibility import COMPATIBILITY, find_obstacle
from evalsuite.errors import CheckpointError, ServerError
from evalsuite.models.checkpoint import Checkpoint

ENGINES_WITH_GPU = ("vllm", "sglang", "lmdeploy", "transformers", "llamacpp")
ENGINES_WITHOUT_GPU = ("llamacpp", "transformers", "vllm", "sglang", "lmdeploy")
"""In order of preference: with a GPU the engines that serve many requests at once, without one those that start in seconds."""

MOST_NAMES = 3
"""Variants that the name of a server's log mentions."""


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """One server: its engine, its variants, and why this engine was chosen."""

    backend: Backend
    checkpoints: tuple[Checkpoint, ...]
    why: str

    @property
    def name(self) -> str:
        """The names of its variants, fit for a file name: `base`, `base+sft`, `base+sft+7-more`."""
        names = [checkpoint.name for checkpoint in self.checkpoints]
        more = len(names) - MOST_NAMES
        return "+".join([*names[:MOST_NAMES], *([f"{more}-more"] if more > 0 else [])])


def plan_servers(checkpoints: Sequence[Checkpoint], wanted: str, *, gpu: bool) -> tuple[ServerPlan, ...]:
    """Plan a server for every checkpoint, in their order; checkpoints that can share one do.

    `wanted`: a backend's name or `auto`. Raises `CheckpointError` for a form that the engine does not serve, `ServerError`
    for an engine that is not installed; both say what to do.
    """
    if all(checkpoint.form == "served" for checkpoint in checkpoints):
        chosen = [("remote", "")] * len(checkpoints)
    elif wanted != "auto":
        _refuse_absent(wanted)
        for checkpoint in checkpoints:
            _refuse(wanted, checkpoint, gpu=gpu)
        chosen = [(wanted, "as asked for")] * len(checkpoints)
    else:
        chosen = _chosen(checkpoints, gpu=gpu)
    plans: list[ServerPlan] = []
    for checkpoint, (name, why) in zip(checkpoints, chosen, strict=True):
        place = next((number for number, plan in enumerate(plans) if _joins(plan, name, checkpoint)), None)
        if place is None:
            plans.append(ServerPlan(open_backend(name), (checkpoint,), why))
        else:
            shared = plans[place]
            plans[place] = ServerPlan(shared.backend, (*shared.checkpoints, checkpoint), shared.why)
    return tuple(plans)


def _joins(plan: ServerPlan, name: str, checkpoint: Checkpoint) -> bool:
    return plan.backend.name == name and plan.backend.shares(plan.checkpoints[0], checkpoint)


def _chosen(checkpoints: Sequence[Checkpoint], *, gpu: bool) -> list[tuple[str, str]]:
    """One engine for all if possible, so that variants differ in nothing else; otherwise the first that serves each."""
    order = [name for name in (ENGINES_WITH_GPU if gpu else ENGINES_WITHOUT_GPU) if name in BACKENDS]
    ready = [name for name in order if open_backend(name).availability().ready]
    serves = partial(find_obstacle, gpu=gpu)
    for name in ready:
        if not any(serves(name, checkpoint) for checkpoint in checkpoints):
            forms = " and ".join(dict.fromkeys(checkpoint.form for checkpoint in checkpoints))
            return [(name, f"the first ready engine that serves {forms} on this machine")] * len(checkpoints)
    chosen: list[tuple[str, str]] = []
    for checkpoint in checkpoints:
        able = [name for name in ready if not serves(name, checkpoint)]
        if not able:
            raise _no_engine(checkpoint, order, ready, gpu=gpu)
        chosen.append((able[0], f"no ready engine serves all variants; this one serves {checkpoint.form}"))
    return chosen


def _no_engine(
    checkpoint: Checkpoint, order: Sequence[str], ready: Sequence[str], *, gpu: bool
) -> CheckpointError | ServerError:
    """The error that no engine serves a checkpoint: the engine to install if that would help, otherwise every reason."""
    absent = [name for name in order if name not in ready and not find_obstacle(name, checkpoint, gpu=gpu)]
    if absent:
        details = "; ".join(f"{name}: {open_backend(name).availability().detail}" for name in absent)
        return ServerError(
            f"{checkpoint.name} ({checkpoint.source}) is of the form '{checkpoint.form}', and no engine that serves it is installed. {details}"
        )
    reasons = dict.fromkeys(str(find_obstacle(name, checkpoint, gpu=gpu)) for name in order)
    listing = "\n".join(f"  {reason}" for reason in reasons)
    return CheckpointError(
        f"--ckpt {checkpoint.source}: no engine here serves the form '{checkpoint.form}':\n{listing}\n"
        "Or serve it yourself and give --base-url URL --model NAME."
    )


def _refuse_absent(name: str) -> None:
    availability = open_backend(name).availability()
    if not availability.ready:
        raise ServerError(f"--backend {name}: {availability.detail}")


def _refuse(name: str, checkpoint: Checkpoint, *, gpu: bool) -> None:
    if name in COMPATIBILITY and (reason := find_obstacle(name, checkpoint, gpu=gpu)):
        raise CheckpointError(f"{checkpoint.name} ({checkpoint.source}): {reason}")
