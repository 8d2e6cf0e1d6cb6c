"""The scores of one metric in a subset, and in several subsets together."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from evalsuite._util.compact import CompactValues

if TYPE_CHECKING:
    import numpy as np


@dataclass(slots=True)
class Scores:
    """One metric's scores in one subset.

    `alone` are those of rows that are independent, `clustered` those of rows in clusters, whose numbers stand in `clusters`
    beside them. `statistics` are the sufficient statistics of a corpus metric's samples, `width` numbers each. `rows`
    tells the tries of one row from those of others, in the order of `clustered` or `statistics`; it is empty where every
    row is asked once.
    """

    alone: CompactValues = field(default_factory=CompactValues)
    clustered: array[float] = field(default_factory=lambda: array("d"))
    clusters: array[int] = field(default_factory=lambda: array("q"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    statistics: array[float] = field(default_factory=lambda: array("d"))
    width: int = 0
    skipped: int = 0

    def add(self, value: float, cluster: int | None, row: int | None = None) -> None:
        """Add a score. Repeats of a row come with a cluster."""
        if row is not None:
            self.rows.append(row)
        if cluster is None:
            self.alone.append(value)
        else:
            self.clustered.append(value)
            self.clusters.append(cluster)

    def add_statistics(self, statistics: Sequence[float], row: int | None = None) -> None:
        """Add the statistics of a sample."""
        if row is not None:
            self.rows.append(row)
        self.width = len(statistics)
        self.statistics.extend(statistics)

    def merge(self, other: Scores) -> None:
        """Add all scores of another."""
        self.alone.extend(other.alone)
        self.clustered.extend(other.clustered)
        self.clusters.extend(other.clusters)
        self.rows.extend(other.rows)
        self.statistics.extend(other.statistics)
        self.width = self.width or other.width
        self.skipped += other.skipped

    def __len__(self) -> int:
        return len(self.alone) + len(self.clustered)

    def __iter__(self) -> Iterator[float]:
        return chain(self.alone, self.clustered)


@dataclass(frozen=True, slots=True)
class CombinedScores(Collection[float]):
    """The scores of several parts as one collection, without a copy."""

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
        """The cluster of each score, negative for an independent row; None if all rows are independent."""
        numbers: Iterable[int] = chain.from_iterable(part.clusters for part in self.parts)
        singles = sum(len(part.alone) for part in self.parts)
        return array("q", chain(range(-singles, 0), numbers)) if singles < len(self) else None


def table(parts: Iterable[Scores]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The statistics of all samples, one row each."""
    import numpy as np

    rows = [np.frombuffer(part.statistics).reshape(-1, part.width) for part in parts if part.width]
    return np.concatenate(rows) if rows else np.empty((0, 0))


def merged(parts: Iterable[Scores]) -> Scores:
    """The scores of all parts, copied."""
    whole = Scores()
    for part in parts:
        whole.merge(part)
    return whole


def row_means(part: Scores) -> Collection[float]:
    """One value for each row: the mean of its repeats."""
    if not part.rows:
        return CombinedScores([part])
    tries = ([part.clustered[place] for place in places] for places in _by_row(part).values())
    return [math.fsum(values) / len(values) for values in tries]


def row_table(parts: Sequence[Scores]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The statistics of all rows, one line each: the sum over a row's repeats."""
    import numpy as np

    whole = table(parts)
    rows = [row for part in parts for row in part.rows]
    if not rows:
        return whole
    _, places = np.unique(rows, return_inverse=True)
    sums = np.zeros((places.max() + 1, whole.shape[1]))
    np.add.at(sums, places, whole)
    return sums


def repeat_chances(
    chance: Callable[[int, int, int], float], k: int, scores: Scores
) -> tuple[array[float], array[int]]:
    """pass@k or pass^k of each row with at least k repeats, and the row's cluster, negative if no other row is in it."""
    by_row = _by_row(scores)
    rows_of = Counter(scores.clusters[places[0]] for places in by_row.values())
    values, clusters = array("d"), array("q")
    for number, places in enumerate(by_row.values(), start=1):
        if len(places) >= k:
            right = sum(scores.clustered[place] == 1 for place in places)
            values.append(chance(len(places), right, k))
            cluster = scores.clusters[places[0]]
            clusters.append(-number if rows_of[cluster] == 1 else cluster)
    return values, clusters


def _by_row(scores: Scores) -> dict[int, list[int]]:
    """Row → the positions of its repeats among the scores."""
    places: dict[int, list[int]] = {}
    for place, row in enumerate(scores.rows):
        places.setdefault(row, []).append(place)
    return places
