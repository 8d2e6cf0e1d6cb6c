"""Cuts Chinese text into exactly jieba's words (accurate mode, HMM on, jieba's own dictionary), with rjieba for speed.

rjieba 0.2.2 has jieba 0.42.1's dictionary and model, decides as jieba does, and is thirty times as fast. With any other
versions jieba itself is used. Two differences of jieba-rs are undone here:

- It keeps letters and digits joined by "-", "_" or "." together ("6t-t", "GPT-4", "200-300%"); jieba keeps only decimals
  and percentages ("3.14", "50%"). Text between ideographs is therefore cut again by jieba's rule. Text with "&", "#" or
  "+" may be a dictionary word ("AT&T", "C++") and goes through jieba itself.
- It treats ideographs outside U+4E00 to U+9FD5 as parts of words; jieba makes each a word, as it does with everything
  outside a block (a run of ideographs, letters, digits and +#&._%-). Blocks do not influence each other.

Sources: jieba 0.42.1 (`Tokenizer.cut`, `finalseg.cut`), jieba-rs 0.11.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

VERIFIED_VERSIONS = (("jieba", "0.42.1"), ("rjieba", "0.2.2"))
"""Versions that were tested to give the same words, apart from the differences above."""

Cut = Callable[[str], list[str]]

# The characters of jieba's `re_han_default` and `re_skip`, and what rjieba cuts differently.
_IN_BLOCK = r"[\u4E00-\u9FD5a-zA-Z0-9+#&._%\-]"
_LETTERS_AND_DIGITS = r"([a-zA-Z0-9]+(?:\.[0-9]+)?%?)"
_COMPOUND = r"[A-Za-z0-9](?:[-_][A-Za-z0-9]|\.(?:[A-Za-z]|[0-9]+(?:[A-Za-z]|[-_.][A-Za-z0-9])))"
_OTHER_IDEOGRAPH = "[\u3400-\u4dbf\u9fd6-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\ud800-\udfff]"
"""Includes lone surrogates, which rjieba cannot process."""
_DIFFERENT = f"{_COMPOUND}|{_OTHER_IDEOGRAPH}"
_DIFFERENT_PIECE = f"(?<!{_IN_BLOCK})(?={_IN_BLOCK}*?{_COMPOUND}){_IN_BLOCK}+|{_OTHER_IDEOGRAPH}"
"""A block that has a compound, or an ideograph outside blocks."""
_MARKS_IN_WORDS = frozenset("&#+")
_jieba_lock = threading.Lock()


def cut(text: str) -> list[str]:
    """Return jieba's words of a text, in order, with white space and punctuation: joined, they are the text.

    >>> cut("我来到 GPT-4")
    ['我', '来到', ' ', 'GPT', '-', '4']
    """
    fast = _rjieba_cut()
    if fast is None:
        return _jieba_cut()(text)
    if _compiled(_DIFFERENT).search(text) is None:
        return fast(text)
    return list(_words_in_pieces(text, fast))


def segment(text: str) -> list[str]:
    """Return jieba's words of a text, in order, punctuation kept, white space dropped, case kept."""
    return [word for word in cut(text) if not word.isspace()]


def _words_in_pieces(text: str, fast: Cut) -> Iterator[str]:
    end = 0
    for piece in _compiled(_DIFFERENT_PIECE).finditer(text):
        yield from fast(text[end : piece.start()])
        end = piece.end()
        yield from _jieba_words_of(piece[0], fast)
    yield from fast(text[end:])


def _jieba_words_of(piece: str, fast: Cut) -> Iterable[str]:
    if _compiled(_OTHER_IDEOGRAPH).fullmatch(piece):
        return (piece,)
    if _MARKS_IN_WORDS.isdisjoint(piece):
        return _split_compounds(fast(piece))
    return _jieba_cut()(piece)


def _split_compounds(words: Iterable[str]) -> Iterator[str]:
    for western, neighbours in groupby(words, str.isascii):
        if western:
            yield from filter(None, _compiled(_LETTERS_AND_DIGITS).split("".join(neighbours)))
        else:
            yield from neighbours


@functools.lru_cache(maxsize=8)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile on first use: wide ranges take a millisecond."""
    return re.compile(pattern)


@functools.lru_cache(maxsize=1)
def _rjieba_cut() -> Cut | None:
    """Return rjieba's `cut`; None if rjieba is not installed or not of a verified version."""
    try:
        known = all(importlib.metadata.version(name) == version for name, version in VERIFIED_VERSIONS)
        if not known:
            return None
        import rjieba
    except ImportError:
        return None
    fast: Cut = rjieba.Jieba().cut
    return fast


def _jieba_cut() -> Cut:
    with _jieba_lock:  # the dictionary is built once; segmenting itself only reads it
        return _load_jieba()


@functools.lru_cache(maxsize=1)
def _load_jieba() -> Cut:
    """Load jieba's own dictionary without a log line, a warning or a cache file, and return its `lcut`.

    It is private, so that words a caller adds to jieba's global tokenizer cannot change a score. Filled by hand,
    because `initialize()` unmarshals `jieba.cache` from the shared temporary folder, where anyone may put one.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in jieba's source, pkg_resources' deprecation
        import jieba

        tokenizer = jieba.Tokenizer()
        tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    words: Cut = tokenizer.lcut
    return words
