"""Scores → numbers → summary.csv and summary.json, which say the same."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import known
from mock_server import Answer, Asked, MockServer, failing, ordinary, reply
from run_helpers import config, numbered, summary_of, write_qa

from evalsuite.config import build_config
from evalsuite.data.subsets import WHOLE_DATASET as ALL
from evalsuite.evaluation.evaluate import evaluate
from evalsuite.metrics import bleu, stats
from evalsuite.options.running import OnError
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.tasks.metric import Metric

COLUMNS = "run,variant,dataset,subset,metric,value,stderr,ci_low,ci_high,n,n_unparsed,n_truncated,n_error,n_skipped,primary,signature"
USAGE_COLUMNS = "n_owed,requests,retries,from_cache,prompt_tokens,completion_tokens,wasted_tokens,latency_s,ttft_s,token_s,cost"


def rows_of(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((run / "summary.csv").read_text(encoding="utf-8"))))


def write_mcq(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    lines = [
        "subject,question,A,B,C,answer",
        *(f"{subject},{question},one,two,three,{answer}" for subject, question, answer in rows),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def answer_by_question(asked: Asked) -> Answer:
    """The question's first word tells what happens."""
    last = asked.prompt.rsplit("\n\n", 1)[-1]
    if "right" in last:
        return reply("Answer: A")
    if "wrong" in last:
        return reply("Answer: B")
    if "silent" in last:
        return reply("I would rather not say")
    if "cut" in last:
        return reply("Let me think about it at", finish_reason="length")
    return failing(422, "refused") if "refused" in last else reply("hi")


# ---------------------------------------------------------------- tally


def test_scores_add_up_over_subsets() -> None:
    aggregate = ScoreAggregate(
        (Metric("accuracy"), Metric("macro", aggregate="macro", of="accuracy")), "fail"
    )
    for subset, value in [("a", 1.0), ("a", 1.0), ("a", 0.0), ("b", 0.0)]:
        aggregate.add(subset, "scored", {"accuracy": value}, {})
    found = {(result.metric.name, result.subset): result.interval for result in aggregate.results()}
    assert found["accuracy", ALL].value == 0.5
    assert found["macro", ALL].value == pytest.approx(1 / 3)
    assert (found["accuracy", "a"].n, found["accuracy", "b"].n) == (3, 1)
    assert ("macro", "a") not in found


@pytest.mark.parametrize(("on_error", "n", "value"), [("fail", 1, 1.0), ("skip", 1, 1.0), ("wrong", 2, 0.5)])
def test_errors_count_only_where_they_are_asked_to(on_error: Any, n: int, value: float) -> None:
    aggregate = ScoreAggregate((Metric("accuracy"), Metric("bad", higher_is_better=False)), on_error)
    aggregate.add("s", "scored", {"accuracy": 1.0, "bad": 0.0}, {})
    aggregate.add("s", "error", {"accuracy": 0.0, "bad": 0.0}, {})
    accuracy, bad = (result for result in aggregate.results() if result.subset == ALL)
    assert (accuracy.interval.n, accuracy.interval.value) == (n, value)
    assert (bad.interval.n, bad.interval.value) == (1, 0.0)
    assert accuracy.n_error == 1


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, 0.5, 1.0]), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_bounds_are_what_the_lost_samples_could_have_made_of_a_metric(
    rows: list[tuple[str, float, bool]],
) -> None:
    metrics = (Metric("accuracy"), Metric("macro", aggregate="macro", of="accuracy"))

    def aggregate(of_lost: float | None) -> ScoreAggregate:
        made = ScoreAggregate(metrics, "fail")
        for subset, value, lost in rows:
            if lost and of_lost is None:
                made.add(subset, "error", {}, {})
            else:
                made.add(
                    subset, "scored", {"accuracy": of_lost if lost and of_lost is not None else value}, {}
                )
        return made

    worst, best = (
        {
            result.metric.name: result.interval.value
            for result in aggregate(of).results()
            if result.subset == ALL
        }
        for of in (0.0, 1.0)
    )
    for metric in metrics:
        bounds = aggregate(None).bounds(metric)
        if any(lost for _, _, lost in rows):
            assert bounds == pytest.approx((worst[metric.name], best[metric.name]))
        else:
            assert bounds is None


def test_no_bounds_where_errors_count_or_the_metric_has_no_greatest_value() -> None:
    metrics = (Metric("accuracy"), Metric("ratio", unit="ratio"))
    for on_error, metric in (("wrong", metrics[0]), ("fail", metrics[1])):
        aggregate = ScoreAggregate(metrics, on_error)  # type: ignore[arg-type]
        aggregate.add("s", "scored", {"accuracy": 1.0, "ratio": 1.0}, {})
        aggregate.add("s", "error", {"accuracy": 0.0, "ratio": 0.0}, {})
        assert aggregate.bounds(metric) is None


