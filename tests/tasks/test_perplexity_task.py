"""Texts are measured unchanged, their sums are kept, and unreadable measurements are labelled or refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from evalsuite.data.row_parser import RowError
from evalsuite.tasks.perplexity import PerplexityTask, TextRow
from evalsuite.tasks.style import Style
from evalsuite.types import Measurement, Prompt, Reply

TASK = PerplexityTask()
STYLE = Style("en", 0, completions=True)
CHINESE = Style("zh", 0, data_lang="zh", completions=True)


@pytest.mark.parametrize("text", ["", "  \n", None, float("nan")])
def test_parse_empty_text_is_refused(text: float | str | None) -> None:
    with pytest.raises(RowError, match="the text is empty"):
        TASK.parse({"text": text})


def test_prompt_keeps_white_space() -> None:
    row = TASK.parse({"text": " a\n\nb ", "category": "c"})
    assert TASK.prompt(row, (), STYLE, "s") == Prompt(text=" a\n\nb ", measure="logprobs")
    assert TASK.facts(row).subject == "c"


def test_score_has_sums_and_perplexities() -> None:
    reply = Reply("", measured=Measurement(("a", " b", " c"), (None, -1.0, -3.0)))
    score = TASK.score(TextRow("a b c"), reply, STYLE)
    assert score.outcome == "scored"
    assert score.statistics == {"text": (4.0, 2, 4, 3)}
    assert score.values["perplexity"] == pytest.approx(math.exp(2))
    assert score.values["word_perplexity"] == pytest.approx(math.exp(4 / 3))
    assert score.extracted["least_likely"] == ["' c' -3.00", "' b' -1.00"]


def test_score_text_of_one_token_is_labelled_and_not_counted() -> None:
    score = TASK.score(TextRow("a"), Reply("", measured=Measurement(("a",), (None,))), STYLE)
    assert (score.labels, score.statistics) == (("nothing_scored",), {})


def test_score_reply_without_log_probabilities_is_labelled() -> None:
    score = TASK.score(TextRow("a"), Reply("a text"), STYLE)
    assert (score.outcome, score.labels) == ("unparsed", ("no_logprobs",))
    assert set(score.values.values()) == {None}


def test_metrics_of_chinese_have_no_word_perplexity() -> None:
    assert "word_perplexity" not in [metric.name for metric in TASK.metrics(CHINESE)]
    assert tuple(TASK.traits(TextRow("早市的灯亮了。"))) == ("zh",)


@pytest.mark.parametrize("written", [[None, -1.0], [-0.5, -1], "[null, -1.5]"])
def test_recorded_reply_log_probabilities(written: list[Any] | str) -> None:
    reply = TASK.recorded_reply({"text": "a b", "logprobs": written})
    assert reply is not None
    assert reply.measured is not None
    assert len(reply.measured.logprobs) == 2


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"logprobs": "x"}, "'logprobs' is not JSON"),
        ({"logprobs": []}, "not a list of log-probabilities"),
        ({"logprobs": [-1, None]}, "not a list of log-probabilities"),
        ({"logprobs": [0.5]}, "not a list of log-probabilities"),
        ({"logprobs": [True]}, "not a list of log-probabilities"),
        ({"logprobs": [float("-inf")]}, "not a list of log-probabilities"),
        ({"logprobs": 3}, "not a list of log-probabilities"),
        ({"logprobs": [-1, -2], "tokens": ["a"]}, "'tokens' is not a list of the same length"),
    ],
)
def test_recorded_reply_without_log_probabilities_is_refused(values: dict[str, Any], what: str) -> None:
    with pytest.raises(RowError, match=what):
        TASK.recorded_reply({"text": "a b"} | values)
