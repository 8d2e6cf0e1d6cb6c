"""The protocol of a backend: can it serve this, serve it, is it alive, stop it.

A `Backend` opens a `Server` as a context manager. Inside, the model answers under `served.base_url`; on the
way out (normal end, error, Ctrl-C) everything that was started is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from evalsuite.models.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Served:
    """A model that answers: where, under which name, how many requests at once, by which engine."""

    base_url: str
    model: str
    engine: Mapping[str, str] = field(default_factory=dict)
    slots: int | None = None
    """Requests the server works on at the same time; None when it does not say."""
    continues_turns: bool = False
    """Whether it is known to go on with a turn of the assistant that was begun for it, whatever the model."""


class Server(Protocol):
    """A running server."""

    @property
    def served(self) -> Served:
        """Where and what."""

    def check(self) -> None:
        """Raise `ServerError` with the last lines of its log when the server is no longer there."""


class Backend(Protocol):
    """One way to serve a checkpoint."""

    @property
    def name(self) -> str:
        """As `--backend` calls it."""

    def serve(
        self, checkpoint: Checkpoint, arguments: Mapping[str, str], log: Path
    ) -> AbstractContextManager[Server]:
        """Start it, wait until it answers, stop it at the end. Raises `ServerError` or `ConfigError`."""


@dataclass(frozen=True, slots=True)
class Ability:
    """What this machine can serve with a backend, for `evalsuite doctor`."""

    backend: str
    forms: str
    ready: bool
    detail: str
