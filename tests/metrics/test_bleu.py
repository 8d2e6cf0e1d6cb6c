"""Our BLEU and chrF against sacrebleu."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics import bleu
from evalsuite.metrics.bleu_tokens import Tokenize

PIECES = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat.",
    ",",
    "Hello",
    "北京",
    "我爱你。",
    "3.5",
    "&amp;",
    "x-",
    "\n",
    "\ud800",
    "",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12)


@given(PAIRS, st.sampled_from(["13a", "zh"]))
@settings(deadline=None)
def test_summed_statistics_give_sacrebleus_corpus_score(
    pairs: list[tuple[str, str]], tokenize: Tokenize
) -> None:
    predictions, references = map(list, zip(*pairs, strict=True))
    rows = [bleu.bleu_statistics(text, reference, tokenize) for text, reference in pairs]
    expected = sacrebleu.corpus_bleu(predictions, [references], tokenize=tokenize).score
    assert bleu.bleu_from_statistics(bleu.add_statistics(rows)) == pytest.approx(
        expected, rel=1e-12, abs=1e-12
    )
    for row, prediction, reference in zip(rows, predictions, references, strict=True):
        sentence = sacrebleu.sentence_bleu(prediction, [reference], tokenize=tokenize).score
        assert bleu.sentence_bleu(row) == pytest.approx(sentence, rel=1e-12, abs=1e-12)
        assert 0 <= bleu.sentence_bleu(row) <= 100


@given(PAIRS)
@settings(deadline=None)
def test_summed_statistics_give_sacrebleus_chrf(pairs: list[Any]) -> None:
    predictions, references = map(list, zip(*pairs, strict=True))
    rows = [bleu.chrf_statistics(*pair) for pair in pairs]
    found = bleu.chrf_from_statistics(bleu.add_statistics(rows))
    assert found == pytest.approx(
        sacrebleu.corpus_chrf(predictions, [references]).score, rel=1e-12, abs=1e-12
    )
    assert 0 <= found <= 100


@given(PAIRS, st.randoms())
@settings(deadline=None)
def test_the_order_of_rows_changes_nothing(pairs: list[Any], shuffler: Any) -> None:
    rows = [bleu.bleu_statistics(*pair) for pair in pairs]
    shuffled = shuffler.sample(rows, len(rows))
    assert bleu.add_statistics(rows) == bleu.add_statistics(shuffled)


def test_the_reference_itself_scores_a_hundred() -> None:
    reference = "the cat sat on the mat today"
    assert bleu.bleu_from_statistics(bleu.bleu_statistics(reference, reference)) == pytest.approx(100)
    assert bleu.chrf_from_statistics(bleu.chrf_statistics(reference, reference)) == pytest.approx(100)


def test_an_empty_prediction_scores_zero() -> None:
    assert bleu.bleu_from_statistics(bleu.bleu_statistics("", "a b")) == 0
    assert bleu.chrf_from_statistics(bleu.chrf_statistics("", "a b")) == 0


def test_scores_do_not_change_their_statistics() -> None:
    row = list(bleu.bleu_statistics("the cat sat", "the cat sat down here"))
    before = row.copy()
    assert bleu.bleu_from_statistics(row) == bleu.bleu_from_statistics(row)
    assert row == before


def test_a_corpus_of_a_thousand_rows_draws_no_warning(capfd: pytest.CaptureFixture[str]) -> None:
    generator = random.Random(0)
    rows = [
        bleu.bleu_statistics("a cat sat here .", generator.choice(["a cat .", "no"])) for _ in range(1000)
    ]
    assert bleu.bleu_from_statistics(bleu.add_statistics(rows)) > 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("references", "chinese"),
    [
        ([], False),
        (["我爱你"], True),
        (["hello"], False),
        (["我爱你", "hello"], False),
        (["我用 GPT 写", "你好", "hi"], True),
        (["She met 李明 in the big city"], False),
    ],
)
def test_mostly_chinese_is_a_majority_of_references(references: list[Any], chinese: bool) -> None:
    assert bleu.is_mostly_chinese(references) is chinese


def test_signatures_name_tokenizer_and_version() -> None:
    assert (
        bleu.bleu_signature("zh")
        == f"nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:{sacrebleu.__version__}"
    )
    assert "tok:13a" in bleu.bleu_signature()
    assert (
        bleu.chrf_signature()
        == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{sacrebleu.__version__}"
    )


SENTENCES = st.lists(
    st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "3.5", "it's"]), min_size=1, max_size=9
).map(" ".join)


@settings(deadline=None)
@given(st.lists(st.tuples(SENTENCES, st.lists(SENTENCES, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_statistics_of_several_references_equal_sacrebleu(rows: list[Any]) -> None:
    predictions = [prediction for prediction, _ in rows]
    most = max(len(references) for _, references in rows)
    columns: Any = [  # sacrebleu takes None for a reference that is not there
        [references[k] if k < len(references) else None for _, references in rows] for k in range(most)
    ]
    bleus = bleu.add_statistics(
        bleu.bleu_statistics_of_several(text, references) for text, references in rows
    )
    chrfs = bleu.add_statistics(
        bleu.chrf_statistics_of_several(text, references) for text, references in rows
    )
    assert bleu.bleu_from_statistics(bleus) == pytest.approx(
        sacrebleu.corpus_bleu(predictions, columns).score, abs=1e-9
    )
    assert bleu.chrf_from_statistics(chrfs) == pytest.approx(
        sacrebleu.corpus_chrf(predictions, columns).score, abs=1e-9
    )


def test_signature_of_several_references_says_so() -> None:
    assert "nrefs:var" in bleu.bleu_signature(several=True)
    assert "nrefs:var" in bleu.chrf_signature(several=True)
    assert "nrefs:1" in bleu.bleu_signature()
