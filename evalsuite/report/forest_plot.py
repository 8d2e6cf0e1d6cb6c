"""The forest plot of a comparison: one row per judged metric, its difference and 95 % interval around zero.

The axis and each row are SVG. Colours come from CSS classes, so that the plot works in light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from msgspec import Struct

from evalsuite.comparison.document import ComparisonDocument, ResultEntry
from evalsuite.comparison.tables import detectable_text, p_text, whole_results, won_lost
from evalsuite.data.subsets import CATEGORY_PREFIX
from evalsuite.formatting.numbers import (
    MINUS,
    MISSING,
    POINT_UNITS,
    display_value,
    format_compact,
    format_count,
    format_delta,
    format_delta_interval,
    format_value,
)
from evalsuite.report.charts import nice_step
from evalsuite.report.section import Section
from evalsuite.report.source import ComparisonSource, RunSource

WIDTH, HEIGHT = 320, 18
EDGE = 18
"""Room at both ends of the axis for half of a number."""
MAX_STEPS = 3
"""Numbers on each side of 0, at most."""


class DeltaRow(Struct, frozen=True, kw_only=True):
    """One difference as text, with its row of the forest plot."""

    dataset: str
    subset: str
    metric: str
    variant: str
    baseline_value: str
    value: str
    delta: str
    interval: str
    p: str
    won_lost: str
    n: str
    detectable: str
    verdict: str
    kind: str
    """The CSS class of the verdict."""
    graphic: str
    lower_is_better: bool


class ForestPlot(Struct, frozen=True):
    """Rows that share an axis."""

    rows: tuple[DeltaRow, ...]
    axis: str
    unit: str
    """How headings of this axis end."""


def section(source: RunSource | ComparisonSource) -> Section | None:
    """Make the section. None if nothing that is judged can be drawn."""
    comparison = source.comparison
    if comparison is None or not (plots := forest_plots(comparison)):
        return None
    values = {"plots": plots, "baseline": comparison.baseline, "several": source.several_compared}
    return Section("deltas", "Deltas", "forest_plot.html.j2", values)


def forest_plots(document: ComparisonDocument) -> list[ForestPlot]:
    """Draw what is judged: one plot for all metrics in points, and one for each other unit."""
    groups: dict[str, list[ResultEntry]] = {}
    for result in whole_results(document):
        if result.verdict and result.delta is not None:
            groups.setdefault("points" if result.unit in POINT_UNITS else result.unit, []).append(result)
    return [forest_plot(results) for results in groups.values()]


def forest_plot(results: Sequence[ResultEntry]) -> ForestPlot:
    """Draw results that share an axis."""
    scale = forest_scale(max(map(_reach, results), default=0.0))
    rows = tuple(delta_row(result, scale) for result in results)
    return ForestPlot(rows, forest_axis(scale), ", points" if results[0].unit in POINT_UNITS else "")


def _reach(result: ResultEntry) -> float:
    """The largest distance from zero that the row of a result shows."""
    return max(abs(end or 0.0) for end in _ends(result))


def _ends(result: ResultEntry) -> list[float | None]:
    return [display_value(result.unit, end) for end in (result.delta, result.ci_low, result.ci_high)]


def delta_row(result: ResultEntry, scale: ForestScale | None = None) -> DeltaRow:
    """Format a result. Without a scale nothing is drawn."""
    kind = result.verdict if result.verdict in ("better", "worse") else "neither"
    interval = format_delta_interval(result.unit, result.ci_low, result.ci_high)
    delta = format_delta(result.unit, result.delta)
    title = f"{result.variant}, {result.metric} on {result.dataset} {result.subset}: {delta}"
    if interval != MISSING:
        title += f", 95 % interval {interval}"
    return DeltaRow(
        dataset=result.dataset,
        subset=result.subset.removeprefix(CATEGORY_PREFIX),
        metric=result.metric,
        variant=result.variant,
        baseline_value=format_value(result.unit, result.baseline_value),
        value=format_value(result.unit, result.variant_value),
        delta=delta,
        interval=interval,
        p=p_text(result),
        won_lost=won_lost(result),
        n=format_count(result.n),
        detectable=detectable_text(result),
        verdict=result.verdict or "",
        kind=kind,
        graphic=forest_row(*_ends(result), title=title, scale=scale, kind=kind) if scale else "",
        lower_is_better=not result.higher_is_better,
    )


@dataclass(frozen=True, slots=True)
class ForestScale:
    """The axis of a forest plot: from -`step` * `steps` to `step` * `steps`, with a number at every step."""

    step: float
    steps: int

    @property
    def reach(self) -> float:
        """The largest difference on the axis."""
        return self.step * self.steps

    def place(self, number: float) -> float:
        """The horizontal position of a difference. One beyond the axis is placed at its end."""
        share = (min(self.reach, max(-self.reach, number)) + self.reach) / (2 * self.reach)
        return EDGE + share * (WIDTH - 2 * EDGE)

    def ticks(self) -> list[float]:
        """The differences that get a number."""
        return [self.step * number for number in range(-self.steps, self.steps + 1)]


def forest_scale(largest: float) -> ForestScale:
    """Choose an axis with round steps and room for a difference of `largest` on both sides."""
    if largest <= 0:
        return ForestScale(1.0, 1)
    step = nice_step(largest, MAX_STEPS)
    return ForestScale(step, max(1, math.ceil(largest / step - 1e-9)))


def forest_row(
    delta: float | None, low: float | None, high: float | None, *, title: str, scale: ForestScale, kind: str
) -> str:
    """Draw one row of a forest plot as SVG: a dot for the difference, a whisker for its interval, a line at zero.

    `kind` is the CSS class of the verdict. An interval that leaves the axis ends in an arrow. Without a value the result is
    empty.
    """
    if delta is None:
        return ""
    middle, place, reach = HEIGHT / 2, scale.place, scale.reach
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg class="forest {escape(kind)}" {size} role="img"><title>{escape(title)}</title>',
        f'<line class="track" x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{middle}" y2="{middle}"/>',
        *(_vertical_line(place(tick), "zero-line" if tick == 0 else "grid") for tick in scale.ticks()),
    ]
    if low is not None and high is not None:
        left, right = place(low), place(high)
        ends = (
            f"M{left + 4:.1f} {middle - 4}l-4 4l4 4" if low < -reach else f"M{left:.1f} {middle - 4}v8",
            f"M{right - 4:.1f} {middle - 4}l4 4l-4 4" if high > reach else f"M{right:.1f} {middle - 4}v8",
        )
        parts.append(f'<path class="whisker" d="{ends[0]}M{left:.1f} {middle}H{right:.1f}{ends[1]}"/>')
    parts.append(f'<circle class="dot" cx="{place(delta):.1f}" cy="{middle}" r="4"/></svg>')
    return "".join(parts)


def _vertical_line(x: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}"/>'


def forest_axis(scale: ForestScale) -> str:
    """Draw the axis of a forest plot as SVG."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    labels = []
    for tick in scale.ticks():
        x = f"{scale.place(tick):.1f}"
        sign = "" if tick == 0 else "+" if tick > 0 else MINUS
        words = escape(sign + format_compact(abs(round(tick, 12))))
        labels.append(f'<line class="tick" x1="{x}" x2="{x}" y1="0" y2="3"/>')
        labels.append(f'<text class="tick-label" x="{x}" y="15" text-anchor="middle">{words}</text>')
    return f'<svg class="forest scale" {size} aria-hidden="true">{"".join(labels)}</svg>'
