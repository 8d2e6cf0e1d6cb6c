"""One file → its records, in order, with the line each starts on.

CSV, TSV and JSONL are streamed; JSON and Parquet are one document each and are held as a whole. Column names
are lower-cased and stripped, a leading unnamed index column is dropped, a UTF-8 byte-order mark is skipped.
A row that cannot be read becomes a `Problem` in the stream, so that one pass finds every bad row.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from evalsuite.errors import DataError, InputError, Problem

MAX_FIELD_CHARACTERS = 64 * 1024 * 1024
"""The csv module stops at 131,072 characters a field, less than one long tool list."""


@dataclass(frozen=True, slots=True)
class Record:
    """One raw row: the file and 1-based line it starts on, and its values by lower-cased column name."""

    file: str
    line: int
    values: dict[str, Any]


Reading: TypeAlias = Iterator[Record | Problem]


def read_records(path: Path) -> Reading:
    """Yield every record of a data file, and a `Problem` for every row that is not one.

    Raises `DataError` for a file that is missing, of an unknown format, or not readable at all.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            [Problem(str(path), 0, f"unknown file format '{path.suffix}'", f"one of {' '.join(READERS)}")],
            "Convert the file or give it the ending that says what it is.",
        )
    try:
        yield from reader(path)
    except OSError as error:
        advice = "Check the path and its permissions."
        raise DataError(
            [Problem(str(path), 0, error.strerror or str(error), "a readable file")], advice
        ) from error


def _read_csv(path: Path) -> Reading:
    return _read_delimited(path, ",")


def _read_tsv(path: Path) -> Reading:
    return _read_delimited(path, "\t")


