"""The scores of many samples, a metric's in a subset, and those of several subsets taken together."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from evalsuite.compact import Values

if TYPE_CHECKING:
    import numpy as np


@dataclass(slots=True)
class Scores:
    """One metric's scores in one subset.

    `alone` are those of rows that are independent, `clustered` those of rows in clusters, whose numbers stand in `clusters`
    beside them. `statistics` are the sufficient statistics of a corpus metric's samples, `width` numbers each.
    """

    alone: Values = field(default_factory=Values)
    clustered: array[float] = field(default_factory=lambda: array("d"))
    clusters: array[int] = field(default_factory=lambda: array("q"))
    statistics: array[float] = field(default_factory=lambda: array("d"))
    width: int = 0
    skipped: int = 0

    def add(self, value: float, cluster: int | None) -> None:
        """Count a score."""
        if cluster is None:
            self.alone.append(value)
        else:
            self.clustered.append(value)
            self.clusters.append(cluster)

    def add_statistics(self, statistics: Sequence[float]) -> None:
        """Count the statistics of a sample."""
        self.width = len(statistics)
        self.statistics.extend(statistics)

    def merge(self, other: Scores) -> None:
        """Take all that another has counted."""
        self.alone.extend(other.alone)
        self.clustered.extend(other.clustered)
        self.clusters.extend(other.clusters)
        self.statistics.extend(other.statistics)
        self.width = self.width or other.width
        self.skipped += other.skipped

    def __len__(self) -> int:
        return len(self.alone) + len(self.clustered)

    def __iter__(self) -> Iterator[float]:
        return chain(self.alone, self.clustered)


@dataclass(frozen=True, slots=True)
class Together(Collection[float]):
    """The scores of several parts as those of one, nothing copied."""

    parts: Sequence[Scores]

    def __iter__(self) -> Iterator[float]:
        return chain(
            chain.from_iterable(part.alone for part in self.parts),
            chain.from_iterable(part.clustered for part in self.parts),
        )

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __contains__(self, value: object) -> bool:
        return any(value in part.alone or value in part.clustered for part in self.parts)

    def clusters(self) -> Collection[Hashable] | None:
        """The cluster of each, a negative number for a row that stands alone; None where all of them do."""
        numbers: Iterable[int] = chain.from_iterable(part.clusters for part in self.parts)
        singles = sum(len(part.alone) for part in self.parts)
        return array("q", chain(range(-singles, 0), numbers)) if singles < len(self) else None


def table(parts: Iterable[Scores]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The statistics of all parts' samples, one row each."""
    import numpy as np

    rows = [np.frombuffer(part.statistics).reshape(-1, part.width) for part in parts if part.width]
    return np.concatenate(rows) if rows else np.empty((0, 0))