def test_bounds_are_in_the_unit_of_the_metric() -> None:
    aggregate = ScoreAggregate((Metric("rouge", unit="bleu"),), "fail")
    aggregate.add("s", "scored", {"rouge": 40.0}, {})
    aggregate.add("s", "error", {}, {})
    assert aggregate.bounds(aggregate.metrics[0]) == (20.0, 70.0)


def test_what_a_metric_does_not_apply_to_is_skipped() -> None:
    aggregate = ScoreAggregate((Metric("f1"),), "fail")
    aggregate.add("s", "scored", {"f1": None}, {})
    aggregate.add("s", "unparsed", {"f1": 0.0}, {})
    (result,) = (found for found in aggregate.results() if found.subset == ALL)
    assert (result.interval.n, result.n_skipped, result.n_unparsed) == (1, 1, 1)


def test_no_samples_give_no_value_and_no_crash() -> None:
    aggregate = ScoreAggregate(
        (Metric("accuracy"), Metric("macro", aggregate="macro", of="accuracy")), "fail"
    )
    assert [(found.interval.value, found.interval.n) for found in aggregate.results()] == [
        (None, 0),
        (None, 0),
    ]


# ---------------------------------------------------------------- summary


@pytest.fixture
def run(server: MockServer, tmp_path: Path) -> Path:
    """Two subjects with every outcome, under --on-error skip."""
    server.behave = answer_by_question
    rows = [("physics", f"{word} {n}?", "A") for n, word in enumerate(["right", "right", "wrong", "silent"])]
    rows += [("art", f"{word} {n}?", "A") for n, word in enumerate(["right", "cut", "refused"], 10)]
    data = write_mcq(tmp_path / "quiz.csv", rows)
    options = {"base_url": server.url, "model": "mock-model", "out": tmp_path / "out", "name": "run"}
    evaluate(build_config(options | {"datasets": [f"mcq:{data}"], "shots": 0, "on_error": "skip"}))
    return tmp_path / "out" / "run"


def test_the_columns_are_those_of_the_design(run: Path) -> None:
    first = (run / "summary.csv").read_text(encoding="utf-8").partition("\n")[0]
    assert first == f"{COLUMNS},{USAGE_COLUMNS}"
    assert b"\r" not in (run / "summary.csv").read_bytes()


def test_the_numbers_and_counts_are_right(run: Path) -> None:
    found = {(row["subset"], row["metric"]): row for row in rows_of(run)}
    assert set(found) == {
        ("all", "accuracy"),
        ("all", "accuracy_macro"),
        ("physics", "accuracy"),
        ("art", "accuracy"),
    }
    whole = found["all", "accuracy"]
    counts = [whole[name] for name in ("n", "n_unparsed", "n_truncated", "n_error", "n_skipped")]
    assert counts == ["6", "1", "1", "1", "0"]
    assert float(whole["value"]) == 0.5
    assert 0 < float(whole["ci_low"]) < 0.5 < float(whole["ci_high"]) < 1
    assert float(found["all", "accuracy_macro"]["value"]) == 0.5
    assert [found["art", "accuracy"][name] for name in ("n", "n_truncated", "n_error")] == ["2", "1", "1"]
    assert (whole["primary"], found["all", "accuracy_macro"]["primary"]) == ("true", "false")


def test_csv_and_json_say_the_same(run: Path) -> None:
    summary = summary_of(run)
    for row in rows_of(run):
        subset = summary["variants"][row["variant"]]["datasets"][row["dataset"]]["subsets"][row["subset"]]
        metric = subset["metrics"][row["metric"]]
        for name in COLUMNS.split(",")[5:]:
            value = metric[name]
            shown = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            assert row[name] == shown, (row["subset"], row["metric"], name)
        assert subset["n_error"] == metric["n_error"]
    listed = sum(
        len(subset["metrics"])
        for variant in summary["variants"].values()
        for dataset in variant["datasets"].values()
        for subset in dataset["subsets"].values()
    )
    assert listed == len(rows_of(run))


def test_the_signature_names_what_a_number_depends_on(run: Path) -> None:
    (whole,) = (row for row in rows_of(run) if (row["subset"], row["metric"]) == ("all", "accuracy"))
    pattern = r"mcq\|default\|v\S+\|n:6\|shots:0\|lang:en\|chat\|t:0\|max_tokens:128\|prompt:v\S+"
    assert re.fullmatch(pattern, whole["signature"])


