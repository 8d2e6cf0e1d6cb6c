"""A dataset that has been checked row by row, and can then be streamed any number of times.

Two passes over the files keep memory flat: the first validates every row and counts, the second yields samples one at a
time; small files are read once and their samples kept. `--limit` takes the first rows of each subject, spread evenly
over the subjects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from evalsuite._util.user_cache import file_sha256
from evalsuite.data.columns import ColumnNames
from evalsuite.data.file_rows import parse_file, validate_file
from evalsuite.data.layout import FILE_NAMES, DataFile
from evalsuite.data.notes import DatasetNotes
from evalsuite.data.row_parser import RowParser, RowT
from evalsuite.errors import DataError, Problem
from evalsuite.types import Sample

CACHED_DATASET_BYTES = 4 << 20
"""Datasets whose files are no larger together are read once: their samples stay in memory."""
FILE_CHANGED_ADVICE = "The file changed while the run was going on; start again."


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the first pass found in one file."""

    path: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Dataset(Generic[RowT]):
    """Validated files of one kind, under the name results are listed by."""

    name: str
    files: tuple[DataFile, ...]
    parser: RowParser[RowT]
    facts: tuple[FileFacts, ...]
    counts: Mapping[str, int]
    """Rows of each subset, in file order, before `limit`."""
    traits: Mapping[str, int]
    pools: Mapping[Path, tuple[RowT, ...]] = field(default_factory=dict)
    """Few-shot rows by dev file."""
    kept: Mapping[Path, Sequence[Sample[RowT]]] = field(default_factory=dict)
    """The samples of small datasets, by file; empty for others, which are read again."""
    columns: ColumnNames = FILE_NAMES
    """The user's own names of columns."""
    notes: tuple[str, ...] = ()
    """What users are told once: what was repaired, and which columns nothing reads. A sentence each."""

    def quotas(self, limit: int | None) -> dict[str, int]:
        """How many rows of each subset are asked."""
        return spread_evenly(self.counts, limit)

    def row_warnings(self) -> Iterator[Problem]:
        """Yield what looks wrong in good rows, in file order; it keeps nothing from being asked."""
        return self.findings(self.parser.audit)

    def findings(self, find: Callable[[RowT], Iterable[tuple[str, str]]]) -> Iterator[Problem]:
        """Yield what `find` says of good rows, in file order."""
        for file, sample in self.rows():
            for what, expected in find(sample.row):
                yield Problem(str(file.path), sample.line, f"row '{sample.id}': {what}", expected)

    def rows(self) -> Iterator[tuple[DataFile, Sample[RowT]]]:
        """Stream every row with the file it is in."""
        for file in self.files:
            for sample in self._read(file):
                yield file, sample

    def samples(self, limit: int | None = None) -> Iterator[tuple[Sample[RowT], Sequence[RowT]]]:
        """Stream the samples with the few-shot pool that belongs to each."""
        left = self.quotas(limit)
        for file in self.files:
            pool = self.pools.get(file.dev, ()) if file.dev else ()
            for sample in self._read(file):
                if left.get(sample.subset, 0) > 0:
                    left[sample.subset] -= 1
                    yield sample, pool
            if not any(left.values()):
                return
        missing = ", ".join(f"{count} of '{subset}'" for subset, count in left.items() if count)
        gone = Problem(
            str(self.files[0].path), 0, f"rows that were there are gone ({missing})", "the same file"
        )
        raise DataError([gone], FILE_CHANGED_ADVICE)

    def _read(self, file: DataFile) -> Iterator[Sample[RowT]]:
        if file.path in self.kept:
            yield from self.kept[file.path]
            return
        for sample in parse_file(file, self.parser, DatasetNotes()):
            if isinstance(sample, Problem):
                raise DataError([sample], FILE_CHANGED_ADVICE)
            yield sample


def spread_evenly(counts: Mapping[str, int], limit: int | None) -> dict[str, int]:
    """Share `limit` rows over the subsets as evenly as their sizes allow, earlier subsets first."""
    if limit is None:
        return dict(counts)
    quotas = dict.fromkeys(counts, 0)
    left = min(limit, sum(counts.values()))
    while left:
        open_subsets = [name for name in counts if quotas[name] < counts[name]]
        share = max(1, left // len(open_subsets))
        for name in open_subsets:
            take = min(share, counts[name] - quotas[name], left)
            quotas[name] += take
            left -= take
    return quotas


def load_dataset(name: str, files: Sequence[DataFile], parser: RowParser[RowT]) -> Dataset[RowT]:
    """Check every row of every file, few-shot files included. Raises `DataError` that lists all bad rows."""
    problems: list[Problem] = []
    notes = DatasetNotes()
    counts: Counter[str] = Counter()
    traits: Counter[str] = Counter()
    rows: Counter[Path] = Counter()
    pools: dict[Path, tuple[RowT, ...]] = {}
    kept: dict[Path, list[Sample[RowT]]] = {}
    small = sum(file.path.stat().st_size for file in files) <= CACHED_DATASET_BYTES
    for file in files:
        if small:
            kept[file.path] = []
        for sample in validate_file(file, parser, problems, notes):
            rows[file.path] += 1
            counts[sample.subset] += 1
            traits.update(parser.traits(sample.row))
            if small:
                kept[file.path].append(sample)
        if file.dev and file.dev not in pools:
            dev = DataFile(file.dev, file.subject, columns=file.columns)
            pools[file.dev] = tuple(sample.row for sample in validate_file(dev, parser, problems, notes))
    if problems:
        raise DataError(problems)
    rows.update({path: len(pool) for path, pool in pools.items()})
    facts = tuple(FileFacts(str(path), file_sha256(path), count) for path, count in rows.items())
    said = tuple(notes.sentences(files[0].columns))
    return Dataset(
        name, tuple(files), parser, facts, dict(counts), dict(traits), pools, kept, files[0].columns, said
    )
