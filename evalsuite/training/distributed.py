"""The processes of a distributed training: objects sent from the first to all, and gathered from all by the first.

They go over a gloo group of their own: no GPU memory, no collective of the training in between, a time-out of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch.distributed as dist

PATIENCE_SECONDS = 600.0
"""Beyond a check's own time-out: loading data, scoring, writing the report."""


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is. `group` is None where it is the only one."""

    rank: int = 0
    count: int = 1
    group: Any = None

    @property
    def first(self) -> bool:
        """Whether this process does what is done once."""
        return self.rank == 0

    def broadcast(self, value: Any = None) -> Any:
        """The first process's value, in every process; called by all of them."""
        if self.count == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0, group=self.group)
        return held[0]

    def gather(self, value: Any) -> Sequence[Any]:
        """Every process's value in the first one, nothing in the others; called by all of them."""
        if self.count == 1:
            return [value]
        held: list[Any] = [None] * self.count
        dist.gather_object(value, held if self.first else None, dst=0, group=self.group)
        return held if self.first else []


def find_ranks(check_timeout: float) -> Ranks:
    """The processes of this training; called by all of them."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return Ranks()
    group = dist.new_group(backend="gloo", timeout=timedelta(seconds=check_timeout + PATIENCE_SECONDS))
    return Ranks(dist.get_rank(), dist.get_world_size(), group)
