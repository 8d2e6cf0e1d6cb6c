"""How a number looks, everywhere: in the page, in the terminal, in the comparison.

A value that is missing, NaN or infinite is an em dash, never 0: "not applicable" and "nothing right" are
different findings. A metric's `unit` decides the form of its value:

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

MISSING = "—"

PERCENT_DECIMALS = 1
"""Of 1,000 answers the 95 % interval is some 6 points wide; a second decimal would be noise."""

PERCENT_DECIMALS_NEAR_THE_ENDS = 4
"""99.96 % must not read as 100.0 %: next to 0 and 100 decimals are added until the text is not the end."""

POINT_DECIMALS = 2
"""ROUGE and BLEU are published as 27.35: four digits, and columns of them line up."""

SIGNIFICANT_DIGITS = 4
"""For values without a natural scale: enough to tell two checkpoints' perplexities apart."""

SMALLEST_PLAIN = 1e-4
"""Below this a plain decimal is mostly zeros, so the exponent form is used."""

SMALLEST_P = 0.001
"""Smaller p-values differ in nothing a reader would act on."""

P_DECIMALS = 3
P_LIMIT = 0.05
"""Where verdicts turn: 0.0498 and 0.0502 must not both read as 0.05."""
SMALLEST_POINTS = 1e-4
"""A difference of fewer points is shown as none: of 100,000 rows one is ten times as much."""
MINUS = "−"
NO_BREAK = "\u00a0"
POINT_UNITS = frozenset({"proportion", "score", "bleu"})
"""Units whose differences are called points."""

_SCALE = {"proportion": 100.0, "score": 100.0}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_COMPACT_STEPS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


def scaled(metric: Mapping[str, Any], value: Any) -> float | None:
    """The value on the scale it is shown on (percent, points, or as it is); None where there is none."""
    number = finite(value)
    return None if number is None else number * _SCALE.get(str(metric.get("unit")), 1.0)


def _percent(number: float) -> str:
    """A percentage that says 0 or 100 only where that is exact."""
    text = f"{number:.{PERCENT_DECIMALS}f}"
    for decimals in range(PERCENT_DECIMALS + 1, PERCENT_DECIMALS_NEAR_THE_ENDS + 1):
        if float(text) == number or float(text) not in (0.0, 100.0):
            break
        text = f"{number:.{decimals}f}"
    return text


def format_plain(value: Any) -> str:
    """Four significant digits: `7.123`, `0.01234`, `12,346`, `1.234e-06`."""
    number = finite(value)
    if number is None:
        return MISSING
    size = abs(number)
    if number == 0:
        return "0"
    if size < SMALLEST_PLAIN:
        return f"{number:.{SIGNIFICANT_DIGITS - 1}e}"
    rounded = float(
        f"{size:.{SIGNIFICANT_DIGITS - 1}e}"
    )  # 999.96 has four digits before the point, not three
    digits_before_the_point = math.floor(math.log10(rounded)) + 1
    return f"{number:,.{max(0, SIGNIFICANT_DIGITS - digits_before_the_point)}f}"


def _format_bare(metric: Mapping[str, Any], number: float) -> str:
    unit = metric.get("unit")
    if unit == "proportion":
        return f"{number:.{PERCENT_DECIMALS}f}"
    if unit in ("score", "bleu"):
        return f"{number:.{POINT_DECIMALS}f}"
    return format_plain(number)


def format_value(metric: Mapping[str, Any], value: Any) -> str:
    """A metric's value in its unit. Only `metric["unit"]` is read; an unknown unit is shown plain.

    >>> format_value({"unit": "proportion"}, 0.318)
    '31.8 %'
    >>> format_value({"unit": "proportion"}, 0.9996)
    '99.96 %'
    >>> format_value({"unit": "proportion"}, None)
    '—'
    """
    number = scaled(metric, value)
    if number is None:
        return MISSING
    return f"{_percent(number)} %" if metric.get("unit") == "proportion" else _format_bare(metric, number)


def format_interval(metric: Mapping[str, Any], low: Any, high: Any) -> str:
    """Both ends on the value's scale, the unit left to the value; an em dash unless both are known.

    >>> format_interval({"unit": "proportion"}, 0.191, 0.45)
    '19.1 to 45.0'
    """
    ends = scaled(metric, low), scaled(metric, high)
    if ends[0] is None or ends[1] is None:
        return MISSING
    return f"{_format_bare(metric, ends[0])} to {_format_bare(metric, ends[1])}"


