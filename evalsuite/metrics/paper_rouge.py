"""ROUGE-L by the rule of the package `rouge` 1.0.1, which the SWIFT paper's tables and ms-swift's metrics use.

Sentences are split on "." and empty ones dropped, words on white space. m, n = unique words of reference and hypothesis;
llcs = size of the union, over all pairs of sentences, of the words of their longest common subsequence; R = llcs / m,
P = llcs / n, F = 2PR / (P + R + 1e-8), so equal texts reach 0.999999995. The subsequences come from bit vectors (Hyyrö 2004),
so a pair of thousands of words takes milliseconds.

Source: `rouge` 1.0.1 (`rouge_score.py`), reimplemented.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

_EPSILON = 1e-8


@functools.lru_cache(maxsize=4)
def paper_rouge_l(reference: str, hypothesis: str) -> float | None:
    """Return ROUGE-L (F, 0 to 1); None if either text has no sentence.

    Cached for the texts of one row, which several profiles compare.
    """
    expected, found = split_sentences(reference), split_sentences(hypothesis)
    if not expected or not found:
        return None
    common = _union_of_common_subsequences(expected, found)
    recall = len(common) / len({word for sentence in expected for word in sentence})
    precision = len(common) / len({word for sentence in found for word in sentence})
    return 2.0 * ((precision * recall) / (precision + recall + _EPSILON))


def split_sentences(text: str) -> list[list[str]]:
    """Return the words of each sentence."""
    # A piece of white space alone is kept, as one empty word: so the reference counts it.
    return [piece.split() or [""] for piece in text.split(".") if piece]


def _union_of_common_subsequences(
    expected: Iterable[Sequence[str]], found: Iterable[Sequence[str]]
) -> set[str]:
    """Return the union over all pairs of sentences; pairs that cannot add a word to it are passed over."""
    others = [(other, frozenset(other)) for other in dict.fromkeys(map(tuple, found))]
    common: set[str] = set()
    for sentence in dict.fromkeys(map(tuple, expected)):
        missing = set(sentence) - common
        for other, words in others:
            if not missing.isdisjoint(words):
                common |= _common_subsequence(sentence, other)
                missing -= common
    return common


def _common_subsequence(reference: Sequence[str], hypothesis: Sequence[str]) -> set[str]:
    """Return the words of one longest common subsequence, walked back from the end.

    Which one matters where several are longest: on a mismatch the walk drops the reference's word only if that
    leaves a strictly longer subsequence than dropping the hypothesis' word.
    """
    known = set(reference)
    found = [word for word in hypothesis if word in known]  # the walk passes the others by
    rows = _length_table(reference, found)
    words: set[str] = set()
    i, j = len(reference), len(found)
    while i and j:
        word = reference[i - 1]
        if word != found[j - 1]:
            j = _walk_left(word, found, j, rows[i], rows[i - 1])
        if j and word == found[j - 1]:
            words.add(word)
            j -= 1
        i -= 1
    return words


def _walk_left(word: str, hypothesis: Sequence[str], j: int, row: int, above: int) -> int:
    """Walk left along a row, past columns that are not the row's word, to where the walk leaves it."""
    stays, stays_above = _row_columns(row, j), _row_columns(above, j)
    gained = stays_above.count("1") - stays.count("1")  # by the row's word, up to column j
    while j and word != hypothesis[j - 1] and (gained or stays[j - 1] == "1"):
        j -= 1
        gained += (stays[j] == "1") - (stays_above[j] == "1")
    return j


def _length_table(reference: Sequence[str], hypothesis: Sequence[str]) -> list[int]:
    """Return the table of subsequence lengths, a bit vector a row (Hyyrö 2004): one word costs one addition.

    Row i stands for the first i words of the reference; bit j is 0 where the length grows at the hypothesis'
    word j. So a pair of thousands of words takes milliseconds, and nothing recurses.
    """
    columns: dict[str, list[int]] = {}
    for j, word in enumerate(hypothesis):
        columns.setdefault(word, []).append(j)
    places = {word: _bit_mask(its) for word, its in columns.items()}
    full = (1 << len(hypothesis)) - 1
    row, rows = full, [full]
    for word in reference:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & full
        rows.append(row)
    return rows


def _bit_mask(places: Sequence[int]) -> int:
    """Return the number whose bits at the places, in ascending order, are 1; in linear time."""
    marks = bytearray(places[-1] // 8 + 1)
    for place in places:
        marks[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(marks, "little")


def _row_columns(row: int, columns: int) -> str:
    """Return the first columns of a row, "0" for those in which the length grows."""
    return bin(row & ((1 << columns) - 1) | 1 << columns)[:2:-1]
