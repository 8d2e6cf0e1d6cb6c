"""The variants of a configuration, the servers they need, and what was actually served.

Modules that only our own servers need are imported where they are used: a run against a base URL should not wait for them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import convert, to_builtins

from evalsuite.backends.base import NO_VARIABLES, ServedModel, Server
from evalsuite.config import RunConfig
from evalsuite.errors import ConfigError
from evalsuite.models.checkpoint import Checkpoint, served_fingerprint
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.run import IDENTICAL
from evalsuite.runs.schema import RunInfo, VariantInfo
from evalsuite.serving.server_plan import ServerPlan, plan_servers
from evalsuite.types import Prompt

if TYPE_CHECKING:
    from evalsuite.endpoint.adapter_probe import Liveness

logger = logging.getLogger(__name__)

SERVED_KEYS = ("served", "live", "warnings")
OWN_PROMPTS = 3
GENERAL_PROMPTS = ("Hello! Who are you?", "The capital of France is")
NO_TEMPLATE = "none"
"""What backends record for a checkpoint without a chat template; see `models.templates`."""
FORMS_WITHOUT_GPU = frozenset({"gguf", "gguf-lora", "served"})


@dataclass(frozen=True)
class ServingPlan:
    """The variants of a run and the servers they need."""

    checkpoints: tuple[Checkpoint, ...]
    servers: tuple[ServerPlan, ...]
    arguments: Mapping[str, str]

    def plan_of(self, checkpoint: Checkpoint) -> ServerPlan:
        """The server of a variant."""
        return next(plan for plan in self.servers if checkpoint in plan.checkpoints)

    def fingerprint(self, checkpoint: Checkpoint) -> str:
        """The fingerprint of what answers under a variant's name."""
        return served_fingerprint(checkpoint, self.plan_of(checkpoint).backend.name, self.arguments)

    def variant_infos(self, served: Mapping[str, Mapping[str, Any]]) -> list[VariantInfo]:
        """The variants' entries in run.json, with the facts of those that were served."""
        return [
            convert({**self._described(checkpoint), **served.get(checkpoint.name, {})}, VariantInfo)
            for checkpoint in self.checkpoints
        ]

    def _described(self, checkpoint: Checkpoint) -> dict[str, Any]:
        plan = self.plan_of(checkpoint)
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
            "made_by": list(checkpoint.recipe),
            "why": plan.why,
        }
        return found | {key: value for key, value in more.items() if value}


class ServedFacts:
    """What was actually served, by variant: `served` (the engine's facts), `live` (see `Liveness`), `warnings`.

    If a start has nothing to ask of a variant, the record of the previous start stays, provided the fingerprint is the same.
    """

    def __init__(self, serving: ServingPlan, before: RunInfo | None) -> None:
        now = {checkpoint.name: checkpoint.fingerprint for checkpoint in serving.checkpoints}
        recorded = {variant.name: to_builtins(variant) for variant in before.variants} if before else {}
        self.by_variant: dict[str, dict[str, Any]] = {
            name: {key: entry[key] for key in SERVED_KEYS if key in entry}
            for name, entry in recorded.items()
            if now.get(name) == entry["fingerprint"]
        }

    def add(
        self, checkpoint: Checkpoint, served: ServedModel, live: Liveness | None, *, chat: bool
    ) -> list[str]:
        """Record a variant that answers and return the warnings about it. `chat`: prompts are messages, not flat texts."""
        facts: dict[str, Any] = {"served": dict(served.engine)}
        warnings = [base_through_chat_warning(checkpoint, served)] if chat else []
        if live is not None:
            facts["live"] = live.to_json()
            if live.identical:
                warnings.append(identical_to_base_warning(checkpoint, live))
        if found := [warning for warning in warnings if warning]:
            facts["warnings"] = found
        self.by_variant[checkpoint.name] = facts
        return found

    def identical(self, checkpoint: Checkpoint) -> bool:
        """Whether a variant's adapter is known to make no difference."""
        live = self.by_variant.get(checkpoint.name, {}).get("live") or {}
        return bool(live.get("identical"))


def identical_to_base_warning(checkpoint: Checkpoint, live: Liveness) -> str:
    """A warning with the likely causes."""
    sure = (
        ""
        if live.by == "log-probabilities"
        else " (the server gives no log-probabilities, so only the texts could be compared)"
    )
    return (
        f"WARNING: {checkpoint.name} is {IDENTICAL}: {live.prompts} prompts got the same answers with and without the adapter, compared by {live.by}{sure}. "
        f"Either {checkpoint.source} was saved before it learned anything (its B matrices are zero), or the server does not apply it. "
        f"The scores of {checkpoint.name} are the base's scores."
    )


