"""ROUGE-1, ROUGE-2 and ROUGE-L of two token lists, each as precision, recall and F-measure in 0 to 1.

ROUGE-N counts n-grams with multiplicity: overlap / n-grams of the prediction (precision), / n-grams of the
reference (recall). ROUGE-L uses the longest common subsequence of the whole token lists, without splitting
into sentences. F = 2PR / (P + R), or 0.0 if both are 0. A text without tokens scores 0.0. There is no stemming.

Equal to `rouge_score.RougeScorer(["rouge1", "rouge2", "rougeL"])` given the same tokens (`text.tokenize_pair`
makes ours). Sources: Lin 2004, "ROUGE: a package for automatic evaluation of summaries"; rouge-score 0.1.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.metrics.ngrams import Codes, count_matching_ngrams, word_codes

VERSION = "2"


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
    expected, found = word_codes(reference, prediction)
    unigrams, bigrams = count_matching_ngrams(expected, found, 2)
    return RougeScores(
        rouge_1=_rouge(unigrams, len(expected), len(found)),
        rouge_2=_rouge(bigrams, len(expected) - 1, len(found) - 1),
        rouge_l=_rouge(_common_subsequence(expected, found), len(expected), len(found)),
    )


def score_best(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> RougeScores:
    """Return the best of each ROUGE over several references, by its F-measure; of equal ones the first.

    Each pair is a reference's tokens and the prediction's. Equal to rouge-score's `score_multi`.

    >>> score_best([("a b".split(), ["a"]), (["a"], ["a"])]).rouge_1.f_measure
    1.0
    """
    scores = [score(reference, prediction) for reference, prediction in pairs]
    if len(scores) == 1:
        return scores[0]
    return RougeScores(
        *(
            max((getattr(one, name) for one in scores), key=lambda rouge: rouge.f_measure)
            for name in ("rouge_1", "rouge_2", "rouge_l")
        )
    )


def lcs_length(reference: Sequence[str], prediction: Sequence[str]) -> int:
    """Return the length of the longest common subsequence of two token lists.

    >>> lcs_length("the cat sat".split(), "a cat once sat".split())
    2
    """
    return _common_subsequence(*word_codes(reference, prediction))


def _common_subsequence(reference: Codes, prediction: Codes) -> int:
    from rapidfuzz.distance import LCSseq

    return LCSseq.similarity(reference, prediction)


def _rouge(common: int, expected: int, found: int) -> Rouge:
    precision, recall = common / max(found, 1), common / max(expected, 1)
    both = precision + recall
    return Rouge(precision, recall, 2 * precision * recall / both if both else 0.0)
