import doctest
import math

import pytest

from evalsuite.formatting import numbers
from evalsuite.formatting.numbers import (
    MISSING,
    counted,
    format_compact,
    format_count,
    format_delta,
    format_delta_interval,
    format_duration,
    format_interval,
    format_p,
    format_plain,
    format_rate,
    format_size,
    format_value,
)

PROPORTION, SCORE, BLEU, RATIO = ("proportion", "score", "bleu", "ratio")


@pytest.mark.parametrize(
    ("metric", "delta", "text"),
    [
        (PROPORTION, 0.255, "+25.5 points"),
        (PROPORTION, -0.01, "−1.0 point"),
        (PROPORTION, 0.0001, "+0.01 points"),
        (PROPORTION, 1e-9, "0.0 points"),
        (SCORE, -0.00002, "−0.002 points"),
        (SCORE, 0.0052, "+0.52 points"),
        (BLEU, -1.254, "−1.25 points"),
        (RATIO, -0.25, "−0.2500"),
        (PROPORTION, None, MISSING),
        (PROPORTION, math.nan, MISSING),
    ],
)
def test_format_delta_has_a_sign_and_points(metric: str, delta: float | None, text: str) -> None:
    assert format_delta(metric, delta) == text


def test_format_delta_interval_and_size() -> None:
    assert format_delta_interval(PROPORTION, -0.1, 0.25) == "−10.0 to +25.0"
    assert format_delta_interval(PROPORTION, None, 0.25) == MISSING
    assert format_size(SCORE, 0.0123) == "1.23 points"
    assert format_size(SCORE, None) == MISSING


def test_format_p_small_value_is_never_zero() -> None:
    assert [format_p(p) for p in (1e-9, 0.001, 0.04999, 0.05, 0.05001, 1, None)] == [
        "< 0.001",
        "= 0.001",
        "< 0.05",
        "= 0.05",
        "> 0.05",
        "= 1",
        MISSING,
    ]


def test_numbers_docstring_examples_hold() -> None:
    assert doctest.testmod(numbers).failed == 0


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (PROPORTION, 0.318, "31.8 %"),
        (PROPORTION, 0, "0.0 %"),
        (PROPORTION, 1, "100.0 %"),
        (PROPORTION, 0.29, "29.0 %"),
        (SCORE, 0.27351, "27.35"),
        (BLEU, 27.351, "27.35"),
        (RATIO, 7.1234, "7.123"),
        (RATIO, -0.51234, "-0.5123"),
        (RATIO, 12345.678, "12,346"),
        (None, 2, "2.000"),
    ],
)
def test_format_value_uses_the_unit(metric: str | None, value: float, text: str) -> None:
    assert format_value(metric, value) == text


@pytest.mark.parametrize(("value", "text"), [(0.9996, "99.96 %"), (0.99996, "99.996 %"), (0.0003, "0.03 %")])
def test_format_value_of_a_proportion_near_an_end_never_reads_as_the_end(value: float, text: str) -> None:
    assert format_value(PROPORTION, value) == text


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, "0.3", True, 10**400])
@pytest.mark.parametrize("metric", [PROPORTION, SCORE, BLEU, RATIO])
def test_format_value_of_no_finite_number_is_an_em_dash(
    metric: str, value: bool | float | str | None
) -> None:
    assert format_value(metric, value) == MISSING


def test_format_interval_needs_both_ends() -> None:
    assert format_interval(PROPORTION, 0.191, 0.45) == "19.1 to 45.0"
    assert format_interval(SCORE, 0.2, 0.3) == "20.00 to 30.00"
    assert format_interval(PROPORTION, None, 0.45) == MISSING
    assert format_interval(PROPORTION, 0.1, math.nan) == MISSING


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0002, "<1 ms"),
        (0.41, "410 ms"),
        (0.99999, "1.0 s"),
        (9.96, "10 s"),
        (59.7, "1 min 00 s"),
        (3599.9, "1 h 00 min"),
        (86_399.9, "1 d 0 h"),
        (None, MISSING),
        (-1, MISSING),
    ],
)
def test_format_duration_rolls_over_to_the_next_unit(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


def test_format_count_rate_and_compact() -> None:
    assert format_count(1234567) == "1,234,567"
    assert format_count(None) == MISSING
    assert format_rate(0.2277) == "0.228/s"
    assert format_rate(1204.4, "tokens") == "1,204 tokens/s"
    assert format_rate(None) == MISSING
    assert [format_compact(value) for value in (250, 1500, 2_000_000, 0.25, None)] == [
        "250",
        "1.5k",
        "2M",
        "0.25",
        MISSING,
    ]
    assert [counted(n, "reply", "replies") for n in (1, 2)] == ["1 reply", "2 replies"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234567, "0.01235"), (1.2346e-6, "1.235e-06"), (999.96, "1,000"), (9.9999, "10.00")],
)
def test_format_plain_keeps_four_significant_digits(value: float, text: str) -> None:
    assert format_plain(value) == text
