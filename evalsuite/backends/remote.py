"""A server that someone else runs: never started and never stopped here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evalsuite.backends.base import (
    NO_VARIABLES,
    Availability,
    ExistingServer,
    ServedModel,
    Server,
)
from evalsuite.errors import ConfigError
from evalsuite.models.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class RemoteBackend:
    """`--base-url URL --model NAME`."""

    name: str = "remote"

    def availability(self) -> Availability:
        """Always available."""
        return Availability(self.name, ready=True, detail="--base-url URL --model NAME")

    def shares(self, first: Checkpoint, second: Checkpoint) -> bool:
        """See `Backend.shares`."""
        return first.address == second.address

    @contextmanager
    def serve(
        self,
        checkpoints: Sequence[Checkpoint],
        arguments: Mapping[str, str],
        log: Path,
        environment: Mapping[str, str] = NO_VARIABLES,
    ) -> Iterator[Server]:
        """Yield the address."""
        if arguments:
            raise ConfigError(
                "--backend-arg is for servers that evalsuite starts; with --base-url it starts none."
            )
        yield ExistingServer(
            {
                checkpoint.name: ServedModel(checkpoint.address, checkpoint.model, {"name": "remote"})
                for checkpoint in checkpoints
            }
        )
