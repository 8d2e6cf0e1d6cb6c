"""Column names: how they are compared, which of them the user renamed, and which of them nothing reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from evalsuite._util.invisible import is_invisible

SAME_ROLE = {
    "question": ("query",),
    "query": ("question",),
    "answer": ("response", "target"),
    "response": ("answer",),
    "prediction": ("predictions",),
}
"""Columns that mean the same: where the user says which column it is, the others give way."""
ROWS_WITHOUT_NEWS = 1000
WATCHED_SHARE = 64
INDEX_COLUMN_PREFIX = "unnamed:"
"""How pandas names an index column that it wrote without a name."""
_ALTERNATIVES = re.compile(r"('[^']+')(?: (?:or|and) \1| \(or \1\))+")
"""One name several times: what two names of ours become that are one of the user's."""


@lru_cache(maxsize=4096)
def column_name(name: str) -> str:
    r"""Return the name that columns are compared by: no case, no width, no invisible characters.

    >>> column_name("\ufeff Ａ ")
    'a'
    """
    if not name.isascii():
        name = "".join(
            character for character in unicodedata.normalize("NFKC", name) if not is_invisible(character)
        )
    return name.strip().lower()


def header_names(header: Iterable[str]) -> list[str]:
    """Return the names of a table's columns; "" for an index column, which has no name or the one that pandas gives."""
    names = map(column_name, header)
    return ["" if name.startswith(INDEX_COLUMN_PREFIX) else name for name in names]


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The user's names of columns (`--columns question=Q`): pairs of ours and theirs, as `column_name` has them.

    >>> ColumnNames.from_mapping({"question": "Q"}).apply({"q": "Who?", "query": "SELECT"})
    {'question': 'Who?'}
    """

    pairs: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pairs)

    @classmethod
    def from_mapping(cls, names: Mapping[str, str]) -> ColumnNames:
        """The names that `--columns` gives: role → column."""
        return cls(tuple((column_name(ours), column_name(theirs)) for ours, theirs in names.items()))

    def apply(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a row under our names. A column that already has one of our names gives way."""
        if not self.pairs:
            return values
        taken = {name for pair in self.pairs for name in (*pair, *SAME_ROLE.get(pair[0], ()))}
        rest = {name: value for name, value in values.items() if name not in taken}
        return rest | {ours: values[theirs] for ours, theirs in self.pairs if theirs in values}

    def in_words(self, text: str) -> str:
        """Return a message in which the user's names stand for ours."""
        for ours, theirs in self.pairs:
            text = text.replace(f"'{ours}'", f"'{theirs}'")
        return _ALTERNATIVES.sub(r"\1", text)


class WatchedRow(dict[str, Any]):
    """A row that remembers, in a set it shares with others, which of its columns were read."""

    __slots__ = ("plain", "read")

    def __init__(self, values: Mapping[str, Any], read: set[str]) -> None:
        super().__init__(values)
        self.plain = values
        self.read = read

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a column's value, and remember that it was read."""
        self.read.add(name)
        return super().get(name, default)


def peek(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the row to look at without its columns counting as read."""
    return values.plain if isinstance(values, WatchedRow) else values


def replace_columns(
    values: Mapping[str, Any], changes: Mapping[str, Any], dropped: Iterable[str] = ()
) -> Mapping[str, Any]:
    """Return a row with other columns; a watched row gives one that is watched with it."""
    left_out = set(dropped)
    rest = {name: value for name, value in peek(values).items() if name not in left_out}
    changed = {**rest, **changes}
    return WatchedRow(changed, values.read) if isinstance(values, WatchedRow) else changed


@dataclass
class ColumnUsage:
    """Finds the columns of a dataset that hold something and that nothing reads.

    Rows are watched until every column they have was read. After `ROWS_WITHOUT_NEWS` in a row that told nothing new,
    only rows that fill other columns than those before, and every `WATCHED_SHARE`-th one, are watched.
    """

    read: set[str] = field(default_factory=set)
    _filled: dict[str, None] = field(default_factory=dict)
    """Columns with a value in some row that were not read before, in the order they were met."""
    _known: set[tuple[str, ...]] = field(default_factory=set)
    """What rows filled of the columns that were not read."""
    _rows: int = 0
    _news: int = 0
    """The row that filled other columns than those before."""

    def watch(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the row, watched if it has columns that were not read so far."""
        if values.keys() <= self.read:
            return values
        filled = tuple(
            name for name, value in values.items() if name not in self.read and not is_empty(value)
        )
        if not filled:
            return values
        self._rows += 1
        if filled not in self._known:
            self._known.add(filled)
            self._filled |= dict.fromkeys(filled)
            self._news = self._rows
        elif self._rows - self._news > ROWS_WITHOUT_NEWS and self._rows % WATCHED_SHARE:
            return values
        return WatchedRow(values, self.read)

    def unread(self) -> Iterator[str]:
        """The columns that hold something and were never read, in file order."""
        return (name for name in self._filled if name not in self.read)


def is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: null, NaN, blank text or an empty list."""
    return value is None or value != value or (isinstance(value, str) and not value.strip()) or value == []
