"""Per-sample scores of one variant on one dataset, and the numbers they add up to.

What is kept a sample: eight bytes a score, and the sufficient statistics of corpus metrics. Nothing else grows
with the number of rows.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from evalsuite.config import OnError
from evalsuite.data.dataset import WHOLE_DATASET
from evalsuite.metrics import stats
from evalsuite.runs.breakdowns import Breakdowns
from evalsuite.tasks.base import Breakdown, Metric
from evalsuite.types import Interval, Outcome

BOUNDED_UNITS = frozenset({"proportion", "score"})
"""Metrics that lie in 0..1."""


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


@dataclass(slots=True)
class _Scores:
    """One metric's scores in one subset, with the cluster of each: negative for rows that stand alone."""

    values: array[float] = field(default_factory=lambda: array("d"))
    clusters: array[int] = field(default_factory=lambda: array("q"))
    statistics: list[Sequence[float]] = field(default_factory=list)
    skipped: int = 0


class Tally:
    """Takes judged samples one by one; gives results for every subset and for `all`."""

    def __init__(
        self, metrics: Sequence[Metric], on_error: OnError, breakdowns: Sequence[Breakdown] = ()
    ) -> None:
        self.metrics = tuple(metrics)
        self.breakdowns = Breakdowns(breakdowns)
        self._on_error = on_error
        self._scores: dict[str, dict[str, _Scores]] = {}
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._clusters: dict[tuple[str, str], int] = {}
        self._singles = 0

    @property
    def subsets(self) -> list[str]:
        """The subsets seen so far, sorted."""
        return sorted(self._outcomes)

    def outcomes(self, subset: str = WHOLE_DATASET) -> Counter[Outcome]:
        """How many samples ended how."""
        if subset != WHOLE_DATASET:
            return self._outcomes.get(subset, Counter())
        return sum(self._outcomes.values(), Counter())

    def add(
        self,
        subset: str,
        outcome: Outcome,
        values: Mapping[str, float | None],
        statistics: Mapping[str, Sequence[float]],
        cluster: str | None = None,
    ) -> None:
        """Count a sample. An `error` counts towards metrics only under `--on-error wrong`, as 0 where it applies."""
        self._outcomes.setdefault(subset, Counter())[outcome] += 1
        if outcome == "error" and self._on_error != "wrong":
            return
        number = self._cluster_number(subset, cluster)
        scores = self._scores.setdefault(subset, {})
        for metric in self.metrics:
            kept = scores.setdefault(metric.name, _Scores())
            if metric.aggregate == "corpus":
                if metric.name in statistics:
                    kept.statistics.append(array("d", statistics[metric.name]))
                continue
            value = values.get(metric.score)
            if outcome == "error":
                value = metric.of_failure(value)
            if value is None:
                kept.skipped += 1
            else:
                kept.values.append(value)
                kept.clusters.append(number)

    def _cluster_number(self, subset: str, cluster: str | None) -> int:
        """Clusters of different files are different ones; a row without one stands alone."""
        if cluster is None:
            self._singles += 1
            return -self._singles
        return self._clusters.setdefault((subset, cluster), len(self._clusters))

    def results(self) -> list[Result]:
        """Every metric over the whole dataset, then for each subset where there are several."""
        found = [self._result(metric, WHOLE_DATASET, self.subsets) for metric in self.metrics]
        if self.subsets not in ([], [WHOLE_DATASET]):
            found += [
                self._result(metric, subset, [subset])
                for subset in self.subsets
                for metric in self.metrics
                if metric.aggregate != "macro"
            ]
        return found

    def _result(self, metric: Metric, name: str, subsets: Iterable[str]) -> Result:
        parts = {subset: self._scores.get(subset, {}).get(metric.name, _Scores()) for subset in subsets}
        outcomes = self.outcomes(name)
        return Result(
            metric=metric,
            subset=name,
            interval=_interval(metric, parts),
            n_unparsed=outcomes["unparsed"],
            n_truncated=outcomes["truncated"],
            n_error=outcomes["error"],
            n_skipped=sum(part.skipped for part in parts.values()),
        )


def _interval(metric: Metric, parts: Mapping[str, _Scores]) -> Interval:
    """The metric over the parts; an interval does not reach beyond the values the metric can take."""
    found = _unbounded(metric, parts)
    if found.low is None or found.high is None:
        return found
    highest = 1.0 if metric.unit in BOUNDED_UNITS else math.inf
    return replace(found, low=max(0.0, found.low), high=min(highest, found.high))


def _unbounded(metric: Metric, parts: Mapping[str, _Scores]) -> Interval:
    if metric.aggregate == "macro":
        return stats.macro_mean({subset: part.values for subset, part in parts.items()})
    if metric.aggregate == "corpus":
        assert metric.from_statistics is not None
        rows = [row for part in parts.values() for row in part.statistics]
        return stats.bootstrap_interval(rows, metric.from_statistics)
    values = array("d", (value for part in parts.values() for value in part.values))
    clusters = array("q", (number for part in parts.values() for number in part.clusters))
    clustered = len(values) > 0 and max(clusters) >= 0
    if metric.unit == "proportion":
        return stats.score_interval(values, clusters if clustered else None)
    return stats.mean_interval(values, clusters if clustered else None)
