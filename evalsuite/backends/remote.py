"""A server that someone else runs: reached, never started, never stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evalsuite.backends.base import Ability, Served, Server
from evalsuite.errors import ConfigError
from evalsuite.models.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class RemoteServer:
    """An address that answers, as far as we know."""

    served: Served

    def check(self) -> None:
        """Nothing to look at but its answers."""


@dataclass(frozen=True, slots=True)
class RemoteBackend:
    """`--base-url URL --model NAME`."""

    base_url: str
    name: str = "remote"

    @contextmanager
    def serve(self, checkpoint: Checkpoint, arguments: Mapping[str, str], log: Path) -> Iterator[Server]:
        """Yield the address."""
        if arguments:
            raise ConfigError(
                "--backend-arg is for servers that evalsuite starts; with --base-url there is none."
            )
        yield RemoteServer(Served(self.base_url, checkpoint.model, {"name": "remote"}))


def ability() -> Ability:
    """Always there."""
    return Ability(
        "remote", "anything behind an OpenAI endpoint", ready=True, detail="--base-url URL --model NAME"
    )
