"""Samples of another harness: which metrics they make, what is said of its numbers, what the journal keeps."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.runs.counting import count_imported_line
from evalsuite.runs.imported import (
    ImportedDataset,
    ImportedSample,
    ImportedScores,
    ReportedScore,
    Source,
    imported_line,
)
from evalsuite.runs.recorded_dataset import recorded_dataset
from evalsuite.types import Reply

SOURCE = Source("helm", "1.2", ("benchmark:quiz",))
SCORES = st.floats(0, 1, allow_subnormal=False)


def sample(
    index: int, value: float | None, subset: str = "s", name: str = "acc", **more: object
) -> ImportedSample:
    given: dict[str, Any] = {"reply": Reply("x"), "extracted": "x", "gold": "x", **more}
    return ImportedSample(subset, str(index), index, "?", scores={name: value}, **given)


def kept(samples: list[ImportedSample]) -> ImportedScores:
    found = ImportedScores(SOURCE)
    for one in samples:
        found.add(one)
    return found


@given(st.lists(SCORES, min_size=1, max_size=30))
def test_the_mean_is_what_the_harness_reports_or_both_are_said(values: list[Any]) -> None:
    scores = kept([sample(index, value) for index, value in enumerate(values)])
    mean = fmean(values)
    assert list(scores.notes([ReportedScore("acc", mean, 9)])) == []
    assert list(scores.notes([ReportedScore("acc", round(mean, 4), 4)])) == []
    (note,) = scores.notes([ReportedScore("acc", mean + 0.01, 4)])
    assert f"{mean:.4f}" in note


def test_an_average_over_subsets_is_recognised() -> None:
    samples = [sample(0, 1.0, "a"), sample(1, 0.0, "b"), sample(2, 0.0, "b"), sample(3, 0.0, "b")]
    (note,) = kept(samples).notes([ReportedScore("acc", 0.5, 4)])
    assert "0.2500" in note
    assert "averages its subsets" in note
    assert list(kept(samples).notes([ReportedScore("acc", 1.0, 4, "a")])) == []


def test_a_number_without_samples_is_said() -> None:
    (note,) = kept([sample(0, 1.0)]).notes([ReportedScore("f1", 0.4, 4)])
    assert "no score of single samples" in note


@pytest.mark.parametrize(
    ("name", "values", "unit"),
    [
        ("acc", [0.0, 1.0], "proportion"),
        ("Rouge-L", [0.0, 0.0], "score"),
        ("acc", [0.5, 1.0], "score"),
        ("rating", [7.0, 9.0], "ratio"),
        ("margin", [-1.0, 2.0], "difference"),
    ],
)
def test_units_are_told_from_values_and_names(name: str, values: list[Any], unit: str) -> None:
    (metric,) = kept([sample(index, value, name=name) for index, value in enumerate(values)]).metrics([])
    assert (metric.name, metric.unit, metric.primary) == (f"helm/{name}", unit, True)


def test_the_harness_says_what_leads_and_what_is_better() -> None:
    one = ImportedSample("s", "0", 0, "?", Reply("x"), "x", {"a": 1.0, "HalluRate": 0.0, "b": 1.0}, "x")
    reported = [ReportedScore("a", 1.0, 4, better="lower"), ReportedScore("b", 1.0, 4, primary=True)]
    metrics = kept([one]).metrics(reported)
    assert [(metric.name, metric.higher_is_better) for metric in metrics] == [
        ("helm/b", True),
        ("helm/a", False),
        ("helm/HalluRate", False),
    ]


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({}, "scored"),
        ({"extracted": ""}, "unparsed"),
        ({"extracted": None, "reply": Reply("x", finish_reason="length")}, "truncated"),
        ({"reply": None}, "error"),
    ],
)
def test_outcomes(more: dict[str, Any], outcome: str) -> None:
    assert sample(0, 0.0, **more).outcome == outcome


def test_what_has_no_reply_counts_where_the_harness_counted_it() -> None:
    metrics = kept([sample(0, 1.0), sample(1, 0.0)]).metrics([])
    aggregate = ScoreAggregate(metrics, "fail")
    for one in (sample(0, 1.0), sample(1, 0.0, reply=None, error="timed out"), sample(2, None, reply=None)):
        count_imported_line(aggregate, imported_line(one, "v", "d", SOURCE, "j"))
    (result,) = [result for result in aggregate.results() if result.subset == WHOLE_DATASET]
    assert (result.interval.value, result.interval.n, result.n_error) == (0.5, 2, 1)


def test_the_entry_in_run_json_gives_the_plan_back() -> None:
    metrics = kept([sample(0, 1.0)]).metrics([])
    dataset = ImportedDataset(
        own_name="quiz",
        spec="helm:quiz",
        variant="v",
        source=SOURCE,
        counts={"s": 1},
        own_metrics=metrics,
        notes=("a note",),
    )
    again = recorded_dataset(dataset.info())
    assert again.metrics == dataset.metrics
    assert again.info == dataset.info()
    assert again.notes == dataset.notes
    assert again.scorers() == dataset.scorers()
    assert again.conditions() == dataset.conditions() == ["helm:1.2", "benchmark:quiz"]
    assert again.rows == 1
