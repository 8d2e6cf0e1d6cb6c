"""Characters that nobody sees, spelled out for messages."""

from __future__ import annotations

import unicodedata

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_PLAIN_SPACE = frozenset(" \t\n")


def is_invisible(character: str) -> bool:
    """Whether a reader cannot tell the character from nothing or from a space."""
    return character not in _PLAIN_SPACE and unicodedata.category(character) in _INVISIBLE_CATEGORIES


def spell_out(text: str) -> str:
    r"""Return the text with every invisible character as its code point and name.

    >>> spell_out("A\u200b")
    'A[U+200B ZERO WIDTH SPACE]'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(character) if is_invisible(character) else character for character in text)


def _spelled(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"[U+{ord(character):04X}{' ' if name else ''}{name}]"
