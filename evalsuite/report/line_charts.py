"""Line charts over steps or groups, each point with its interval. Numbers in, an SVG string out.

As in `charts`, a chart contains classes and no colours, and its title says in words what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from msgspec import Struct

from evalsuite.formatting.numbers import format_compact
from evalsuite.report.charts import nice_step

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 26
COLOURS = 6
"""CSS classes `line-0` to `line-5`. A seventh line starts again."""
MAX_TICKS = 8
MIN_SPAN = 10.0
"""The smallest span of an axis of shares, in points. A flat line should look flat."""


class Point(Struct, frozen=True):
    """A value at a place on the horizontal axis. `words` is its tooltip."""

    place: float
    value: float
    low: float | None = None
    high: float | None = None
    words: str = ""


class Line(Struct, frozen=True):
    """Points in the order of the axis, which are joined by a line."""

    name: str
    points: tuple[Point, ...]


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    ticks: Sequence[tuple[float, str]],
    across: str = "",
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> str:
    """Draw all lines on one pair of axes. Empty without any point.

    `ticks` are the labelled places of the horizontal axis; if there are many, some labels are left out. `across` is the
    name of that axis. The vertical axis stays within `bounds`, the possible values of the unit.
    """
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    low, step, high = _scale(points, bounds)
    left = min(place for place, _ in ticks)
    span = max(place for place, _ in ticks) - left

    def x(place: float) -> float:
        share = (place - left) / span if span else 0.5
        return LEFT + 8 + share * (WIDTH - LEFT - RIGHT - 16)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg class="curves" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>']
    parts += _levels(low, step, high, y) + _ticks(ticks, x)
    if across:
        name = escape(across)
        parts.append(
            f'<text class="tick-label" x="{LEFT - 6}" y="{HEIGHT - 8}" text-anchor="end">{name}</text>'
        )
    for at, line in enumerate(lines):
        parts += _line(line, f"line-{at % COLOURS}", x, y)
    return "".join([*parts, "</svg>"])


def _scale(points: Sequence[Point], bounds: tuple[float, float]) -> tuple[float, float, float]:
    """Start, step and end of the vertical axis: round numbers around all intervals."""
    ends = [end for point in points for end in (point.value, point.low, point.high) if end is not None]
    low, high = min(ends), max(ends)
    room = max(high - low, MIN_SPAN) if math.isfinite(bounds[1]) else high - low or abs(high) * 0.2 or 1.0
    step = nice_step(room, 4)
    start = step * ((low - 0.02 * room) // step)
    count = -((start - max(high, low + room) - 0.02 * room) // step)
    return max(start, bounds[0]), step, min(start + step * count, bounds[1])


def _levels(low: float, step: float, high: float, y: Callable[[float], float]) -> list[str]:
    parts = []
    for number in range(math.floor((high - low) / step + 1e-9) + 1):
        level = round(low + number * step, 12)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>'
        )
        parts.append(
            f'<text class="tick-label" x="{LEFT - 6}" y="{y(level) + 4:.1f}" text-anchor="end">{format_compact(level)}</text>'
        )
    return parts


def _ticks(ticks: Sequence[tuple[float, str]], x: Callable[[float], float]) -> list[str]:
    every = -(-len(ticks) // MAX_TICKS)
    return [
        f'<text class="tick-label" x="{x(place):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(words)}</text>'
        for place, words in ticks[::every]
    ]


def _line(line: Line, kind: str, x: Callable[[float], float], y: Callable[[float], float]) -> list[str]:
    way = "L".join(f"{x(point.place):.1f} {y(point.value):.1f}" for point in line.points)
    parts = [f'<g class="{kind}"><path class="way" d="M{way}"/>']
    for point in line.points:
        middle = f"{x(point.place):.1f}"
        if point.low is not None and point.high is not None:
            parts.append(f'<path class="whisker" d="M{middle} {y(point.low):.1f}V{y(point.high):.1f}"/>')
        parts.append(
            f'<circle class="dot" cx="{middle}" cy="{y(point.value):.1f}" r="3.5"><title>{escape(point.words)}</title></circle>'
        )
    return [*parts, "</g>"]
