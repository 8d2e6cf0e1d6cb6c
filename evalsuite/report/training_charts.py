"""The metrics of a training over its steps, as line charts."""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec import Struct

from evalsuite.comparison.document import TrainingCurve, TrainingLine
from evalsuite.formatting.numbers import (
    POINT_UNITS,
    axis_unit,
    display_value,
    format_compact,
    format_interval,
    format_value,
)
from evalsuite.report.line_charts import Line, Point, line_chart
from evalsuite.report.section import Section
from evalsuite.report.source import ComparisonSource

POINT_BOUNDS = (0.0, 100.0)
NO_BOUNDS = (-math.inf, math.inf)


class TrainingChart(Struct, frozen=True):
    """One metric of one dataset. `names` are its lines in the order of their colours."""

    title: str
    names: tuple[str, ...]
    chart: str


def section(source: ComparisonSource) -> Section | None:
    """Make the section. None unless the runs are of several training steps."""
    charts = [training_chart(curve) for curve in source.comparison.training]
    return (
        Section("training", "Over training", "training_charts.html.j2", {"charts": charts})
        if charts
        else None
    )


def training_chart(curve: TrainingCurve) -> TrainingChart:
    """Draw one curve."""
    title = f"{curve.dataset} · {curve.metric}"
    lines = [Line(line.name, tuple(_points(curve, line))) for line in curve.lines]
    steps = sorted({point.place for line in lines for point in line.points})
    chart = line_chart(
        lines,
        title=f"{title} at {len(steps)} steps",
        ticks=[(step, format_compact(step)) for step in steps],
        across="step",
        bounds=POINT_BOUNDS if curve.unit in POINT_UNITS else NO_BOUNDS,
    )
    names = tuple(line.name for line in lines if line.name)
    return TrainingChart(title + axis_unit(curve.unit), names, chart)


def _points(curve: TrainingCurve, line: TrainingLine) -> Iterator[Point]:
    for point in line.points:
        value, low, high = (
            display_value(curve.unit, end) for end in (point.value, point.ci_low, point.ci_high)
        )
        if value is not None:
            interval = format_interval(curve.unit, point.ci_low, point.ci_high)
            words = f"step {point.step}: {format_value(curve.unit, point.value)}, 95 % interval {interval}"
            yield Point(float(point.step), value, low, high, words)