def test_the_summary_counts_what_was_sent(run: Path) -> None:
    totals = summary_of(run)["totals"]
    assert (totals["samples"], totals["owed"], totals["errors"], totals["reused"]) == (7, 0, 1, 0)
    assert (totals["requests"], totals["retries"]) == (7, 0)
    assert (totals["prompt_tokens"], totals["completion_tokens"]) == (6 * 7, 6 * 3)


def test_many_unreadable_or_cut_replies_are_pointed_out(run: Path) -> None:
    warnings = summary_of(run)["warnings"]
    assert any("--max-tokens" in warning for warning in warnings)
    assert any("no answer that could be read" in warning for warning in warnings)


def test_an_error_counted_as_wrong_weighs_on_corpus_metrics_like_an_empty_reply(
    server: MockServer, tmp_path: Path
) -> None:
    data = write_qa(tmp_path / "qa.jsonl", [*numbered(3), ("refused", "the cat sat on the mat all day long")])
    server.behave = lambda asked: failing(422) if asked.prompt == "refused" else ordinary(asked)
    values: dict[str, list[dict[str, float]]] = {}
    for on_error in ("skip", "wrong", "wrong"):  # the last one counts from the journal
        evaluate(config(server, tmp_path, data, on_error=on_error))
        metrics = summary_of(tmp_path / "run")["variants"]["mock-model"]["datasets"]["qa"]["subsets"]["all"][
            "metrics"
        ]
        values.setdefault(on_error, []).append(
            {name: metrics[name]["value"] for name in ("bleu", "chrf", "rouge_l")}
        )
    empty = bleu.chrf_statistics("", "the cat sat on the mat all day long")
    assert values["skip"][0]["chrf"] == pytest.approx(100.0)
    assert values["wrong"][0]["chrf"] < 90.0
    assert values["wrong"][0] == values["wrong"][1]
    assert values["wrong"][0]["rouge_l"] == 0.75
    assert any(empty)


def test_summaries_are_plain_json(run: Path) -> None:
    text = (run / "summary.json").read_text(encoding="utf-8")
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_an_interval_does_not_reach_beyond_what_a_share_can_be() -> None:
    aggregate = ScoreAggregate((Metric("macro", aggregate="macro", of="accuracy"),), "fail")
    for subset, right in (("a", 0.0), ("a", 0.0), ("a", 0.0), ("b", 0.0), ("b", 1.0), ("b", 0.0)):
        aggregate.add(subset, "scored", {"accuracy": right}, {})
    (macro,) = aggregate.results()
    assert macro.interval.low == 0.0
    assert 0.0 < known(macro.interval.high) <= 1.0


@pytest.mark.parametrize(("unit", "most"), [("proportion", 1.0), ("score", 1.0), ("bleu", 100.0)])
def test_nor_does_that_of_a_mean_whatever_its_unit(unit: Any, most: float) -> None:
    aggregate = ScoreAggregate((Metric("mean", unit=unit),), "fail")
    for value in (most, 0.0):
        aggregate.add("s", "scored", {"mean": value}, {})
    interval = aggregate.results()[0].interval
    assert 0.0 <= known(interval.low) < known(interval.high) <= most


def test_dialogues_of_different_files_are_different_clusters() -> None:
    aggregate = ScoreAggregate((Metric("act"),), "fail")
    for subset, value in (("in", 1.0), ("out", 0.0)):
        for dialogue in ("0", "1", "2"):
            aggregate.add(subset, "scored", {"act": value}, {}, dialogue)
            aggregate.add(subset, "scored", {"act": value}, {}, dialogue)
    whole = next(found for found in aggregate.results() if found.subset == ALL)
    assert whole.interval.stderr == pytest.approx(
        math.sqrt(6 / 5 * 6) / 12
    )  # six clusters, each a row off the mean


def test_a_row_outside_the_clusters_leaves_the_others_clustered() -> None:
    aggregate = ScoreAggregate((Metric("act"),), "fail")
    for dialogue, value in (("0", 1.0), ("1", 0.0), ("2", 1.0), ("3", 0.0)):
        for _ in range(10):
            aggregate.add("s", "scored", {"act": value}, {}, dialogue)
    aggregate.add("s", "scored", {"act": 1.0}, {})
    assert known(aggregate.results()[0].interval.stderr) > 0.2


