"""Which letter is the most probable: ugly lists of tokens first."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import known

from evalsuite.metrics.label_logprobs import LabelProbabilities, read

ABCD = ("A", "B", "C", "D")


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [("", -0.1)],
        [("The", -0.1), ("\n", -2.0)],
        [("a", -0.1), (" b", -0.2)],
        [("AB", -0.1), ("A1", -0.2), ("Apple", -0.3), ("A-", -0.4), ("A A", -0.5)],
        [("E", -0.1), ("Z", -0.2)],
        [("A", float("nan")), ("B", float("-inf")), ("C", None), ("D", "x")],
        [("\ud800", -0.1), ("\ufffd", -0.2), ("答案", -0.3)],
        [("А", -0.1), ("Α", -0.2)],  # Cyrillic, Greek
    ],
)
def test_where_no_letter_is_shown_there_is_no_answer(tokens: Any) -> None:
    found = read(tokens, ABCD)
    assert found.best_label is None
    assert set(found.labels.values()) == {None}


@pytest.mark.parametrize(
    "token",
    ["A", " A", "Ａ", "　Ａ", "▁A", "ĠA", "\nA", "\tA", "(A", "(A)", "（A）", "[A]", "**A", "**A**", "A.", "A)", "A：", "A,",
     " A\n", "'A'", "“A”", "【A】", "$A$", "\xa0A"],
)  # fmt: skip
def test_a_letter_counts_with_whatever_stands_around_it(token: Any) -> None:
    assert read([(token, -1.5)], ABCD).labels["A"] == -1.5


def test_variants_of_a_letter_are_added_up_as_probabilities() -> None:
    found = read(
        [(" A", math.log(0.3)), ("A", math.log(0.15)), ("Ａ", math.log(0.05)), (" B", math.log(0.4))], ABCD
    )
    assert found.labels["A"] == pytest.approx(math.log(0.5))
    assert found.best_label == "A"


def test_an_option_that_is_not_shown_has_no_number_but_a_floor() -> None:
    found = read([(" C", -0.2), ("The", -3.0), (" D", -2.5), ("x", -7.5)], ABCD)
    assert found == LabelProbabilities({"A": None, "B": None, "C": -0.2, "D": -2.5}, -7.5)


def test_of_equal_letters_the_first_option_is_the_answer() -> None:
    assert read([("C", -1.0), ("B", -1.0)], ABCD).best_label == "B"


def test_very_improbable_variants_do_not_vanish_into_nothing() -> None:
    found = read([("A", -9999.0), (" A", -9999.0), ("B", -9999.5)], ABCD)
    assert found.labels["A"] == pytest.approx(-9999.0 + math.log(2))


def test_only_labels_of_the_row_count() -> None:
    assert read([(" D", -0.1), (" B", -4.0)], ("A", "B")).best_label == "B"


TOKENS = st.lists(
    st.tuples(
        st.sampled_from(["A", " A", "B", "(B", "C.", "Ｄ", "d", "The", ""]) | st.text(max_size=3),
        st.floats(-50, 0) | st.none(),
    ),
    max_size=25,
)


@given(TOKENS, st.randoms(use_true_random=False))
def test_it_never_raises_invents_no_letter_and_does_not_depend_on_the_order(tokens: Any, chance: Any) -> None:
    found = read(tokens, ABCD)
    assert list(found.labels) == list(ABCD)
    if found.best_label:
        assert any(
            found.best_label in token or chr(ord(found.best_label) + 0xFEE0) in token for token, _ in tokens
        )
        most, floor = known(found.labels[found.best_label]), known(found.floor)
        assert all(value is None or value <= most for value in found.labels.values())
        assert all(value is None or value >= floor for value in found.labels.values())
    chance.shuffle(tokens)
    assert read(tokens, ABCD) == found


@given(st.sampled_from(ABCD), TOKENS)
def test_a_letter_that_is_nearly_certain_is_the_answer(label: Any, others: Any) -> None:
    doubtful = [(token, value - 5 if value is not None else None) for token, value in others]
    assert read([*doubtful, (f" {label}", -0.001)], ABCD).best_label == label
