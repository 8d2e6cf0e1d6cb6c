"""How numbers look on pages, in the terminal and in comparisons.

A value that is missing, NaN or infinite is an em dash, never 0: "not applicable" is not the same as "nothing right".
The unit of a metric decides how its values look:

    proportion   0..1, shown as a percentage            0.318   -> 31.8 %
    score        0..1, shown times 100                  0.27351 -> 27.35
    bleu         already 0..100                         27.351  -> 27.35
    ratio        plain (perplexity, steps, seconds)     7.1234  -> 7.123
    difference   plain, may be negative                 -1.7804 -> -1.780
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evalsuite.metrics.finite import finite
from evalsuite.metrics.verdicts import SIGNIFICANCE_LEVEL

MISSING = "—"

PERCENT_DECIMALS = 1
"""The 95 % interval of 1,000 answers is about 6 points wide: a second decimal would be noise."""

MAX_PERCENT_DECIMALS = 4
"""99.96 % must not read as 100.0 %: close to 0 and 100, decimals are added until the text is neither."""

POINT_DECIMALS = 2
"""ROUGE and BLEU are published as 27.35. Columns of such numbers line up."""

SIGNIFICANT_DIGITS = 4
"""For values without a natural scale. Enough to tell the perplexities of two checkpoints apart."""

MIN_PLAIN = 1e-4
"""Smaller numbers are written with an exponent, since a plain decimal would be mostly zeros."""

MIN_P = 0.001
"""Smaller p-values are shown as `< 0.001`: nobody acts on the difference."""

P_DECIMALS = 3
MIN_POINTS = 1e-4
"""A smaller difference is shown as 0. One row of 100,000 is ten times as much."""
MINUS = "−"
NO_BREAK = "\u00a0"
POINT_UNITS = frozenset({"proportion", "score", "bleu"})
"""Units whose differences are in points."""

_SCALE = {"proportion": 100.0, "score": 100.0}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_COMPACT_STEPS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


def display_value(unit: str | None, value: Any) -> float | None:
    """The value on the scale that readers see: percent, points, or unchanged. None for a value that is not a number."""
    number = finite(value)
    return None if number is None else number * _SCALE.get(str(unit), 1.0)


def _percent(number: float) -> str:
    """A percentage that reads 0 or 100 only if it is exactly that."""
    text = f"{number:.{PERCENT_DECIMALS}f}"
    for decimals in range(PERCENT_DECIMALS + 1, MAX_PERCENT_DECIMALS + 1):
        if float(text) == number or float(text) not in (0.0, 100.0):
            break
        text = f"{number:.{decimals}f}"
    return text


def format_plain(value: Any) -> str:
    """Format a number with four significant digits: `7.123`, `0.01234`, `12,346`, `1.234e-06`."""
    number = finite(value)
    if number is None:
        return MISSING
    size = abs(number)
    if number == 0:
        return "0"
    if size < MIN_PLAIN:
        return f"{number:.{SIGNIFICANT_DIGITS - 1}e}"
    rounded = float(
        f"{size:.{SIGNIFICANT_DIGITS - 1}e}"
    )  # 999.96 has four digits before the point, not three
    digits_before_the_point = math.floor(math.log10(rounded)) + 1
    return f"{number:,.{max(0, SIGNIFICANT_DIGITS - digits_before_the_point)}f}"


def _format_bare(unit: str | None, number: float) -> str:
    if unit == "proportion":
        return f"{number:.{PERCENT_DECIMALS}f}"
    if unit in ("score", "bleu"):
        return f"{number:.{POINT_DECIMALS}f}"
    return format_plain(number)


def format_value(unit: str | None, value: Any) -> str:
    """Format the value of a metric. An unknown unit is shown plain.

    >>> format_value("proportion", 0.318)
    '31.8 %'
    >>> format_value("proportion", 0.9996)
    '99.96 %'
    >>> format_value("proportion", None)
    '—'
    """
    number = display_value(unit, value)
    if number is None:
        return MISSING
    return f"{_percent(number)} %" if unit == "proportion" else _format_bare(unit, number)


def format_interval(unit: str | None, low: Any, high: Any) -> str:
    """Format a confidence interval, without the unit; an em dash unless both ends are known.

    >>> format_interval("proportion", 0.191, 0.45)
    '19.1 to 45.0'
    """
    ends = display_value(unit, low), display_value(unit, high)
    if ends[0] is None or ends[1] is None:
        return MISSING
    return f"{_format_bare(unit, ends[0])} to {_format_bare(unit, ends[1])}"


def format_delta(unit: str | None, delta: Any) -> str:
    """Format a difference of two values, with its sign. Differences of shares are in points, not in percent.

    >>> format_delta("proportion", -0.021)
    '−2.1 points'
    >>> format_delta("ratio", 0.25)
    '+0.2500'
    >>> format_delta("proportion", 0.0002)
    '+0.02 points'
    """
    number = display_value(unit, delta)
    return MISSING if number is None else _signed(unit, number) + _points_suffix(unit, number)


def format_delta_interval(unit: str | None, low: Any, high: Any) -> str:
    """Format the confidence interval of a difference, with signs and without the unit.

    >>> format_delta_interval("proportion", -0.191, 0.045)
    '−19.1 to +4.5'
    """
    ends = display_value(unit, low), display_value(unit, high)
    if ends[0] is None or ends[1] is None:
        return MISSING
    return f"{_signed(unit, ends[0])} to {_signed(unit, ends[1])}"


def format_size(unit: str | None, size: Any) -> str:
    """Format the size of a difference, without a sign: `4.2 points`."""
    number = display_value(unit, size)
    return MISSING if number is None else _format_bare(unit, number) + _points_suffix(unit, number)


def format_p(p: Any) -> str:
    """Format a p-value with its relation. Values on either side of 0.05 never both read as 0.05.

    >>> [format_p(p) for p in (0.0312, 0.00002, 1, 0.0498)]
    ['= 0.031', '< 0.001', '= 1', '< 0.05']
    """
    number = finite(p)
    if number is None:
        return MISSING
    if number < MIN_P:
        return "< 0.001"
    rounded = float(f"{number:.{P_DECIMALS}f}")
    if rounded == SIGNIFICANCE_LEVEL and number != SIGNIFICANCE_LEVEL:
        return f"{'<' if number < SIGNIFICANCE_LEVEL else '>'} {SIGNIFICANCE_LEVEL:g}"
    return f"= {rounded:g}"


def _signed(unit: str | None, number: float) -> str:
    """The number with its sign, and with as many digits as it takes to show one that is not 0."""
    text = _format_bare(unit, abs(number))
    if unit in POINT_UNITS and abs(number) >= MIN_POINTS and not float(text):
        text = f"{abs(number):.{math.ceil(-math.log10(abs(number)))}f}"
    if not any(digit in text for digit in "123456789"):
        return text
    return ("+" if number > 0 else MINUS) + text


def _points_suffix(unit: str | None, number: float) -> str:
    if unit not in POINT_UNITS:
        return ""
    return " point" if _format_bare(unit, abs(number)) in ("1.0", "1.00") else " points"


def format_count(n: Any) -> str:
    """Format a whole number with separated thousands: samples, requests, tokens.

    >>> format_count(1234567)
    '1,234,567'
    """
    number = finite(n)
    return MISSING if number is None else f"{round(number):,}"


def format_compact(value: Any) -> str:
    """Format a number for an axis, where room is scarce: `250`, `1.5k`, `2M`, `0.25`."""
    number = finite(value)
    if number is None:
        return MISSING
    for step, letter in _COMPACT_STEPS:
        if abs(number) >= step:
            return f"{number / step:.4g}{letter}"
    return f"{number:.4g}"


def axis_unit(unit: str | None) -> str:
    """The unit as the end of an axis title: `, %` for shares, empty for the others."""
    return ", %" if unit == "proportion" else ""


def format_duration(seconds: Any) -> str:
    """Format seconds with the two largest units; milliseconds below one second.

    >>> [format_duration(s) for s in (0.0412, 4.2, 75, 3900, 100_000)]
    ['41 ms', '4.2 s', '1 min 15 s', '1 h 05 min', '1 d 3 h']
    """
    number = finite(seconds)
    if number is None or number < 0:
        return MISSING
    if number < 0.9995:
        return f"{number * 1000:.0f} ms" if number >= 0.001 or number == 0 else "<1 ms"
    if number < 9.95:
        return f"{number:.1f} s"
    whole = round(number)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def format_rate(per_second: Any, unit: str = "") -> str:
    """Format a rate per second: `41.2/s`, `1,204 tokens/s`."""
    number = finite(per_second)
    if number is None:
        return MISSING
    amount = f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
    return f"{amount} {unit}/s" if unit else f"{amount}/s"


def format_speed(speed: Mapping[str, Any]) -> str:
    """Format the speed of a variant: tokens per second if the server counts tokens, else samples."""
    tokens = finite(speed.get("completion_tokens_per_s"))
    return format_rate(tokens, "tokens") if tokens else format_rate(speed.get("samples_per_s"), "samples")


def counted(n: int, singular: str, plural: str = "") -> str:
    """Format a count with its noun.

    >>> counted(1, "sample"), counted(1204, "sample")
    ('1 sample', '1,204 samples')
    """
    return f"{format_count(n)} {singular if n == 1 else plural or singular + 's'}"
