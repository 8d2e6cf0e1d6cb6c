import math
import random
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from known import known

from evalsuite.report import forest_plot
from evalsuite.report.charts import choose_bins, histogram, interval_row, nice_step, percentile

LATENCIES = [random.Random(7).lognormvariate(0, 0.5) for _ in range(300)]


def bar_counts(svg: Any) -> Any:
    return [int(count.replace(",", "")) for count in re.findall(r": ([\d,]+) samples?</title></rect>", svg)]


@pytest.mark.parametrize(
    "values",
    [
        LATENCIES,
        [5.0] * 9,
        list(range(1, 50)),
        [0, 0, 0, 0, 1],
        [1e-9] * 6,
        [-3, -2, 0, 4, 5],
        [1, 1, 1, 1, 1e12],
    ],
)
def test_bins_count_each_value_in_exactly_one_bar(values: list[Any]) -> None:
    assert sum(bar_counts(histogram(values, title="x"))) == len(values)


def test_histogram_is_well_formed_and_describes_itself() -> None:
    root = ET.fromstring(histogram(LATENCIES, title='Latency <of> & "all"'))
    assert root.get("role") == "img"
    assert root[0].tag == "title"
    assert known(root[0].text).startswith('Latency <of> & "all": 300 samples, median')


def test_charts_use_classes_instead_of_colours() -> None:
    svg = histogram(LATENCIES, title="x") + interval_row(50, 40, 60, title="x")
    assert not re.search(r"style=|fill=|stroke=|#[0-9a-f]{3}", svg)


def test_bins_of_whole_numbers_are_at_least_one_wide() -> None:
    values = [1, 2, 2, 3, 3, 3]
    bins = choose_bins(values)
    assert (bins.step, bins.start) == (1.0, 1.0)
    assert bins.count_values(values) == [1, 2, 3]
    labels = re.findall(r'class="tick-label"[^>]*>([^<]*)<', histogram(values, title="x"))
    assert labels == ["1", "2", "3", "4"]
    assert "<title>3: 3 samples</title>" in histogram(values, title="x")


def test_bins_with_an_outlier_do_not_flatten_the_others() -> None:
    bins = choose_bins([*LATENCIES, 900.0])
    assert bins.overflow
    assert bins.edge(bins.count) < 20
    svg = histogram([*LATENCIES, 900.0], title="x")
    assert "bar overflow" in svg
    assert "and more: 1 sample<" in svg


def test_histogram_of_too_few_finite_values_is_empty() -> None:
    assert histogram([], title="x") == ""
    assert histogram([1, 2, 3, 4], title="x") == ""
    assert histogram([math.nan, math.inf] * 9, title="x") == ""


def test_histograms_with_the_same_bins_share_an_axis() -> None:
    fast, slow = [1.0, 2, 3, 4, 5], [10.0, 20, 30, 40, 50]
    bins = choose_bins(fast + slow)
    ticks = [
        re.findall(r'class="tick" x1="([\d.]+)"', histogram(values, title="x", bins=bins))
        for values in (fast, slow)
    ]
    assert ticks[0] == ticks[1]


def test_interval_row_without_a_value_is_empty() -> None:
    assert interval_row(None, None, None, title="x") == ""
    assert "whisker" not in interval_row(50, None, None, title="x")
    assert 'class="dot"' in interval_row(0, 0, 5, title="x")


def test_interval_row_marks_stay_on_the_track() -> None:
    svg = interval_row(120, -5, 130, title="x", reference=250)
    assert all(0 <= float(x) <= 160 for x in re.findall(r'(?:cx|x1|x2)="([\d.-]+)"', svg))


@pytest.mark.parametrize(
    ("span", "parts", "step"), [(100, 10, 10), (7, 5, 2), (0.9, 4, 0.25), (1e6, 28, 50_000)]
)
def test_nice_step_is_round(span: float, parts: int, step: float) -> None:
    assert nice_step(span, parts) == pytest.approx(step)


def test_percentile_is_one_of_the_values() -> None:
    assert [percentile([1, 2, 3, 4], share) for share in (0, 0.5, 0.95, 1)] == [1, 2, 4, 4]


def test_forest_row_is_drawn_on_its_side_of_zero_with_arrows_beyond_the_axis() -> None:
    up = forest_plot.forest_row(
        5.0, 2.0, 8.0, title="up", scale=forest_plot.forest_scale(10.0), kind="better"
    )
    down = forest_plot.forest_row(
        -5.0, -18.0, 2.0, title="down", scale=forest_plot.forest_scale(10.0), kind="worse"
    )
    centre = forest_plot.WIDTH / 2
    assert float(known(re.search(r'circle class="dot" cx="([\d.]+)"', up))[1]) > centre
    assert float(known(re.search(r'circle class="dot" cx="([\d.]+)"', down))[1]) < centre
    assert "l-4 4l4 4" in down
    assert "l-4 4l4 4" not in up
    assert (
        forest_plot.forest_row(None, None, None, title="", scale=forest_plot.forest_scale(1.0), kind="") == ""
    )


@pytest.mark.parametrize(
    ("largest", "ticks"),
    [
        (54, "−60 −40 −20 0 +20 +40 +60"),
        (20, "−20 −10 0 +10 +20"),
        (0.012, "−0.015 −0.01 −0.005 0 +0.005 +0.01 +0.015"),
        (0, "−1 0 +1"),
    ],
)
def test_forest_axis_has_round_steps_and_room_for_the_largest_difference(largest: float, ticks: str) -> None:
    assert (
        " ".join(re.findall(r">([^<>]+)</text>", forest_plot.forest_axis(forest_plot.forest_scale(largest))))
        == ticks
    )
