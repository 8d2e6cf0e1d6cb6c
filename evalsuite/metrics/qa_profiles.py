"""Scores free answers as other harnesses do, quirks included, so that our numbers can be compared with theirs.

`evalscope`  EvalScope 1.14.1, `general_qa`, values in 0 to 1. A side with Han characters of U+4E00 to U+9FA5 is cut by
             jieba, the other left as it is, white space the only separator for ROUGE, NLTK's `word_tokenize` for
             BLEU. ROUGE is that of rouge-chinese 1.0.3: sentences end after 。！？? and at line ends, white space within
             them is normalised, and an empty line before others counts as one empty word; ROUGE-1 and -2 on **sets**
             of n-grams, ROUGE-L on the words of all sentences in a row; F = 2PR / (P + R + 1e-8). A side without a
             word scores 0 throughout. `bleu-1` to `bleu-4` are not cumulative: NLTK's sentence BLEU with all weight
             on that one n and no smoothing (where no n-gram matches but a word does it is 2e-308, not 0). Their
             words of a side without Han characters depend on where its sentences end, so they need NLTK and its
             model (`english_words`); without it EvalScope gives 0.
`swift`      ms-swift 4.6.0, metric `nlg` (`compute_rouge_bleu`), values in 0 to 100. Both sides are cut by jieba and
             spaces dropped (line ends stay words). ROUGE is that of rouge 1.0.1: sentences end at ".", which also
             cuts numbers in two; sets of n-grams; ROUGE-L over unions of sentences' common words. `bleu-4` is NLTK's
             sentence BLEU, uniform weights, smoothing method 3.

A corpus' score is the mean of its rows' scores, here as there. Both packages' ROUGE is rebuilt here because they
cannot be installed together. LLaMA-Factory's metric of the same names is neither: rouge-chinese,
BLEU over characters, each row rounded to four digits.
"""

from __future__ import annotations

import functools
import math
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from evalsuite.metrics import english_words, rouge, segmentation
from evalsuite.metrics.paper_rouge import paper_rouge_l

VERSION = "1"
EVALSCOPE_BLEU = tuple(f"bleu-{order}" for order in range(1, 5))
"""The metrics of `EVALSCOPE` that need NLTK's words."""
EVALSCOPE = (*(f"Rouge-{order}-{part}" for order in "12L" for part in "RPF"), *EVALSCOPE_BLEU)
EVALSCOPE_PRIMARY = "Rouge-L-R"
"""The score EvalScope itself puts first."""
SWIFT = ("rouge-1", "rouge-2", "rouge-l", "bleu-4")
METRICS: Mapping[str, tuple[str, ...]] = {"evalscope": EVALSCOPE, "swift": SWIFT}
"""The metrics of each profile."""

_EPSILON = 1e-8
_ORDERS = 4
_SMALLEST = sys.float_info.min
"""NLTK's substitute for a precision of 0, which has no logarithm."""

_HAN = re.compile("[\u4e00-\u9fa5]")
_SENTENCE_ENDS = (
    re.compile("([。！？?])([^”’])"),
    re.compile(r"(\.{6})([^”’])"),
    re.compile("(…{2})([^”’])"),
    re.compile("([。！？?][”’])([^，。！？?])"),
)


def score(profile: str, reference: str, reply: str) -> dict[str, float | None]:
    """Score a reply (without reasoning) by a profile of `METRICS`, by name; None for scores that the source omits."""
    return evalscope(reference, reply) if profile == "evalscope" else swift(reference, reply)


def evalscope(reference: str, reply: str) -> dict[str, float | None]:
    """Return EvalScope's thirteen scores of one reply, each in 0 to 1.

    Raises `LookupError` if a text needs NLTK's sentence model and it is not installed.

    >>> scores = evalscope("我爱北京天安门", "我爱天安门")
    >>> round(scores["Rouge-L-R"], 4), round(scores["Rouge-L-F"], 4), round(scores["bleu-2"], 4)
    (0.75, 0.8571, 0.3583)
    """
    return evalscope_rouge(reference, reply) | evalscope_bleu(reference, reply)


def evalscope_rouge(reference: str, reply: str) -> dict[str, float | None]:
    """Return recall, precision and F-measure of each ROUGE, by EvalScope's names."""
    expected, found = _evalscope_words(reference.strip()), _evalscope_words(reply)
    values: dict[str, float | None] = {}
    for name, (recall, precision) in zip("12L", _chinese_rouge(expected, found), strict=True):
        parts = (recall, precision, _f_measure(precision, recall))
        values |= {f"Rouge-{name}-{part}": value for part, value in zip("RPF", parts, strict=True)}
    return values


def evalscope_bleu(reference: str, reply: str) -> dict[str, float | None]:
    """Return NLTK's sentence BLEU of each single order; None for all if NLTK gives up on a text.

    Raises as `evalscope` does.
    """
    try:
        expected, found = _bleu_words(reference.strip()), _bleu_words(reply)
    except TimeoutError:
        return dict.fromkeys(EVALSCOPE_BLEU)
    matches, penalty = _matches(expected, found), _brevity_penalty(len(expected), len(found))
    precisions = [matching / total if matching else _SMALLEST for matching, total in matches]
    return {
        name: penalty * math.exp(math.log(precision)) if matches[0][0] else 0.0
        for name, precision in zip(EVALSCOPE_BLEU, precisions, strict=True)
    }