def base_through_chat_warning(checkpoint: Checkpoint, served: ServedModel) -> str:
    """A warning if a base model is asked through chat, as far as its files tell; empty otherwise."""
    template = served.engine.get("chat_template", "")
    if checkpoint.chat_template is not None:
        return ""
    if template.startswith(NO_TEMPLATE):
        why = f"has no chat template{template.removeprefix(NO_TEMPLATE)}, as base models have none"
    elif checkpoint.looks_like_base:
        why = f"is a base model by its name ({Path(checkpoint.source).name})"
    else:
        return ""
    return (
        f"WARNING: {checkpoint.name} {why}, and is asked through chat: its replies may not show what it knows. "
        "Use --completions (and --stop TEXT to end replies), or give the template it was trained with: --chat-template FILE."
    )


def plan_serving(config: RunConfig) -> ServingPlan:
    """Recognise every variant and choose an engine for it. Raises `CheckpointError`, `ConfigError`, `ServerError`."""
    from evalsuite.backends.devices import has_gpu
    from evalsuite.conversion.llama_cpp import as_gguf, find_converters
    from evalsuite.conversion.prepare import check_can_be_prepared
    from evalsuite.models.templates import read_template
    from evalsuite.models.variants import find_variants

    checkpoints = find_variants(config.ckpt, config.adapter, merge=config.merge, quants=config.quant)
    if config.backend == "llamacpp" and find_converters():
        checkpoints = tuple(as_gguf(checkpoint) for checkpoint in checkpoints)
    for checkpoint in checkpoints:
        check_can_be_prepared(checkpoint)
    if config.chat_template is not None:
        template = read_template(config.chat_template)
        checkpoints = tuple(replace(checkpoint, chat_template=template) for checkpoint in checkpoints)
    gpu = any(checkpoint.form not in FORMS_WITHOUT_GPU for checkpoint in checkpoints) and has_gpu()
    return build_serving(checkpoints, config.backend, config.backend_arg, gpu=gpu)


def build_serving(
    checkpoints: Sequence[Checkpoint], backend: str, arguments: Mapping[str, str], *, gpu: bool = False
) -> ServingPlan:
    """Plan the servers of checkpoints that are already recognised."""
    servers = plan_servers(checkpoints, backend, gpu=gpu)
    if arguments and len({plan.backend.name for plan in servers}) > 1:
        names = " and ".join(dict.fromkeys(plan.backend.name for plan in servers))
        raise ConfigError(
            f"--backend-arg: the variants are served by {names}, which have different arguments; evaluate them in two runs."
        )
    return ServingPlan(tuple(checkpoints), servers, arguments)


def start(
    plan: ServerPlan,
    checkpoints: Sequence[Checkpoint],
    arguments: Mapping[str, str],
    log: Path,
    environment: Mapping[str, str] = NO_VARIABLES,
) -> AbstractContextManager[Server]:
    """Start a plan's server for the variants that are left to evaluate. What must be made first is made."""
    ready = list(checkpoints)
    if plan.backend.name != "remote":
        from evalsuite.conversion.prepare import prepare_checkpoint

        ready = [prepare_checkpoint(checkpoint, log) for checkpoint in checkpoints]
        names = ", ".join(checkpoint.name for checkpoint in checkpoints)
        logger.info("starting %s for %s …", plan.backend.name, names)
    return plan.backend.serve(ready, arguments, log, environment)


async def liveness(
    served: ServedModel, plans: Sequence[DatasetPlan], *, completions: bool
) -> Liveness | None:
    """Compare a variant's adapter with its base on prompts of this run and others; None if there is no adapter."""
    if served.without_adapter is None:
        return None
    from evalsuite.endpoint.adapter_probe import RequestTarget, compare

    base = served.without_adapter
    return await compare(
        RequestTarget(served.base_url, served.model, served.fields),
        RequestTarget(base.base_url, base.model, base.fields),
        [
            *first_prompts(plans[:OWN_PROMPTS]),
            *(_general_prompt(text, completions=completions) for text in GENERAL_PROMPTS),
        ],
    )


def first_prompts(plans: Sequence[DatasetPlan]) -> Iterator[Prompt]:
    """The prompt of the first sample of each dataset."""
    for plan in plans:
        sample, shots = next(plan.samples())
        yield plan.request(sample, shots)[0]


def _general_prompt(text: str, *, completions: bool) -> Prompt:
    return Prompt(text=text) if completions else Prompt(messages=[{"role": "user", "content": text}])
