"""Runs of one training, recognised by their steps: the value of each metric at each step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalsuite.comparison.document import TrainingCurve, TrainingLine, TrainingPoint
from evalsuite.comparison.sides import Side
from evalsuite.data.subsets import WHOLE_DATASET

_STEP = re.compile(r"(?:^|[-_])step-(\d+)$")


def training_step(side: Side) -> int | None:
    """The training step of a run: as run.json has it, or as the run's or variant's name ends (`step-500`)."""
    stated = side.run.info.get("step")
    if isinstance(stated, int):
        return stated
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
                units.setdefault((dataset, name), metric.get("unit"))
                lines = points.setdefault((dataset, name), {})
                point = _point(steps[side.label], metric)
                lines.setdefault(side.variant if several else "", []).append(point)
    return tuple(
        TrainingCurve(dataset=dataset, metric=name, unit=unit, lines=tuple(_lines(points[dataset, name])))
        for (dataset, name), unit in units.items()
    )


def _point(step: int, metric: Mapping[str, Any]) -> TrainingPoint:
    return TrainingPoint(
        step=step,
        value=metric.get("value"),
        ci_low=metric.get("ci_low"),
        ci_high=metric.get("ci_high"),
        n=metric.get("n"),
    )


def _lines(lines: Mapping[str, Sequence[TrainingPoint]]) -> Iterator[TrainingLine]:
    for name, points in lines.items():
        yield TrainingLine(name, tuple(sorted(points, key=lambda point: point.step)))


def _primary_metrics(side: Side) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    datasets = side.run.summary["variants"].get(side.variant, {}).get("datasets", {})
    for dataset, found in datasets.items():
        for name, metric in found["subsets"].get(WHOLE_DATASET, {}).get("metrics", {}).items():
            if metric.get("primary"):
                yield dataset, name, metric
