"""`samples.jsonl`, the journal: one `SampleLine` for each finished sample, appended in one write.

A line is finished when its newline is written. A torn last line means that its sample is still owed; it is cut off
before anything is appended. After a power cut, lines that the operating system had not written yet are owed as well
(with Linux's defaults those of the last half minute). A killed process loses none.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from evalsuite._util.compact import HashTable, OffsetSet, short_hash
from evalsuite.errors import InputError
from evalsuite.runs.directory import JOURNAL_FILE, SUPERSEDED_FILE, RunDirectory, read_error, write_error
from evalsuite.runs.schema import SampleLine, decode_line, foreign_line_reason

KEY_BYTES = 16
TAIL_BYTES = 1 << 20
"""How much of a file's end is searched for a newline at a time."""


def sample_key(fingerprint: str, api: str, asked: bytes, repeat: int = 0) -> str:
    """Hash what was asked of whom, as 32 hexadecimal digits. `asked` is the serialised prompt and its settings."""
    digest = hashlib.blake2b(fingerprint.encode(), digest_size=KEY_BYTES)
    digest.update(f"|{api}|{repeat}|".encode())
    digest.update(asked)
    return digest.hexdigest()


class Journal:
    """Appends lines. A context manager; every `append` is one write to the file, without a buffer of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writing = threading.Lock()
        """Hold it while you append lines and count them: several variants may be asked at the same time."""
        self._descriptor = -1

    def __enter__(self) -> Journal:
        try:
            cut_torn_line(self.path)
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise write_error(self.path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def append(self, lines: bytes) -> None:
        """Write whole lines. Raises `RunDirectoryError`; the next start cuts off a line that was half written."""
        try:
            while lines:
                lines = lines[os.write(self._descriptor, lines) :]
        except OSError as error:
            raise write_error(self.path, error) from error


def cut_torn_line(path: Path) -> None:
    """Remove everything after the last newline."""
    if not path.exists():
        return
    with path.open("r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        keep = end
        while keep:
            start = max(0, keep - TAIL_BYTES)
            stream.seek(start)
            newline = stream.read(keep - start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            keep = start
        if keep != end:
            stream.truncate(keep)


def read_journal(path: Path) -> Iterator[SampleLine]:
    """Read every finished line. Damaged lines are skipped: their samples are owed."""
    for _, line in journal_lines(path):
        if line is not None:
            yield line


def read_own_journal(path: Path) -> Iterator[tuple[int, SampleLine]]:
    """Read every finished line with its byte offset. Raises `InputError` for a line that evalsuite did not write."""
    for number, offset, raw in _whole_lines(path):
        line = decode_line(raw)
        if line is not None:
            yield offset, line
        elif reason := foreign_line_reason(raw):
            raise InputError(
                f"{path}:{number}: not a line as evalsuite writes them ({reason}). "
                "Put back the file as it was, or delete that line and run the run's own command again."
            )


def journal_lines(path: Path) -> Iterator[tuple[int, SampleLine | None]]:
    """Read the byte offset and the content of every whole line; the content of a damaged line is None."""
    for _, offset, raw in _whole_lines(path):
        yield offset, decode_line(raw)


def _whole_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """The 1-based number, the byte offset and the bytes of every line but a torn last one."""
    if not path.exists():
        return
    offset = 0
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            if raw.endswith(b"\n"):
                yield number, offset, raw
            offset += len(raw)


def read_lines_at(path: Path, offsets: Iterable[int]) -> dict[int, SampleLine]:
    """Read the finished lines that start at these byte offsets."""
    found = {}
    with path.open("rb") as stream:
        for offset in sorted(set(offsets)):
            line = read_line_at(stream, offset)
            if line is not None:
                found[offset] = line
    return found


def read_line_at(stream: BinaryIO, offset: int) -> SampleLine | None:
    """Read the finished line that starts at a byte offset of an open journal."""
    stream.seek(offset)
    return decode_line(stream.readline())


@dataclass(frozen=True, slots=True)
class FinishedLine:
    """A line of a journal file and the byte offset it starts at."""

    offset: int
    content: SampleLine


class LineIndex:
    """Finds finished lines of a file by `identify` (default: the sample's key). It keeps offsets, not lines.

    Two rows of a dataset may ask the same; each takes one line. Some 25 bytes a line are kept in memory. A context
    manager.
    """

    def __init__(
        self,
        path: Path,
        identify: Callable[[SampleLine], str] = lambda line: line.key,
        *,
        ignored_datasets: Collection[str] = (),
    ) -> None:
        self.path = path
        self._identify = identify
        self._ignored_datasets = ignored_datasets
        """Datasets whose lines somebody else takes care of."""
        self.damaged = OffsetSet()
        """Offsets of whole lines that cannot be read."""
        self._offsets = HashTable()
        self._stream: BinaryIO | None = None

    def __enter__(self) -> LineIndex:
        try:
            self._stream = self.path.open("rb")
        except FileNotFoundError:
            self._stream = None
        except OSError as error:
            raise read_error(self.path, error) from error
        for offset, line in journal_lines(self.path):
            if line is None:
                self.damaged.add(offset)
            elif line.dataset not in self._ignored_datasets:
                self._offsets.put(_short_key(line.variant, line.dataset, self._identify(line)), offset)
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream:
            self._stream.close()

    @property
    def empty(self) -> bool:
        """Whether the file has no whole line."""
        return not self._offsets and not self.damaged

    def take(self, variant: str, dataset: str, key: str) -> FinishedLine | None:
        """Take the line of a finished sample out of the index; None when there is none left."""
        offset = self._offsets.take(_short_key(variant, dataset, key))
        if offset is None or self._stream is None:
            return None
        line = read_line_at(self._stream, offset)
        return FinishedLine(offset, line) if line and self._identify(line) == key else None

    def put_back(self, variant: str, dataset: str, key: str, line: FinishedLine) -> None:
        """Leave the line to another sample that asks the same."""
        self._offsets.put(_short_key(variant, dataset, key), line.offset)

    def untaken_offsets(self) -> OffsetSet:
        """Offsets of the lines that nobody took."""
        return OffsetSet(self._offsets.values())


def _short_key(variant: str, dataset: str, key: str) -> int:
    return short_hash(f"{variant}\n{dataset}\n{key}")


def compact_journal(
    directory: RunDirectory, *, move: OffsetSet, drop: OffsetSet, restored: OffsetSet
) -> None:
    """Take lines out of the journal, by offset: `move` goes to `superseded.jsonl`, `drop` is deleted.

    `restored` are offsets in `superseded.jsonl` whose lines are in the journal again. A crash between the two
    replacements, or a power cut after them, leaves lines twice; it never loses one.
    """
    if move or restored:
        directory.write_with(
            SUPERSEDED_FILE,
            lambda temporary: _write_superseded(directory, temporary, move, restored),
            durable=True,
        )
    if move or drop:
        directory.write_with(
            JOURNAL_FILE,
            lambda temporary: _copy_lines(
                directory.journal, temporary, lambda at: at not in move and at not in drop
            ),
            durable=True,
        )


def _write_superseded(directory: RunDirectory, target: Path, move: OffsetSet, restored: OffsetSet) -> None:
    _copy_lines(directory.superseded, target, lambda offset: offset not in restored)
    _copy_lines(directory.journal, target, lambda offset: offset in move)


def _copy_lines(source: Path, target: Path, wanted: Callable[[int], bool]) -> None:
    """Append the wanted whole lines of a file to another."""
    if not source.exists():
        return
    with target.open("ab") as writer:
        for _, offset, raw in _whole_lines(source):
            if wanted(offset):
                writer.write(raw)
