"""Per-sample scores of one variant on one dataset, and the numbers they add up to.

What is kept: how often each score occurred (see `runs.scores`; eight bytes a score where many differ, sixteen where rows
are in clusters), and the sufficient statistics of corpus metrics. Nothing else grows with the number of rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from evalsuite.data.subsets import CATEGORY_PREFIX, WHOLE_DATASET
from evalsuite.metrics import repeats, stats
from evalsuite.options.running import OnError
from evalsuite.runs.breakdowns import BreakdownCounts
from evalsuite.runs.scores import CombinedScores, Scores, merged, repeat_chances, row_means, row_table
from evalsuite.tasks.metric import Breakdown, Metric
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
    """See `ScoreAggregate.bounds`."""


@dataclass(slots=True)
class _Cell:
    """The samples of one subset with the same categories."""

    subset: str
    categories: tuple[str, ...]
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    scores: dict[str, Scores] = field(default_factory=dict)

    def is_in(self, name: str) -> bool:
        """Whether its samples count in the results of this name."""
        if name.startswith(CATEGORY_PREFIX):
            return name.removeprefix(CATEGORY_PREFIX) in self.categories
        return name in (self.subset, WHOLE_DATASET)


class ScoreAggregate:
    """Adds up scored samples, and gives results for `all`, every category and every subset.

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
        self.breakdowns = BreakdownCounts(breakdowns)
        self._on_error = on_error
        self._category_order = tuple(category_order)
        self._cells: dict[tuple[str, tuple[str, ...]], _Cell] = {}
        self._clusters: dict[tuple[str, str] | int | None, int] = {}
        self.labels: Counter[str] = Counter()
        """How many samples of the whole dataset have each label."""

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
        """Number of samples of each outcome, in the results of this name."""
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
            if metric.k:  # computed from the scores of the metric it is of
                continue
            kept = cell.scores.setdefault(metric.name, Scores())
            if metric.aggregate == "corpus":
                if metric.score in statistics:
                    kept.add_statistics(statistics[metric.score], row)
                else:
                    kept.skipped += 1
                continue
            value = values.get(metric.score)
            if outcome == "error":
                value = metric.failure_value(value)
            if value is None:
                kept.skipped += 1
            else:
                kept.add(value, number, row)

    def _cluster_number(self, subset: str, cluster: str | None, row: int | None) -> int | None:
        """Number the cluster of a row: clusters of two files differ, and a row without one forms a cluster of its repeats."""
        if cluster is None and row is None:
            return None
        key = row if cluster is None else (subset, cluster)
        return self._clusters.setdefault(key, len(self._clusters))

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
        """The lowest and the highest value the metric could have, had failed samples been answered.

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
            values = CombinedScores([found[subset] for subset in group])
            total, missed = math.fsum(values), sum(errors[subset] for subset in group)
            rows = missed + len(values)
            if rows:
                lows.append(total / rows)
                highs.append((total + missed * metric.highest) / rows)
        return sum(lows) / len(lows), sum(highs) / len(highs)

    def _parts(self, metric: Metric, name: str) -> dict[str, Scores]:
        """A metric's scores by subset. They are copied only if a subset has several cells."""
        parts: dict[str, Scores] = {}
        kept_as = metric.score if metric.k else metric.name
        for cell in self._in(name):
            scores = cell.scores.get(kept_as, Scores())
            if cell.subset in parts:
                scores = merged([parts[cell.subset], scores])
            parts[cell.subset] = scores
        return parts


def _interval(metric: Metric, parts: Mapping[str, Scores]) -> Interval:
    """The metric over the parts. Its interval stays within the values the metric can take."""
    found = _unbounded(metric, parts)
    if found.low is None or found.high is None:
        return found
    lowest = -math.inf if metric.unit == "difference" else 0.0
    return replace(found, low=max(lowest, found.low), high=min(metric.highest, found.high))


def _unbounded(metric: Metric, parts: Mapping[str, Scores]) -> Interval:
    if metric.aggregate == "macro":
        n = sum(map(len, parts.values()))
        return replace(stats.macro_mean({subset: row_means(part) for subset, part in parts.items()}), n=n)
    if metric.aggregate == "corpus":
        assert metric.from_statistics is not None
        samples = sum(len(part.statistics) // part.width for part in parts.values() if part.width)
        found = stats.bootstrap_interval(row_table(list(parts.values())), metric.from_statistics)
        return replace(found, n=samples)
    values: Collection[float] = CombinedScores(list(parts.values()))
    clusters: Collection[Hashable] | None = None
    if metric.k:
        chance = repeats.pass_at_k if metric.aggregate == "pass_at_k" else repeats.pass_hat_k
        values, clusters = repeat_chances(chance, metric.k, merged(parts.values()))
        clusters = clusters if max(clusters, default=-1) >= 0 else None
    elif isinstance(values, CombinedScores):
        clusters = values.clusters()
    share = metric.unit == "proportion" or (metric.unit == "score" and _all_at_one_end(values))
    return (stats.score_interval if share else stats.mean_interval)(values, clusters)


def _all_at_one_end(values: Collection[float]) -> bool:
    """Whether all scores are 0, or all are 1: without spread, an interval would have no width and claim certainty."""
    first = next(iter(values), None)
    return first in (0, 1) and all(value == first for value in values)
