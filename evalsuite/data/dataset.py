"""A dataset that has been checked row by row, and can then be streamed any number of times.

Two passes over the files keep memory flat: the first validates every row and counts, the second yields
samples one at a time; the samples of small files are kept by the first. `--limit` takes the first rows of each subject, spread evenly over the subjects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from evalsuite._util.compact import HashSet, short_hash
from evalsuite._util.user_cache import file_sha256
from evalsuite.data import pictures
from evalsuite.data.layout import DataFile
from evalsuite.data.readers import Reading, Record, read_records
from evalsuite.errors import DataError, Problem
from evalsuite.types import Reply, Sample

RowT = TypeVar("RowT")
ID_COLUMN = "id"
SUBJECT_COLUMN = "subject"
WHOLE_DATASET = "all"
"""The subset under which results of all rows stand."""
CATEGORY_PREFIX = "category:"
"""Begins the subset under which results of a category stand; no subject is called so."""
FORMATS_WITH_HEADER = frozenset({".csv", ".tsv", ".parquet"})
"""Formats with one header for all rows, where a missing column is said once."""
CACHED_DATASET_BYTES = 4 << 20
"""Datasets whose files are no larger together are read once: their samples stay in memory."""
FILE_CHANGED_ADVICE = "The file changed while the run was going on; start again."


class RowError(Exception):
    """A row breaks its kind's rules. `faults` are pairs of what is wrong and what was expected."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(what for what, _ in faults))


class RowParser(Protocol[RowT]):
    """What a task tells the data layer about its rows."""

    def missing(self, columns: Collection[str]) -> list[str]:
        """The required columns that are not there, in words."""

    def expand(self, values: Mapping[str, Any], number: int) -> Iterable[Mapping[str, Any]]:
        """The rows of the record at 0-based `number`; raises `RowError`."""

    def parse(self, values: Mapping[str, Any]) -> RowT:
        """The typed row; raises `RowError` with every fault of the row."""

    def audit(self, row: RowT) -> Iterable[tuple[str, str]]:
        """What is odd about a good row: pairs of what it is and what was expected."""

    def subject(self, row: RowT) -> str | None:
        """The subject a row names itself, where it does."""

    def traits(self, row: RowT) -> Iterable[str]:
        """Facts about a row that matter for the whole dataset, to be counted (`zh`, `multiple`, …)."""


class ReplyParser(RowParser[RowT], Protocol[RowT]):
    """What a task tells besides of rows that come with what was answered."""

    def recorded_reply(self, values: Mapping[str, Any]) -> Reply | None:
        """The reply in columns of the kind's own; None where there are none. Raises `RowError`."""

    def recorded_reply_traits(self, row: RowT, reply: Reply) -> Iterable[str]:
        """Facts about a reply that matter for the whole dataset."""


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

    def quotas(self, limit: int | None) -> dict[str, int]:
        """How many rows of each subset are asked."""
        return spread_evenly(self.counts, limit)

    def row_warnings(self) -> Iterator[Problem]:
        """What is odd about good rows, in file order; it keeps nothing from being asked."""
        return self.findings(self.parser.audit)

    def findings(self, find: Callable[[RowT], Iterable[tuple[str, str]]]) -> Iterator[Problem]:
        """What `find` says of good rows, in file order."""
        for file in self.files:
            for sample in self._read(file):
                for what, expected in find(sample.row):
                    yield Problem(str(file.path), sample.line, f"row '{sample.id}': {what}", expected)

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
        for sample in _parse_file(file, self.parser):
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
    counts: Counter[str] = Counter()
    traits: Counter[str] = Counter()
    rows: Counter[Path] = Counter()
    pools: dict[Path, tuple[RowT, ...]] = {}
    kept: dict[Path, list[Sample[RowT]]] = {}
    small = sum(file.path.stat().st_size for file in files) <= CACHED_DATASET_BYTES
    for file in files:
        if small:
            kept[file.path] = []
        for sample in _validate_file(file, parser, problems):
            rows[file.path] += 1
            counts[sample.subset] += 1
            traits.update(parser.traits(sample.row))
            if small:
                kept[file.path].append(sample)
        if file.dev and file.dev not in pools:
            dev = DataFile(file.dev, file.subject)
            pools[file.dev] = tuple(sample.row for sample in _validate_file(dev, parser, problems))
    if problems:
        raise DataError(problems)
    rows.update({path: len(pool) for path, pool in pools.items()})
    facts = tuple(FileFacts(str(path), file_sha256(path), count) for path, count in rows.items())
    return Dataset(name, tuple(files), parser, facts, dict(counts), dict(traits), pools, kept)


