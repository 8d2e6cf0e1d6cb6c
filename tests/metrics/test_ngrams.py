"""Matches of n-grams in one sort, against counting them one by one."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics.ngrams import character_codes, count_matching_ngrams, word_codes

TEXTS = st.text(alphabet=st.sampled_from(["a", "b", "\0", "中", "\ud800", "\U0010ffff"]), max_size=40)


def counted(first: Any, second: Any, highest: Any) -> Any:
    found = []
    for order in range(1, highest + 1):
        one, other = (
            Counter(tuple(items[start : start + order]) for start in range(len(items) - order + 1))
            for items in (first, second)
        )
        found.append((one & other).total())
    return tuple(found)


@pytest.mark.parametrize(
    ("first", "second", "matches"),
    [
        ("", "", (0, 0, 0)),
        ("", "abc", (0, 0, 0)),
        ("abc", "", (0, 0, 0)),
        ("a", "a", (1, 0, 0)),
        ("aaa", "aa", (2, 1, 0)),
        ("abc", "abc", (3, 2, 1)),
        ("\0\0", "\0", (1, 0, 0)),
        ("ab", "xab", (2, 1, 0)),
        ("\ud800\ud801", "\ud800\ud801", (2, 1, 0)),
    ],
)
def test_edges_match_nothing_beyond_the_ends(first: str, second: str, matches: tuple[Any, ...]) -> None:
    assert count_matching_ngrams(character_codes(first), character_codes(second), 3) == matches


@settings(deadline=None)
@given(TEXTS, TEXTS, st.integers(1, 8))
def test_characters_equal_counting_one_by_one(first: str, second: str, highest: int) -> None:
    found = count_matching_ngrams(character_codes(first), character_codes(second), highest)
    assert found == counted(first, second, highest)
    assert found == count_matching_ngrams(character_codes(second), character_codes(first), highest)


@pytest.mark.parametrize("kinds", [60, 1021, 1022, 5000, 40_000])
def test_long_texts_of_many_characters_equal_counting_one_by_one(kinds: int) -> None:
    # Six characters of over 1,021 kinds do not fit one integer, so that several sorts are needed.
    generator = random.Random(kinds)
    first = generator.choices(range(kinds), k=3000)
    second = generator.choices(range(kinds), k=1000) + first[500:1500]
    texts = ["".join(chr(0x4E00 + item) for item in items) for items in (first, second)]
    codes = [character_codes(text) for text in texts]
    assert count_matching_ngrams(codes[0], codes[1], 6) == counted(first, second, 6)


@given(st.lists(st.lists(st.sampled_from(["a", "b", "", "中"]))))
def test_equal_words_have_equal_codes_everywhere(texts: list[Any]) -> None:
    codes = word_codes(*texts)
    assert [len(one) for one in codes] == [len(words) for words in texts]
    pairs = {
        (word, code)
        for words, one in zip(texts, codes, strict=True)
        for word, code in zip(words, one, strict=True)
    }
    assert len({word for word, _ in pairs}) == len({code for _, code in pairs}) == len(pairs)
