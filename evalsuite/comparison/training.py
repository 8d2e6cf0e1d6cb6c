"""Runs of one training, recognised by their steps: the value of each metric at each step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from evalsuite.comparison.document import TrainingCurve, TrainingLine, TrainingPoint
from evalsuite.comparison.sides import Side
from evalsuite.runs.schema import MetricSummary

_STEP = re.compile(r"(?:^|[-_])step-(\d+)$")


def training_step(side: Side) -> int | None:
    """The training step of a run: as run.json has it, or as the run's or variant's name ends (`step-500`)."""
    if side.run.info.step is not None:
        return side.run.info.step
    named = _STEP.search(side.run_name) or _STEP.search(side.variant)
    return int(named[1]) if named else None


def training_curves(sides: Sequence[Side]) -> tuple[TrainingCurve, ...]:
    """The primary metrics of sides of at least two steps, each over all rows of its own run.

    Each variant has a line. The line has no name if no run has several variants.
    """
    steps = {side.label: step for side in sides if (step := training_step(side)) is not None}
    if len(set(steps.values())) < 2:
        return ()
    several = len({side.run.path for side in sides}) < len(sides)
    units: dict[tuple[str, str], str | None] = {}
    points: dict[tuple[str, str], dict[str, list[TrainingPoint]]] = {}
    for side in sides:
        if side.label in steps:
            for dataset, name, metric in _primary_metrics(side):
                units.setdefault((dataset, name), metric.unit)
                lines = points.setdefault((dataset, name), {})
                point = _point(steps[side.label], metric)
                lines.setdefault(side.variant if several else "", []).append(point)
    return tuple(
        TrainingCurve(dataset=dataset, metric=name, unit=unit, lines=tuple(_lines(points[dataset, name])))
        for (dataset, name), unit in units.items()
    )


def _point(step: int, metric: MetricSummary) -> TrainingPoint:
    return TrainingPoint(
        step=step, value=metric.value, ci_low=metric.ci_low, ci_high=metric.ci_high, n=metric.n
    )


def _lines(lines: Mapping[str, Sequence[TrainingPoint]]) -> Iterator[TrainingLine]:
    for name, points in lines.items():
        yield TrainingLine(name, tuple(sorted(points, key=lambda point: point.step)))


def _primary_metrics(side: Side) -> Iterator[tuple[str, str, MetricSummary]]:
    found = side.run.summary.variants.get(side.variant)
    for dataset, results in (found.datasets if found else {}).items():
        for name, metric in results.metrics().items():
            if metric.primary:
                yield dataset, name, metric