def _validate_file(
    file: DataFile, parser: RowParser[RowT], problems: list[Problem]
) -> Iterator[Sample[RowT]]:
    """The good samples of a file; everything wrong with it goes to `problems`."""
    seen = False
    ids, repeated = HashSet(), set[int]()
    found: list[Problem] = []
    try:
        for item in _parse_file(file, parser):
            seen = True
            if isinstance(item, Problem):
                found.append(item)
            elif ids.add(short := short_hash(item.id)):
                yield item
            else:
                repeated.add(short)
    except DataError as error:
        problems += [*_in_line_order(found, file, parser, repeated), *error.problems]
        return
    if not seen:
        what = "no rows" if file.path.stat().st_size else "an empty file"
        found.append(Problem(str(file.path), 0, what, "at least one row"))
    problems += _in_line_order(found, file, parser, repeated)


def _in_line_order(
    found: list[Problem], file: DataFile, parser: RowParser[RowT], repeated: Collection[int]
) -> list[Problem]:
    """The problems of a file with those of ids that stand twice. Only then their lines are looked for."""
    if not repeated:
        return found
    return sorted([*found, *_duplicate_id_problems(file, parser, repeated)], key=lambda problem: problem.line)


def _duplicate_id_problems(
    file: DataFile, parser: RowParser[RowT], repeated: Collection[int]
) -> Iterator[Problem]:
    first_lines: dict[int, int] = {}
    try:
        for item in _parse_file(file, parser):
            if isinstance(item, Problem) or (short := short_hash(item.id)) not in repeated:
                continue
            if short in first_lines:
                what = f"duplicate id '{item.id}' (also on line {first_lines[short]})"
                yield Problem(str(file.path), item.line, what, "every id once in a file")
            else:
                first_lines[short] = item.line
    except DataError:
        return  # as far as it could be read


def _parse_file(file: DataFile, parser: RowParser[RowT]) -> Iterator[Sample[RowT] | Problem]:
    uniform = file.path.suffix.lower() in FORMATS_WITH_HEADER
    said = False
    known: dict[str, str] = {}
    for index, record in enumerate(_rows(file, parser)):
        if isinstance(record, Problem):
            yield record
        elif missing := parser.missing(record.values):
            if not (uniform and said):
                yield _missing_column(record, missing, in_header=uniform)
            said = True
        else:
            yield from _sample_or_problems(file, record, index, parser, known)


def _rows(file: DataFile, parser: RowParser[RowT]) -> Reading:
    """The records of a file, those that hold several rows taken apart."""
    for number, record in enumerate(read_records(file.path, lenient=file.lenient)):
        if isinstance(record, Problem):
            yield record
            continue
        try:
            for values in parser.expand(record.values, number):
                yield record if values is record.values else Record(record.file, record.line, values)
        except RowError as error:
            yield from _problems(record, error)


def _problems(record: Record, error: RowError) -> Iterator[Problem]:
    return (Problem(record.file, record.line, what, expected) for what, expected in error.faults)


def _missing_column(record: Record, missing: Sequence[str], *, in_header: bool) -> Problem:
    several = len(missing) > 1
    what = f"missing column{'s' if several else ''} {' and '.join(missing)}"
    place = "in the header" if in_header else "among the keys"
    found = ", ".join(record.values) or "none"
    return Problem(
        record.file,
        1 if in_header else record.line,
        what,
        f"{'them' if several else 'it'} {place} (found: {found})",
    )


def _sample_or_problems(
    file: DataFile, record: Record, index: int, parser: RowParser[RowT], known: dict[str, str]
) -> Iterator[Sample[RowT] | Problem]:
    values = record.values
    pictured = any(column in values for column in pictures.COLUMNS)
    if pictured:
        try:
            found = pictures.read_pictures(values, file.path.parent, known)
        except pictures.PictureError as error:
            yield Problem(record.file, record.line, str(error), pictures.EXPECTED)
            return
        values = {**values, pictures.PICTURES: found}
    if file.in_subject_folder and not values.get(SUBJECT_COLUMN):
        values = {**values, SUBJECT_COLUMN: file.subject}
    try:
        row = parser.parse(values)
    except RowError as error:
        yield from _problems(record, error)
        return
    own_id = record.values.get(ID_COLUMN, record.values.get("index") if pictured else None)
    yield Sample(
        id=str(index) if own_id is None or own_id == "" else str(own_id).strip(),
        index=index,
        line=record.line,
        subset=_subset_name(parser.subject(row) or file.subject),
        row=row,
    )


def _subset_name(subject: str) -> str:
    """The subject, unless it is called like other results: those of the whole dataset, or of a category."""
    if subject.startswith(CATEGORY_PREFIX):
        return f"subject {subject}"
    return f"{subject} (subject)" if subject == WHOLE_DATASET else subject
