"""Charts as pure functions: numbers in, an SVG string out.

Charts contain classes, not colours or inline styles. So the style sheet decides how they look in light, dark and print,
and the content policy of a page can forbid inline styles. The `<title>` of a chart says in words what it shows; every bar
of a histogram has a tooltip.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from html import escape

from msgspec import Struct

from evalsuite.formatting.numbers import counted, format_compact

MAX_BARS = 28
"""At a width of 360, a bar is still wide enough to point at."""

OVERFLOW_FACTOR = 3.0
"""The axis ends at this multiple of the 95th percentile, so that one stalled request does not flatten all others."""

MIN_VALUES = 5
"""Fewer values are not a distribution. The caption of the chart lists their percentiles."""

WIDTH, HEIGHT = 360, 128
LEFT, RIGHT, TOP, BOTTOM = 6, 6, 18, 22
ROW_WIDTH, ROW_HEIGHT = 160, 18
ROW_EDGE = 4
"""Room at both ends of the axis of a row, so that a dot at 0 or 100 is not cut."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of ascending, non-empty values. The result is always one of them."""
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def nice_step(span: float, parts: int) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that covers `span` in at most `parts` steps."""
    rough = span / parts
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0):
        if factor * power >= rough * (1 - 1e-9):
            return factor * power
    return 10.0 * power


class Figure(Struct, frozen=True):
    """A chart with its title and a caption. The chart is empty if there are too few values."""

    title: str
    chart: str
    caption: str


@dataclass(frozen=True, slots=True)
class Bins:
    """Bars of width `step` from `start` on. With `overflow` the last one also holds all larger values."""

    start: float
    step: float
    count: int
    overflow: bool
    whole: bool
    """Whether all values are whole numbers. A bar of width 1 is then one number."""

    def edge(self, index: int) -> float:
        """The left edge of a bar. `edge(count)` is the end of the axis."""
        return self.start + self.step * index

    def count_values(self, values: Sequence[float]) -> list[int]:
        """Count the values in each bar. A bar includes its left edge, the last one also the end of the axis."""
        edges = [self.edge(index) for index in range(1, self.count)]
        counts = [0] * self.count
        for value in values:
            counts[bisect_right(edges, value)] += 1
        return counts


def choose_bins(values: Collection[float]) -> Bins:
    """Choose bars of a round width for non-empty, finite values. Bars of whole numbers are at least 1 wide."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    far = percentile(ordered, 0.95) * OVERFLOW_FACTOR
    overflow = 0 < far < high
    top = far if overflow else high
    whole = all(value == int(value) for value in ordered)
    wanted = max(6, min(MAX_BARS, math.ceil(2 * math.sqrt(len(ordered)))))
    span = top - low if top > low else max(abs(top) * 0.1, 1e-3)
    step = nice_step(span, wanted)
    if whole:
        step = max(1.0, float(math.ceil(step)))
    start = math.floor(low / step + 1e-9) * step
    count = max(1, math.floor((top - start) / step + 1e-9) + 1)
    return Bins(start, step, count, overflow, whole)


def _ticks(bins: Bins) -> list[float]:
    end = bins.edge(bins.count)
    step = nice_step(end - bins.start, 5)
    if bins.whole:
        step = max(1.0, float(math.ceil(step)))
    first = math.ceil(bins.start / step - 1e-9)
    return [index * step for index in range(first, math.floor(end / step + 1e-9) + 1)]


def _bar_title(bins: Bins, index: int, count: int, show: Callable[[float], str]) -> str:
    left = show(bins.edge(index))
    if bins.overflow and index == bins.count - 1:
        return f"{left} and more: {counted(count, 'sample')}"
    last = bins.edge(index + 1) - (1 if bins.whole else 0)
    reach = left if last == bins.edge(index) else f"{left} to {show(last)}"
    return f"{reach}: {counted(count, 'sample')}"


def _axis(bins: Bins, place: Callable[[float], float]) -> list[str]:
    base = HEIGHT - BOTTOM
    parts = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>']
    for tick in _ticks(bins):
        x = place(tick)
        anchor = "start" if x < LEFT + 12 else "end" if x > WIDTH - RIGHT - 12 else "middle"
        text = escape(format_compact(round(tick, 12)))
        parts.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}"/>')
        parts.append(
            f'<text class="tick-label" x="{x:.1f}" y="{HEIGHT - 5}" text-anchor="{anchor}">{text}</text>'
        )
    return parts