def format_delta(metric: Mapping[str, Any], delta: Any) -> str:
    """A difference of two values, signed; of shares in points, since a difference of percentages is none.

    >>> format_delta({"unit": "proportion"}, -0.021)
    '−2.1 points'
    >>> format_delta({"unit": "ratio"}, 0.25)
    '+0.2500'
    >>> format_delta({"unit": "proportion"}, 0.0002)
    '+0.02 points'
    """
    number = scaled(metric, delta)
    return MISSING if number is None else _signed(metric, number) + _points_suffix(metric, number)


def format_delta_interval(metric: Mapping[str, Any], low: Any, high: Any) -> str:
    """Both ends of a difference, signed, the unit left to the difference.

    >>> format_delta_interval({"unit": "proportion"}, -0.191, 0.045)
    '−19.1 to +4.5'
    """
    ends = scaled(metric, low), scaled(metric, high)
    if ends[0] is None or ends[1] is None:
        return MISSING
    return f"{_signed(metric, ends[0])} to {_signed(metric, ends[1])}"


def format_size(metric: Mapping[str, Any], size: Any) -> str:
    """How large a difference is, without a sign: `4.2 points`."""
    number = scaled(metric, size)
    return MISSING if number is None else _format_bare(metric, number) + _points_suffix(metric, number)


def format_p(p: Any) -> str:
    """A p-value with its sign of equality, never as nothing.

    >>> [format_p(p) for p in (0.0312, 0.00002, 1, 0.0498)]
    ['= 0.031', '< 0.001', '= 1', '< 0.05']
    """
    number = finite(p)
    if number is None:
        return MISSING
    if number < SMALLEST_P:
        return "< 0.001"
    rounded = float(f"{number:.{P_DECIMALS}f}")
    if rounded == P_LIMIT and number != P_LIMIT:
        return f"{'<' if number < P_LIMIT else '>'} {P_LIMIT:g}"
    return f"= {rounded:g}"


def _signed(metric: Mapping[str, Any], number: float) -> str:
    """With the digits it takes to see which way it goes; a plain zero where even those show none."""
    text = _format_bare(metric, abs(number))
    if metric.get("unit") in POINT_UNITS and abs(number) >= SMALLEST_POINTS and not float(text):
        text = f"{abs(number):.{math.ceil(-math.log10(abs(number)))}f}"
    if not any(digit in text for digit in "123456789"):
        return text
    return ("+" if number > 0 else MINUS) + text


def _points_suffix(metric: Mapping[str, Any], number: float) -> str:
    if metric.get("unit") not in POINT_UNITS:
        return ""
    return " point" if _format_bare(metric, abs(number)) in ("1.0", "1.00") else " points"


def format_count(n: Any) -> str:
    """A whole number with thousands separated: samples, requests, tokens.

    >>> format_count(1234567)
    '1,234,567'
    """
    number = finite(n)
    return MISSING if number is None else f"{round(number):,}"


def format_compact(value: Any) -> str:
    """A number for an axis, where room is scarce: `250`, `1.5k`, `2M`, `0.25`."""
    number = finite(value)
    if number is None:
        return MISSING
    for step, letter in _COMPACT_STEPS:
        if abs(number) >= step:
            return f"{number / step:.4g}{letter}"
    return f"{number:.4g}"


def axis_unit(metric: Mapping[str, Any]) -> str:
    """What an axis counts, as the end of its title: of shares percent, of other points nothing that needs a word."""
    return ", %" if metric.get("unit") == "proportion" else ""


def format_duration(seconds: Any) -> str:
    """A time a person can compare: the two largest units, milliseconds below one second.

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


def format_rate(per_second: Any, what: str = "") -> str:
    """Something per second: `41.2/s`, `1,204 tokens/s`."""
    number = finite(per_second)
    if number is None:
        return MISSING
    amount = f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
    return f"{amount} {what}/s" if what else f"{amount}/s"


def format_speed(speed: Mapping[str, Any]) -> str:
    """How fast a variant answered: tokens where the server counts them, else samples."""
    tokens = finite(speed.get("completion_tokens_per_s"))
    return format_rate(tokens, "tokens") if tokens else format_rate(speed.get("samples_per_s"), "samples")


def counted(n: int, singular: str, plural: str = "") -> str:
    """`1 sample`, `1,204 samples`."""
    return f"{format_count(n)} {singular if n == 1 else plural or singular + 's'}"
