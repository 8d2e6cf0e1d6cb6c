"""CSV and TSV, also as spreadsheets leave them.

Blank lines and rows of nothing but empty cells are skipped, an unnamed index column is dropped, and MMLU's own CSV has
no header. Repaired, and said once: a `sep=` line, another separator than the ending says, title rows above the header,
empty cells missing or superfluous at a row's end. A row with too many filled cells is a fault.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from evalsuite.data.columns import column_name, header_names
from evalsuite.data.encodings import decoded_lines
from evalsuite.data.records import Record, RecordStream, Repair
from evalsuite.errors import Problem

MMLU_COLUMNS = ("question", "a", "b", "c", "d", "answer")
COMMON_NAMES = frozenset(
    {
        "id", "index", "question", "query", "prompt", "instruction", "input", "messages", "text", "response",
        "answer", "target", "label", "output", "prediction", "chosen", "problem", "问题", "答案",
    }
)  # fmt: skip
"""One of them in a first row makes it a header."""
MAX_TITLE_ROWS = 5
MAX_FIELD_CHARACTERS = 64 * 1024 * 1024
"""The csv module stops at 131,072 characters a field, less than one long tool list."""
SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}
TITLE_ROW = "rows above the header are skipped (the first reads '{}')"
SEPARATOR_LINE = "the line '{}' is skipped; it says what separates the columns"
OTHER_SEPARATOR = "the columns are separated by a {}, which the file's name does not say"
SHORT_ROW = "rows have fewer cells than the header; what is missing is read as empty"
LONG_ROW = "rows have more cells than the header; the further ones are empty and dropped"
SHOWN_CHARACTERS = 40


class _Row(NamedTuple):
    """One row that is not blank, and the 1-based line it starts on."""

    line: int
    fields: list[str]


def read_csv(path: Path, lenient: bool) -> RecordStream:
    """Yield the rows of a CSV file."""
    return _read_delimited(path, ",", lenient)


def read_tsv(path: Path, lenient: bool) -> RecordStream:
    """Yield the rows of a TSV file."""
    return _read_delimited(path, "\t", lenient)


def _read_delimited(path: Path, separator: str, lenient: bool) -> RecordStream:
    found: list[Problem | Repair] = []
    lines = decoded_lines(path, found, lenient=lenient)
    first, skipped = "", 0
    for first in lines:
        if first.strip():
            break
        skipped += 1
    else:
        first = ""
    separator, repairs, is_separator_line = _separator(path, first, skipped + 1, separator)
    yield from repairs
    rest = lines if is_separator_line else chain([first], lines)
    rows = _rows(path, rest, separator, found, skipped + is_separator_line)
    yield from _records(path, rows, separator)


def _separator(path: Path, first: str, line: int, separator: str) -> tuple[str, list[Repair], bool]:
    """What separates the columns, what is to be said of it, and whether the first line says only that."""
    file, text = str(path), first.rstrip("\r\n")
    if text.lower().strip('"').startswith("sep=") and len(text.strip('"')) == len("sep=") + 1:
        return text.strip('"')[-1], [Repair(file, line, SEPARATOR_LINE.format(text))], True
    names = {mark: _names_in(text, mark) for mark in SEPARATORS}
    other = max(SEPARATORS, key=lambda mark: (names[mark], mark == separator))
    if names[other] and len(text.split(other)) > 1 and len(_split(text, separator)) == 1:
        return other, [Repair(file, line, OTHER_SEPARATOR.format(SEPARATORS[other]))], False
    return separator, [], False


def _split(text: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        return text.split(separator)


def _names_in(text: str, separator: str) -> int:
    """How many names of columns stand in a line that is split there."""
    fields = _split(text, separator)
    return sum(column_name(field) in COMMON_NAMES for field in fields) if len(fields) > 1 else 0


def _rows(
    path: Path, lines: Iterable[str], separator: str, found: list[Problem | Repair], skipped: int
) -> Iterator[_Row | Problem | Repair]:
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    rows = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line, row, ended = rows.line_num + 1 + skipped, [], False
        try:
            row = next(rows)
        except StopIteration:
            ended = True
        except csv.Error as error:
            found.append(_broken_row(str(path), line, str(error)))
        bad = False
        if found:
            bad = any(isinstance(item, Problem) for item in found)
            yield from found
            found.clear()
        if ended:
            return
        if not bad and any(cell and not cell.isspace() for cell in row):
            yield _Row(line, row)


def _broken_row(file: str, line: int, why: str) -> Problem:
    if "new-line" in why:
        return Problem(file, line, "a carriage return that ends no line", "lines that end in LF or CR LF")
    return Problem(file, line, f"broken quoting ({why})", 'quotes closed, and doubled ("") inside a field')


def _records(path: Path, rows: Iterator[_Row | Problem | Repair], separator: str) -> RecordStream:
    file = str(path)
    start = list(islice(rows, MAX_TITLE_ROWS + 1))
    titles = _title_rows([item for item in start if isinstance(item, _Row)])
    if titles:
        yield Repair(file, titles[0].line, TITLE_ROW.format(_shown(titles[0])))
    columns: list[str] | None = None
    for item in chain(start, rows):
        if not isinstance(item, _Row):
            yield item
            if columns is None and isinstance(item, Problem):
                return  # without its header no row can be read
        elif item in titles:
            continue
        elif columns is None and separator == "," and _is_mmlu(item.fields):
            columns = list(MMLU_COLUMNS)
            yield Record(file, item.line, named_values(columns, item.fields))
        elif columns is None:
            columns = header_names(item.fields)
            yield from header_problems(file, item.line, columns)
        elif len(item.fields) == len(columns):
            yield Record(file, item.line, named_values(columns, item.fields))
        else:
            yield from _uneven_record(file, item, columns)


def _title_rows(start: Sequence[_Row]) -> Sequence[_Row]:
    """The rows above the header: each has one filled cell and no column's name, and the header has several."""
    for place, row in enumerate(start):
        filled = [cell for cell in row.fields if cell.strip()]
        if any(column_name(cell) in COMMON_NAMES for cell in filled):
            return start[:place] if len(filled) > 1 else ()
        if len(filled) != 1:
            return ()
    return ()


