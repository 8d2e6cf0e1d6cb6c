"""The scores of a free answer against one or several references, and notes where a score means little.

The best reference counts, for each ROUGE and for chrF by itself; BLEU takes all of them together. Scores:
`evalsuite.metrics.rouge`, `evalsuite.metrics.bleu`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalsuite.errors import Problem
from evalsuite.metrics import bleu, rouge
from evalsuite.metrics.bleu_tokens import Tokenize, tokens
from evalsuite.metrics.text import is_mostly_unread, length_ratio, tokenize_pair
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.style import Style

if TYPE_CHECKING:
    from evalsuite.data.dataset import Dataset

LABELS_VERSION = "2"
NO_WORDS = "no_words"
"""Label of a reply in which ROUGE finds no word."""
REFERENCE_WITHOUT_WORDS = "reference_without_words"
"""Label of a row whose ROUGE is 0 whatever the reply: references of punctuation, or in another script."""
REFERENCE_MOSTLY_UNREAD = "reference_mostly_unread"
"""Label of a row whose references have most of their letters in a script that ROUGE does not read."""
NO_4_GRAMS = "no_4_grams"
"""Label of a row whose reply or references have fewer than four words, so that no 4-gram can match."""
READABLE_SCRIPTS = "Latin letters, digits, or Chinese, Japanese or Korean characters"
BLEU_ORDER = 4


def overlap_scores(
    references: Sequence[str], text: str, style: Style
) -> tuple[dict[str, float | None], dict[str, tuple[int, ...]], tuple[str, ...]]:
    """Return a reply's scores by name, its sufficient statistics, and the row's labels.

    ROUGE and `length_ratio` are shares and ratios; `bleu` (0 to 100) is the sentence's, for sorting rows only.
    """
    pairs = [tokenize_pair(reference, text) for reference in references]
    values: dict[str, float | None] = dict(rouge.score_best(pairs).values())
    values["length_ratio"] = length_ratio(*_best_pair(pairs))
    counts = bleu.bleu_statistics_of_several(text, references, tokenizer(style))
    values["bleu"] = bleu.sentence_bleu(counts)
    chrf = bleu.chrf_statistics_of_several(text, references)
    with_words = [reference for reference, (words, _) in zip(references, pairs, strict=True) if words]
    applying = {
        NO_WORDS: text and not any(words for _, words in pairs),
        REFERENCE_WITHOUT_WORDS: not with_words,
        REFERENCE_MOSTLY_UNREAD: with_words and all(map(is_mostly_unread, with_words)),
        NO_4_GRAMS: text and min(counts[:2]) < BLEU_ORDER,
    }
    labels = tuple(label for label, applies in applying.items() if applies)
    return values, {"bleu": counts, "chrf": chrf}, labels


def _best_pair(pairs: Sequence[tuple[list[str], list[str]]]) -> tuple[list[str], list[str]]:
    """The reference with the best ROUGE-L, whose length the reply's is compared with."""
    if len(pairs) == 1:
        return pairs[0]
    return max(pairs, key=lambda pair: rouge.score(*pair).rouge_l.f_measure)


def overlap_metrics(style: Style) -> tuple[Metric, ...]:
    """ROUGE-L leads; `length_ratio` shows a recall-shaped gain for what it is."""
    rouges = [
        Metric(
            name + part,
            unit="score",
            primary=name + part == "rouge_l",
            detail=bool(part),
            version=rouge.VERSION,
        )
        for name in ("rouge_1", "rouge_2", "rouge_l")
        for part in ("", "_precision", "_recall")
    ]
    several = style.multiple
    return (
        *sorted(rouges, key=lambda metric: not metric.primary),
        Metric(
            "bleu",
            unit="bleu",
            aggregate="corpus",
            from_statistics=bleu.bleu_from_statistics,
            version=f"{bleu.VERSION}:{bleu.bleu_signature(tokenizer(style), several=several)}",
        ),
        Metric(
            "chrf",
            unit="bleu",
            aggregate="corpus",
            from_statistics=bleu.chrf_from_statistics,
            version=f"{bleu.VERSION}:{bleu.chrf_signature(several=several)}",
        ),
        Metric("length_ratio", unit="ratio", version=rouge.VERSION),
    )


def tokenizer(style: Style) -> Tokenize:
    """BLEU's tokenizer: `zh` for Chinese references."""
    return "zh" if style.data_lang == "zh" else "13a"


def label_notes(labels: Mapping[str, int], replies: int) -> Iterator[str]:
    """Sentences for the table and the report where ROUGE or BLEU says little or nothing."""
    if unread := labels.get(REFERENCE_WITHOUT_WORDS, 0):
        yield (
            f"ROUGE finds no word in the references of {unread} of {replies} rows, so it is 0 there whatever the reply "
            f"(it reads {READABLE_SCRIPTS}); read chrf instead."
        )
    if mostly := labels.get(REFERENCE_MOSTLY_UNREAD, 0):
        yield (
            f"ROUGE skips most letters of the references of {mostly} of {replies} rows and compares the rest "
            f"(it reads {READABLE_SCRIPTS}); read chrf instead."
        )
    if replies and labels.get(NO_4_GRAMS, 0) >= replies:
        yield "BLEU finds no 4-gram to compare in any row, so it is 0 or close to it whatever the replies; read rouge_l or chrf instead."


def reference_warnings(references: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is odd about a row's references, as pairs of what was found and what was expected."""
    with_words = [reference for reference in references if tokenize_pair(reference, "")[0]]
    expected = f"a reference with {READABLE_SCRIPTS}"
    if not with_words:
        yield (
            f"ROUGE finds no word in the reference, so it is 0 for every reply [{REFERENCE_WITHOUT_WORDS}]",
            expected,
        )
    elif all(map(is_mostly_unread, with_words)):
        yield f"ROUGE skips most letters of the reference [{REFERENCE_MOSTLY_UNREAD}]", expected


def dataset_warnings(dataset: Dataset[Any]) -> Iterator[Problem]:
    """Yield a warning where no reference of a dataset has a 4-gram."""
    rows = 0
    for _, sample in dataset.rows():
        rows += 1
        if any(len(tokens(reference, "13a")) >= BLEU_ORDER for reference in sample.row.references):
            return
        if any(len(tokens(reference, "zh")) >= BLEU_ORDER for reference in sample.row.references):
            return
    if rows:
        what = f"no reference has four words, so BLEU is 0 or close to it for every reply [{NO_4_GRAMS}]"
        yield Problem(
            str(dataset.files[0].path),
            0,
            what,
            "longer references, or rouge_l and chrf as the scores to read",
        )