def test_corpus_metrics_see_an_empty_reply_for_a_failure_only_where_failures_count() -> None:
    metric = Metric("sum", unit="ratio", aggregate="corpus", from_statistics=lambda total: total[0])
    policies: tuple[tuple[OnError, int], ...] = (("wrong", 2), ("skip", 1))
    for on_error, n in policies:
        aggregate = ScoreAggregate((metric,), on_error)
        aggregate.add("s", "scored", {}, {"sum": [2.0]})
        aggregate.add("s", "error", {}, {"sum": [0.0]})
        assert aggregate.results()[0].interval.n == n


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
            st.sampled_from([None, "x", "y"]),
        ),
        min_size=1,
        max_size=80,
    )
)
def test_counted_scores_give_what_the_scores_one_by_one_give(
    rows: list[tuple[str, float, str | None]],
) -> None:
    metrics = (Metric("accuracy"), Metric("macro", aggregate="macro", of="accuracy"))
    aggregate = ScoreAggregate(metrics, "fail")
    for subset, value, cluster in rows:
        aggregate.add(subset, "scored", {"accuracy": value}, {}, cluster)
    values = [value for _, value, _ in rows]
    alone = any(cluster for *_, cluster in rows)
    clusters = [(subset, cluster) if cluster else place for place, (subset, _, cluster) in enumerate(rows)]
    subjects = {
        name: [value for subset, value, _ in rows if subset == name] for name in {row[0] for row in rows}
    }
    found = {result.metric.name: result.interval for result in aggregate.results() if result.subset == ALL}
    expected = stats.score_interval(values, clusters if alone else None)
    assert found["accuracy"].n == expected.n
    assert (found["accuracy"].value, found["accuracy"].stderr) == (expected.value, expected.stderr)
    assert found["macro"].value == stats.macro_mean(subjects).value
    assert found["macro"].stderr == stats.macro_mean(subjects).stderr


def tries_of(
    metrics: tuple[Metric, ...], rows: list[tuple[int, str | None]], right: list[list[float]]
) -> ScoreAggregate:
    """A tally of several tries a row; `rows` are numbers with their clusters."""
    aggregate = ScoreAggregate(metrics, "fail")
    for (row, cluster), tries in zip(rows, right, strict=True):
        for value in tries:
            aggregate.add("all", "scored", {"accuracy": value}, {}, cluster, row=row)
    return aggregate


def test_a_row_that_stands_alone_is_in_no_cluster_of_others_whatever_its_number() -> None:
    """Rows 0 and 1 alone, rows 2 and 3 in a dialogue: three clusters, by hand."""
    metrics = (Metric("accuracy"), Metric("pass@1", aggregate="pass_at_k", of="accuracy", k=1))
    rows = [(0, None), (1, None), (2, "dialogue"), (3, "dialogue")]
    right = [[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]]
    by_name = {found.metric.name: found.interval for found in tries_of(metrics, rows, right).results()}
    flat = [value for tries in right for value in tries]
    by_hand = stats.score_interval(flat, ["a", "a", "b", "b", "c", "c", "c", "c"])
    assert by_name["accuracy"] == by_hand
    means = [sum(tries) / len(tries) for tries in right]
    of_rows = stats.score_interval(means, ["a", "b", "c", "c"])
    found = by_name["pass@1"]
    assert (found.value, found.stderr, found.n) == (of_rows.value, of_rows.stderr, 4)


def test_tries_that_all_say_the_same_tell_a_corpus_metric_no_more_than_one() -> None:
    """Sums of equal statistics are multiples, and a ratio of sums does not change."""
    ratio = Metric("ratio", aggregate="corpus", from_statistics=lambda total: total[0] / total[1])
    once, thrice = ScoreAggregate((ratio,), "fail"), ScoreAggregate((ratio,), "fail")
    for row in range(40):
        statistics = {"ratio": [float(row % 7), 10.0 + row % 3]}
        once.add("all", "scored", {}, statistics)
        for _ in range(3):
            thrice.add("all", "scored", {}, statistics, row=row)
    (single,), (several,) = once.results(), thrice.results()
    assert several.interval.n == 3 * single.interval.n
    assert several.interval.value == pytest.approx(single.interval.value)
    assert (several.interval.low, several.interval.high) == pytest.approx(
        (single.interval.low, single.interval.high)
    )


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_scores_that_all_stand_at_one_end_do_not_claim_certainty(value: float) -> None:
    aggregate = ScoreAggregate((Metric("f1", unit="score"),), "fail")
    for _ in range(10):
        aggregate.add("s", "scored", {"f1": value}, {})
    interval = next(result.interval for result in aggregate.results() if result.subset == ALL)
    known = stats.wilson(10 * value, 10)
    assert (interval.value, interval.low, interval.high) == (value, known.low, known.high)
