"""Free answers as other harnesses score them: their own values, and texts as ugly as they come."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import known
from nltk_model import using_model
from profile_cases import CHINESE, ENDS_CHINESE, ENDS_ENGLISH, ENGLISH, pinned

from evalsuite.metrics import english_words, qa_profiles
from evalsuite.metrics.qa_profiles import METRICS, evalscope, evalscope_bleu, evalscope_rouge, score, swift

TEXTS = st.one_of(
    st.text(),
    st.text("ab. \n中文。！？?.…”’'\"\u3000\0"),
    st.lists(st.sampled_from([*ENGLISH, *CHINESE, *ENDS_CHINESE, *ENDS_ENGLISH])).map("".join),
    st.text(st.characters(categories=["Cs", "Lo", "Zs"])),
)
LIBM = 1e-14
"""C libraries round exp and log differently; beyond that the scores are equal."""
HIGHEST = {"evalscope": 1.0, "swift": 100.0}


def assert_as_pinned(profile: Any, scorer: Any, wanted: Any = lambda record: True) -> None:
    vectors = [(record, expected) for record, expected in pinned(profile) if wanted(record)]
    assert len(vectors) >= 5
    for record, expected in vectors:
        found = scorer(record["reference"], record["reply"])
        theirs = {name: expected[name] for name in found}
        assert found == pytest.approx(theirs, rel=LIBM, abs=0.0), record


def test_scores_are_those_of_the_source() -> None:
    assert_as_pinned("qa/swift", swift)
    assert_as_pinned("qa/evalscope", evalscope_rouge)


def test_chinese_bleu_is_that_of_the_source_and_needs_no_nltk() -> Any:
    def chinese(record: Any) -> Any:
        return all(re.search("[一-龥]", record[side]) for side in ("reply", "reference"))

    assert_as_pinned("qa/evalscope", evalscope_bleu, chinese)


def test_a_period_is_a_word_only_where_the_model_ends_a_sentence(tiny_model: Path) -> None:
    assert english_words.tokenize("Dr. Hu left. It rained.") == [
        "Dr.",
        "Hu",
        "left",
        ".",
        "It",
        "rained",
        ".",
    ]
    assert english_words.tokenize("e.g. this") == ["e.g", ".", "this"]
    assert evalscope_bleu("He left. It rained.", "He left . It rained .")["bleu-2"] == 1.0
    assert evalscope_bleu("Dr. Hu left.", "Dr . Hu left .")["bleu-1"] == 3 / 5


def test_what_is_not_installed_is_said(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert english_words.missing_requirement() == ""
    with using_model(tmp_path):
        assert english_words.missing_requirement().startswith(
            "NLTK's sentence model punkt_tab is not installed"
        )
        with pytest.raises(LookupError):
            evalscope("the cat", "the cat")
    (broken := tmp_path / "tokenizers/punkt_tab/english").mkdir(parents=True)
    (broken / "collocations.tab").write_text("")
    with using_model(tmp_path):
        assert "or cannot be read" in english_words.missing_requirement()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'evalsuite[profiles]'" in english_words.missing_requirement()


def test_a_text_nltk_gives_up_on_has_no_bleu_rather_than_a_wrong_one(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redos = pytest.importorskip("nltk.redos", reason="this version of nltk never gives up")
    monkeypatch.setattr(redos, "DEFAULT_TIMEOUT", 1e-9)
    scores = evalscope("the cat", "word. " * 10_000)
    assert {scores[name] for name in qa_profiles.EVALSCOPE_BLEU} == {None}
    assert scores["Rouge-1-R"] == 0.0


def test_quirks_that_the_default_does_not_share(tiny_model: Path) -> None:
    assert evalscope("the cat", "the the the the")["Rouge-1-P"] == 1.0
    assert evalscope("the cat", "The cat")["Rouge-2-R"] == 0.0
    assert evalscope("a b", "b a")["bleu-2"] == pytest.approx(2.2250738585072626e-308, rel=1e-9)
    assert evalscope("the cat", "the cat")["Rouge-L-F"] == pytest.approx(1 - 5e-9, abs=1e-12)
    assert evalscope("北京", "Beijing 北京")["Rouge-1-R"] == 1.0
    assert swift("3.14", "14.3")["rouge-1"] == pytest.approx(100.0, abs=1e-5)
    assert swift("cat", "...") == dict.fromkeys(qa_profiles.SWIFT, 0.0)


def test_a_side_without_words(tiny_model: Path) -> None:
    assert set(evalscope("the cat", " \n").values()) == {0.0}
    assert set(swift("the cat", "  ").values()) == {0.0}
    assert set(swift("  ", "the cat").values()) == {None}


@pytest.mark.parametrize("profile", METRICS)
@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_nothing_raises_and_scores_lie_in_range(
    tiny_model: Path, profile: str, reference: Any, reply: Any
) -> None:
    scores = score(profile, reference, reply)
    assert tuple(scores) == METRICS[profile]
    assert all(value is None or 0.0 <= value <= HIGHEST[profile] * (1 + 1e-9) for value in scores.values())


@pytest.mark.parametrize("text", ["the cat sat on the mat. It slept", "北京是中国的首都。天气很好"])
def test_the_reference_itself_scores_the_most(tiny_model: Path, text: str) -> None:
    assert min(map(known, evalscope(text, text).values())) == pytest.approx(1.0, abs=1e-8)
    assert min(map(known, swift(text, text).values())) == pytest.approx(100.0, abs=1e-6)


@pytest.mark.parametrize("piece", ["the cat sat. ", "x. ", "北京是首都。", "no end ", "...", "\n", "\"'"])
def test_long_texts_take_moments(tiny_model: Path, piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    for profile in METRICS:
        score(profile, text, f"another {text}")
    assert time.process_time() - started < 10
