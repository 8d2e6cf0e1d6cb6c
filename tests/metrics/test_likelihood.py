"""Perplexity comes from sums over texts; answers are compared from the tokens on that their texts do not share."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import known

from evalsuite.metrics import bleu
from evalsuite.metrics.likelihood import (
    TextStatistics,
    answer_logprob,
    bits_per_byte,
    byte_perplexity,
    perplexity,
    shared_prefix_length,
    text_statistics,
    word_perplexity,
)

LOGPROBS = st.floats(-50.0, 0.0)


@pytest.mark.parametrize(
    ("tokens", "logprobs"),
    [((), ()), (("a",), (None,)), (("a b",), (None,)), (("a b", ""), (None, -1.0)), ((), (None,))],
)
def test_a_text_without_a_scored_token_or_byte_has_no_statistics(
    tokens: tuple[Any, ...], logprobs: tuple[Any, ...]
) -> None:
    assert text_statistics("a b", tokens, logprobs) is None


def test_the_bytes_of_an_unscored_first_token_are_not_counted() -> None:
    assert text_statistics("中国人", ["中", "国", "人"], [None, -1.0, -2.0]) == TextStatistics(3.0, 2, 6, 1)


def test_a_token_of_the_tokenizers_own_takes_no_bytes() -> None:
    found = text_statistics("a b", ["<s>", "a", " b"], [None, -1.0, -2.0])
    assert found == TextStatistics(3.0, 2, 3, 2)


def test_without_tokens_all_bytes_count() -> None:
    assert text_statistics("a b", (), (None, -1.0)) == TextStatistics(1.0, 1, 3, 2)


def test_a_lone_surrogate_is_no_obstacle() -> None:
    assert text_statistics("a \ud800", (), (-1.0,)) is not None


def test_a_uniform_model_over_v_words_has_perplexity_v() -> None:
    text, vocabulary = "one two three four", 50
    found = text_statistics(text, (), [-math.log(vocabulary)] * 4)
    sums = known(found).as_tuple()
    assert perplexity(sums) == pytest.approx(vocabulary)
    assert word_perplexity(sums) == pytest.approx(vocabulary)
    assert bits_per_byte(sums) == pytest.approx(4 * math.log2(vocabulary) / len(text))
    assert byte_perplexity(sums) == pytest.approx(2 ** bits_per_byte(sums))


def test_what_nothing_means_is_bounded() -> None:
    assert perplexity((9999.0, 1, 1, 1)) == pytest.approx(math.exp(230))


texts = st.lists(
    st.tuples(st.text(min_size=1, max_size=20), st.lists(LOGPROBS, min_size=1, max_size=8)), min_size=1
)


@given(texts)
def test_the_corpus_values_are_those_of_lm_evaluation_harness(documents: list[Any]) -> None:
    """Its definitions, written out: weighted means of log-likelihoods, by words and by bytes."""
    kept = [(text, values) for text, values in documents if text.encode("utf-8", "replace")]
    rows = [known(text_statistics(text, (), values)).as_tuple() for text, values in kept]
    sums = bleu.add_statistics(rows)
    likelihoods = [math.fsum(values) for _, values in kept]
    words = [len(re.split(r"\s+", text)) for text, _ in kept]
    sizes = [len(text.encode("utf-8", "replace")) for text, _ in kept]
    expected = math.exp(min(230, -sum(likelihoods) / sum(words)))
    assert word_perplexity(sums) == pytest.approx(expected, rel=1e-9)
    assert byte_perplexity(sums) == pytest.approx(
        math.exp(min(230, -sum(likelihoods) / sum(sizes))), rel=1e-9
    )
    assert bits_per_byte(sums) == pytest.approx(
        -sum(likelihoods) / sum(sizes) / math.log(2), rel=1e-9, abs=1e-12
    )


@given(texts, st.randoms())
def test_the_order_of_texts_changes_nothing_and_perplexity_is_at_least_one(
    documents: list[Any], random: Any
) -> None:
    rows = [known(text_statistics(text, (), values)).as_tuple() for text, values in documents]
    shuffled = rows[:]
    random.shuffle(shuffled)
    sums, again = bleu.add_statistics(rows), bleu.add_statistics(shuffled)
    assert again == pytest.approx(sums)
    assert perplexity(sums) >= 1.0
    assert bits_per_byte(sums) >= 0.0


@pytest.mark.parametrize(
    ("sequences", "start"),
    [
        ([], 0),
        ([["a"], []], 0),
        ([["a", "b"], ["a", "c"], ["a"]], 1),
        ([["a", "bc"], ["a", "b", "c"], ["a", "b"]], 1),
        ([["a", "b", "x"], ["a", "b", "y"], ["a", "b"]], 2),
        ([["a", "b", "same", "x"], ["a", "b", "same", "y"], ["a", "b"]], 2),
    ],
)
def test_answers_begin_where_all_three_texts_part(sequences: list[Any], start: int) -> None:
    assert shared_prefix_length(*sequences) == start


def test_the_answers_tokens_alone_are_summed() -> None:
    assert answer_logprob([None, -1.0, -2.0, -3.0], 2) == (-5.0, 2)
    assert answer_logprob([None, -1.0], 0) == (-1.0, 1)
    assert answer_logprob([], 3) == (0.0, 0)


@given(st.lists(st.sampled_from("ab"), max_size=6), st.lists(st.sampled_from("ab"), max_size=6))
def test_a_shared_start_is_a_start_of_both_and_no_longer_one_is(first: list[Any], second: list[Any]) -> None:
    start = shared_prefix_length(first, second)
    assert first[:start] == second[:start]
    assert first[: start + 1] != second[: start + 1] or start == min(len(first), len(second))
