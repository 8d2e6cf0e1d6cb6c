"""Per-sample scores of one variant on one dataset, and the numbers they add up to.

What is kept a sample: eight bytes a score, and the sufficient statistics of corpus metrics. Nothing else grows
with the number of rows.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from evalsuite.config import OnError
from evalsuite.data.dataset import CATEGORY_PREFIX, WHOLE_DATASET
from evalsuite.metrics import repeats, stats
from evalsuite.runs.breakdowns import Breakdowns
from evalsuite.tasks.base import Breakdown, Metric
from evalsuite.types import Interval, Outcome


@dataclass(frozen=True, slots=True)
class Result:
    """One metric of one subset. Counts are of samples; `n_skipped` of those the metric does not apply to."""

    metric: Metric
    subset: str
    interval: Interval
    n_unparsed: int
    n_truncated: int
    n_error: int
    n_skipped: int
    bounds: tuple[float, float] | None = None
    """See `Tally.bounds`."""


@dataclass(slots=True)
class _Scores:
    """One metric's scores in one subset, with the cluster of each: negative for rows that stand alone.

    `rows` tells the tries of one row from those of others; it is empty where every row is asked once.
    """

    values: array[float] = field(default_factory=lambda: array("d"))
    clusters: array[int] = field(default_factory=lambda: array("q"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    statistics: list[Sequence[float]] = field(default_factory=list)
    skipped: int = 0

    def merge(self, other: _Scores) -> None:
        self.values.extend(other.values)
        self.clusters.extend(other.clusters)
        self.rows.extend(other.rows)
        self.statistics.extend(other.statistics)
        self.skipped += other.skipped


@dataclass(slots=True)
class _Cell:
    """The samples of one subset that are in the same categories."""

    subset: str
    categories: tuple[str, ...]
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    scores: dict[str, _Scores] = field(default_factory=dict)

    def is_in(self, name: str) -> bool:
        """Whether its samples belong to the results that stand under this name."""
        if name.startswith(CATEGORY_PREFIX):
            return name.removeprefix(CATEGORY_PREFIX) in self.categories
        return name in (self.subset, WHOLE_DATASET)


class Tally:
    """Takes judged samples one by one; gives results for `all`, every category and every subset.

    `category_order` holds categories that come first among theirs, in this order.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        on_error: OnError,
        breakdowns: Sequence[Breakdown] = (),
        category_order: Sequence[str] = (),
    ) -> None:
        self.metrics = tuple(metrics)
        self.breakdowns = Breakdowns(breakdowns)
        self._on_error = on_error
        self._category_order = tuple(category_order)
        self._cells: dict[tuple[str, tuple[str, ...]], _Cell] = {}
        self._clusters: dict[tuple[str, str], int] = {}
        self._singles = 0

    @property
    def subsets(self) -> list[str]:
        """The subsets seen so far, sorted."""
        return self.subjects(WHOLE_DATASET)

    @property
    def categories(self) -> list[str]:
        """The categories seen so far, those with an order first, then the others sorted."""
        seen = {category for cell in self._cells.values() for category in cell.categories}
        ordered = [category for category in self._category_order if category in seen]
        return ordered + sorted(seen.difference(ordered))

    def subjects(self, name: str) -> list[str]:
        """The subsets of the samples in a category (or in `all`), sorted."""
        return sorted({cell.subset for cell in self._in(name)})

    def outcomes(self, name: str = WHOLE_DATASET) -> Counter[Outcome]:
        """How many samples ended how, of those whose results stand under this name."""
        return sum((cell.outcomes for cell in self._in(name)), Counter())

    def _in(self, name: str) -> Iterator[_Cell]:
        return (cell for cell in self._cells.values() if cell.is_in(name))

    def add(
        self,
        subset: str,
        outcome: Outcome,
        values: Mapping[str, float | None],
        statistics: Mapping[str, Sequence[float]],
        cluster: str | None = None,
        categories: tuple[str, ...] = (),
        row: int | None = None,
    ) -> None:
        """Count a sample. An `error` counts towards metrics only under `--on-error wrong`, as 0 where it applies.

        `row` is a number, not negative, that the tries of a row share; None where every row is asked once. Tries are a
        cluster, unless their row is in one.
        """
        place = subset, categories
        cell = self._cells.get(place)
        if cell is None:
            cell = self._cells[place] = _Cell(subset, categories)
        cell.outcomes[outcome] += 1
        if outcome == "error" and self._on_error != "wrong":
            return
        number = self._cluster_number(subset, cluster, row)
        for metric in self.metrics:
            if metric.drawn:  # computed from the scores of the metric it is of
                continue
            kept = cell.scores.setdefault(metric.name, _Scores())
            value = values.get(metric.score)
            if outcome == "error":
                value = metric.of_failure(value)
            if metric.aggregate == "corpus" and metric.score in statistics:
                kept.statistics.append(array("d", statistics[metric.score]))
            elif metric.aggregate == "corpus" or value is None:
                kept.skipped += 1
                continue
            else:
                kept.values.append(value)
                kept.clusters.append(number)
            if row is not None:
                kept.rows.append(row)

    def _cluster_number(self, subset: str, cluster: str | None, row: int | None) -> int:
        """Clusters of different files are different ones; a row without one stands alone, with its other tries."""
        if cluster is None and row is not None:
            return row
        if cluster is None:
            self._singles += 1
            return -self._singles
        return self._clusters.setdefault((subset, cluster), len(self._clusters))

    def results(self) -> list[Result]:
        """Every metric over the whole dataset and over each category, then for each subset where there are several.

        A macro mean is not given for a subset, whose mean it would be.
        """
        wider = [WHOLE_DATASET, *(CATEGORY_PREFIX + category for category in self.categories)]
        found = [self._result(metric, name) for name in wider for metric in self.metrics]
        if self.subsets not in ([], [WHOLE_DATASET]):
            found += [
                self._result(metric, subset)
                for subset in self.subsets
                for metric in self.metrics
                if metric.aggregate != "macro"
            ]
        return found

    def _result(self, metric: Metric, name: str) -> Result:
        parts = self._parts(metric, name)
        outcomes = self.outcomes(name)
        return Result(
            metric=metric,
            subset=name,
            interval=_interval(metric, parts),
            n_unparsed=outcomes["unparsed"],
            n_truncated=outcomes["truncated"],
            n_error=outcomes["error"],
            n_skipped=sum(part.skipped for part in parts.values()),
            bounds=self.bounds(metric, name),
        )

    def bounds(self, metric: Metric, name: str = WHOLE_DATASET) -> tuple[float, float] | None:
        """The least and the greatest value the metric could have, had the samples in error been answered.

        None where there are none, where they count already (`--on-error wrong`), and for metrics that have no greatest
        value or are no mean of the samples' scores.
        """
        errors: Counter[str] = Counter()
        for cell in self._in(name):
            errors[cell.subset] += cell.outcomes["error"]
        countable = metric.highest < math.inf and metric.aggregate in ("mean", "macro")
        if not errors.total() or self._on_error == "wrong" or not countable:
            return None
        found = self._parts(metric, name)
        groups = [[subset] for subset in found] if metric.aggregate == "macro" else [list(found)]
        lows, highs = [], []
        for group in groups:
            total = sum(sum(found[subset].values) for subset in group)
            missed = sum(errors[subset] for subset in group)
            rows = missed + sum(len(found[subset].values) for subset in group)
            if rows:
                lows.append(total / rows)
                highs.append((total + missed * metric.highest) / rows)
        return sum(lows) / len(lows), sum(highs) / len(highs)

    def _parts(self, metric: Metric, name: str) -> dict[str, _Scores]:
        """A metric's scores by subset."""
        parts: dict[str, _Scores] = {}
        kept_as = metric.score if metric.drawn else metric.name
        for cell in self._in(name):
            parts.setdefault(cell.subset, _Scores()).merge(cell.scores.get(kept_as, _Scores()))
        return parts


