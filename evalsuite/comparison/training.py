"""Runs of one training, told by their steps: what each metric was at each step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalsuite.comparison.sides import Side
from evalsuite.data.subsets import WHOLE_DATASET

_STEP = re.compile(r"(?:^|[-_])step-(\d+)$")


def training_step(side: Side) -> int | None:
    """The training step a run is of: as run.json has it, else as its name ends in (`step-500`)."""
    stated = side.run.info.get("step")
    if isinstance(stated, int):
        return stated
    named = _STEP.search(side.run_name) or _STEP.search(side.variant)
    return int(named[1]) if named else None


def training_curves(sides: Sequence[Side]) -> list[dict[str, Any]]:
    """The primary metrics of sides of two steps or more, each run's on all of its own rows.

    `[{"dataset", "metric", "unit", "lines": [{"name", "points": [{"step", "value", "ci_low", "ci_high", "n"}]}]}]`; a line
    is one variant's, and the only one, without a name, where no run has several.
    """
    steps = {side.label: step for side in sides if (step := training_step(side)) is not None}
    if len(set(steps.values())) < 2:
        return []
    several = len({side.run.path for side in sides}) < len(sides)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for side in sides:
        if side.label in steps:
            for dataset, name, metric in _primary_metrics(side):
                curve = found.setdefault((dataset, name), {"unit": metric.get("unit"), "lines": {}})
                line = side.variant if several else ""
                curve["lines"].setdefault(line, []).append(
                    {"step": steps[side.label]}
                    | {field: metric.get(field) for field in ("value", "ci_low", "ci_high", "n")}
                )
    return [
        {"dataset": dataset, "metric": name, "unit": curve["unit"], "lines": _lines(curve["lines"])}
        for (dataset, name), curve in found.items()
    ]


def _lines(lines: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "points": sorted(points, key=lambda point: int(point["step"]))}
        for name, points in lines.items()
    ]


def _primary_metrics(side: Side) -> list[tuple[str, str, Mapping[str, Any]]]:
    datasets = side.run.summary["variants"].get(side.variant, {}).get("datasets", {})
    return [
        (dataset, name, metric)
        for dataset, found in datasets.items()
        for name, metric in found["subsets"].get(WHOLE_DATASET, {}).get("metrics", {}).items()
        if metric.get("primary")
    ]
