"""The results of a run as summary.json holds them: variants → datasets → subsets → metrics.

A subset's `breakdowns` are the further tables of its kind (`runs.breakdowns`). Results of a category are under the
subset `category:NAME`, with its `category` and `subjects`. Its `accuracy_macro` is what exams publish for a group:
the unweighted mean over its subjects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalsuite.data.subsets import CATEGORY_PREFIX, WHOLE_DATASET
from evalsuite.runs.aggregate import Result, ScoreAggregate
from evalsuite.runs.schema import (
    DatasetSummary,
    MetricSummary,
    SpeedSummary,
    SubsetSummary,
    VariantSummary,
)
from evalsuite.runs.scored_dataset import ScoredDataset


@dataclass(frozen=True, slots=True)
class DatasetResults:
    """What one variant scored on one dataset."""

    variant: str
    dataset: ScoredDataset
    aggregate: ScoreAggregate
    owed: int
    """Samples that are not finished."""

    def results(self) -> list[Result]:
        """Every metric of every subset."""
        return self.aggregate.results()


def signature(dataset: ScoredDataset, result: Result) -> str:
    """Everything a number depends on, in one line, such as `mcq|default|v1|n:44|shots:5|lang:zh|…`."""
    metric = result.metric
    parts = [
        dataset.task.kind,
        metric.profile,
        f"v{metric.version}",
        f"n:{result.interval.n}",
        *dataset.conditions(),
        *dataset.task.signature_parts(dataset.style),
    ]
    return "|".join(parts)


def summarize_variants(
    results: Sequence[DatasetResults], speeds: Mapping[str, SpeedSummary]
) -> dict[str, VariantSummary]:
    """The results of every variant."""
    variants: dict[str, dict[str, DatasetSummary]] = {}
    for found in results:
        variants.setdefault(found.variant, {})[found.dataset.name] = summarize_dataset(found)
    return {
        name: VariantSummary(datasets=datasets, speed=speeds.get(name)) for name, datasets in variants.items()
    }


def summarize_dataset(found: DatasetResults) -> DatasetSummary:
    """The results of one variant on one dataset."""
    metrics: dict[str, dict[str, MetricSummary]] = {}
    for result in found.results():
        metrics.setdefault(result.subset, {})[result.metric.name] = _metric(found.dataset, result)
    if not metrics:  # nothing was measured, but there are samples
        metrics[WHOLE_DATASET] = {}
    return DatasetSummary(
        kind=found.dataset.task.kind,
        owed=found.owed,
        subsets={name: _subset(found.aggregate, name, of_subset) for name, of_subset in metrics.items()},
    )


def _subset(aggregate: ScoreAggregate, name: str, metrics: dict[str, MetricSummary]) -> SubsetSummary:
    outcomes = aggregate.outcomes(name)
    is_category = name.startswith(CATEGORY_PREFIX)
    return SubsetSummary(
        category=name.removeprefix(CATEGORY_PREFIX) if is_category else None,
        subjects=tuple(aggregate.subjects(name)) if is_category else None,
        samples=sum(outcomes.values()),
        n_unparsed=outcomes["unparsed"],
        n_truncated=outcomes["truncated"],
        n_error=outcomes["error"],
        metrics=metrics,
        breakdowns=aggregate.breakdowns.summaries(None if name == WHOLE_DATASET else name),
    )


def _metric(dataset: ScoredDataset, result: Result) -> MetricSummary:
    interval, metric = result.interval, result.metric
    return MetricSummary(
        value=interval.value,
        stderr=interval.stderr,
        ci_low=interval.low,
        ci_high=interval.high,
        n=interval.n,
        n_unparsed=result.n_unparsed,
        n_truncated=result.n_truncated,
        n_error=result.n_error,
        n_skipped=result.n_skipped,
        primary=metric.primary,
        signature=signature(dataset, result),
        bounds=result.bounds,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        detail=metric.detail,
    )