def _bars(bins: Bins, counts: Sequence[int], show: Callable[[float], str]) -> list[str]:
    tallest = max(counts)
    room = HEIGHT - TOP - BOTTOM
    width = (WIDTH - LEFT - RIGHT) / bins.count
    parts = []
    for index, count in enumerate(counts):
        if not count:
            continue
        height = max(1.5, room * count / tallest)
        kind = "bar overflow" if bins.overflow and index == bins.count - 1 else "bar"
        parts.append(
            f'<rect class="{kind}" x="{LEFT + index * width + 0.5:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" '
            f'width="{max(1.0, width - 1):.1f}" height="{height:.1f}" rx="1">'
            f"<title>{escape(_bar_title(bins, index, count, show))}</title></rect>"
        )
    return parts


def _median_mark(x: float, text: str) -> str:
    anchor, shift = ("end", -5) if x > WIDTH / 2 else ("start", 5)
    return (
        f'<line class="median" x1="{x:.1f}" x2="{x:.1f}" y1="6" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="median-label" x="{x + shift:.1f}" y="13" text-anchor="{anchor}">median {escape(text)}</text>'
    )


def histogram(
    values: Sequence[float],
    *,
    title: str,
    show: Callable[[float], str] = format_compact,
    bins: Bins | None = None,
) -> str:
    """Draw a histogram with its median. Empty if fewer than `MIN_VALUES` values are finite.

    `show` turns a value into text with its unit, for tooltips. Give charts that a reader compares the same `bins`
    (`choose_bins` of all their values).
    """
    finite = sorted(value for value in values if math.isfinite(value))
    if len(finite) < MIN_VALUES:
        return ""
    bins = bins or choose_bins(finite)
    middle = percentile(finite, 0.5)

    def place(value: float) -> float:
        share = (value - bins.start) / (bins.step * bins.count)
        return LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT)

    words = f"{title}: {counted(len(finite), 'sample')}, median {show(middle)}, largest {show(finite[-1])}"
    parts = [
        f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(words)}</title>',
        *_bars(bins, bins.count_values(finite), show),
        *_axis(bins, place),
        _median_mark(place(middle), show(middle)),
        "</svg>",
    ]
    return "".join(parts)


def bar_series(values: Sequence[float], width: float, *, title: str, show: Callable[[float], str]) -> str:
    """Draw values over time as bars of `width` seconds. Empty for fewer than `MIN_VALUES`, or if all values are 0.

    `show` turns a value into text with its unit, for tooltips.
    """
    if len(values) < MIN_VALUES or not max(values) > 0:
        return ""
    bins = Bins(0.0, width, len(values), overflow=False, whole=False)
    room, bar = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT - RIGHT) / len(values)
    parts = [
        f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>'
    ]
    for index, value in enumerate(values):
        height = room * value / max(values)
        words = (
            f"{format_compact(bins.edge(index))} to {format_compact(bins.edge(index + 1))} s: {show(value)}"
        )
        parts.append(
            f'<rect class="bar" x="{LEFT + index * bar:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" '
            f'width="{max(0.8, bar - 0.6):.1f}" height="{height:.1f}"><title>{escape(words)}</title></rect>'
        )
    end = bins.edge(bins.count)
    return "".join([*parts, *_axis(bins, lambda at: LEFT + at / end * (WIDTH - LEFT - RIGHT)), "</svg>"])


def interval_row(
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    title: str,
    domain: tuple[float, float] = (0.0, 100.0),
    reference: float | None = None,
) -> str:
    """Draw the value of a table row: a track, a bar to the value, a dot, and its interval as a whisker.

    `reference` is drawn as a thin vertical line: the value of the whole dataset. Empty without a value, since a missing
    value must not look like zero.
    """
    if value is None:
        return ""
    start, end = domain
    span = end - start if end > start else 1.0
    middle = ROW_HEIGHT / 2

    def place(number: float) -> str:
        return f"{ROW_EDGE + min(1.0, max(0.0, (number - start) / span)) * (ROW_WIDTH - 2 * ROW_EDGE):.1f}"

    size = f'viewBox="0 0 {ROW_WIDTH} {ROW_HEIGHT}" width="{ROW_WIDTH}" height="{ROW_HEIGHT}"'
    parts = [
        f'<svg class="interval" {size} role="img"><title>{escape(title)}</title>',
        f'<line class="track" x1="{ROW_EDGE}" x2="{ROW_WIDTH - ROW_EDGE}" y1="{middle}" y2="{middle}"/>',
        f'<line class="reach" x1="{place(start)}" x2="{place(value)}" y1="{middle}" y2="{middle}"/>',
    ]
    if reference is not None:
        x = place(reference)
        parts.append(f'<line class="reference" x1="{x}" x2="{x}" y1="1" y2="{ROW_HEIGHT - 1}"/>')
    if low is not None and high is not None:
        left, right = place(low), place(high)
        parts.append(
            f'<path class="whisker" d="M{left} {middle - 4}v8M{left} {middle}H{right}M{right} {middle - 4}v8"/>'
        )
    parts.append(f'<circle class="dot" cx="{place(value)}" cy="{middle}" r="3.5"/></svg>')
    return "".join(parts)
