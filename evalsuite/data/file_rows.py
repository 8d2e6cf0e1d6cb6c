"""One file → its typed rows, everything wrong with it, and what there is to be said of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from evalsuite._util.compact import HashSet, short_hash
from evalsuite._util.invisible import spell_out
from evalsuite.data import pictures
from evalsuite.data.columns import peek, replace_columns
from evalsuite.data.layout import DataFile
from evalsuite.data.notes import DatasetNotes
from evalsuite.data.readers import read_records
from evalsuite.data.records import Record, RecordStream, Repair
from evalsuite.data.row_parser import RowError, RowParser, RowT, SkippedRow
from evalsuite.data.subsets import subset_name
from evalsuite.errors import DataError, Problem
from evalsuite.types import Sample

ID_COLUMN = "id"
SUBJECT_COLUMN = "subject"
FORMATS_WITH_HEADER = frozenset({".csv", ".tsv", ".parquet"})
"""Formats with one header for all rows, where a missing column is said once."""
CONTROL_CHARACTER = "the column '{}' holds the control character {}, which is sent as it is"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def validate_file(
    file: DataFile, parser: RowParser[RowT], problems: list[Problem], notes: DatasetNotes
) -> Iterator[Sample[RowT]]:
    """Yield the good samples of a file; everything wrong with it goes to `problems`, invisible characters spelled out."""
    seen = False
    ids, repeated = HashSet(), set[int]()
    found: list[Problem] = []
    try:
        for item in parse_file(file, parser, notes):
            seen = True
            if isinstance(item, Problem):
                found.append(item)
            elif ids.add(short := short_hash(item.id)):
                yield item
            else:
                repeated.add(short)
    except DataError as error:
        problems += map(_spelled_out, (*_in_line_order(found, file, parser, repeated), *error.problems))
        return
    if not seen:
        what = "no rows" if file.path.stat().st_size else "an empty file"
        if reason := notes.skipped.get(str(file.path)):
            what = f"no row is left: {reason}"
        found.append(Problem(str(file.path), 0, what, "at least one row"))
    problems += map(_spelled_out, _in_line_order(found, file, parser, repeated))


def _spelled_out(problem: Problem) -> Problem:
    return Problem(problem.file, problem.line, spell_out(problem.what), spell_out(problem.expected))


def _in_line_order(
    found: list[Problem], file: DataFile, parser: RowParser[RowT], repeated: Collection[int]
) -> list[Problem]:
    """The problems of a file with those of repeated ids. Only if there are any, their lines are looked for."""
    if not repeated:
        return found
    return sorted([*found, *_duplicate_id_problems(file, parser, repeated)], key=lambda problem: problem.line)


def _duplicate_id_problems(
    file: DataFile, parser: RowParser[RowT], repeated: Collection[int]
) -> Iterator[Problem]:
    first_lines: dict[int, int] = {}
    try:
        for item in parse_file(file, parser, DatasetNotes()):
            if isinstance(item, Problem) or (short := short_hash(item.id)) not in repeated:
                continue
            if short in first_lines:
                what = f"duplicate id '{item.id}' (also on line {first_lines[short]})"
                yield Problem(str(file.path), item.line, what, "every id once in a file")
            else:
                first_lines[short] = item.line
    except DataError:
        return  # as far as it could be read


def parse_file(
    file: DataFile, parser: RowParser[RowT], notes: DatasetNotes
) -> Iterator[Sample[RowT] | Problem]:
    """Yield the samples of a file, and a `Problem` for every fault of a row."""
    uniform = file.path.suffix.lower() in FORMATS_WITH_HEADER
    said = False
    known: dict[str, str] = {}
    index = -1
    for record in _read_rows(file, parser, notes):
        if isinstance(record, Repair):
            notes.add(record)
            continue
        index += 1
        if isinstance(record, Problem):
            yield record
        elif missing := parser.missing_columns(record.values):
            if not (uniform and said):
                yield _in_users_words(file, _missing_column(record, missing, in_header=uniform))
            said = True
        else:
            if not file.lenient:
                for what in _control_characters(record.values):
                    notes.add(Repair(record.file, record.line, what))
            for item in _sample_or_problems(file, record, index, parser, known):
                if isinstance(item, Problem):
                    yield _in_users_words(file, item)
                else:
                    for what in parser.repairs(item.row):
                        notes.add(Repair(record.file, record.line, what))
                    yield item


def _control_characters(values: Mapping[str, Any]) -> Iterator[str]:
    """What is to be said of columns with characters that no text has, such as NUL; tabs and line ends are fine."""
    for name, value in peek(values).items():
        texts = value if isinstance(value, list | tuple) else (value,)
        for text in texts:
            if isinstance(text, str) and (found := _CONTROL.search(text)):
                yield CONTROL_CHARACTER.format(name, found.group())
                break


def _in_users_words(file: DataFile, problem: Problem) -> Problem:
    if not file.columns:
        return problem
    words = file.columns.in_words
    return Problem(problem.file, problem.line, words(problem.what), words(problem.expected))


def _read_rows(file: DataFile, parser: RowParser[RowT], notes: DatasetNotes) -> RecordStream:
    """The records of a file, those that hold several rows taken apart."""
    number = -1
    for record in read_records(file.path, lenient=file.lenient, columns=file.columns):
        if isinstance(record, Repair):
            yield record
            continue
        number += 1
        if isinstance(record, Problem):
            yield record
            continue
        try:
            for values in parser.expand(notes.usage.watch(record.values), number):
                yield Record(record.file, record.line, values, record.values.keys())
        except RowError as error:
            yield from _row_problems(record, error)
        except SkippedRow as skipped:
            notes.skip(Repair(record.file, record.line, str(skipped)))


def _row_problems(record: Record, error: RowError) -> Iterator[Problem]:
    return (Problem(record.file, record.line, what, expected) for what, expected in error.faults)


def _missing_column(record: Record, missing: Sequence[str], *, in_header: bool) -> Problem:
    several = len(missing) > 1
    what = f"missing column{'s' if several else ''} {' and '.join(missing)}"
    place = "in the header" if in_header else "among the keys"
    found = ", ".join(record.columns or record.values) or "none"
    return Problem(
        record.file,
        1 if in_header else record.line,
        what,
        f"{'them' if several else 'it'} {place} (found: {found})",
    )


def _sample_or_problems(
    file: DataFile, record: Record, index: int, parser: RowParser[RowT], known: dict[str, str]
) -> Iterator[Sample[RowT] | Problem]:
    pictured = pictures.has_picture_columns(tuple(record.values))
    try:
        values = _with_pictures(file, record.values, known, pictured=pictured)
    except pictures.PictureError as error:
        yield Problem(record.file, record.line, str(error), pictures.EXPECTED)
        return
    if file.in_subject_folder and not values.get(SUBJECT_COLUMN):
        values = replace_columns(values, {SUBJECT_COLUMN: file.subject})
    try:
        row = parser.parse(values)
    except RowError as error:
        yield from _row_problems(record, error)
        return
    own_id = record.values.get(ID_COLUMN, record.values.get("index") if pictured else None)
    yield Sample(
        id=str(index) if own_id is None or own_id == "" else str(own_id).strip(),
        index=index,
        line=record.line,
        subset=subset_name(parser.facts(row).subject or file.subject),
        row=row,
    )


def _with_pictures(
    file: DataFile, values: Mapping[str, Any], known: dict[str, str], *, pictured: bool
) -> Mapping[str, Any]:
    """The row with its pictures. Raises `PictureError`; texts may mention missing ones only in files of predictions."""
    folder = file.path.parent
    found = pictures.read_pictures(values, folder, known) if pictured else ()
    if pictured:
        values = replace_columns(values, {pictures.PICTURES: found})
    if file.lenient:
        return values
    pictures.check_placeholders(peek(values).values(), found)
    messages = peek(values).get("messages")
    resolved = pictures.resolve_messages(messages, folder) if messages else messages
    return values if resolved is messages else replace_columns(values, {"messages": resolved})