def _shown(row: _Row) -> str:
    text = next(cell.strip() for cell in row.fields if cell.strip())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _is_mmlu(fields: Sequence[str]) -> bool:
    """Whether a first row is a question of MMLU as it is published, whose files have no header."""
    names = {column_name(field) for field in fields}
    answered = len(fields) == len(MMLU_COLUMNS) and fields[-1].strip() in ("A", "B", "C", "D")
    return answered and not names & COMMON_NAMES


def _uneven_record(file: str, row: _Row, columns: Sequence[str]) -> RecordStream:
    """The record of a row that is shorter or longer than the header: missing cells are empty, further ones must be."""
    fields, count = row.fields, len(columns)
    further = [cell for cell in fields[count:] if cell.strip()]
    if further:
        what = f"a row of {len(fields)} fields; '{further[0][:SHOWN_CHARACTERS]}' belongs to no column"
        expected = f"{count} fields as in the header; put texts that hold the separator in double quotes"
        yield Problem(file, row.line, what, expected)
        return
    if len(fields) > count:
        yield Repair(file, row.line, LONG_ROW)
    else:
        yield Repair(file, row.line, SHORT_ROW)
    yield Record(file, row.line, named_values(columns, [*fields[:count], *[""] * (count - len(fields))]))


def header_problems(file: str, line: int, columns: Iterable[str]) -> Iterator[Problem]:
    """Yield a fault for every column name that is there more than once."""
    for name, count in Counter(filter(None, columns)).items():
        if count > 1:
            what = f"the column '{name}' is there {count} times"
            yield Problem(
                file, line, what, "every column once (case, width and invisible characters are ignored)"
            )


def named_values(columns: Iterable[str], row: Iterable[Any]) -> dict[str, Any]:
    """Return a row's values by column; an index column without a name is left out."""
    return {name: value for name, value in zip(columns, row, strict=True) if name}
