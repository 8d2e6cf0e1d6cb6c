"""ROUGE-1, ROUGE-2 and ROUGE-L of two token lists, each as precision, recall and F-measure in 0 to 1.

ROUGE-N counts n-grams with multiplicity: overlap / n-grams of the prediction (precision), / n-grams of the
reference (recall). ROUGE-L takes the longest common subsequence of the whole token lists, without splitting
into sentences. F = 2PR / (P + R), 0.0 when both are 0; a side without tokens scores 0.0. No stemming.

Equal to `rouge_score.RougeScorer(["rouge1", "rouge2", "rougeL"])` given the same tokens (`text.tokenize_pair`
makes ours). Sources: Lin 2004, "ROUGE: a package for automatic evaluation of summaries"; rouge-score 0.1.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

VERSION = "1"

NgramT = TypeVar("NgramT", int, tuple[int, int])


@dataclass(frozen=True, slots=True)
class Rouge:
    """One ROUGE score; all three in 0 to 1."""

    precision: float
    recall: float
    f_measure: float


@dataclass(frozen=True, slots=True)
class RougeScores:
    """The three ROUGE scores of one pair."""

    rouge_1: Rouge
    rouge_2: Rouge
    rouge_l: Rouge

    def values(self) -> dict[str, float]:
        """Return the nine metrics by name: `rouge_1` is the F-measure, beside `rouge_1_precision` and `_recall`."""
        named = {"rouge_1": self.rouge_1, "rouge_2": self.rouge_2, "rouge_l": self.rouge_l}
        return {
            key: value
            for name, rouge in named.items()
            for key, value in (
                (name, rouge.f_measure),
                (f"{name}_precision", rouge.precision),
                (f"{name}_recall", rouge.recall),
            )
        }


def score(reference: Sequence[str], prediction: Sequence[str]) -> RougeScores:
    """Return ROUGE-1, ROUGE-2 and ROUGE-L of a prediction's tokens against the reference's.

    >>> score("the cat sat".split(), "the cat".split()).rouge_1
    Rouge(precision=1.0, recall=0.6666666666666666, f_measure=0.8)
    """
    expected, found = _numbered(reference, prediction)
    return RougeScores(
        rouge_1=_overlap(Counter(expected), Counter(found)),
        rouge_2=_overlap(Counter(pairwise(expected)), Counter(pairwise(found))),
        rouge_l=_longest_common_subsequence(expected, found),
    )


def longest_common_subsequence(reference: Sequence[str], prediction: Sequence[str]) -> int:
    """Return how many tokens a longest common subsequence of both has."""
    from rapidfuzz.distance import LCSseq

    return LCSseq.similarity(*_numbered(reference, prediction))


def _numbered(reference: Sequence[str], prediction: Sequence[str]) -> tuple[list[int], list[int]]:
    """Numbers in place of words: rapidfuzz compares hashes, and those of small integers never collide."""
    numbers: dict[str, int] = {}
    expected = [numbers.setdefault(token, len(numbers)) for token in reference]
    return expected, [numbers.setdefault(token, len(numbers)) for token in prediction]


def _overlap(reference: Counter[NgramT], prediction: Counter[NgramT]) -> Rouge:
    common = sum(min(count, prediction[ngram]) for ngram, count in reference.items())
    return _rouge(common, sum(reference.values()), sum(prediction.values()))


def _longest_common_subsequence(reference: Sequence[int], prediction: Sequence[int]) -> Rouge:
    from rapidfuzz.distance import LCSseq

    return _rouge(LCSseq.similarity(reference, prediction), len(reference), len(prediction))


def _rouge(common: int, expected: int, found: int) -> Rouge:
    precision, recall = common / max(found, 1), common / max(expected, 1)
    both = precision + recall
    return Rouge(precision, recall, 2 * precision * recall / both if both else 0.0)
