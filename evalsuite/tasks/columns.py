"""The columns that a kind of dataset reads, and their values as texts, JSON and chat messages."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.data.row_parser import RowError
from evalsuite.types import Message

CONTEXT_COLUMNS: tuple[str, ...] = ("instruction", "passage", "article", "context", "input", "hint")
"""Columns with text that belongs to a question and is asked before it, in this order. Any of them may be present."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a kind of dataset.

    An entry is a name, or a tuple of names that mean the same, of which the first one with a value is read.

    >>> columns = Columns(required=(("query", "question"), "answer"), optional=("id",))
    >>> str(columns)
    'query (or question), answer; optional id'
    >>> columns.missing(["answer"])
    ["'query' (or 'question')"]
    """

    required: tuple[str | tuple[str, ...], ...] = ()
    optional: tuple[str | tuple[str, ...], ...] = ()
    description: str = ""
    """What `evalsuite datasets` shows, if it is not simply the names."""

    def missing(self, columns: Collection[str]) -> list[str]:
        """The required columns that are not among `columns`, each with its alternatives."""
        return [
            _with_alternatives([f"'{name}'" for name in ((entry,) if isinstance(entry, str) else entry)])
            for entry in self.required
            if not (entry in columns if isinstance(entry, str) else any(name in columns for name in entry))
        ]

    def __str__(self) -> str:
        if self.description:
            return self.description
        required, optional = (
            ", ".join(entry if isinstance(entry, str) else _with_alternatives(entry) for entry in entries)
            for entries in (self.required, self.optional)
        )
        return f"{required}; optional {optional}" if optional else required


def _with_alternatives(names: Collection[str]) -> str:
    first, *others = names
    return f"{first} ({', '.join(f'or {name}' for name in others)})" if others else first


def text_value(values: Mapping[str, Any], *names: str) -> str:
    """The value of the first of the columns that is not empty, as text; "" if all are empty."""
    for name in names:
        value = values.get(name)
        text = value if type(value) is str else _as_text(value)
        if text:
            return text
    return ""


def required_text(values: Mapping[str, Any], *names: str) -> str:
    """The same, for a text that a row must have. Raises `RowError` if it is blank."""
    text = text_value(values, *names)
    if not text.strip():
        columns = " or ".join(f"'{name}'" for name in names)
        raise RowError((f"{columns} is empty", f"a text in the column {columns}"))
    return text


def context_text(values: Mapping[str, Any], names: Sequence[str] = CONTEXT_COLUMNS) -> str:
    """The text that is asked before a row's question; "" if the row has none.

    >>> context_text({"question": "Who?", "passage": "Ada wrote it.", "hint": ""})
    'Ada wrote it.'
    """
    texts = (text_value(values, name).strip() for name in names if name in values)
    return "\n\n".join(dict.fromkeys(filter(None, texts)))


def with_context(context: str, question: str) -> str:
    """The question with the text that is asked before it; as it is without one."""
    return f"{context}\n\n{question}" if context else question


def _as_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def json_value(values: Mapping[str, Any], name: str, expected: str) -> Any:
    """The value of a structured column, decoded if it is JSON text (as in a CSV); None if it is empty.

    `expected` says what the column should hold. Raises `RowError` for text that is not JSON.
    """
    value = values.get(name)
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise RowError((f"'{name}' is not JSON ({error})", expected)) from error


def checked_messages(value: Any, name: str = "messages") -> list[Message]:
    """A chat history: objects with a role and a content. Raises `RowError` for anything else."""
    expected = f"'{name}' as a list of objects with 'role' and 'content'"
    if not isinstance(value, list) or not value:
        raise RowError((f"'{name}' is {'empty' if value in (None, []) else 'not a list'}", expected))
    for number, message in enumerate(value, start=1):
        if not _is_message(message):
            raise RowError(
                (f"message {number} of '{name}' is not an object with 'role' and 'content'", expected)
            )
    return value


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and "content" in value