def _interval(metric: Metric, parts: Mapping[str, _Scores]) -> Interval:
    """The metric over the parts; an interval does not reach beyond the values the metric can take."""
    found = _unbounded(metric, parts)
    if found.low is None or found.high is None:
        return found
    lowest = -math.inf if metric.unit == "difference" else 0.0
    return replace(found, low=max(lowest, found.low), high=min(metric.highest, found.high))


def _unbounded(metric: Metric, parts: Mapping[str, _Scores]) -> Interval:
    if metric.aggregate == "macro":
        n = sum(len(part.values) for part in parts.values())
        return replace(stats.macro_mean({subset: _row_means(part) for subset, part in parts.items()}), n=n)
    whole = _Scores()
    for part in parts.values():
        whole.merge(part)
    if metric.aggregate == "corpus":
        assert metric.from_statistics is not None
        found = stats.bootstrap_interval(_row_statistics(whole), metric.from_statistics)
        return replace(found, n=len(whole.statistics))
    values, clusters = _chances(metric, whole) if metric.drawn else (whole.values, whole.clusters)
    clustered = len(values) > 0 and max(clusters) >= 0
    if metric.unit == "proportion":
        return stats.score_interval(values, clusters if clustered else None)
    return stats.mean_interval(values, clusters if clustered else None)


def _by_row(scores: _Scores) -> dict[int, list[int]]:
    """Where the tries of each row stand among the scores."""
    places: dict[int, list[int]] = {}
    for place, row in enumerate(scores.rows):
        places.setdefault(row, []).append(place)
    return places


def _row_means(scores: _Scores) -> Sequence[float]:
    """One value a row: the mean of its tries."""
    if not scores.rows:
        return scores.values
    tries = ([scores.values[place] for place in places] for places in _by_row(scores).values())
    return [math.fsum(values) / len(values) for values in tries]


def _row_statistics(scores: _Scores) -> list[Sequence[float]]:
    """One row's sufficient statistics each: the sum of its tries'."""
    if not scores.rows:
        return scores.statistics
    tries = ([scores.statistics[place] for place in places] for places in _by_row(scores).values())
    return [list(map(math.fsum, zip(*statistics, strict=True))) for statistics in tries]


def _chances(metric: Metric, scores: _Scores) -> tuple[array[float], array[int]]:
    """pass@k or pass^k of each row with at least k tries, and the row's cluster: negative where that is itself."""
    chance = repeats.pass_at_k if metric.aggregate == "pass_at_k" else repeats.pass_hat_k
    values, clusters = array("d"), array("q")
    for number, (row, places) in enumerate(_by_row(scores).items(), start=1):
        if len(places) >= metric.drawn:
            right = sum(scores.values[place] == 1 for place in places)
            values.append(chance(len(places), right, metric.drawn))
            cluster = scores.clusters[places[0]]
            clusters.append(-number if cluster == row else cluster)
    return values, clusters
