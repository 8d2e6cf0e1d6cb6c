"""Our ROUGE against rouge-score, on the same tokens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer
from rouge_score.tokenizers import Tokenizer

from evalsuite.metrics import rouge, text

WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "mat", "a"]), max_size=25)
CHINESE = st.text(alphabet="我来到北京清华大学爱你，。 a1", max_size=25)
NAMES = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}


class Given(Tokenizer):
    """Hands rouge-score the tokens as they are."""

    def tokenize(self, tokens: Any) -> Any:
        return tokens


ORACLE = rouge_scorer.RougeScorer(list(NAMES), tokenizer=Given())


def assert_equal_to_rouge_score(reference: Any, prediction: Any) -> None:
    expected = ORACLE.score(reference, prediction)
    found = rouge.score(reference, prediction).values()
    assert len(found) == 9
    for theirs, ours in NAMES.items():
        assert found[ours] == pytest.approx(expected[theirs].fmeasure, abs=1e-12)
        assert found[f"{ours}_precision"] == pytest.approx(expected[theirs].precision, abs=1e-12)
        assert found[f"{ours}_recall"] == pytest.approx(expected[theirs].recall, abs=1e-12)
    assert all(0 <= value <= 1 for value in found.values())


@pytest.mark.parametrize(
    ("reference", "prediction"), [([], []), (["a"], []), ([], ["a"]), (["a"], ["a"]), (["a"] * 3, ["a"] * 9)]
)
def test_empty_and_tiny_sides(reference: list[Any], prediction: list[Any]) -> None:
    assert_equal_to_rouge_score(reference, prediction)


@settings(deadline=None)
@given(WORDS, WORDS)
def test_english_tokens(reference: list[Any], prediction: list[Any]) -> None:
    assert_equal_to_rouge_score(reference, prediction)


@settings(deadline=None)
@given(CHINESE, CHINESE)
def test_chinese_tokens(reference: str, prediction: str) -> None:
    assert_equal_to_rouge_score(*text.tokenize_pair(reference, prediction))


def test_english_text_equals_rouge_score_from_end_to_end() -> None:
    reference, prediction = "The quick brown fox's jump, over 2 dogs!", "the quick dogs jumped over the fox"
    expected = rouge_scorer.RougeScorer(list(NAMES)).score(reference, prediction)
    found = rouge.score(*text.tokenize_pair(reference, prediction))
    assert found.rouge_l.f_measure == pytest.approx(expected["rougeL"].fmeasure, abs=1e-12)
    assert found.rouge_2.recall == pytest.approx(expected["rouge2"].recall, abs=1e-12)


@settings(deadline=None)
@given(WORDS.filter(lambda words: len(words) > 1))
def test_the_reference_itself_scores_one(reference: list[Any]) -> None:
    assert set(rouge.score(reference, reference).values().values()) == {1.0}


@settings(deadline=None)
@given(WORDS, WORDS)
def test_swapping_sides_swaps_precision_and_recall(first: list[Any], second: list[Any]) -> None:
    one, other = rouge.score(first, second), rouge.score(second, first)
    assert (one.rouge_l.precision, one.rouge_2.recall) == (other.rouge_l.recall, other.rouge_2.precision)


def test_long_texts_overflow_nothing() -> None:
    long = [str(number) for number in range(20_000)]
    assert rouge.score(long, long[::2]).rouge_l.recall == 0.5


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4), WORDS)
def test_score_best_equals_score_multi_of_rouge_score(references: list[Any], prediction: list[Any]) -> None:
    expected = ORACLE.score_multi(references, prediction)
    found = rouge.score_best([(words, prediction) for words in references])
    for theirs, ours in NAMES.items():
        one = getattr(found, ours)
        assert (one.precision, one.recall, one.f_measure) == pytest.approx(tuple(expected[theirs]), abs=1e-12)
