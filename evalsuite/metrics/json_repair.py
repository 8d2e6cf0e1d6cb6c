"""Repairs text that is nearly a JSON object, to tell kinds of failure apart. Nothing is ever scored on a repaired object.

Repaired, from the first `{` on: text around the object (a code fence, a closing sentence), single quotes, Python's
True, False and None, NaN, commas before a closing bracket, line breaks and unknown escapes inside strings, and the
quote and brackets that are missing at a cut-off end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_LENGTH = 100_000
"""Characters. A longer input is not repaired: no call is that long."""
_PIECE = re.compile(
    r""" "[^"\\]*(?:\\.[^"\\]*)*"?  |  '[^'\\]*(?:\\.[^'\\]*)*'?  |  [{}\[\],:]  |  [^\s{}\[\],:"']+ """,
    re.DOTALL | re.VERBOSE,
)
_WORDS = {"True": "true", "False": "false", "None": "null"}
_CLOSING = {"{": "}", "[": "]"}
_UNKNOWN_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4})|(.?))', re.DOTALL)


def repair_object(written: str) -> dict[str, Any] | None:
    """Return the object that a text holds after the repairs above; None if they are not enough. Never raises.

    >>> repair_object("```json {'day': 1, 'wet': True,} ```")
    {'day': 1, 'wet': True}
    """
    start = written.find("{")
    if start < 0 or len(written) > MAX_LENGTH:
        return None
    try:
        found = json.loads("".join(_repaired_pieces(written[start:])), strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _repaired_pieces(text: str) -> Iterator[str]:
    opened: list[str] = []
    waiting = ""
    for found in _PIECE.finditer(text):
        piece = found.group()
        closes = bool(opened) and piece == _CLOSING[opened[-1]]
        if waiting and not closes:
            yield waiting
        waiting = ""
        if piece == ",":
            waiting = piece
            continue
        if piece in _CLOSING:
            opened.append(piece)
        elif closes:
            opened.pop()
        yield _repair_piece(piece)
        if not opened:
            return
    yield from (_CLOSING[bracket] for bracket in reversed(opened))


def _repair_piece(piece: str) -> str:
    if piece[0] not in "\"'":
        return _WORDS.get(piece, piece)
    quote = piece[0]
    inner = piece[1:-1] if len(piece) > 1 and piece.endswith(quote) else piece[1:]
    if quote == "'":
        inner = inner.replace("\\'", "'").replace('"', '\\"')
    return f'"{_UNKNOWN_ESCAPE.sub(_escape_backslash, inner)}"'


def _escape_backslash(found: re.Match[str]) -> str:
    return found.group() if found.group(1) else f"\\\\{found.group(2)}"
