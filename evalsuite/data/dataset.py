"""A dataset that has been checked row by row, and can then be streamed any number of times.

Two passes over the files keep memory flat: the first validates every row and counts, the second yields
samples one at a time. `--limit` takes the first rows of each subject, spread evenly over the subjects.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from evalsuite.cache import file_sha256
from evalsuite.data.layout import DataFile
from evalsuite.data.readers import Record, read_records
from evalsuite.errors import DataError, Problem
from evalsuite.types import Sample

RowT = TypeVar("RowT")
ID_COLUMN = "id"
UNIFORM_FORMATS = frozenset({".csv", ".tsv", ".parquet"})
"""Formats with one header for all rows, where a missing column is said once."""


class RowError(Exception):
    """A row breaks its kind's rules. `faults` are pairs of what is wrong and what was expected."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(what for what, _ in faults))


class RowParser(Protocol[RowT]):
    """What a task tells the data layer about its rows."""

    def missing(self, columns: Collection[str]) -> list[str]:
        """The required columns that are not there, in words."""

    def parse(self, values: Mapping[str, Any]) -> RowT:
        """The typed row; raises `RowError` with every fault of the row."""

    def subject(self, row: RowT) -> str | None:
        """The subject a row names itself, where it does."""

    def traits(self, row: RowT) -> Iterable[str]:
        """Facts about a row that matter for the whole dataset, to be counted (`zh`, `multiple`, …)."""


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

    def quotas(self, limit: int | None) -> dict[str, int]:
        """How many rows of each subset are asked."""
        return spread_evenly(self.counts, limit)

    def samples(self, limit: int | None = None) -> Iterator[tuple[Sample[RowT], Sequence[RowT]]]:
        """Stream the samples with the few-shot pool that belongs to each."""
        left = self.quotas(limit)
        for file in self.files:
            pool = self.pools.get(file.dev, ()) if file.dev else ()
            for sample in _parsed(file, self.parser):
                if isinstance(sample, Problem):
                    raise DataError([sample], "The file changed while the run was going on; start again.")
                if left.get(sample.subset, 0) > 0:
                    left[sample.subset] -= 1
                    yield sample, pool
            if not any(left.values()):
                return


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
    facts: list[FileFacts] = []
    counts: Counter[str] = Counter()
    traits: Counter[str] = Counter()
    pools: dict[Path, tuple[RowT, ...]] = {}
    for file in files:
        rows = 0
        for sample in _validated(file, parser, problems):
            rows += 1
            counts[sample.subset] += 1
            traits.update(parser.traits(sample.row))
        if file.dev and file.dev not in pools:
            dev = DataFile(file.dev, file.subject)
            pools[file.dev] = tuple(sample.row for sample in _validated(dev, parser, problems))
        facts.append(FileFacts(str(file.path), _sha256(file.path), rows))
    facts += [FileFacts(str(path), _sha256(path), len(rows)) for path, rows in pools.items()]
    if problems:
        raise DataError(problems)
    return Dataset(name, tuple(files), parser, tuple(facts), dict(counts), dict(traits), pools)


def _validated(file: DataFile, parser: RowParser[RowT], problems: list[Problem]) -> Iterator[Sample[RowT]]:
    """The good samples of a file; everything wrong with it goes to `problems`."""
    seen = False
    first_lines: dict[int, int] = {}
    try:
        for item in _parsed(file, parser):
            seen = True
            if isinstance(item, Problem):
                problems.append(item)
                continue
            first = first_lines.setdefault(_short_hash(item.id), item.line)
            if first == item.line:
                yield item
            else:
                what = f"duplicate id '{item.id}' (also on line {first})"
                problems.append(Problem(str(file.path), item.line, what, "every id once in a file"))
    except DataError as error:
        problems.extend(error.problems)
        return
    if not seen:
        problems.append(Problem(str(file.path), 0, "an empty file", "at least one row"))


def _parsed(file: DataFile, parser: RowParser[RowT]) -> Iterator[Sample[RowT] | Problem]:
    uniform = file.path.suffix.lower() in UNIFORM_FORMATS
    for index, record in enumerate(read_records(file.path)):
        if isinstance(record, Problem):
            yield record
        elif uniform and index == 0 and (missing := parser.missing(record.values)):
            found = ", ".join(record.values) or "none"
            yield Problem(
                record.file,
                1,
                f"missing column {' and '.join(missing)}",
                f"it in the header (found: {found})",
            )
            return
        else:
            yield from _sample_or_problems(file, record, index, parser)


def _sample_or_problems(
    file: DataFile, record: Record, index: int, parser: RowParser[RowT]
) -> Iterator[Sample[RowT] | Problem]:
    try:
        row = parser.parse(record.values)
    except RowError as error:
        for what, expected in error.faults:
            yield Problem(record.file, record.line, what, expected)
        return
    own_id = record.values.get(ID_COLUMN)
    yield Sample(
        id=str(index) if own_id is None or own_id == "" else str(own_id),
        index=index,
        line=record.line,
        subset=parser.subject(row) or file.subject,
        row=row,
    )


def _short_hash(text: str) -> int:
    """64 bits stand for an id, so that a million ids stay small; a clash is less likely than a disk error."""
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )


def _sha256(path: Path) -> str:
    return file_sha256(path) if path.is_file() else ""
