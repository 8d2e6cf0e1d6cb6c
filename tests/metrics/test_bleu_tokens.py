"""Our tokens for BLEU against sacrebleu's tokenizers."""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from shared_data import SHARED_DATA

from evalsuite.metrics.bleu_tokens import Tokenize, tokens

TOKENIZERS: tuple[Tokenize, ...] = ("13a", "zh")
ORACLES = {name: BLEU(tokenize=name) for name in TOKENIZERS}
PIECES = (
    "a", "B1", "1", "1,000.5", ".", ",", "-", "-\n", "\n", " ", "\t", "\u3000", "\x1c", "\x85", "'", "!", "/", "_",
    "&amp;", "&quot;", "&lt;", "&", "<skipped>", "...", "中", "“", "——", "，", "é", "²", "٣", "\ud800", "\0", "\U00020000",
)  # fmt: skip


def sacrebleu_tokens(text: str, tokenize: Tokenize) -> list[str]:
    oracle = ORACLES[tokenize]
    cached: Any = type(oracle.tokenizer).__call__
    cached.cache_clear()
    return oracle._preprocess_segment(text).split()


@pytest.mark.parametrize("tokenize", TOKENIZERS)
@pytest.mark.parametrize("length", range(6))
def test_every_short_line_of_letters_digits_and_marks(tokenize: Tokenize, length: int) -> None:
    for characters in itertools.product("a1., -'", repeat=length):
        line = "".join(characters)
        assert tokens(line, tokenize) == sacrebleu_tokens(line, tokenize)


@pytest.mark.parametrize("tokenize", TOKENIZERS)
@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=30))
def test_ugly_lines(tokenize: Tokenize, line: Any) -> None:
    assert tokens(line, tokenize) == sacrebleu_tokens(line, tokenize)


def test_every_character_is_set_apart_or_not_as_in_sacrebleu() -> None:
    codes = [*range(0x10000), *range(0x10000, sys.maxunicode + 1, 61)]
    for start in range(0, len(codes), 512):
        line = "".join(f"a{chr(code)}a " for code in codes[start : start + 512])
        assert tokens(line, "zh") == sacrebleu_tokens(line, "zh"), hex(codes[start])


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the shared data is not on this machine")
@pytest.mark.parametrize("tokenize", TOKENIZERS)
def test_real_texts(tokenize: Tokenize) -> None:
    texts = [
        line
        for path in (SHARED_DATA / "cmmlu").rglob("*.csv")
        for line in path.read_text(encoding="utf-8-sig").splitlines()
    ]
    texts += (SHARED_DATA / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    steps = json.loads((SHARED_DATA / "toolbench" / "static_out_of_domain.json").read_text(encoding="utf-8"))
    texts += [json.dumps(step, ensure_ascii=False)[:20_000] for step in steps[:40]]
    assert len(texts) > 2000
    for text in texts:
        assert tokens(text, tokenize) == sacrebleu_tokens(text, tokenize)
