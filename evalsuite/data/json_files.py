"""JSON and JSON Lines. The content says which of the two a file is, whatever its name says.

JSON Lines are streamed; JSON is one document and is held as a whole. A document is an array of objects, or an object
that holds exactly one such array (`{"data": [...]}`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from evalsuite._util.json_values import to_valid_json
from evalsuite.data.columns import column_name
from evalsuite.data.delimited import header_problems
from evalsuite.data.encodings import decoded_lines
from evalsuite.data.records import Record, RecordStream, Repair
from evalsuite.errors import Problem

LINES_IN_JSON = "the file holds JSON Lines (one object a line), which is what .jsonl says"
DOCUMENT_IN_JSONL = "the file holds one JSON document, which is what .json says"
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def read_jsonl(path: Path, lenient: bool) -> RecordStream:
    """Yield the objects of a JSON Lines file, or of one JSON document in its place."""
    found: list[Problem | Repair] = []
    lines = decoded_lines(path, found, lenient=lenient)
    blank: list[str] = []
    for line in lines:
        if line.strip():
            break
        blank.append(line)
    else:
        yield from found
        return
    if _begins_document(line) and (text := _document(chain([*blank, line], lines))) is not None:
        yield from found
        yield Repair(str(path), 1, DOCUMENT_IN_JSONL)
        yield from _document_records(str(path), text, lenient)
    else:
        again: list[Problem | Repair] = []
        yield from _line_records(str(path), decoded_lines(path, again, lenient=lenient), again, lenient)


def _begins_document(line: str) -> bool:
    """Whether a first line can be the beginning of a document, and no object of its own."""
    if not line.lstrip().startswith(("[", "{")):
        return False
    try:
        value = orjson.loads(line.strip())
    except orjson.JSONDecodeError:
        return True
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _document(lines: Iterable[str]) -> str | None:
    """The whole text, if it is one JSON value that holds records."""
    text = "".join(lines)
    try:
        json.loads(text)
        return text if _find_array(text) is not None else None
    except (ValueError, RecursionError):
        return None


def _line_records(
    file: str, lines: Iterable[str], found: list[Problem | Repair], lenient: bool
) -> RecordStream:
    for number, line in enumerate(lines, start=1):
        bad = False
        if found:
            bad = any(isinstance(item, Problem) for item in found)
            yield from found
            found.clear()
        if not bad and line and not line.isspace():
            try:
                yield object_record(file, number, _loads(line.rstrip(), lenient))
            except orjson.JSONDecodeError as error:
                what = f"broken JSON ({error.msg}, column {error.colno})"
                yield Problem(file, number, what, "one JSON object a line")


def _loads(line: str, lenient: bool) -> Any:
    """A line of JSON; if lenient, also what Python writes although JSON forbids it. Raises `JSONDecodeError`."""
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


def object_record(file: str, line: int, value: object) -> Record | Problem:
    """Return an object's record; a fault for what is no object or has a key twice."""
    if not isinstance(value, dict):
        return Problem(file, line, f"a JSON {_json_type(value)}", "a JSON object with the columns as keys")
    columns = [column_name(name) for name in value]
    twice = next(header_problems(file, line, columns), None) if len(set(columns)) < len(columns) else None
    return twice or Record(file, line, dict(zip(columns, value.values(), strict=True)))


def _json_type(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def read_json(path: Path, lenient: bool) -> RecordStream:
    """Yield the objects of a JSON document, or of JSON Lines in its place."""
    file = str(path)
    found: list[Problem | Repair] = []
    text = "".join(decoded_lines(path, found, lenient=lenient))
    yield from found
    if any(isinstance(item, Problem) for item in found) or not text.strip():
        return
    if _holds_json_lines(text):
        yield Repair(file, 1, LINES_IN_JSON)
        yield from _line_records(file, text.split("\n"), [], lenient)
    else:
        yield from _document_records(file, text, lenient)


def _holds_json_lines(text: str) -> bool:
    """Whether the first line that is not blank is an object of its own, and another object follows it."""
    start = _skip_space(text, 0)
    if text[start] != "{":
        return False
    try:
        _, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return False
    return "\n" in text[end : _skip_space(text, end)] and text.startswith("{", _skip_space(text, end))


def _document_records(file: str, text: str, lenient: bool) -> RecordStream:
    try:
        yield from _array_records(file, text, lenient)
    except json.JSONDecodeError as error:
        what = f"broken JSON ({error.msg}, column {error.colno})"
        yield Problem(file, error.lineno, what, "a JSON array of objects")
    except RecursionError:
        yield Problem(file, 0, "JSON that is nested too deeply", "a JSON array of objects")


def _array_records(file: str, text: str, lenient: bool) -> RecordStream:
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
            yield object_record(file, line, to_valid_json(value))
        else:
            yield _half_pair(file, line, text[place:end], value) or object_record(file, line, value)


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
