"""Which files make up a dataset: a file, or a folder of subjects with its few-shot (`dev`) files.

    one file            ceval_val.csv          few-shot from ceval_dev.csv beside it, where there is one
    split folders       test/ val/ dev/        one file a subject in each (C-Eval, CMMLU, MMLU)
    suffixed files      NAME_val.csv NAME_test.csv NAME_dev.csv in one folder

Of a folder's splits the one that is evaluated is the first of `test`, `val`, `validation` that carries answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.data.columns import ColumnNames
from evalsuite.data.readers import READERS, first_record
from evalsuite.errors import DataError, Problem

EVALUATED_SPLITS = ("test", "val", "validation")
DEV_SPLIT = "dev"
FILE_NAMES = ColumnNames()
"""Columns are called as they are in the file."""
GENERIC_STEMS = frozenset({"test", "val", "validation", "dev", "train", "data"})
ANSWER_COLUMNS = ("answer", "response", "target", "messages")
_SUFFIX = re.compile(r"^(?P<name>.+)_(?P<split>test|val|validation|dev)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file to evaluate, the subject it stands for, and where its few-shot examples come from."""

    path: Path
    subject: str
    dev: Path | None = None
    columns: ColumnNames = FILE_NAMES
    """The user's own names of columns."""
    lenient: bool = False
    """Whether it holds model text; see `readers.read_records`."""
    in_subject_folder: bool = False
    """Whether it is one of a folder's, so that its name is the subject of rows that name none."""


def find_files(path: Path, columns: ColumnNames = FILE_NAMES) -> tuple[DataFile, ...]:
    """The files of a dataset, sorted by subject.

    Raises `DataError` when the path does not exist or is a folder without a known layout.
    """
    if path.is_file():
        return (DataFile(path, subject_of(path), _dev_beside(path), columns),)
    if not path.is_dir():
        raise DataError(
            [Problem(str(path), 0, "no such file or folder", "a data file or a folder of subjects")],
            "Check the path.",
        )
    splits = _split_folders(path)
    evaluated = _evaluated(splits, columns)
    if not evaluated:
        splits = _suffixed_files(path)
        evaluated = _evaluated(splits, columns)
    if not evaluated:
        expected = "test/ or val/ (and dev/) with one file a subject, or files named NAME_val.csv or NAME_test.csv (and NAME_dev.csv)"
        raise DataError(
            [Problem(str(path), 0, "a folder without a known layout", expected)],
            f"Rename the files, or name one file: {', '.join(sorted(READERS))} are read.",
        )
    dev = _by_subject(splits.get(DEV_SPLIT, ()))
    subjects = sorted(_by_subject(evaluated).items())
    return tuple(
        DataFile(file, subject, dev.get(subject), columns, in_subject_folder=True)
        for subject, file in subjects
    )


def dataset_name(path: Path) -> str:
    """The name results are listed under: the folder's or the file's, or the parent's for a `test.jsonl`."""
    named = path if path.name not in ("", "..") else path.resolve()
    stem = named.name if path.is_dir() else subject_of(path)
    parent = path.resolve().parent.name
    return parent if stem.lower() in GENERIC_STEMS and parent else stem


def subject_of(path: Path) -> str:
    """`physics_val.csv` → `physics`."""
    match = _SUFFIX.match(path.stem)
    return match["name"] if match else path.stem


def _data_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in READERS and not file.name.startswith(".") and file.is_file()
    )


def _split_folders(root: Path) -> dict[str, list[Path]]:
    return {split: _data_files(root / split) for split in (*EVALUATED_SPLITS, DEV_SPLIT)}


def _suffixed_files(root: Path) -> dict[str, list[Path]]:
    splits: dict[str, list[Path]] = {}
    for file in _data_files(root):
        if match := _SUFFIX.match(file.stem):
            splits.setdefault(match["split"].lower(), []).append(file)
    return splits


def _evaluated(splits: Mapping[str, Sequence[Path]], columns: ColumnNames) -> Sequence[Path]:
    """The files of the first split that carries answers; without any, of the first that is there."""
    present = [splits[split] for split in EVALUATED_SPLITS if splits.get(split)]
    answered = (files for files in present if any(_has_answers(file, columns) for file in files))
    return next(answered, present[0] if present else ())


def _has_answers(path: Path, columns: ColumnNames) -> bool:
    try:
        record = first_record(path, columns=columns)
    except DataError:
        return True  # nobody can tell; checking its rows says what is wrong with it
    return record is not None and any(record.values.get(name) for name in ANSWER_COLUMNS)


def _by_subject(files: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        other = found.setdefault(subject_of(file), file)
        if other is not file:
            what = f"a second file for the subject '{subject_of(file)}' (also {other.name})"
            raise DataError([Problem(str(file), 0, what, "one file a subject")], "Remove one of them.")
    return found


def _dev_beside(path: Path) -> Path | None:
    """`NAME_dev` for `NAME_val`, `dev` for a generic `test`; or the same subject in `dev/` beside a split folder."""
    generic = path.stem.lower() in GENERIC_STEMS
    wanted = DEV_SPLIT if generic else f"{subject_of(path)}_{DEV_SPLIT}"
    folder = path.absolute().parent
    found = [file for file in _data_files(path.parent) if file.stem.lower() == wanted.lower()]
    if folder.name in EVALUATED_SPLITS:
        dev = _data_files(folder.parent / DEV_SPLIT)
        found += [file for file in dev if subject_of(file) == subject_of(path)]
    others = [file for file in found if not file.samefile(path)]
    return min(others, key=lambda file: file.suffix.lower() != path.suffix.lower(), default=None)
