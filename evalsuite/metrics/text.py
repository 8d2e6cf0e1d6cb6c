"""The tokens that ROUGE compares, and small helpers for texts.

If **either** text of a pair has CJK characters, both are cut into jieba's words and white space is dropped
(`evalsuite.metrics.segmentation`). Otherwise both follow rouge-score's rule: lower-case, and every run of characters
outside a-z and 0-9 separates tokens. CJK means Han ideographs, kana and Hangul, for which rouge-score's rule finds no token.

`split_reasoning` is what the comparison profiles read. Everything else reads `evalsuite.metrics.cleaning`.

Source: rouge-score 0.1.2 (`tokenize.py`, no stemmer).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from evalsuite.metrics.segmentation import segment

ASCII_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
"""For `str.translate`: full-width ASCII and the ideographic space become ASCII, one character for one."""

# Ideographic iteration mark, closing mark and zero; kana; extension A and the basic block; Hangul; the
# compatibility block; the supplementary planes that Unicode reserves for ideographs.
_CJK_CHARACTERS = (
    "[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ROUGE_TOKEN = re.compile("[a-z0-9]+")
_SEPARATORS_AS_SPACES = {code: " " for code in range(128) if not chr(code).isalnum()}


def split_reasoning(text: str, tags: Sequence[str] = ("think",)) -> tuple[str | None, str | None]:
    r"""Split a reply into `(answer, reasoning)` by XML-like tags.

    A closing tag alone makes all text before it reasoning. `answer` is None if a block never closes. `reasoning` is None
    if the reply has no block, and "" if the block is empty. Without any tag the text comes back untouched; otherwise both
    parts are stripped, and several blocks are joined by a newline.

    >>> split_reasoning("<think>2 + 2</think>\n\n4")
    ('4', '2 + 2')
    >>> split_reasoning("2 + 2</think>4")
    ('4', '2 + 2')
    >>> split_reasoning("<think>2 + ")
    (None, '2 +')
    """
    answer: list[str] = []
    reasoning: list[str] = []
    inside, position, seen = "", 0, False
    for tag in _tag_pattern(tuple(tags)).finditer(text):
        closing, name = tag["slash"] == "/", tag["name"].casefold()
        if inside and not (closing and name == inside):
            continue
        piece, position, seen = text[position : tag.start()], tag.end(), True
        if inside:
            reasoning.append(piece)
        elif closing:
            reasoning.append("".join((*answer, piece)))
            answer.clear()
        else:
            answer.append(piece)
        inside = "" if closing else name
    if not seen:
        return text, None
    (reasoning if inside else answer).append(text[position:])
    thoughts = "\n".join(_non_empty(reasoning))
    return (None if inside else "".join(answer).strip()), thoughts


def has_cjk(text: str) -> bool:
    """Whether the text has a Han ideograph, kana or Hangul. CJK punctuation alone does not count."""
    return not text.isascii() and _cjk_pattern().search(text) is not None


def is_mostly_unread(text: str) -> bool:
    """Whether ROUGE skips most letters of a text: it has no CJK characters, and most letters are not ASCII.

    >>> is_mostly_unread("Столица Франции — Paris"), is_mostly_unread("déjà vu")
    (True, False)
    """
    if text.isascii() or has_cjk(text):
        return False
    letters = [character.isascii() for character in text if character.isalnum()]
    return 2 * sum(letters) < len(letters)


def tokenize_pair(reference: str, prediction: str) -> tuple[list[str], list[str]]:
    """Return the tokens of both texts by one rule: jieba if either has CJK characters, else rouge-score's.

    >>> tokenize_pair("The cat's 2 hats", "CAT")
    (['the', 'cat', 's', '2', 'hats'], ['cat'])
    """
    if has_cjk(reference) or has_cjk(prediction):
        return segment(reference), segment(prediction)
    return _western_tokens(reference), _western_tokens(prediction)


def length_ratio(reference: Sequence[str], prediction: Sequence[str]) -> float | None:
    """Return prediction tokens per reference token: 1.0 is equal length. None if the reference has no token."""
    return len(prediction) / len(reference) if reference else None


def text_in_braces(text: str, start: int, limit: int) -> str | None:
    """Return the text from `start` to the brace that closes the one before it; None if that is over `limit` characters."""
    depth = 1
    for position in range(start, min(len(text), start + limit)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return text[start:position]
    return None


@functools.cache
def _cjk_pattern() -> re.Pattern[str]:
    """Compile on first use: a class this wide takes some milliseconds."""
    return re.compile(_CJK_CHARACTERS)


@functools.lru_cache(maxsize=16)
def _tag_pattern(tags: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(tag) for tag in tags)
    return re.compile(f"<(?P<slash>/?)(?P<name>{names})>", re.IGNORECASE) if tags else re.compile("(?!)")


def _western_tokens(text: str) -> list[str]:
    lowered = text.lower()
    if lowered.isascii():  # three times as fast
        return lowered.translate(_SEPARATORS_AS_SPACES).split()
    return _ROUGE_TOKEN.findall(lowered)


def _non_empty(pieces: Iterable[str]) -> list[str]:
    return [stripped for piece in pieces if (stripped := piece.strip())]


def normalize_text(text: str) -> str:
    """Return a text for comparison: full-width characters and case folded, white space collapsed and stripped."""
    return " ".join(text.translate(ASCII_WIDTH).casefold().split())
