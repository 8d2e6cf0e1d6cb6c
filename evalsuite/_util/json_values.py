"""Replaces values that Python can hold and JSON or UTF-8 cannot; replies of models and servers contain them."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 200
"""Deepest nesting that is written as JSON; orjson refuses more than 254 levels."""


def to_valid_json(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Replace lone surrogates by U+FFFD, and integers over 64 bits and values nested deeper than `depth` by text."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return _digits(value)
    if isinstance(value, dict | list | tuple) and not depth:
        return "…"
    if isinstance(value, dict):
        return {to_valid_json(str(key), 0): to_valid_json(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_valid_json(item, depth - 1) for item in value]
    return value


def _digits(value: int) -> str:
    """An integer as text; in hexadecimal if Python refuses to write that many decimal digits."""
    try:
        return str(value)
    except ValueError:
        return hex(value)
