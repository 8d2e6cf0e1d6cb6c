"""Lists and objects that stand as text in a cell of a table, as JSON, Python, pandas or NumPy write them.

    ["a", "b"]                                JSON
    ['a', "it's"]   ('a', 'b')                Python, and pandas' to_csv
    ['a' 'b']   [1 2 3]                       NumPy
    {'text': array(['a', 'b'], dtype=object), 'label': array(['A', 'B'], dtype=object)}

Nothing is evaluated: the text is read by a grammar of literals, each at most once.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any, NoReturn

MAX_DEPTH = 20
_STRING = re.compile(r"""[bru]?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")""", re.DOTALL)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_SPACE = re.compile(r"\s*")
_ARRAY = re.compile(r"(?:np\.|numpy\.)?array\s*\(")
_DTYPE = re.compile(r"\s*,\s*dtype\s*=\s*['\"]?[<>|=\w\[\]]+['\"]?")
_WORD = re.compile(r"[A-Za-z_]+")
_WORDS = {
    "None": None,
    "null": None,
    "nan": None,
    "NaN": None,
    "True": True,
    "true": True,
    "False": False,
    "false": False,
}
_CLOSING = {"[": "]", "(": ")"}


class CellListError(ValueError):
    """The text is no list or object; the message says what is wrong at which character."""


def looks_like_list(text: str) -> bool:
    """Whether a text begins as a list or an object does."""
    return text.lstrip().startswith(("[", "{", "(", "array(", "np.array("))


def parse_cell(text: str) -> Any:
    """Return the list or object that a cell's text stands for. Raises `CellListError`.

    >>> parse_cell("['apple' 'stone']")
    ['apple', 'stone']
    >>> parse_cell("{'A': 'it is', 'B': None}")
    {'A': 'it is', 'B': None}
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _CellParser(text).parse()


class _CellParser:
    """One pass over a text, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> Any:
        value = self._value(0)
        self._skip_space()
        if self._at < len(self._text):
            self._fail("text after the end")
        return value

    def _value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            self._fail("nesting that is too deep")
        self._skip_space()
        opening = self._text[self._at : self._at + 1]
        if opening in _CLOSING:
            return self._list(_CLOSING[opening], depth)
        if opening == "{":
            return self._object(depth)
        if found := _ARRAY.match(self._text, self._at):
            return self._array(found, depth)
        return self._scalar()

    def _scalar(self) -> Any:
        if found := _STRING.match(self._text, self._at):
            self._at = found.end()
            return _unquoted(found.group())
        if found := _NUMBER.match(self._text, self._at):
            self._at = found.end()
            number = found.group()
            return int(number) if number.lstrip("+-").isdecimal() else float(number)
        found = _WORD.match(self._text, self._at)
        if not found or found.group() not in _WORDS:
            self._fail("neither a quoted text nor a number")
        self._at = found.end()
        return _WORDS[found.group()]

    def _list(self, closing: str, depth: int) -> list[Any]:
        self._at += 1
        items: list[Any] = []
        separators: set[str] = set()
        while not self._take(closing):
            if items:
                separators.add("," if self._take(",") else " ")
                if self._take(closing):
                    break
            if len(separators) > 1:
                self._fail("a missing comma")
            items.append(self._value(depth + 1))
        return items

    def _object(self, depth: int) -> dict[str, Any]:
        self._at += 1
        members: dict[str, Any] = {}
        while not self._take("}"):
            if members:
                self._expect(",")
                if self._take("}"):
                    break
            self._skip_space()
            key = self._scalar()
            self._expect(":")
            members[str(key)] = self._value(depth + 1)
        return members

    def _array(self, found: re.Match[str], depth: int) -> Any:
        self._at = found.end()
        value = self._value(depth + 1)
        if dtype := _DTYPE.match(self._text, self._at):
            self._at = dtype.end()
        self._expect(")")
        return value

    def _take(self, mark: str) -> bool:
        self._skip_space()
        taken = self._text.startswith(mark, self._at)
        self._at += len(mark) if taken else 0
        return taken

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            self._fail(f"no '{mark}'")

    def _skip_space(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _fail(self, what: str) -> NoReturn:
        raise CellListError(f"{what} at character {self._at + 1}")


def _unquoted(literal: str) -> str:
    try:
        value = ast.literal_eval(literal)
    except (ValueError, SyntaxError) as error:
        raise CellListError(f"the text {literal[:40]} has a broken escape") from error
    if not isinstance(value, str):
        raise CellListError(f"{literal[:40]} is no text")
    return value
