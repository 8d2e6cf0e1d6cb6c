"""Which files make up a dataset: a file, or a folder of subjects with its few-shot (`dev`) files.

    one file            ceval_val.csv          few-shot from ceval_dev.csv beside it, where there is one
    split folders       test/ val/ dev/        one file a subject in each (C-Eval, CMMLU, MMLU)
    suffixed files      NAME_val.csv NAME_test.csv NAME_dev.csv in one folder

Of a folder's splits the one that is evaluated is `test` where it carries answers, else `val`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.data.readers import READERS, first_record
from evalsuite.errors import DataError, Problem

EVALUATED_SPLITS = ("test", "val", "validation")
DEV_SPLIT = "dev"
GENERIC_STEMS = frozenset({"test", "val", "validation", "dev", "train", "data"})
ANSWER_COLUMNS = frozenset({"answer", "response", "target"})
_SUFFIX = re.compile(r"^(?P<name>.+)_(?P<split>test|val|validation|dev)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file to evaluate, the subject it stands for, and where its few-shot examples come from."""

    path: Path
    subject: str
    dev: Path | None = None


def find_files(path: Path) -> tuple[DataFile, ...]:
    """The files of a dataset, sorted by subject.

    Raises `DataError` when the path does not exist or is a folder without a known layout.
    """
    if path.is_file():
        return (DataFile(path, subject_of(path), _dev_beside(path)),)
    if not path.is_dir():
        raise DataError(
            [Problem(str(path), 0, "no such file or folder", "a data file or a folder of subjects")],
            "Check the path.",
        )
    files = _split_folders(path) or _suffixed_files(path)
    if not files:
        expected = "test/ or val/ (and dev/) with one file a subject, or files named NAME_val.csv or NAME_test.csv (and NAME_dev.csv)"
        raise DataError(
            [Problem(str(path), 0, "a folder without a known layout", expected)],
            f"Rename the files, or name one file: {', '.join(sorted(READERS))} are read.",
        )
    return tuple(sorted(files, key=lambda file: file.subject))


def dataset_name(path: Path) -> str:
    """The name results are listed under: the folder's or the file's, or the parent's for a `test.jsonl`."""
    stem = path.name if path.is_dir() else subject_of(path)
    parent = path.absolute().parent.name
    return parent if stem.lower() in GENERIC_STEMS and parent else stem


def subject_of(path: Path) -> str:
    """`physics_val.csv` → `physics`."""
    match = _SUFFIX.match(path.stem)
    return match["name"] if match else path.stem


def _data_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        file for file in folder.iterdir() if file.suffix.lower() in READERS and not file.name.startswith(".")
    )


def _split_folders(root: Path) -> list[DataFile]:
    for split in EVALUATED_SPLITS:
        paths = _data_files(root / split)
        if paths and (split != "test" or _has_answers(paths[0]) or not _data_files(root / "val")):
            dev = {subject_of(file): file for file in _data_files(root / DEV_SPLIT)}
            return [DataFile(file, subject_of(file), dev.get(subject_of(file))) for file in paths]
    return []


def _suffixed_files(root: Path) -> list[DataFile]:
    splits: dict[str, dict[str, Path]] = {}
    for file in _data_files(root):
        match = _SUFFIX.match(file.stem)
        if match:
            splits.setdefault(match["split"].lower(), {})[match["name"]] = file
    dev = splits.get(DEV_SPLIT, {})
    for split in EVALUATED_SPLITS:
        files = splits.get(split, {})
        if files and (split != "test" or "val" not in splits or _has_answers(next(iter(files.values())))):
            return [DataFile(file, subject, dev.get(subject)) for subject, file in files.items()]
    return []


def _has_answers(path: Path) -> bool:
    record = first_record(path)
    return record is not None and not ANSWER_COLUMNS.isdisjoint(record.values)


def _dev_beside(path: Path) -> Path | None:
    """`NAME_dev` for `NAME_val`, `dev` for a generic `test`; or the sibling folder `dev/` of a split folder."""
    subject = subject_of(path)
    names: Sequence[Path] = [path.with_name(f"{subject}_{DEV_SPLIT}{path.suffix}")]
    if path.stem.lower() in GENERIC_STEMS:
        names = [path.with_name(f"{DEV_SPLIT}{path.suffix}")]
    elif path.parent.name in EVALUATED_SPLITS:
        names = [
            *names,
            path.parent.parent / DEV_SPLIT / path.name,
            path.parent.parent / DEV_SPLIT / names[0].name,
        ]
    return next((name for name in names if name.is_file() and name != path), None)