def swift(reference: str, reply: str) -> dict[str, float | None]:
    """Return ms-swift's four scores of one reply, each in 0 to 100; all None if the reference has no word.

    >>> {name: round(value, 4) for name, value in swift("我爱北京天安门", "我爱天安门").items()}
    {'rouge-1': 85.7143, 'rouge-2': 40.0, 'rouge-l': 85.7143, 'bleu-4': 35.8266}
    """
    expected, found = _swift_words(reference), _swift_words(reply)
    if not expected:
        return dict.fromkeys(SWIFT)
    if not found:
        return dict.fromkeys(SWIFT, 0.0)
    values = (*_english_rouge(" ".join(expected), " ".join(found)), _smoothed_bleu(expected, found))
    return {name: value * 100 for name, value in zip(SWIFT, values, strict=True)}


# ---------------------------------------------------------------- words


@functools.lru_cache(maxsize=4)
def _jieba_words(line: str) -> tuple[str, ...]:
    """Cached for the few texts of one row, which both profiles and both metrics cut."""
    return tuple(segmentation.cut(line))


def _evalscope_words(side: str) -> list[str]:
    """Return the words of all sentences as rouge-chinese splits them."""
    spaced = " ".join(_jieba_words(side)) if _HAN.search(side) else side
    for pattern in _SENTENCE_ENDS:
        spaced = pattern.sub(r"\1\n\2", spaced)
    lines = (" ".join(line.split()) for line in spaced.rstrip().split("\n") if line)
    return [word for line in lines for word in line.split(" ")]


def _bleu_words(side: str) -> Sequence[str]:
    return _jieba_words(side) if _HAN.search(side) else english_words.tokenize(side)


def _swift_words(side: str) -> list[str]:
    return [word for raw in _jieba_words(side) if (word := raw.strip(" "))]


# ---------------------------------------------------------------- ROUGE


def _f_measure(precision: float, recall: float) -> float:
    return 2.0 * ((precision * recall) / (precision + recall + _EPSILON))


def _chinese_rouge(expected: Sequence[str], found: Sequence[str]) -> list[tuple[float, float]]:
    """Return recall and precision of ROUGE-1, -2 and -L."""
    if not expected or not found:
        return [(0.0, 0.0)] * 3
    common = rouge.lcs_length(expected, found)
    return [
        *(_set_overlap(_ngrams(expected, order), _ngrams(found, order)) for order in (1, 2)),
        (common / len(expected), common / len(found)),
    ]


def _english_rouge(reference: str, reply: str) -> tuple[float, float, float]:
    """Return the F-measures of ROUGE-1, -2 and -L."""
    if not reference.strip(".") or not reply.strip("."):
        return 0.0, 0.0, 0.0
    expected, found = _words_between_periods(reference), _words_between_periods(reply)
    one, two = (_set_overlap(_ngrams(expected, order), _ngrams(found, order)) for order in (1, 2))
    return _f_measure(one[1], one[0]), _f_measure(two[1], two[0]), paper_rouge_l(reference, reply) or 0.0


def _words_between_periods(spaced: str) -> list[str]:
    return [word for piece in spaced.split(".") if piece for word in " ".join(piece.split()).split(" ")]


def _ngrams(words: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(order)), strict=False))


def _set_overlap(
    expected: Collection[tuple[str, ...]], found: Collection[tuple[str, ...]]
) -> tuple[float, float]:
    """Return recall and precision of distinct n-grams; 0 if a text has none."""
    wanted, given = set(expected), set(found)
    common = len(wanted & given)
    return common / max(len(wanted), 1), common / max(len(given), 1)


# ---------------------------------------------------------------- BLEU


def _matches(expected: Sequence[str], found: Sequence[str]) -> list[tuple[int, int]]:
    """Return matching and total 1- to 4-grams of the reply; each matches as often as the reference has it."""
    counted = []
    for order in range(1, _ORDERS + 1):
        wanted, given = Counter(_ngrams(expected, order)), Counter(_ngrams(found, order))
        matching = sum(min(count, wanted[ngram]) for ngram, count in given.items())
        counted.append((matching, max(1, given.total())))
    return counted


def _brevity_penalty(expected: int, found: int) -> float:
    if found > expected:
        return 1.0
    return math.exp(1 - expected / found) if found else 0.0


def _smoothed_bleu(expected: Sequence[str], found: Sequence[str]) -> float:
    """Return NLTK's BLEU-4 with method 3 of Chen & Cherry 2014: the k-th order without a match counts 1 / 2^k matches."""
    matches = _matches(expected, found)
    if not matches[0][0]:
        return 0.0
    precisions, missing = [], 0
    for matching, total in matches:
        missing += not matching
        precisions.append(matching / total if matching else 1 / (2**missing * total))
    mean = math.fsum(math.log(precision) / _ORDERS for precision in precisions)
    return _brevity_penalty(len(expected), len(found)) * math.exp(mean)
