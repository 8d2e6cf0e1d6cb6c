"""The protocol of a backend: what it needs, serve this, is it alive, stop it.

A `Backend` opens a `Server` for one or more checkpoints that share it, as a context manager. Inside, each of them
answers as `Server.served` says; on the way out (normal end, error, Ctrl-C) everything that was started is gone. Which
form works on which engine stands in `table`, which engines there are in the package's registry.
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
    """A model that answers: where, under which name, how many requests at once, by which engine."""

    base_url: str
    model: str
    engine: Mapping[str, str] = field(default_factory=dict)
    """What is served and by what, for run.json: `name` and `package` of the engine; where known `dtype`, `device`,
    `chat_template` (its hash), `adapter`, `quantization`."""
    slots: int | None = None
    """Requests the server works on at the same time; None when it does not say."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What each request carries besides, where the name alone does not choose the adapter."""
    without_adapter: ServedModel | None = None
    """How the same server is asked for the base, where an adapter is on: both must differ."""
    continues_turns: bool = False
    """Whether it is known to go on with a turn of the assistant that was begun for it, whatever the model."""
    transport: Transport | None = None
    """What carries requests to it, where it is not reached over the network."""


class Server(Protocol):
    """A running server."""

    @property
    def served(self) -> Mapping[str, ServedModel]:
        """Where and what, by the checkpoint's name."""

    def check(self, patience: float = 0.0) -> None:
        """Raise `ServerDied` with the last lines of its log when the server has ended, or ends within `patience` seconds."""


@dataclass(frozen=True, slots=True)
class ExistingServer:
    """A `Server` that was there before and stays afterwards: an address, a model in memory."""

    served: Mapping[str, ServedModel]

    def check(self, patience: float = 0.0) -> None:
        """Nothing to look at but its answers."""


@dataclass(frozen=True, slots=True)
class Availability:
    """What this machine can serve with a backend, for `evalsuite doctor` and `--backend auto`."""

    backend: str
    ready: bool
    detail: str
    """Version, or what to install."""


class Backend(Protocol):
    """One way to serve checkpoints."""

    @property
    def name(self) -> str:
        """As `--backend` calls it."""

    def availability(self) -> Availability:
        """Whether its engine is installed; imports nothing heavy."""

    def shares(self, first: Checkpoint, second: Checkpoint) -> bool:
        """Whether one server can soundly serve both at once."""

    def serve(
        self,
        checkpoints: Sequence[Checkpoint],
        arguments: Mapping[str, str],
        log: Path,
        environment: Mapping[str, str] = NO_VARIABLES,
    ) -> AbstractContextManager[Server]:
        """Start one server for all of them (each `shares` with the first), wait until it is ready, stop it at the end.

        `environment` is what its process is told besides, such as the GPU that it may see.

        Raises `ServerError`, or `ConfigError` for an argument. The checkpoints have no recipe: what had to be made is made.
        """


def have_same_base(first: Checkpoint, second: Checkpoint) -> bool:
    """Whether two checkpoints are one set of weights with different adapters, or none."""
    if first.recipe or second.recipe:
        return False
    return (first.path, first.quant, first.base_form or first.form) == (
        second.path,
        second.quant,
        second.base_form or second.form,
    )


def base_name(checkpoints: Sequence[Checkpoint]) -> str:
    """What the weights without an adapter are called on the server of these: as one of them, else a name that none has."""
    for one in checkpoints:
        if not one.adapters:
            return one.model
    taken = {one.model for one in checkpoints}
    name = short_name(str(checkpoints[0].path))
    while name in taken:
        name += "-base"
    return name
