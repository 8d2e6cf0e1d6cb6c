"""Exchanges objects between the processes of a distributed training: broadcast from the first, gather to the first.

Uses a gloo group of its own: no GPU memory, no mixing with the training's collectives, its own timeout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch.distributed as dist

PATIENCE_SECONDS = 600.0
"""Added to a check's own timeout, for loading data, scoring and writing the report."""


@dataclass(frozen=True)
class Ranks:
    """This process's rank and the number of processes. `group` is None if it is the only one."""

    rank: int = 0
    count: int = 1
    group: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the process that does what is done once."""
        return self.rank == 0

    def broadcast(self, value: Any = None) -> Any:
        """Return the first process's value in every process. All processes must call it."""
        if self.count == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0, group=self.group)
        return held[0]

    def gather(self, value: Any) -> Sequence[Any]:
        """Return every process's value in the first one, an empty list in the others. All processes must call it."""
        if self.count == 1:
            return [value]
        held: list[Any] = [None] * self.count
        dist.gather_object(value, held if self.first else None, dst=0, group=self.group)
        return held if self.first else []


def find_ranks(check_timeout: float) -> Ranks:
    """Find the processes of this training. All processes must call it."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return Ranks()
    group = dist.new_group(backend="gloo", timeout=timedelta(seconds=check_timeout + PATIENCE_SECONDS))
    return Ranks(dist.get_rank(), dist.get_world_size(), group)
