"""What holds for every kind: it is inferred from the columns, and scoring never raises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.data.row_parser import RowError
from evalsuite.errors import InputError
from evalsuite.tasks import KINDS, infer_kind, task_class
from evalsuite.tasks.base import Task
from evalsuite.tasks.columns import json_value, text_value
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.style import Style, language_of
from evalsuite.types import FollowUpReply, Measurement, Reply

ROWS: dict[str, dict[str, Any]] = {
    "mcq": {"question": "Which?", "a": "x", "b": "y", "c": "z", "answer": "B"},
    "qa": {"query": "Why?", "response": "Because."},
    "gsm8k": {"question": "1 + 1?", "answer": "1 + 1 = 2\n#### 2"},
    "toolbench": {
        "messages": [{"role": "user", "content": "Weather?"}],
        "tools": [{"name": "forecast"}],
        "target": 'Thought: so\nAction: forecast\nAction Input: {"day": 1}',
    },
    "judge": {"question": "Why?", "rubric": "Be kind."},
    "perplexity": {"text": "Once upon a time."},
    "preference": {"prompt": "Why?", "chosen": "Because.", "rejected": "No."},
}
MEASURED = Measurement(("Once", " upon", " a", " time."), (None, -1.0, -2.0, -0.5))
REPLIES = {
    "perplexity": Reply("", measured=MEASURED),
    "preference": Reply(
        "", measured=MEASURED, further=(FollowUpReply("model", "", Reply("", measured=MEASURED)),)
    ),
    "judge": Reply("Because.", further=(FollowUpReply("judge", "", Reply('{"score": 7}')),)),
}
"""Replies of the kinds that ask for more than a text."""
STYLES = [
    Style("en", 0),
    Style("zh", 2, data_lang="zh", cot=True, multiple=True, subjects=True, exam="ceval"),
    Style("en", 1, completions=True),
]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        *((row, kind) for kind, row in ROWS.items()),
        ({"question": "q", "choices": ["x", "y"], "answer": "A"}, "mcq"),
        ({"question": "q", "options": '["x", "y"]', "answer": "A"}, "mcq"),
        ({"question": "q", "answer": "text"}, "qa"),
        ({"question": "q", "answer": "text", "choices": None}, "qa"),
        ({"messages": [{"role": "user", "content": "q"}]}, "qa"),
        ({"query": "q", "answer": "r", "a": "x"}, "qa"),
        ({"query": "q", "response": "r", "rubric": ""}, "judge"),
        ({"messages": [{"role": "user", "content": "q"}], "prediction_b": "r"}, "judge"),
        ({"chosen": [], "rejected": []}, "preference"),
        ({"id": "1", "text": "x", "subject": "y"}, "perplexity"),
    ],
)
def test_infer_kind_from_columns(values: dict[str, Any], kind: str) -> None:
    assert infer_kind(values, "x.csv") == kind


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "q", "completion": "a"},
        {"question": "q"},
        {},
        {"a": "1", "b": "2", "answer": "A"},
        {"text": "x", "label": "spam"},
        {"prompt": "q", "text": "x"},
        {"rubric": "x"},
    ],
)
def test_infer_kind_of_unknown_columns_lists_found_and_known(values: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        infer_kind(values, "my.csv")
    text = str(caught.value)
    assert text.startswith(
        f"my.csv: cannot tell the kind of this dataset from its columns ({', '.join(values) or 'none'})"
    )
    assert all(f"  {kind}: {task_class(kind).columns}" in text for kind in KINDS)
    assert "--columns question=NAME,answer=NAME" in text
    assert "as in mcq:PATH" in text
    assert " -d " not in text, "`validate` has no -d"


@pytest.mark.parametrize("kind", KINDS)
def test_missing_columns_of_each_kind(kind: str) -> None:
    task: Task[Any] = task_class(kind)()
    assert task.missing_columns(ROWS[kind]) == []
    assert task.missing_columns([])
    assert task.kind == kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", STYLES)
def test_metrics_have_one_primary_and_match_the_scores(kind: str, style: Any) -> None:
    task: Task[Any] = task_class(kind)()
    metrics = task.metrics(style)
    assert [metric.primary for metric in metrics].count(True) == 1
    assert len({metric.name for metric in metrics}) == len(metrics)
    score = task.score(task.parse(ROWS[kind]), REPLIES.get(kind, Reply("B")), style)
    known = {metric.score for metric in metrics}
    assert known <= set(score.values) | set(score.statistics)
    for metric in metrics:
        if metric.aggregate == "corpus":
            assert metric.from_statistics is not None
            assert metric.from_statistics(score.statistics[metric.score]) >= 0.0


def test_failure_value_counts_in_metrics_of_quality_only() -> None:
    assert Metric("accuracy").failure_value(1.0) == 0.0
    assert Metric("rouge_l", unit="score").failure_value(None) is None
    assert Metric("hallucination_rate", higher_is_better=False).failure_value(0.0) is None
    assert Metric("length_ratio", unit="ratio").failure_value(0.0) is None
    assert Metric("margin", unit="difference").failure_value(0.0) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
functions = st.fixed_dictionaries({}, optional={"name": json_values, "arguments": json_values})
tool_calls = st.none() | st.lists(
    st.fixed_dictionaries({}, optional={"function": functions | json_values, "id": json_values}), max_size=2
)
pieces = st.sampled_from(
    [
        "<think>",
        "</think>",
        "Answer: ",
        "答案：",
        "B",
        "\\boxed{",
        "}",
        "#### ",
        "2",
        "Action:",
        "Action Input:",
        "Observation:",
        "Finish",
        "\ud800",
        "{",
        "\0",
        "\n",
    ]
)
texts = st.text(st.characters(), max_size=30) | st.lists(pieces | st.text(max_size=4), max_size=10).map(
    "".join
)
logprobs = st.lists(st.none() | st.floats(-9999.0, 0.0), max_size=4).map(tuple)
measured = st.none() | st.builds(
    lambda values, tokens, reward: Measurement(tokens[: len(values)], values[: len(tokens)], reward),
    logprobs,
    st.lists(st.text(max_size=3), max_size=4).map(tuple),
    st.none() | st.floats(-100, 100),
)
plain_replies = st.builds(
    Reply,
    text=texts,
    tool_calls=tool_calls,
    finish_reason=st.sampled_from([None, "stop", "length", "tool_calls"]),
    measured=measured,
)
further = st.lists(st.builds(FollowUpReply, st.just("judge"), st.just("k"), plain_replies), max_size=3).map(
    tuple
)
replies = st.builds(lambda reply, others: replace(reply, further=others), plain_replies, further)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=120, deadline=None)
@given(reply=replies, style=st.sampled_from(STYLES))
def test_score_never_raises(kind: str, reply: Any, style: Any) -> None:
    task: Task[Any] = task_class(kind)()
    score = task.score(task.parse(ROWS[kind]), reply, style)
    assert score.outcome in ("scored", "unparsed", "truncated")
    assert (score.outcome == "scored") == bool(score.stage)
    for metric in task.metrics(style):
        value = score.values.get(metric.score)
        if value is not None and metric.unit in ("proportion", "score"):
            assert 0.0 <= value <= 1.0


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=120, deadline=None)
@given(
    noise=st.dictionaries(
        st.sampled_from(
            [
                *ROWS["mcq"],
                *ROWS["qa"],
                *ROWS["judge"],
                *ROWS["perplexity"],
                *ROWS["preference"],
                "scale",
                "reference",
                "prediction_b",
                "history",
                "messages",
                "tools",
                "target",
                "choices",
                "system",
                "subject",
            ]
        ),
        json_values,
    )
)
def test_parse_raises_nothing_but_row_errors(kind: str, noise: dict[str, Any]) -> None:
    task: Task[Any] = task_class(kind)()
    try:
        row = task.parse({**ROWS[kind], **noise})
    except RowError as error:
        assert error.faults  # noqa: PT017 - either outcome is right
        return
    task.facts(row)
    list(task.traits(row))
    for style in STYLES:
        prompt = task.prompt(row, [row] * style.shots, style, "subject")
        assert (prompt.text is None) != (prompt.messages is None)
        for ask in task.follow_up_requests(row, Reply("an answer"), style):
            assert (ask.prompt.text is None) != (ask.prompt.messages is None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (5, "5"),
        (5.5, "5.5"),
        (0, "0"),
        (False, "false"),
        (None, ""),
        (float("nan"), ""),
        (["a", 1], '["a", 1]'),
        ({"答": 1}, '{"答": 1}'),
    ],
)
def test_text_value_of_a_cell(
    value: bool | dict[str, Any] | float | list[Any] | str | None, text: str
) -> None:
    assert text_value({"x": value}, "x") == text


def test_text_value_takes_the_first_column_with_a_value() -> None:
    assert text_value({"query": "", "question": "q"}, "query", "question") == "q"
    assert text_value({}, "query") == ""


@pytest.mark.parametrize(
    ("value", "found"), [("", None), ("  ", None), (None, None), ("[1]", [1]), ([1], [1])]
)
def test_json_value_of_a_cell(value: list[Any] | str | None, found: list[Any] | None) -> None:
    assert json_value({"x": value}, "x", "a list") == found


def test_json_value_that_is_no_json_is_refused() -> None:
    with pytest.raises(RowError, match="'x' is not JSON"):
        json_value({"x": "[1"}, "x", "a list")


def test_text_value_of_parquet_dates_and_decimals() -> None:
    from datetime import date
    from decimal import Decimal

    assert text_value({"x": date(2026, 1, 2)}, "x") == "2026-01-02"
    assert text_value({"x": [Decimal("1.50")]}, "x") == '["1.50"]'


@pytest.mark.parametrize(
    ("chinese", "rows", "lang"), [(0, 0, "en"), (1, 2, "zh"), (1, 3, "en"), (3, 3, "zh")]
)
def test_language_of_a_dataset_is_chinese_from_half_of_its_rows(chinese: int, rows: int, lang: str) -> None:
    assert language_of({"zh": chinese}, rows) == lang
