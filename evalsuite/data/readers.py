"""One file → its records, in order, with the line each starts on.

CSV, TSV, JSON Lines and Parquet are streamed; a JSON document is held as a whole. Column names are compared without
case, width and invisible characters. A row that cannot be read becomes a `Problem` in the stream, so that one pass finds
every bad row; what was read although it is not as it should be becomes a `Repair`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evalsuite.data.columns import ColumnNames
from evalsuite.data.delimited import read_csv, read_tsv
from evalsuite.data.json_files import read_json, read_jsonl
from evalsuite.data.parquet_files import read_parquet
from evalsuite.data.records import Record, RecordStream
from evalsuite.errors import DataError, Problem

READERS: dict[str, Callable[[Path, bool], RecordStream]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".parquet": read_parquet,
}
ADVICE = {
    ".txt": "Excel's 'Unicode text' is tab-separated: name it .tsv. One JSON object a line: name it .jsonl.",
    ".xlsx": "In Excel: Save as, CSV UTF-8.",
    ".xls": "In Excel: Save as, CSV UTF-8.",
    ".ods": "In LibreOffice: Save as, Text CSV, character set UTF-8.",
    ".ndjson": "It is JSON Lines: name it .jsonl.",
}
"""What to do with files of other formats."""
OTHER_ADVICE = "Convert the file or give it the ending that says what it is."


def read_records(path: Path, *, lenient: bool = False, columns: ColumnNames | None = None) -> RecordStream:
    """Yield every record of a data file, a `Problem` for every row that is not one, a `Repair` for what was repaired.

    `lenient` files hold model text: what UTF-8 or strict JSON cannot hold (half of an emoji, `NaN`) is replaced, not
    refused. `columns` are the user's own names. Raises `DataError` for a file that is missing, of an unknown format,
    or not readable at all.
    """
    ending = path.suffix.lower()
    reader = READERS.get(ending)
    if reader is None:
        raise DataError(
            [Problem(str(path), 0, f"unknown file format '{path.suffix}'", f"one of {' '.join(READERS)}")],
            ADVICE.get(ending, OTHER_ADVICE),
        )
    try:
        stream = reader(path, lenient)
        yield from _renamed(str(path), stream, columns) if columns else stream
    except OSError as error:
        advice = "Check the path and its permissions."
        raise DataError(
            [Problem(str(path), 0, error.strerror or str(error), "a readable file")], advice
        ) from error


def _renamed(file: str, stream: RecordStream, columns: ColumnNames) -> RecordStream:
    """The records under our names; at the end, a fault for every name of the user's that is no column."""
    known: dict[str, None] = {}
    for item in stream:
        if isinstance(item, Record):
            known |= dict.fromkeys(item.values)
            yield Record(item.file, item.line, columns.apply(item.values))
        else:
            yield item
    for ours, theirs in columns.pairs:
        if known and theirs not in known:
            what = f"--columns {ours}={theirs}: there is no column '{theirs}'"
            yield Problem(file, 1, what, f"one of {', '.join(known)}")


def first_record(path: Path, *, columns: ColumnNames | None = None) -> Record | None:
    """Return the first row that can be read, to tell a file's kind from; None when the file has no row.

    Raises `DataError` with every bad row where there is no good one.
    """
    problems: list[Problem] = []
    for item in read_records(path, columns=columns):
        if isinstance(item, Record):
            return item
        if isinstance(item, Problem):
            problems.append(item)
    if problems:
        raise DataError(problems)
    return None