def _read_delimited(path: Path, delimiter: str) -> Reading:
    file = str(path)
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    undecodable: list[Problem] = []
    rows = csv.reader(_decoded_lines(path, undecodable), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    while True:
        start = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(
                file, start, f"broken quoting ({error})", 'quotes closed, and doubled ("") inside a field'
            )
            continue
        damaged = bool(undecodable)
        yield from undecodable
        undecodable.clear()
        if columns is None:
            columns = _column_names(row)
            yield from _header_problems(file, columns)
        elif row and not damaged:
            yield _csv_record(file, start, columns, row)


def _csv_record(file: str, line: int, columns: list[str], row: list[str]) -> Record | Problem:
    if len(row) != len(columns):
        return Problem(
            file, line, f"a ragged row of {len(row)} fields", f"{len(columns)} fields as in the header"
        )
    return Record(file, line, _named(columns, row))


def _decoded_lines(path: Path, problems: list[Problem]) -> Iterator[str]:
    """Lines as text; a line that is not UTF-8 adds a problem and goes on with its bytes replaced."""
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            if number == 1:
                raw = _without_mark(path, raw)  # noqa: PLW2901 - the mark is no part of the line
            try:
                yield raw.decode("utf-8")
            except UnicodeDecodeError as error:
                _refuse_other_encoding(path)
                byte = f"byte 0x{raw[error.start]:02x} at position {error.start + 1} is not UTF-8"
                problems.append(Problem(str(path), number, byte, "UTF-8 text"))
                yield raw.decode("utf-8", errors="replace")


def _without_mark(path: Path, head: bytes) -> bytes:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _wrong_encoding(path, "UTF-16")
    return head.removeprefix(b"\xef\xbb\xbf")


def _refuse_other_encoding(path: Path) -> None:
    """One clear sentence for a file that is as a whole in another encoding, instead of one for every line."""
    try:
        path.read_bytes().decode("gb18030")
    except UnicodeDecodeError:
        return
    raise _wrong_encoding(path, "GB18030")


def _wrong_encoding(path: Path, encoding: str) -> DataError:
    command = f"iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}"
    what = f"wrong encoding: the file is not UTF-8 (it reads as {encoding})"
    return DataError([Problem(str(path), 0, what, f"UTF-8 text; convert it with: {command}")])


def _column_names(header: Iterable[str]) -> list[str]:
    return [name.strip().lower() for name in header]


def _header_problems(file: str, columns: list[str]) -> Iterator[Problem]:
    named = [name for name in columns if name]
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield Problem(
            file,
            1,
            f"the column '{name}' stands {named.count(name)} times",
            "every column once (case is ignored)",
        )


def _named(columns: Iterable[str], row: Iterable[Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in zip(columns, row, strict=True)
        if name and not name.startswith("unnamed:")
    }


def _read_jsonl(path: Path) -> Reading:
    file = str(path)
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            line = _without_mark(path, raw) if number == 1 else raw
            if not line.strip():
                continue
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if "UTF-8" in str(error) or "utf-8" in str(error):
                    _refuse_other_encoding(path)
                yield Problem(file, number, f"broken JSON ({error})", "one JSON object a line")
                continue
            yield _object_record(file, number, value)


def _object_record(file: str, line: int, value: object) -> Record | Problem:
    if not isinstance(value, dict):
        return Problem(file, line, f"a JSON {_json_type(value)}", "a JSON object with the columns as keys")
    return Record(file, line, {str(key).strip().lower(): item for key, item in value.items()})


def _json_type(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _read_json(path: Path) -> Reading:
    """An array of objects, or an object that holds exactly one such array (`{"data": [...]}`)."""
    raw = _without_mark(path, path.read_bytes())
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse_other_encoding(path)
        line = raw.count(b"\n", 0, error.start) + 1
        yield Problem(str(path), line, f"byte 0x{raw[error.start]:02x} is not UTF-8", "UTF-8 text")
        return
    try:
        yield from _array_records(str(path), text)
    except json.JSONDecodeError as error:
        yield Problem(
            str(path),
            error.lineno,
            f"broken JSON ({error.msg}, column {error.colno})",
            "a JSON array of objects",
        )


def _array_records(file: str, text: str) -> Reading:
    decoder = json.JSONDecoder()
    position, line = _array_start(text), 1
    counted = 0
    while True:
        position = _skip_space(text, position)
        if text[position : position + 1] == "]":
            return
        line += text.count("\n", counted, position)
        counted = position
        value, position = decoder.raw_decode(text, position)
        yield _object_record(file, line, value)
        position = _skip_space(text, position)
        if text[position : position + 1] == ",":
            position += 1
        elif text[position : position + 1] != "]":
            raise json.JSONDecodeError("Expecting ',' or ']'", text, position)


def _array_start(text: str) -> int:
    """Where the elements of the array begin: at the top, or under the only list of an object."""
    start = _skip_space(text, 0)
    if text[start : start + 1] == "[":
        return start + 1
    document = json.loads(text)
    lists = (
        [key for key, value in document.items() if isinstance(value, list)]
        if isinstance(document, dict)
        else []
    )
    if len(lists) != 1:
        raise json.JSONDecodeError("Expecting an array of objects, or an object that holds one", text, start)
    return text.index("[", text.index(json.dumps(lists[0], ensure_ascii=False))) + 1


def _skip_space(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\n", "\r", "\t"):
        position += 1
    return position


def _read_parquet(path: Path) -> Reading:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise InputError(
            f"{path}: reading Parquet needs pyarrow; run: pip install 'evalsuite[parquet]'"
        ) from error
    file = str(path)
    try:
        table = parquet.ParquetFile(path)
        columns = _column_names(table.schema_arrow.names)
        yield from _header_problems(file, columns)
        row = 0
        for batch in table.iter_batches(batch_size=1024):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                row += 1
                yield Record(file, row, _named(columns, values))
    except (ValueError, OSError) as error:
        yield Problem(file, 0, f"not a readable Parquet file ({error})", "Parquet")


READERS: dict[str, Callable[[Path], Reading]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".parquet": _read_parquet,
}


def first_record(path: Path) -> Record | None:
    """The first row that can be read, to tell a file's kind from; None when there is none."""
    return next((record for record in read_records(path) if isinstance(record, Record)), None)
