"""Charts as pure functions: numbers in, an SVG string out.

No colour and no inline style is written here, only classes, so that the page's style sheet decides how a
chart looks in light, dark and print, and its content policy can forbid inline styles. Every chart says in
its `<title>` what it shows, in words; every bar of a histogram has a tooltip of its own.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from html import escape

from evalsuite.formatting.numbers import MINUS, counted, format_compact

MOST_BARS = 28
"""At 360 units of width a bar stays wide enough to point at."""

FAR_OUT = 3.0
"""The axis ends at this many times the 95th percentile; one stalled request must not flatten all others."""

FEWEST = 5
"""Fewer values make no distribution; the caller's caption says them all."""

WIDTH, HEIGHT = 360, 128
LEFT, RIGHT, TOP, BOTTOM = 6, 6, 18, 22
ROW_WIDTH, ROW_HEIGHT = 160, 18
FOREST_WIDTH = 320
FOREST_EDGE = 18
"""Room at both ends of its axis for half a number."""
FOREST_MAX_STEPS = 3
"""At most so many numbers on each side of 0."""
ROW_EDGE = 4
"""Room at both ends of a row's axis, so that a dot at 0 or 100 is whole."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of ascending, non-empty values: always a value that occurred."""
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def nice_step(span: float, parts: int) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that covers `span` in at most `parts` steps."""
    rough = span / parts
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0):
        if factor * power >= rough * (1 - 1e-9):
            return factor * power
    return 10.0 * power


@dataclass(frozen=True, slots=True)
class Bins:
    """Equal bars from `start`, `step` wide; `overflow` says that the last one holds all larger values."""

    start: float
    step: float
    count: int
    overflow: bool
    whole: bool
    """Only whole numbers occur, so a bar of width 1 stands for one number."""

    def edge(self, index: int) -> float:
        """The left edge of a bar; `edge(count)` is where the axis ends."""
        return self.start + self.step * index

    def tally(self, values: Sequence[float]) -> list[int]:
        """How many values fall into each bar, left edge included; the last bar takes the axis' end too."""
        edges = [self.edge(index) for index in range(1, self.count)]
        counts = [0] * self.count
        for value in values:
            counts[bisect_right(edges, value)] += 1
        return counts


def choose_bins(values: Collection[float]) -> Bins:
    """Bars of a round width over non-empty, finite values; whole numbers never get bars narrower than 1."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    far = percentile(ordered, 0.95) * FAR_OUT
    overflow = 0 < far < high
    top = far if overflow else high
    whole = all(value == int(value) for value in ordered)
    wanted = max(6, min(MOST_BARS, math.ceil(2 * math.sqrt(len(ordered)))))
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
    """A histogram with its median marked; the empty string where fewer than `FEWEST` values are finite.

    `show` turns a value into text with its unit, for the tooltips. Several charts given the same `bins`
    (`choose_bins` of all their values) can be compared by eye.
    """
    finite = sorted(value for value in values if math.isfinite(value))
    if len(finite) < FEWEST:
        return ""
    bins = bins or choose_bins(finite)
    middle = percentile(finite, 0.5)

    def place(value: float) -> float:
        share = (value - bins.start) / (bins.step * bins.count)
        return LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT)

    words = f"{title}: {counted(len(finite), 'sample')}, median {show(middle)}, largest {show(finite[-1])}"
    parts = [
        f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(words)}</title>',
        *_bars(bins, bins.tally(finite), show),
        *_axis(bins, place),
        _median_mark(place(middle), show(middle)),
        "</svg>",
    ]
    return "".join(parts)


def series(values: Sequence[float], width: float, *, title: str, show: Callable[[float], str]) -> str:
    """Values over time as bars, each for `width` seconds; the empty string for fewer than `FEWEST`, or nothing but zeros.

    `show` turns a value into text with its unit, for the tooltips.
    """
    if len(values) < FEWEST or not max(values) > 0:
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
    """One table row's graphic: a track, a bar to the value, a dot and its interval as a whisker.

    `reference` draws a thin upright line, the value of the whole that this row is a part of. The empty
    string where there is no value: a missing value must not look like one of zero.
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


@dataclass(frozen=True, slots=True)
class ForestScale:
    """The axis of a forest plot: from -`step` * `steps` to as far on the other side of 0, a number at every step."""

    step: float
    steps: int

    @property
    def reach(self) -> float:
        """Where it ends."""
        return self.step * self.steps

    def place(self, number: float) -> float:
        """How far from the left edge a difference stands; one beyond the axis stands at its end."""
        share = (min(self.reach, max(-self.reach, number)) + self.reach) / (2 * self.reach)
        return FOREST_EDGE + share * (FOREST_WIDTH - 2 * FOREST_EDGE)

    def ticks(self) -> list[float]:
        """The differences that are numbered."""
        return [self.step * number for number in range(-self.steps, self.steps + 1)]


def forest_scale(largest: float) -> ForestScale:
    """An axis with room for a difference of `largest` both ways, in round steps."""
    if largest <= 0:
        return ForestScale(1.0, 1)
    step = nice_step(largest, FOREST_MAX_STEPS)
    return ForestScale(step, max(1, math.ceil(largest / step - 1e-9)))


def forest_row(
    delta: float | None, low: float | None, high: float | None, *, title: str, scale: ForestScale, kind: str
) -> str:
    """One line of a forest plot: a difference with its whisker around an upright zero.

    `kind` is a class for the verdict's colour. An interval beyond the axis ends in an arrow; the empty string where
    there is no value.
    """
    if delta is None:
        return ""
    middle, place, reach = ROW_HEIGHT / 2, scale.place, scale.reach
    size = f'viewBox="0 0 {FOREST_WIDTH} {ROW_HEIGHT}" width="{FOREST_WIDTH}" height="{ROW_HEIGHT}"'
    parts = [
        f'<svg class="forest {escape(kind)}" {size} role="img"><title>{escape(title)}</title>',
        f'<line class="track" x1="{FOREST_EDGE}" x2="{FOREST_WIDTH - FOREST_EDGE}" y1="{middle}" y2="{middle}"/>',
        *(_upright(place(tick), "zero-line" if tick == 0 else "grid") for tick in scale.ticks()),
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


def _upright(x: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{ROW_HEIGHT}"/>'


def forest_axis(scale: ForestScale) -> str:
    """The numbers of a forest plot's axis."""
    size = f'viewBox="0 0 {FOREST_WIDTH} {ROW_HEIGHT}" width="{FOREST_WIDTH}" height="{ROW_HEIGHT}"'
    labels = []
    for tick in scale.ticks():
        x = f"{scale.place(tick):.1f}"
        sign = "" if tick == 0 else "+" if tick > 0 else MINUS
        words = escape(sign + format_compact(abs(round(tick, 12))))
        labels.append(f'<line class="tick" x1="{x}" x2="{x}" y1="0" y2="3"/>')
        labels.append(f'<text class="tick-label" x="{x}" y="15" text-anchor="middle">{words}</text>')
    return f'<svg class="forest scale" {size} aria-hidden="true">{"".join(labels)}</svg>'
