"""Words from rjieba are jieba's own, whatever the text."""

from __future__ import annotations

import itertools
import json
import random
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import SHARED_DATA

from evalsuite.metrics import segmentation
from evalsuite.metrics.segmentation import cut

IDEOGRAPHS = "".join(map(chr, range(0x4E00, 0x9FD6)))
PIECES = (
    "我", "来到", "北京", "清华大学", "的", "是", "硕士", "赟", "龘", "研究生命起源", "T恤", "B超", "AT&T", "C++", "3.14", "50%",
    "GPT-4", "200-300%", "6t-t", "1.2.3", "a_b", "1.5a", "％", "\u3400", "\u9fff", "\uf900", "\U00020000", "\ud800", "か", "한",
    "，", "。", " ", "\r\n", "\n", "\x1c", "\u3000", "-", ".", "_", "%", "+", "a", "Z", "0", "\0",
)  # fmt: skip


@pytest.fixture(scope="module")
def jieba_words() -> Any:
    return segmentation._jieba_cut()


def test_rjieba_is_used_here_and_known_to_agree() -> None:
    # Fails when jieba or rjieba is upgraded: run this file on the new versions, then name them in VERIFIED_VERSIONS.
    assert segmentation._rjieba_cut() is not None


@pytest.mark.parametrize("length", range(1, 6))
def test_every_short_text_of_letters_digits_marks_and_an_ideograph(jieba_words: Any, length: int) -> None:
    for characters in itertools.product("a1.-_%+是 ", repeat=length):
        text = "".join(characters)
        assert cut(text) == jieba_words(text)


@settings(deadline=None, max_examples=1000)
@given(st.lists(st.sampled_from(PIECES), max_size=16).map("".join))
def test_ugly_texts(jieba_words: Any, text: str) -> None:
    assert cut(text) == jieba_words(text)
    assert "".join(cut(text)) == text


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=IDEOGRAPHS + "aZ09.-% ，", max_size=40) | st.text(max_size=40))
def test_any_text(jieba_words: Any, text: Any) -> None:
    assert cut(text) == jieba_words(text)


def test_every_character_between_ideographs(jieba_words: Any) -> None:
    for code in range(sys.maxunicode + 1):
        if code < 0x3100 or code % 53 == 0:
            text = f"北{chr(code)}京a{chr(code)}1"
            assert cut(text) == jieba_words(text), hex(code)


def test_unlikely_neighbours_are_cut_by_the_same_model(jieba_words: Any) -> None:
    # Words the dictionary does not have are found by the hidden Markov model, whose ties are broken alike.
    generator = random.Random(0)
    for _ in range(5000):
        text = "".join(generator.choices(IDEOGRAPHS, k=generator.randint(2, 12)))
        assert cut(text) == jieba_words(text)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the shared data is not on this machine")
def test_real_texts(jieba_words: Any) -> None:
    texts = [
        line
        for path in (SHARED_DATA / "cmmlu").rglob("*.csv")
        for line in path.read_text(encoding="utf-8-sig").splitlines()
    ]
    steps = json.loads((SHARED_DATA / "toolbench" / "static_out_of_domain.json").read_text(encoding="utf-8"))
    texts += [str(step["target"]) for step in steps]
    assert len(texts) > 1500
    characters = "".join(texts)
    generator = random.Random(1)
    texts += ["".join(generator.choices(characters, k=30)) for _ in range(3000)]
    for text in texts:
        assert cut(text) == jieba_words(text)
