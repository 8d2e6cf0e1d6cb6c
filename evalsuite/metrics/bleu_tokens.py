"""sacrebleu's tokenizers `13a` and `zh` for BLEU, rebuilt word by word and without sacrebleu's cache.

`13a`  "<skipped>" and hyphens that end a line are dropped, four HTML entities are decoded. White space separates tokens.
       ASCII punctuation (but "'", "-", "." and ","), "." and "," not between digits, and "-" after a digit are
       tokens themselves.
`zh`   every Han character and every mark of CJK typography is a token, and the punctuation rules of `13a` hold.

sacrebleu runs four substitutions over the whole line. Each looks at one neighbouring character at most and treats white
space like any character that is not a digit. So words can be processed one by one, and most need no substitution. Quirks
with several marks in a row ("1..2") are kept. sacrebleu caches the last 65,536 lines of every tokenizer; this module caches
nothing.

Source: sacrebleu 2.6.0 (`tokenizers/tokenizer_13a.py`, `tokenizer_zh.py`, `tokenizer_re.py`), which follows NIST's
mteval-v13a.pl.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

Tokenize: TypeAlias = Literal["13a", "zh"]

_SUBSTITUTIONS = (
    (r"([!-&(-+:-@/\[-`{-~])", r" \1 "),
    (r"([^0-9])([.,])", r"\1 \2 "),
    (r"([.,])([^0-9])", r" \1 \2"),
    (r"([0-9])(-)", r"\1 \2 "),
)
_PUNCTUATION = r"[!-/:-@\[-`{-~]"
_MARKS = frozenset('.,!"#$%&()*+/:;<=>?@[\\]^_`{|}~')
"""Marks that are split off from the end of a word of letters and digits."""
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_CHINESE = (
    (0x3400, 0x4DB5), (0x4E00, 0x9FBB), (0xF900, 0xFA2D), (0xFA30, 0xFA6A), (0xFA70, 0xFAD9),
    (0xFF00, 0xFFEF), (0x2E80, 0x2EFF), (0x3000, 0x303F), (0x31C0, 0x31EF), (0x2F00, 0x2FDF),
    (0x2FF0, 0x2FFF), (0x3100, 0x312F), (0x31A0, 0x31BF), (0xFE10, 0xFE1F), (0xFE30, 0xFE4F),
    (0x2600, 0x26FF), (0x2700, 0x27BF), (0x3200, 0x32FF), (0x3300, 0x33FF),
    (0x2001, 0x2A6D), (0x2F81, 0x2FA1),
)  # fmt: skip
"""Code points that are tokens of their own in `zh`. The last two ranges are what sacrebleu's "\\u20000" and "\\u2f800"
really mean in Python: dashes, quotation marks and symbols."""


def tokens(text: str, tokenize: Tokenize) -> list[str]:
    """Return the tokens BLEU counts in one text.

    >>> tokens("It's 3.5%, or so.", "13a")
    ["It's", '3.5', '%', ',', 'or', 'so', '.']
    >>> tokens("我有3.5个“苹果”", "zh")
    ['我', '有', '3.5', '个', '“', '苹', '果', '”']
    """
    return _chinese_tokens(text) if tokenize == "zh" else _western_tokens(text)


def _western_tokens(text: str) -> list[str]:
    line = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in line:
        for entity, character in _ENTITIES:
            line = line.replace(entity, character)
    return _tokens_of_words(line)


def _chinese_tokens(text: str) -> list[str]:
    line = text.strip().translate(_spaced_chinese())
    if line[:1] in (".", ",") or line[-1:] in (".", ","):  # has no neighbour there; 13a pads the line
        return _apply_substitutions(line)
    return _tokens_of_words(line)


def _tokens_of_words(line: str) -> list[str]:
    words = line.split()
    if _compiled(_PUNCTUATION).search(line) is None:
        return words
    found: list[str] = []
    for word in words:
        if len(word) == 1 or word.isalnum():
            found.append(word)
        elif word[-1] in _MARKS and word[:-1].isalnum():
            found += (word[:-1], word[-1])
        else:
            found += _apply_substitutions(f" {word} ")
    return found


def _apply_substitutions(line: str) -> list[str]:
    for pattern, replacement in _SUBSTITUTIONS:
        line = _compiled(pattern).sub(replacement, line)
    return line.split()


@functools.lru_cache(maxsize=8)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@functools.lru_cache(maxsize=1)
def _spaced_chinese() -> Mapping[int, str | int]:
    """Return a table for `str.translate` that puts spaces around each character of `_CHINESE`."""
    return {code: code for code in range(128)} | {
        code: f" {chr(code)} " for first, last in _CHINESE for code in range(first, last + 1)
    }
