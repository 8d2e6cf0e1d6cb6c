"""What Python holds and JSON or UTF-8 cannot carry, made carriable: model text and servers are full of it."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 200
"""Of what is written as JSON; orjson refuses to write more than 254 levels."""


def to_valid_json(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The value with every lone surrogate as U+FFFD, integers of more than 64 bits and deep nesting as text."""
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
    """An integer as text; in hexadecimal where Python refuses to write so many decimal digits."""
    try:
        return str(value)
    except ValueError:
        return hex(value)
