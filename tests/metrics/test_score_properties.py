"""What holds of every metric of every kind: its range, its maximum, and that the order of rows says nothing."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from known import known
from msgspec import to_builtins
from scoring_helpers import CORPORA, frozen_plan, scoring, write_rows

from evalsuite.evaluation.score import score
from evalsuite.metrics.text import tokenize_pair
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.tasks import task_class
from evalsuite.tasks.base import Task
from evalsuite.tasks.style import Style
from evalsuite.types import Reply

RANGES = {"proportion": (0.0, 1.0), "score": (0.0, 1.0), "bleu": (0.0, 100.0), "ratio": (0.0, float("inf"))}
EN, ZH = Style("en", 0), Style("zh", 0, data_lang="zh")
WORDS = st.text(alphabet="abc AB,.12'-我爱北京大学，。\n", min_size=1, max_size=40)


def metrics_of(task: Task[Any], values: dict[str, Any], text: str, style: Style) -> dict[str, float | None]:
    """The metrics of a dataset of one row."""
    row = task.parse(values)
    judged = task.score(row, Reply(text), style)
    aggregate = ScoreAggregate(task.metrics(style), "fail")
    aggregate.add("all", judged.outcome, judged.values, judged.statistics)
    return {result.metric.name: result.interval.value for result in aggregate.results()}


# ---------------------------------------------------------------- range


def assert_in_range(plan: DatasetPlan, aggregate: ScoreAggregate) -> None:
    for result in aggregate.results():
        low, high = RANGES[result.metric.unit]
        found = result.interval
        assert found.value is None or low <= found.value <= high, result.metric.name
        assert found.low is None or low <= found.low <= known(found.high) <= high, result.metric.name


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda path: path.stem)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_every_metric_of_any_rows_stays_in_its_range(corpus: Path, data: st.DataObject) -> None:
    plan = frozen_plan(corpus)
    samples = [sample for sample, _ in plan.samples()]
    replies = st.sampled_from([known(plan.existing_reply(sample)) for sample in samples]) | st.builds(
        Reply, text=WORDS
    )
    aggregate = ScoreAggregate(plan.metrics, "wrong")
    for sample in data.draw(st.lists(st.sampled_from(samples), min_size=1, max_size=12)):
        judged = plan.task.score(sample.row, data.draw(replies), plan.style)
        aggregate.add(sample.subset, judged.outcome, judged.values, judged.statistics)
    assert_in_range(plan, aggregate)


# ---------------------------------------------------------------- maximum


@given(
    st.lists(WORDS.map(str.strip).filter(bool), min_size=2, max_size=6, unique=True),
    st.data(),
    st.sampled_from(["{}", "({})", "Answer: {}", "答案：{}", r"\boxed{{{}}}", "<think>A? B?</think>{}"]),
)
def test_the_gold_label_is_right(options: list[str], data: st.DataObject, form: str) -> None:
    labels = "ABCDEF"[: len(options)]
    gold = data.draw(st.sampled_from(labels))
    values = {"question": "Which?", **dict(zip(labels.lower(), options, strict=True)), "answer": gold}
    assert set(metrics_of(task_class("mcq")(), values, form.format(gold), EN).values()) == {1.0}


@given(st.sets(st.sampled_from("ABCDE"), min_size=1))
def test_the_gold_labels_are_right(gold: set[str]) -> None:
    values = {
        "question": "Which?",
        **{label: f"text {label}" for label in "abcde"},
        "answer": "".join(sorted(gold)),
    }
    style = replace(EN, multiple=True)
    found = metrics_of(task_class("mcq")(), values, f"Answer: {', '.join(sorted(gold))}", style)
    assert set(found.values()) == {1.0}
    assert "partial_credit" in found


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=2))
def test_the_worked_solution_is_right(number: Any) -> None:
    answer = f"Some steps, 1 + 1 = <<1+1=2>>2.\n#### {number:,}"
    found = metrics_of(task_class("gsm8k")(), {"question": "How many?", "answer": answer}, answer, EN)
    assert (found["accuracy"], found["strict"]) == (1.0, 1.0)


@settings(deadline=None)
@given(WORDS, st.sampled_from([EN, ZH]))
def test_the_reference_is_the_best_reply(reference: str, style: Style) -> None:
    words, _ = tokenize_pair(reference, "")
    assume(len(words) > 1)
    found = metrics_of(task_class("qa")(), {"query": "Say it.", "response": reference}, reference, style)
    rouges = {
        name: value for name, value in found.items() if name.startswith("rouge") or name == "length_ratio"
    }
    assert set(rouges.values()) == {1.0}
    assert found["chrf"] == pytest.approx(100)
    # Fewer than four words, as BLEU cuts them, have no four in a row: sacrebleu's score is 0 then.
    assert found["bleu"] == 0 or found["bleu"] == pytest.approx(100)


CALLS = st.dictionaries(
    st.text(max_size=4), st.integers() | st.text(max_size=4) | st.booleans() | st.none(), max_size=4
)


@given(CALLS, st.sampled_from(["call", "finish", "give up"]))
def test_the_gold_step_is_the_best_step(given: dict[str, Any], plan: str) -> None:
    written = {
        "call": given,
        "finish": {"return_type": "give_answer", "final_answer": "It rains in Porto. Take a coat."},
        "give up": {"return_type": "give_up_and_restart"},
    }[plan]
    name = "forecast" if plan == "call" else "Finish"
    target = f"Thought: so\nAction: {name}\nAction Input: {json.dumps(written)}"
    values = {
        "messages": [{"role": "user", "content": "Rain?"}],
        "tools": [{"name": "forecast"}],
        "target": target,
    }
    found = metrics_of(task_class("toolbench")(), values, target, EN)
    for metric, value in found.items():
        expected = 0.0 if metric.endswith("hallucination_rate") else pytest.approx(1, abs=1e-8)
        assert value is None or value == expected, metric
    assert found["strict/plan_em"] == 1.0


# ---------------------------------------------------------------- order


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda path: path.stem)
def test_shuffling_rows_changes_nothing(corpus: Path, tmp_path: Path) -> None:
    kind = corpus.stem.partition("_")[0]
    rows = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    found = []
    for seed in range(3):
        shuffled = random.Random(seed).sample(rows, len(rows)) if seed else rows
        path = write_rows(tmp_path / str(seed) / "rows.jsonl", shuffled)
        run = score(scoring(tmp_path / f"out{seed}", f"{kind}:{path}", on_error="wrong"))
        subsets = to_builtins(run.summary.variants["scored"].datasets["rows"].subsets)
        for subset in subsets.values():
            for metric in subset["metrics"].values():
                metric.pop("signature")  # names the file's content
        found.append(subsets)
    assert found[0] == found[1] == found[2]
