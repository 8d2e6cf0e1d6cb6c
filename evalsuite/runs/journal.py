"""`samples.jsonl`: one JSON object a finished sample, appended in one write.

    {"key", "variant", "dataset", "subset", "id", "index", "messages" | "prompt",
     "reply": {"text", "reasoning", "tool_calls", "finish_reason"} | null,
     "outcome", "extracted", "stage", "gold", "scores": {metric: value}, "labels": […],
     "usage": {"prompt_tokens", "completion_tokens"}, "latency_s", "ttft_s", "attempts",
     "error": {"class", "message", "status"} | null, "statistics": {metric: […]}   (corpus metrics only),
     "tools": […]   (where the request named tools), "categories": […]   (where the row counts in some),
     "cluster": "…"   (what rows that are not independent share),
     "repeat": 1   (which try of its row it is under --repeats; the first, 0, does not say so),
     "offered": […]   (the names of an agent's tools),
     "warning": "…"   (what was found wrong with the variant before it was asked: `identical to base`),
     "logprobs": {"labels": {label: log-probability | null}, "floor"}   (--mcq-mode logprob; null: below the
     floor; there the reply has "alternatives" as well: [[token, log-probability], …]),
     "further": [{"of", "key", "reply", "usage", "latency_s", "attempts"}],   (replies to further requests)
     "from_cache": true   (where no request was sent, since --cache had the reply; in `further` too),
     "wasted": {"prompt_tokens", "completion_tokens"}   (of attempts that came to nothing, where known; likewise)}

`reply` has `measured` ({"tokens", "logprobs"} or {"reward"}) where a text was measured. A line with an `error` has a
`reply` all the same where only a further request failed, or the run ended before it (class `interrupted`).

`key` is a hash of what was asked of whom. A line is finished when its newline is there: a torn last line means
that sample is still owed, and is cut off before anything is appended. After a power cut, lines the operating
system had not written yet (with Linux's defaults those of half a minute at most) are owed as well; a killed process loses
none.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from evalsuite._util.compact import HashTable, OffsetSet, short_hash
from evalsuite.errors import InputError
from evalsuite.runs.directory import JOURNAL_FILE, SUPERSEDED_FILE, RunDirectory, read_error, write_error

KEY_BYTES = 16
NEEDED_FIELDS = frozenset(
    {"key", "variant", "dataset", "subset", "id", "index", "reply", "outcome", "gold", "scores"}
)
"""Without one of them a line cannot be counted, so its sample is owed."""
TAIL_BYTES = 1 << 20


def sample_key(fingerprint: str, api: str, asked: bytes, repeat: int = 0) -> str:
    """What was asked of whom, as 32 hexadecimal digits. `asked`: prompt and generation settings, serialised."""
    digest = hashlib.blake2b(fingerprint.encode(), digest_size=KEY_BYTES)
    digest.update(f"|{api}|{repeat}|".encode())
    digest.update(asked)
    return digest.hexdigest()


class Journal:
    """Appends lines. Used as a context manager; every `append` is one write to the file, never buffered here."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writing = threading.Lock()
        """Held by whoever appends, and counts what was appended, where several variants are asked at a time."""
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
        """Write whole lines. Raises `RunDirectoryError`; what was half written is cut off by the next start."""
        try:
            while lines:
                lines = lines[os.write(self._descriptor, lines) :]
        except OSError as error:
            raise write_error(self.path, error) from error


def cut_torn_line(path: Path) -> None:
    """Remove what follows the last newline."""
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


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Every finished line; damaged ones are passed over (their samples are owed)."""
    for _, line in journal_lines(path):
        if line is not None:
            yield line


def journal_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Byte offset and content of every line but a torn last one; None for the content of a damaged line."""
    if not path.exists():
        return
    offset = 0
    with path.open("rb") as stream:
        for raw in stream:
            if raw.endswith(b"\n"):
                yield offset, _parsed(raw)
            offset += len(raw)


