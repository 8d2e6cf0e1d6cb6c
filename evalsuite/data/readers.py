"""One file → its records, in order, with the line each starts on.

CSV, TSV, JSONL and Parquet are streamed; JSON is one document and is held as a whole. Column names
are lower-cased and stripped, an unnamed index column is dropped, a UTF-8 byte-order mark is skipped, and so are
blank lines and rows of nothing but empty cells, which spreadsheets leave behind. MMLU's own CSV has no header.
A row that cannot be read becomes a `Problem` in the stream, so that one pass finds every bad row.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import orjson

from evalsuite._util.json_values import to_valid_json
from evalsuite.errors import DataError, InputError, Problem

MMLU_COLUMNS = ("question", "a", "b", "c", "d", "answer")
COMMON_NAMES = frozenset(
    {"id", "index", "question", "query", "instruction", "input", "response", "answer", "target"}
)
"""One of them in a first row makes it a header."""
MAX_FIELD_CHARACTERS = 64 * 1024 * 1024
"""The csv module stops at 131,072 characters a field, less than one long tool list."""
PARQUET_BUFFER_BYTES = 1 << 20
"""Of each column; without it a whole row group, often the file, is read at once."""
REPLACEMENT = "\ufffd"
_UTF16_BEGINNINGS = {rb"\xff\xfe|\xfe\xff": "UTF-16", rb".\x00": "UTF-16LE", rb"\x00": "UTF-16BE"}
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Record:
    """One raw row: the file and 1-based line it starts on, and its values by lower-cased column name."""

    file: str
    line: int
    values: Mapping[str, Any]


Reading: TypeAlias = Iterator[Record | Problem]


def read_records(path: Path, *, lenient: bool = False) -> Reading:
    """Yield every record of a data file, and a `Problem` for every row that is not one.

    With `lenient`, model text that UTF-8 or strict JSON cannot hold (half of an emoji, `NaN`) is replaced, not
    refused. Raises `DataError` for a file that is missing, of an unknown format, or not readable at all.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            [Problem(str(path), 0, f"unknown file format '{path.suffix}'", f"one of {' '.join(READERS)}")],
            "Convert the file or give it the ending that says what it is.",
        )
    try:
        yield from reader(path, lenient)
    except OSError as error:
        advice = "Check the path and its permissions."
        raise DataError(
            [Problem(str(path), 0, error.strerror or str(error), "a readable file")], advice
        ) from error


def _read_csv(path: Path, lenient: bool) -> Reading:
    return _read_delimited(path, ",", lenient)


def _read_tsv(path: Path, lenient: bool) -> Reading:
    return _read_delimited(path, "\t", lenient)


def _read_delimited(path: Path, delimiter: str, lenient: bool) -> Reading:
    file = str(path)
    columns: list[str] | None = None
    for row in _delimited_rows(path, delimiter, lenient):
        if isinstance(row, Problem):
            yield row
            if columns is None:
                return  # without its header no row can be read
        elif columns is None and delimiter == "," and _of_mmlu(row.fields):
            columns = list(MMLU_COLUMNS)
            yield Record(file, row.line, _named(columns, row.fields))
        elif columns is None:
            columns = _column_names(row.fields)
            yield from _header_problems(file, row.line, columns)
        elif len(row.fields) != len(columns):
            what = f"a ragged row of {len(row.fields)} fields"
            yield Problem(file, row.line, what, f"{len(columns)} fields as in the header")
        else:
            yield Record(file, row.line, _named(columns, row.fields))


def _of_mmlu(fields: Sequence[str]) -> bool:
    """Whether a first row is a question of MMLU as it is published, whose files have no header."""
    names = {field.strip().lower() for field in fields}
    answered = len(fields) == len(MMLU_COLUMNS) and fields[-1].strip() in ("A", "B", "C", "D")
    return answered and not names & COMMON_NAMES


class _Row(NamedTuple):
    """One row of a delimited file that is not blank, and the 1-based line it starts on."""

    line: int
    fields: list[str]


def _delimited_rows(path: Path, delimiter: str, lenient: bool) -> Iterator[_Row | Problem]:
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    faults: list[Problem] = []
    rows = csv.reader(_decoded_lines(path, faults, lenient), delimiter=delimiter, strict=True)
    while True:
        line, row = rows.line_num + 1, []
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            faults.append(_broken_row(str(path), line, str(error)))
        if faults:
            yield from faults
            faults.clear()
        elif any(cell and not cell.isspace() for cell in row):
            yield _Row(line, row)


