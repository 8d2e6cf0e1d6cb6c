"""Corpus BLEU and chrF, both in 0 to 100 as sacrebleu reports them, from statistics that add up over rows.

BLEU: 4-grams, one reference or several, mixed case, exponential smoothing, brevity penalty; tokenizer `13a`, or `zh` when
the references are mostly Chinese. Its statistics, in this order: length of the prediction and of the reference
in tokens; matching 1- to 4-grams; 1- to 4-grams of the prediction.
chrF (chrF2): character 1- to 6-grams without white space, no words, beta 2. Its statistics, for each order:
n-grams of the prediction (0 if the reference has none), of the reference, and matching ones.

A corpus score is the score of the summed statistics, never the mean of the rows' scores. Sentence BLEU is only for
sorting rows. Equal to `sacrebleu.corpus_bleu`, `corpus_chrf` and `sentence_bleu`, with their defaults.

Sources: Post 2018 (arXiv 1804.08771) and sacrebleu; Papineni et al. 2002; Popović 2015 (W15-3049) and 2016
(W16-2341).
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from evalsuite.metrics.bleu_tokens import Tokenize, tokens
from evalsuite.metrics.ngrams import character_codes, count_matching_ngrams, word_codes

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

VERSION = "2"

_ORDERS = 4
_CHARACTER_ORDERS = 6
_BETA_SQUARED = 4
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN_WORD = re.compile("[A-Za-z]+")


def bleu_statistics(prediction: str, reference: str, tokenize: Tokenize = "13a") -> tuple[int, ...]:
    """Return a row's ten BLEU statistics, which add up over rows; their order is in the module's docstring.

    >>> bleu_statistics("the cat sat", "the cat sat down")
    (3, 4, 3, 2, 1, 0, 3, 2, 1, 0)
    """
    found, wanted = word_codes(tokens(prediction, tokenize), tokens(reference, tokenize))
    totals = (max(0, len(found) - order) for order in range(_ORDERS))
    return (len(found), len(wanted), *count_matching_ngrams(found, wanted, _ORDERS), *totals)


def bleu_statistics_of_several(
    prediction: str, references: Sequence[str], tokenize: Tokenize = "13a"
) -> tuple[int, ...]:
    """Return the same ten statistics against several references, as sacrebleu computes them.

    An n-gram matches as often as the reference that has it most often; the reference's length is the one closest to the
    prediction's, of two the shorter.

    >>> bleu_statistics_of_several("the cat sat", ["the cat sat down", "a cat sat"])
    (3, 3, 3, 2, 1, 0, 3, 2, 1, 0)
    """
    if len(references) == 1:
        return bleu_statistics(prediction, references[0], tokenize)
    found = tokens(prediction, tokenize)
    wanted = [tokens(reference, tokenize) for reference in references]
    length = min((len(words) for words in wanted), key=lambda words: (abs(words - len(found)), words))
    matches = []
    for order in range(1, _ORDERS + 1):
        most: Counter[tuple[str, ...]] = Counter()
        for words in wanted:
            most |= _ngram_counts(words, order)
        matches.append((_ngram_counts(found, order) & most).total())
    totals = (max(0, len(found) - order) for order in range(_ORDERS))
    return (len(found), length, *matches, *totals)


def _ngram_counts(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def bleu_from_statistics(statistics: Sequence[float]) -> float:
    """Return corpus BLEU (0 to 100) of summed statistics; 0.0 when not a single word matches."""
    return _bleu_score(statistics, effective_order=False)


def sentence_bleu(statistics: Sequence[float]) -> float:
    """Return one row's BLEU (0 to 100), without orders longer than the prediction; for sorting rows only."""
    return _bleu_score(statistics, effective_order=True)


def chrf_statistics(prediction: str, reference: str) -> tuple[int, ...]:
    """Return a row's 18 chrF statistics, which add up over rows; their order is in the module's docstring."""
    found, wanted = (character_codes("".join(text.split())) for text in (prediction, reference))
    statistics: list[int] = []
    for longer, matching in enumerate(count_matching_ngrams(found, wanted, _CHARACTER_ORDERS)):
        of_reference = max(0, len(wanted) - longer)
        statistics += (max(0, len(found) - longer) if of_reference else 0, of_reference, matching)
    return tuple(statistics)


def chrf_statistics_of_several(prediction: str, references: Sequence[str]) -> tuple[int, ...]:
    """Return the 18 chrF statistics against the reference that gives the best chrF, as sacrebleu does; the first of equals."""
    found = [chrf_statistics(prediction, reference) for reference in references]
    return found[0] if len(found) == 1 else max(found, key=chrf_from_statistics)


def chrf_from_statistics(statistics: Sequence[float]) -> float:
    """Return corpus chrF (0 to 100) of summed statistics; 0.0 when no order has n-grams on both sides."""
    precisions, recalls = [], []
    for order in range(_CHARACTER_ORDERS):
        found, wanted, matching = statistics[3 * order : 3 * order + 3]
        if found > 0 and wanted > 0:
            precisions.append(matching / found)
            recalls.append(matching / wanted)
    if not any(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 100 * (1 + _BETA_SQUARED) * precision * recall / (_BETA_SQUARED * precision + recall)


def add_statistics(rows: Iterable[Sequence[float]]) -> tuple[float, ...]:
    """Sum rows' statistics column by column; () for no rows."""
    return tuple(sum(column) for column in zip(*rows, strict=True))


def is_mostly_chinese(references: Iterable[str]) -> bool:
    """Whether more than half of the references hold more Han characters than Latin words."""
    balance = 0
    for reference in references:
        balance += 1 if len(_HAN.findall(reference)) > len(_LATIN_WORD.findall(reference)) else -1
    return balance > 0


def bleu_signature(tokenize: Tokenize = "13a", *, several: bool = False) -> str:
    """Return sacrebleu's signature of `bleu_from_statistics`, such as `nrefs:1|case:mixed|eff:no|tok:13a|…`.

    With `several` references in some rows it says `nrefs:var`.
    """
    return _signature(_bleu(tokenize), several)


def chrf_signature(*, several: bool = False) -> str:
    """Return sacrebleu's signature of `chrf_from_statistics`."""
    return _signature(_chrf(), several)


def _signature(metric: BLEU | CHRF, several: bool) -> str:
    references: Any = [["", ""], ["", None]] if several else [["", ""]]
    metric.corpus_score(["", ""], references)  # sacrebleu knows the number of references only after a score
    return str(metric.get_signature())


def _bleu_score(statistics: Sequence[float], *, effective_order: bool) -> float:
    from sacrebleu.metrics.bleu import BLEU

    counts = [int(count) for count in statistics]
    score: float = BLEU.compute_bleu(
        correct=counts[2 : 2 + _ORDERS],
        total=counts[2 + _ORDERS :],
        sys_len=counts[0],
        ref_len=counts[1],
        smooth_method="exp",
        effective_order=effective_order,
    ).score
    return min(score, 100.0)  # the exponential of a sum of logarithms may overshoot in the last digit


@functools.lru_cache(maxsize=2)
def _bleu(tokenize: Tokenize) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenize)


@functools.lru_cache(maxsize=1)
def _chrf() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
