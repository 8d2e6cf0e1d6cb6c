"""Who is served by what: the variants of a configuration, the servers that they need, and what is recorded of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from evalsuite.backends.base import Say, Served, Server
from evalsuite.backends.choice import ServerPlan, plan_servers
from evalsuite.backends.devices import has_gpu
from evalsuite.config import RunConfig
from evalsuite.errors import ConfigError
from evalsuite.models.checkpoint import Checkpoint, served_fingerprint
from evalsuite.models.variants import find_variants
from evalsuite.runs.directory import RunDirectory

GGUF_FORMS = frozenset({"gguf", "gguf-lora", "served"})


@dataclass(frozen=True)
class Serving:
    """The servers of a run; `served` fills while it goes on."""

    checkpoints: tuple[Checkpoint, ...]
    servers: tuple[ServerPlan, ...]
    arguments: Mapping[str, str]

    def fingerprint(self, checkpoint: Checkpoint) -> str:
        """Of what answers under a variant's name."""
        return served_fingerprint(checkpoint, self.engine(checkpoint), self.arguments)

    def engine(self, checkpoint: Checkpoint) -> str:
        """The name of the backend that serves a variant."""
        return self._plan(checkpoint).backend.name

    def _plan(self, checkpoint: Checkpoint) -> ServerPlan:
        return next(plan for plan in self.servers if checkpoint in plan.checkpoints)

    def described(self) -> list[dict[str, Any]]:
        """The variants' entries in run.json."""
        return [self._described(checkpoint) for checkpoint in self.checkpoints]

    def _described(self, checkpoint: Checkpoint) -> dict[str, Any]:
        plan = self._plan(checkpoint)
        found: dict[str, Any] = {
            "name": checkpoint.name,
            "model": checkpoint.model,
            "source": checkpoint.source,
            "form": checkpoint.form,
            "backend": plan.backend.name,
            "fingerprint": checkpoint.fingerprint,
        }
        more = {
            "details": dict(checkpoint.details),
            "adapters": [
                {"path": str(adapter.path), "fingerprint": adapter.fingerprint}
                for adapter in checkpoint.adapters
            ],
            "made_by": checkpoint.recipe,
            "why": plan.why,
        }
        return found | {key: value for key, value in more.items() if value}


def plan_serving(config: RunConfig) -> Serving:
    """Recognise every variant and choose its engine. Raises `CheckpointError`, `ConfigError`, `ServerError`."""
    checkpoints = find_variants(config.ckpt, config.adapter, merge=config.merge, quants=config.quant)
    gpu = any(checkpoint.form not in GGUF_FORMS for checkpoint in checkpoints) and has_gpu()
    return serving_of(checkpoints, config.backend, config.backend_arg, gpu=gpu)


def serving_of(
    checkpoints: Sequence[Checkpoint], backend: str, arguments: Mapping[str, str], *, gpu: bool = False
) -> Serving:
    """The servers of checkpoints that are known."""
    servers = plan_servers(checkpoints, backend, gpu=gpu)
    if arguments and len({plan.backend.name for plan in servers}) > 1:
        names = " and ".join(dict.fromkeys(plan.backend.name for plan in servers))
        raise ConfigError(
            f"--backend-arg: the variants are served by {names}, which have different arguments; evaluate them in two runs."
        )
    return Serving(tuple(checkpoints), servers, arguments)


def start(
    plan: ServerPlan,
    checkpoints: Sequence[Checkpoint],
    arguments: Mapping[str, str],
    directory: RunDirectory,
    say: Say,
) -> AbstractContextManager[Server]:
    """Start a plan's server for those of its variants that are owed something."""
    names = ", ".join(checkpoint.name for checkpoint in checkpoints)
    if plan.backend.name != "remote":
        say(f"starting {plan.backend.name} for {names} …")
    return plan.backend.serve(checkpoints, arguments, directory.server_log(checkpoints[0].name), say)


def recorded(served: Served) -> dict[str, str]:
    """What is kept in run.json of what was really served."""
    return dict(served.engine)