@contextmanager
def reject_foreign_lines(path: Path) -> Iterator[None]:
    """Raise `InputError` where the block stumbles over a line that is JSON and not what evalsuite writes."""
    try:
        yield
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path}: a line of it is not as evalsuite writes them ({type(error).__name__}: {error}). "
            "Put back the file as it was, or delete that line and run the run's own command again."
        ) from error


def read_lines_at(path: Path, offsets: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The finished lines that start at these byte offsets."""
    found = {}
    with path.open("rb") as stream:
        for offset in sorted(set(offsets)):
            line = read_line_at(stream, offset)
            if line is not None:
                found[offset] = line
    return found


def read_line_at(stream: BinaryIO, offset: int) -> dict[str, Any] | None:
    """The finished line that starts at a byte offset of an open journal."""
    stream.seek(offset)
    return _parsed(stream.readline())


def _parsed(raw: bytes) -> dict[str, Any] | None:
    if not raw.endswith(b"\n"):
        return None
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return line if isinstance(line, dict) and line.keys() >= NEEDED_FIELDS else None


@dataclass(frozen=True, slots=True)
class FinishedLine:
    """A line of a journal file and the byte offset it starts at."""

    offset: int
    content: dict[str, Any]


class LineIndex:
    """Finds a file's finished lines by what was asked, or by what else `identify` says; holds offsets, not lines.

    Two rows of a dataset may ask the same thing; each takes one line. Some twenty bytes a line are kept. Used as a context
    manager.
    """

    def __init__(
        self,
        path: Path,
        identify: Callable[[dict[str, Any]], str] = lambda line: str(line["key"]),
        *,
        ignored_datasets: Collection[str] = (),
    ) -> None:
        self.path = path
        self._identify = identify
        self._passed_over = ignored_datasets
        """Datasets whose lines are somebody else's matter."""
        self.damaged = OffsetSet()
        """Of whole lines that cannot be read: they are of no use to anyone."""
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
            elif line["dataset"] not in self._passed_over:
                self._offsets.put(_short_key(line["variant"], line["dataset"], self._identify(line)), offset)
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream:
            self._stream.close()

    @property
    def empty(self) -> bool:
        """Whether the file holds no whole line at all."""
        return not self._offsets and not self.damaged

    def take(self, variant: str, dataset: str, key: str) -> FinishedLine | None:
        """The line of a finished sample, once; None when there is none (left)."""
        offset = self._offsets.take(_short_key(variant, dataset, key))
        if offset is None or self._stream is None:
            return None
        self._stream.seek(offset)
        line = _parsed(self._stream.readline())
        return FinishedLine(offset, line) if line and self._identify(line) == key else None

    def put_back(self, variant: str, dataset: str, key: str, line: FinishedLine) -> None:
        """Let another sample that asks the same take the line."""
        self._offsets.put(_short_key(variant, dataset, key), line.offset)

    def untaken_offsets(self) -> OffsetSet:
        """Offsets of the lines nobody took."""
        return OffsetSet(self._offsets.values())


def _short_key(variant: str, dataset: str, key: str) -> int:
    return short_hash(f"{variant}\n{dataset}\n{key}")


def compact(directory: RunDirectory, *, move: OffsetSet, drop: OffsetSet, restored: OffsetSet) -> None:
    """Take lines out of the journal, by offset: `move` to `superseded.jsonl`, `drop` for good.

    `restored` are the offsets in `superseded.jsonl` whose lines stand in the journal again. A crash between
    the two replacements, or a power cut after them, leaves lines twice, never nowhere.
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
    """Append the wanted lines of a file to another."""
    if not source.exists():
        return
    offset = 0
    with source.open("rb") as reader, target.open("ab") as writer:
        for raw in reader:
            if wanted(offset) and raw.endswith(b"\n"):
                writer.write(raw)
            offset += len(raw)
