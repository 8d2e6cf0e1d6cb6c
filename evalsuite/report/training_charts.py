"""A training's metrics over its steps, drawn from a comparison's document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import (
    POINT_UNITS,
    axis_unit,
    format_compact,
    format_interval,
    format_value,
    scaled,
)
from evalsuite.report.line_charts import Line, Point, line_chart

ANY = (float("-inf"), float("inf"))


class TrainingChart(Struct, frozen=True):
    """One metric of one dataset; `names` are its lines in the order of their colours."""

    title: str
    names: tuple[str, ...]
    chart: str


def training_charts(document: Mapping[str, Any]) -> list[TrainingChart]:
    """None where what is compared is no training."""
    return [_chart(curve) for curve in document.get("training") or ()]


def _chart(curve: Mapping[str, Any]) -> TrainingChart:
    title = f"{curve['dataset']} · {curve['metric']}"
    lines = [Line(line["name"], tuple(_points(curve, line))) for line in curve["lines"]]
    steps = sorted({point.place for line in lines for point in line.points})
    ticks = [(step, format_compact(step)) for step in steps]
    bounds = (0.0, 100.0) if curve["unit"] in POINT_UNITS else ANY
    words = f"{title} at {len(steps)} steps"
    names = tuple(line.name for line in lines if line.name)
    chart = line_chart(lines, title=words, ticks=ticks, across="step", bounds=bounds)
    return TrainingChart(title + axis_unit(curve), names, chart)


def _points(curve: Mapping[str, Any], line: Mapping[str, Any]) -> list[Point]:
    points = []
    for at in line["points"]:
        value, low, high = (scaled(curve, at[name]) for name in ("value", "ci_low", "ci_high"))
        if value is not None:
            interval = format_interval(curve, at["ci_low"], at["ci_high"])
            words = f"step {at['step']}: {format_value(curve, at['value'])}, 95 % interval {interval}"
            points.append(Point(float(at["step"]), value, low, high, words))
    return points
