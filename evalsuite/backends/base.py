"""The protocol of a backend: what it needs, start a server, check it, stop it.

A `Backend` opens a `Server` for one or more checkpoints that share it, as a context manager. Inside, each checkpoint
answers as `Server.served` says; at the end (normal, error, Ctrl-C) everything that was started is gone. `compatibility`
lists which form works on which engine, `BACKENDS` the engines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from evalsuite._util.http.transport import Transport
from evalsuite.models.checkpoint import Checkpoint, short_name

NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A served model: its address, its name, how many requests at once, and its engine."""

    base_url: str
    model: str
    engine: Mapping[str, str] = field(default_factory=dict)
    """Facts for run.json: `name` and `package` of the engine; if known `dtype`, `device`,
    `chat_template` (its hash), `adapter`, `quantization`."""
    slots: int | None = None
    """Requests the server works on at the same time; None if it does not say."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Extra fields of each request, if the name alone does not select the adapter."""
    without_adapter: ServedModel | None = None
    """How to ask the same server for the base, if this is an adapter; the two must answer differently."""
    continues_turns: bool = False
    """Whether it is known to continue a prefilled assistant message, whatever the model."""
    transport: Transport | None = None
    """Carries requests to it if it is not reached over the network."""


class Server(Protocol):
    """A running server."""

    @property
    def served(self) -> Mapping[str, ServedModel]:
        """What is served, by the checkpoint's name."""

    def check(self, patience: float = 0.0) -> None:
        """Raise `ServerDied` with the last lines of its log if the server has ended, or ends within `patience` seconds."""


@dataclass(frozen=True, slots=True)
class ExistingServer:
    """A `Server` that existed before and stays afterwards: an address, a model in memory."""

    served: Mapping[str, ServedModel]

    def check(self, patience: float = 0.0) -> None:
        """Nothing: only its answers can show that it is gone."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether this machine can use a backend, for `evalsuite doctor` and `--backend auto`."""

    backend: str
    ready: bool
    detail: str
    """Version, or what to install."""


class Backend(Protocol):
    """One way to serve checkpoints."""

    @property
    def name(self) -> str:
        """The name that `--backend` takes."""

    def availability(self) -> Availability:
        """Whether its engine is installed. Imports nothing heavy."""

    def shares(self, first: Checkpoint, second: Checkpoint) -> bool:
        """Whether one server can serve both at once with correct results."""

    def serve(
        self,
        checkpoints: Sequence[Checkpoint],
        arguments: Mapping[str, str],
        log: Path,
        environment: Mapping[str, str] = NO_VARIABLES,
    ) -> AbstractContextManager[Server]:
        """Start one server for all checkpoints (each `shares` with the first), wait until it is ready, stop it at the end.

        The checkpoints have no recipe left. `environment`: extra variables of its process, such as the GPU it may use.
        Raises `ServerError`, or `ConfigError` for an argument.
        """


def have_same_base(first: Checkpoint, second: Checkpoint) -> bool:
    """Whether two checkpoints have the same weights and differ in their adapters only."""
    if first.recipe or second.recipe:
        return False
    return (first.path, first.quant, first.base_form or first.form) == (
        second.path,
        second.quant,
        second.base_form or second.form,
    )


def base_name(checkpoints: Sequence[Checkpoint]) -> str:
    """The name of the base on the server of these checkpoints: that of one without adapters, or an unused one."""
    for one in checkpoints:
        if not one.adapters:
            return one.model
    taken = {one.model for one in checkpoints}
    name = short_name(str(checkpoints[0].path))
    while name in taken:
        name += "-base"
    return name
