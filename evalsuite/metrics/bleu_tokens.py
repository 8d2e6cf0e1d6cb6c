"""sacrebleu's tokens for BLEU, its tokenizers `13a` and `zh`, word by word and without its memory.

`13a`  "<skipped>" and hyphens that end a line go, four HTML entities are read. White space separates; so do ASCII
       punctuation (but "'", "-", "." and ","), "." and "," not between digits, and "-" after a digit, all of
       which are tokens themselves.
`zh`   every Han character and every mark of CJK typography is a token, and the punctuation rules of `13a` hold.

sacrebleu runs four substitutions over the whole line. Each looks at one neighbour at most, and white space is to
them what any character but a digit is; so words can be taken one by one, and most are tokens as they stand. What
the substitutions do to several marks in a row ("1..2") stays as it is. sacrebleu keeps the last 65,536 lines of
every tokenizer in memory; nothing is kept here.

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
"""Split off from a word of letters and digits that they end."""
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_CHINESE = (
    (0x3400, 0x4DB5), (0x4E00, 0x9FBB), (0xF900, 0xFA2D), (0xFA30, 0xFA6A), (0xFA70, 0xFAD9),
    (0xFF00, 0xFFEF), (0x2E80, 0x2EFF), (0x3000, 0x303F), (0x31C0, 0x31EF), (0x2F00, 0x2FDF),
    (0x2FF0, 0x2FFF), (0x3100, 0x312F), (0x31A0, 0x31BF), (0xFE10, 0xFE1F), (0xFE30, 0xFE4F),
    (0x2600, 0x26FF), (0x2700, 0x27BF), (0x3200, 0x32FF), (0x3300, 0x33FF),
    (0x2001, 0x2A6D), (0x2F81, 0x2FA1),
)  # fmt: skip
"""Code points that `zh` sets apart. The last two are what sacrebleu's "\\u20000" and "\\u2f800", meant for the planes
beyond, come to: dashes, quotation marks and symbols."""


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
    """For `str.translate`: spaces around each character of `_CHINESE`; ASCII as it is."""
    return {code: code for code in range(128)} | {
        code: f" {chr(code)} " for first, last in _CHINESE for code in range(first, last + 1)
    }
