"""What stands on the page beside the numbers: small multiples, what it took, agents' tables drawn, training over steps."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_examples as examples
from comparison_helpers import mcq_rows, replies, scored
from known import known
from msgspec import structs

import evalsuite
from evalsuite.comparison.rows import paired_lines
from evalsuite.report.agent_tables import grouped_curves, matrices
from evalsuite.report.line_charts import Line, Point, line_chart
from evalsuite.report.quality_cost import quality_cost_tables
from evalsuite.report.reply_statistics import ReplyStatisticsTable
from evalsuite.report.sample_explorer import filters
from evalsuite.report.sample_store import SampleStore
from evalsuite.report.subset_tables import subset_tables
from evalsuite.report.summary_parts import all_subsets

TWO = ("smollm2", "smollm2-sft")
TICKS = [(0.0, "0"), (1.0, "1")]


def statistics_of(samples: Any) -> Any:
    statistics = ReplyStatisticsTable()
    for sample in samples:
        statistics.add(examples.typed(sample))
    return statistics


def wholes(summary: Any, dataset: Any = "toolbench") -> Any:
    return [part for part in all_subsets(summary) if (part.dataset, part.subset) == (dataset, "all")]


# ---- curves -----------------------------------------------------------------------------------------------


def heights(svg: Any) -> Any:
    return [float(y) for y in re.findall(r'circle class="dot" cx="[\d.]+" cy="([\d.]+)"', svg)]


def test_line_chart_draws_higher_values_higher_with_tooltips() -> None:
    line = Line("base", (Point(0, 20, 10, 30, "step 0: 20 %"), Point(1, 60, 50, 70, "step 1: 60 %")))
    svg = line_chart([line], title="a <b>", ticks=TICKS)
    root = ET.fromstring(svg)
    assert root[0].text == "a <b>"
    first, second = heights(svg)
    assert second < first
    assert svg.count('class="whisker"') == 2
    assert "<title>step 1: 60 %</title>" in svg


@pytest.mark.parametrize("value", [0.0, 100.0])
def test_line_chart_axis_stays_within_the_bounds_of_the_unit(value: float) -> None:
    line = Line("", (Point(0, value), Point(1, 50.0)))
    svg = line_chart([line], title="x", ticks=TICKS, bounds=(0.0, 100.0))
    levels = [float(text) for text in re.findall(r'text-anchor="end">([^<]*)<', svg)]
    assert min(levels) >= 0
    assert max(levels) <= 100


@pytest.mark.parametrize("values", [(5.0, 5.0), (0.0, 0.0), (-1e-9, 1e9), (-3.0,)])
def test_line_chart_points_of_any_value_stay_on_the_chart(values: tuple[Any, ...]) -> None:
    line = Line("", tuple(Point(float(at), value) for at, value in enumerate(values)))
    svg = line_chart([line], title="x", ticks=TICKS)
    assert len(heights(svg)) == len(values)
    assert all(0 <= y <= 190 for y in heights(svg))


def test_line_chart_without_points_is_empty() -> None:
    assert line_chart([Line("", ())], title="x", ticks=[]) == ""


# ---- agents -----------------------------------------------------------------------------------------------


def test_matrix_cells_are_shaded_by_their_share_of_the_gold_row() -> None:
    (matrix,) = matrices(wholes(examples.summary_with_breakdowns()))
    assert matrix.columns == ("the gold tool", "Finish", "another tool")
    name, cells = matrix.rows[0]
    assert name == "the gold tool"
    assert [(cell.number, cell.heat, cell.right) for cell in cells] == [
        ("6", 4, True),
        ("", 0, False),
        ("3", 2, False),
    ]


def test_matrix_of_too_many_tools_is_not_drawn() -> None:
    summary = examples.summary_with_breakdowns()
    (whole,) = wholes(summary)
    lines = [{"key": [f"tool {at}", f"tool {at}"], "n": 1} for at in range(13)]
    whole.content["breakdowns"]["choices"]["lines"] = lines
    assert matrices([whole]) == []


def test_grouped_curves_have_a_chart_per_metric_and_a_line_per_variant() -> None:
    summary = examples.summary_with_breakdowns()
    summary["variants"]["other"] = summary["variants"]["smollm2"]
    depth, tools = grouped_curves(wholes(summary))
    assert depth.names == ("smollm2", "other")
    assert [metric for metric, _ in depth.charts] == ["strict/plan_em, %", "strict/act_em, %"]
    assert depth.charts[0][1].count('class="way"') == 2
    assert tools.axis == "tools offered"


# ---- subsets, effort, filters -----------------------------------------------------------------------------


def test_panels_of_a_subset_hold_its_variants_together() -> None:
    mcq, _ = subset_tables(examples.summary(TWO))
    shown = mcq.panels
    assert [panel.title for panel in shown][:2] == ["geography", "logic"]
    assert [row.variant for row in shown[0].rows] == list(TWO)
    assert "subset=geography" in shown[0].link


def test_quality_cost_table_shows_costs_next_to_the_first_metric() -> None:
    tables = {
        one.dataset: one
        for one in quality_cost_tables(examples.summary(TWO), statistics_of(examples.samples(TWO)))
    }
    assert tables["gsm8k"].metric == "accuracy"
    assert tables["gsm8k"].heads == (
        "seconds a reply", "tokens a second", "reply tokens", "prompt tokens", "all replies",
    )  # fmt: skip
    first = tables["gsm8k"].rows[0]
    assert first.row.value == "58.0 %"
    measures = dict(zip(tables["gsm8k"].heads, first.measures, strict=True))
    assert known(measures["prompt tokens"]).words == "96"
    assert tables["qa_en"].heads == ("seconds a reply", "all replies")


def test_quality_cost_table_has_the_price_if_the_summary_has_it() -> None:
    accounts = [{"variant": "smollm2-sft", "dataset": "gsm8k", "cost": 0.0125}]
    summary = examples.summary(TWO) | {"accounts": accounts}
    tables = {one.dataset: one for one in quality_cost_tables(summary, statistics_of(examples.samples(TWO)))}
    assert tables["gsm8k"].heads[-1] == "cost"
    base, sft = (row.measures[-1] for row in tables["gsm8k"].rows)
    assert base is None
    assert sft is not None
    assert (sft.words, sft.width) == ("0.01250", 100)
    assert "cost" not in tables["mcq_zh"].heads


def test_quality_cost_tables_of_unmeasured_replies_are_left_out() -> None:
    lines = [line | {"latency_s": None, "usage": None} for line in examples.samples()]
    assert quality_cost_tables(examples.summary(), statistics_of(lines)) == []


def test_filters_offer_occurring_values_and_hide_without_a_choice() -> None:
    pack = SampleStore({}, baseline=TWO[0])
    for line in examples.flipping_samples(TWO):
        pack.add(examples.typed(line))
    found = {one.name: one for one in filters(pack)}
    assert [value for value, _ in found["variant"].choices] == list(TWO)
    assert [value for value, _ in found["label"].choices] == ["off_by_one", "wrong_unit"]
    assert found["dataset"].hidden
    assert not found["flip"].hidden
    pack.baseline = None
    assert {one.name: one for one in filters(pack)}["flip"].hidden


# ---- training ---------------------------------------------------------------------------------------------


def test_training_curves_of_runs_named_by_steps_are_drawn(tmp_path: Path) -> None:
    runs = [
        scored(tmp_path, f"step-{step}", mcq_rows(replies(right, 40 - right)))
        for step, right in ((1000, 30), (200, 10), (400, 20))
    ]
    found = evalsuite.compare(*runs)
    accuracy, *_ = found.document.training
    (line,) = accuracy.lines
    assert [(point.step, point.value) for point in line.points] == [
        (200, 0.25),
        (400, 0.5),
        (1000, 0.75),
    ]
    assert all(known(point.ci_low) < known(point.value) < known(point.ci_high) for point in line.points)
    page = found.html()
    assert 'id="training"' in page
    assert "step 400: 50.0 %, 95 % interval" in page


def test_training_step_in_run_json_takes_precedence_over_the_name(tmp_path: Path) -> None:
    runs = [
        scored(tmp_path, name, mcq_rows(replies(right, 20 - right))) for name, right in (("a", 5), ("b", 9))
    ]
    stepped = [
        replace(run, info=structs.replace(run.info, step=step))
        for run, step in zip(runs, (7, 3), strict=True)
    ]
    (line,) = evalsuite.compare(*stepped).document.training[0].lines
    assert [(point.step, point.value) for point in line.points] == [(3, 0.45), (7, 0.25)]


def test_training_curves_of_runs_without_steps_are_empty(tmp_path: Path) -> None:
    runs = [scored(tmp_path, name, mcq_rows(replies(5, 5))) for name in ("base", "step-5")]
    found = evalsuite.compare(*runs)
    assert found.document.training == ()
    assert 'id="training"' not in found.html()


# ---- the rows of a comparison -------------------------------------------------------------------------------


def test_paired_lines_of_a_row_are_adjacent_with_the_comparisons_names(tmp_path: Path) -> None:
    first = scored(tmp_path, "base", mcq_rows(replies(2, 2)))
    second = scored(tmp_path, "sft", [*mcq_rows(replies(3, 1)), *mcq_rows(["Answer: A"], id="extra")][::-1])
    lines = list(paired_lines(evalsuite.compare(first, second).findings))
    assert [(line.variant, line.id) for line in lines] == [
        (variant, f"q{number}") for number in range(4) for variant in ("base", "sft")
    ]
    assert {line.dataset for line in lines} == {"exam"}


def test_paired_lines_beyond_the_limit_keep_rows_that_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalsuite.comparison.rows.MAX_ROWS", 3)
    first = scored(tmp_path, "base", mcq_rows(replies(2, 8)))
    second = scored(tmp_path, "sft", mcq_rows([*replies(0, 9), "Answer: A"]))
    lines = list(paired_lines(evalsuite.compare(first, second).findings))
    assert {line.id for line in lines} == {"q0", "q1", "q9"}