def _broken_row(file: str, line: int, why: str) -> Problem:
    if "new-line" in why:
        return Problem(file, line, "a carriage return that ends no line", "lines that end in LF or CR LF")
    return Problem(file, line, f"broken quoting ({why})", 'quotes closed, and doubled ("") inside a field')


def _decoded_lines(path: Path, faults: list[Problem], lenient: bool) -> Iterator[str]:
    """Lines as text; a line that is not UTF-8 adds a fault, unless it is to be mended, and has its bytes replaced.

    Raises `DataError` where the file as a whole is in another encoding.
    """
    suspected = False
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            line = _without_mark(path, raw) if number == 1 else raw
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                if not suspected:
                    _refuse_gb18030(path)
                    suspected = True
                if lenient:
                    yield line.decode("utf-8", errors="replace")
                    continue
                byte = f"byte 0x{line[error.start]:02x} at position {error.start + 1} is not UTF-8"
                faults.append(Problem(str(path), number, byte, "UTF-8 text"))
                yield line.decode("utf-8", errors="replace")


def _without_mark(path: Path, head: bytes) -> bytes:
    for beginning, encoding in _UTF16_BEGINNINGS.items():
        if re.match(beginning, head, re.DOTALL):
            raise _wrong_encoding(path, encoding)
    return head.removeprefix(b"\xef\xbb\xbf")


def _refuse_gb18030(path: Path) -> None:
    """One clear sentence for a file that is as a whole Chinese text in GB18030, instead of one for every line.

    A few bytes of Latin-1 can be read as GB18030 too, and converting them would destroy the file. So nearly
    nothing in it may be UTF-8, and its bytes above 127 must come in pairs.
    """
    raw = path.read_bytes()
    text = raw.decode("utf-8", errors="replace")
    beyond_ascii = len(text) - len(text.encode("ascii", errors="ignore"))
    runs = _HIGH_BYTES.findall(raw)
    if text.count(REPLACEMENT) * 2 < beyond_ascii or sum(map(len, runs)) < 2 * len(runs):
        return
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return
    raise _wrong_encoding(path, "GB18030")


def _wrong_encoding(path: Path, encoding: str) -> DataError:
    name = shlex.quote(path.name)
    command = f"iconv -f {encoding} -t UTF-8 {name} > {shlex.quote(f'utf8-{path.name}')}"
    what = f"wrong encoding: the file is not UTF-8 (it reads as {encoding})"
    return DataError([Problem(str(path), 0, what, f"UTF-8 text; convert it with: {command}")])


def _column_names(header: Iterable[str]) -> list[str]:
    return [name.strip().lower() for name in header]


def _header_problems(file: str, line: int, columns: Iterable[str]) -> Iterator[Problem]:
    for name, count in Counter(filter(None, columns)).items():
        if count > 1:
            what = f"the column '{name}' stands {count} times"
            yield Problem(file, line, what, "every column once (case is ignored)")


def _named(columns: Iterable[str], row: Iterable[Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in zip(columns, row, strict=True)
        if name and not name.startswith("unnamed:")
    }


def _read_jsonl(path: Path, lenient: bool) -> Reading:
    file = str(path)
    faults: list[Problem] = []
    for number, line in enumerate(_decoded_lines(path, faults, lenient), start=1):
        if faults:
            yield from faults
            faults.clear()
        elif line and not line.isspace():
            try:
                yield _object_record(file, number, _loads(line.rstrip(), lenient))
            except orjson.JSONDecodeError as error:
                what = f"broken JSON ({error.msg}, column {error.colno})"
                yield Problem(file, number, what, "one JSON object a line")


def _loads(line: str, lenient: bool) -> Any:
    """A line of JSON; mended, also what Python writes although JSON forbids it. Raises `JSONDecodeError`."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        if not lenient:
            raise
    try:
        return to_valid_json(json.loads(line))
    except RecursionError as error:
        raise orjson.JSONDecodeError("nested too deeply", line, 0) from error
    except json.JSONDecodeError as error:
        raise orjson.JSONDecodeError(error.msg, line, error.pos) from error


def _object_record(file: str, line: int, value: object) -> Record | Problem:
    if not isinstance(value, dict):
        return Problem(file, line, f"a JSON {_json_type(value)}", "a JSON object with the columns as keys")
    columns = _column_names(value)
    twice = next(_header_problems(file, line, columns), None) if len(set(columns)) < len(columns) else None
    return twice or Record(file, line, dict(zip(columns, value.values(), strict=True)))


def _json_type(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _read_json(path: Path, lenient: bool) -> Reading:
    """An array of objects, or an object that holds exactly one such array (`{"data": [...]}`)."""
    file = str(path)
    faults: list[Problem] = []
    text = "".join(_decoded_lines(path, faults, lenient))
    if faults or not text.strip():
        yield from faults
        return
    try:
        yield from _array_records(file, text, lenient)
    except json.JSONDecodeError as error:
        what = f"broken JSON ({error.msg}, column {error.colno})"
        yield Problem(file, error.lineno, what, "a JSON array of objects")
    except RecursionError:
        yield Problem(file, 0, "JSON that is nested too deeply", "a JSON array of objects")


def _array_records(file: str, text: str, lenient: bool) -> Reading:
    start = _find_array(text)
    if start is None:
        expected = "an array of objects, or an object that holds exactly one (pandas: orient='records')"
        yield Problem(file, 1, "JSON without one list of records", expected)
        return
    line, counted = 1, 0
    for place, end, value in _elements(text, start):
        line += text.count("\n", counted, place)
        counted = place
        if lenient:
            yield _object_record(file, line, to_valid_json(value))
        else:
            yield _half_pair(file, line, text[place:end], value) or _object_record(file, line, value)


def _elements(text: str, start: int) -> Iterator[tuple[int, int, Any]]:
    """Where each element of the array at `start` begins and ends, and its value."""
    position = _skip_space(text, start + 1)
    while text[position : position + 1] != "]":
        value, end = _DECODER.raw_decode(text, position)
        yield position, end, value
        position = _skip_space(text, end)
        if text[position : position + 1] == ",":
            position = _skip_space(text, position + 1)
            if text[position : position + 1] == "]":
                raise json.JSONDecodeError("Illegal trailing comma", text, position)
        elif text[position : position + 1] != "]":
            raise json.JSONDecodeError("Expecting ',' or ']'", text, position)
    behind = _skip_space(text, position + 1)
    if not text[:start].strip() and behind < len(text):
        raise json.JSONDecodeError("Extra data", text, behind)


def _find_array(text: str) -> int | None:
    """Where the array of records begins: at the top, or as the only list of an object. None when there is none."""
    start = _skip_space(text, 0)
    if text[start] == "[":
        return start
    lists: list[int] = []
    if isinstance(json.loads(text), dict):
        lists = [place for place, value in _members(text, start) if isinstance(value, list)]
    return lists[0] if len(lists) == 1 else None


def _members(text: str, start: int) -> Iterator[tuple[int, Any]]:
    """The values of the object that begins at `start`, each with its place. The text is known to be JSON."""
    position = _skip_space(text, start + 1)
    while text[position] != "}":
        _, position = _DECODER.raw_decode(text, position)
        place = _skip_space(text, _skip_space(text, position) + 1)
        value, position = _DECODER.raw_decode(text, place)
        yield place, value
        position = _skip_space(text, position)
        if text[position] == ",":
            position = _skip_space(text, position + 1)


def _half_pair(file: str, line: int, source: str, value: object) -> Problem | None:
    r"""`"\ud83d"` without its other half is a string that no request, journal or page can hold."""
    if not _SURROGATE_ESCAPE.search(source):
        return None
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return Problem(file, line, r"half of a surrogate pair (\ud800 to \udfff)", "both halves, or neither")
    return None


def _skip_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _read_parquet(path: Path, _mend: bool) -> Reading:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            f"{path}: reading Parquet needs pyarrow; run: pip install 'evalsuite[parquet]'"
        ) from error
    file = str(path)
    try:
        with parquet.ParquetFile(path, buffer_size=PARQUET_BUFFER_BYTES) as table:
            columns = _column_names(table.schema_arrow.names)
            yield from _header_problems(file, 1, columns)
            row = 0
            for batch in table.iter_batches(batch_size=1024, use_threads=False):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    row += 1
                    yield Record(file, row, _named(columns, values))
    except (pa.ArrowException, OSError) as error:
        yield Problem(file, 0, f"not a readable Parquet file ({error})", "Parquet")


READERS: dict[str, Callable[[Path, bool], Reading]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".parquet": _read_parquet,
}


def first_record(path: Path) -> Record | None:
    """The first row that can be read, to tell a file's kind from; None when the file has no row.

    Raises `DataError` with every bad row where there is no good one.
    """
    problems: list[Problem] = []
    for item in read_records(path):
        if isinstance(item, Record):
            return item
        problems.append(item)
    if problems:
        raise DataError(problems)
    return None
