"""`<out>/<name>/`: the files of one run, written by one process at a time.

    run.json              what was run: configuration, variants, data, versions (no secret, no time)
    samples.jsonl         the journal: one line a finished sample (see `journal`)
    summary.csv, .json    the results
    report.html           the same for a person
    server-VARIANT.log    what the model server printed (server-ONE+OTHER.log, where variants share it)
    superseded.jsonl      journal lines that the present plan does not ask for any more (another --limit,
                          an edited row); kept, since a later plan may want them again
    summary.before-rescore.json   summary.json as it was before the latest `evalsuite rescore`

Every file but the journal and the logs is replaced atomically.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from itertools import chain, count
from pathlib import Path

import msgspec

from evalsuite.errors import InputError, RunDirectoryError
from evalsuite.runs.schema import (
    FORMAT,
    Document,
    DocumentT,
    RunInfo,
    Summary,
    decode_document,
    encode_document,
)

LOCK_FILE = ".lock"
FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
RUN_FILE, JOURNAL_FILE, SUPERSEDED_FILE = "run.json", "samples.jsonl", "superseded.jsonl"
SUMMARY_CSV, SUMMARY_JSON, REPORT_FILE = "summary.csv", "summary.json", "report.html"
SUMMARY_BACKUP = "summary.before-rescore.json"


class RunDirectory:
    """The paths of a run and how its files are written."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self.name = name or path.name
        """The folder's name, unless the folder is temporary."""

    @property
    def journal(self) -> Path:
        """samples.jsonl: one line for each finished sample."""
        return self.path / JOURNAL_FILE

    @property
    def superseded(self) -> Path:
        """superseded.jsonl: lines that the current plan does not ask for."""
        return self.path / SUPERSEDED_FILE

    def server_log(self, name: str) -> Path:
        """The log of a server; `name` names its variants."""
        return self.path / f"server-{name}.log"

    def remove_if_empty(self) -> None:
        """Remove the folder of a run without a single answer, unless a server's log explains why."""
        kept = {RUN_FILE, JOURNAL_FILE, LOCK_FILE}
        names = {entry.name for entry in self.path.iterdir()}
        if names <= kept and not (self.journal.exists() and self.journal.stat().st_size):
            for name in names:
                (self.path / name).unlink(missing_ok=True)
            self.path.rmdir()

    def write(self, file: str, content: bytes) -> Path:
        """Replace a file atomically. Raises `RunDirectoryError` (disk full, no permission)."""
        return self.write_with(file, lambda temporary: temporary.write_bytes(content))

    def write_with(self, file: str, fill: Callable[[Path], object], *, durable: bool = False) -> Path:
        """Replace a file atomically by one that `fill` writes.

        Without `durable` a power cut in the next half minute may leave an empty file in its place, with some file systems.
        """
        target = self.path / file
        temporary = target.with_name(f".{file}.tmp")
        try:
            temporary.unlink(missing_ok=True)
            fill(temporary)
            if durable:
                _bring_to_disk(temporary)
            temporary.replace(target)
            if durable:
                _bring_to_disk(self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise write_error(target, error) from error
        return target

    def write_document(self, file: str, document: Document) -> Path:
        """Replace run.json or summary.json. Raises `RunDirectoryError`."""
        return self.write(file, encode_document(document))

    def read_info(self) -> RunInfo | None:
        """Read run.json; None if it is missing or empty. Raises `RunDirectoryError` or `InputError` if it is broken."""
        info = self._read(RUN_FILE, RunInfo)
        if info and info.format > FORMAT:
            raise RunDirectoryError(
                f"{self.path / RUN_FILE}: format {info.format}, written by evalsuite {info.evalsuite}; "
                f"this version reads formats up to {FORMAT}. Update evalsuite."
            )
        return info

    def read_summary(self) -> Summary | None:
        """Read summary.json; None if it is missing or empty. Raises `RunDirectoryError` if it is broken."""
        return self._read(SUMMARY_JSON, Summary)

    def _read(self, file: str, kind: type[DocumentT]) -> DocumentT | None:
        path = self.path / file
        try:
            content = path.read_bytes().strip(b"\0")
            return (
                decode_document(content, kind) if content else None
            )  # a power cut may leave a new file empty
        except FileNotFoundError:
            return None
        except OSError as error:
            raise read_error(path, error) from error
        except msgspec.ValidationError as error:
            raise InputError(
                f"{path}: not as evalsuite writes it ({error}): it was changed, or written by another version. "
                "Put back the file as it was, or delete it and run the run's own command again: the journal is kept."
            ) from error
        except msgspec.DecodeError as error:
            raise RunDirectoryError(
                f"{path}: not JSON ({error}). Delete it and run the same command again: the journal is kept."
            ) from error


def _bring_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_run_directory(text: str) -> Path | None:
    """The run directory that a path or the path of its journal names; None for any other path."""
    path = Path(text).expanduser()
    folder = path.parent if path.name == JOURNAL_FILE else path
    return folder if (folder / RUN_FILE).is_file() and (folder / JOURNAL_FILE).is_file() else None


def write_error(path: Path, error: OSError) -> RunDirectoryError:
    """Describe a write error and what to do about it."""
    if error.errno in FULL_DISK:
        reason, advice = "no space left", "Free some space"
    else:
        reason, advice = error.strerror or str(error), "Make it writable or choose another folder with --out"
    return RunDirectoryError(
        f"{path}: cannot write ({reason}). {advice} and run the same command again: everything finished until then is in the journal."
    )


def read_error(path: Path, error: OSError) -> RunDirectoryError:
    """Describe a read error and what to do about it."""
    return RunDirectoryError(
        f"{path}: cannot read ({error.strerror or error}). Make it readable, or choose another --name or --out."
    )


@contextmanager
def lock_run_directory(path: Path, *, fresh: bool) -> Iterator[RunDirectory]:
    """Create or open a run directory and keep other processes out of it.

    With `fresh`, what is there is kept under another name. Raises `RunDirectoryError` when another process
    holds it (naming its pid) or it cannot be written, `InputError` when the folder holds something else.
    """
    try:
        names = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    except OSError as error:
        raise write_error(path, error) from error
    if names and not names & {RUN_FILE, LOCK_FILE}:
        raise InputError(f"{path}: the folder holds other files, not a run. Choose another --name or --out.")
    if fresh and names:
        with _locked(path):
            _rename_aside(path)
    with _locked(path):
        yield RunDirectory(path)


def _rename_aside(path: Path) -> None:
    """Rename the folder: append the time, and a number if a clock that was set back gives the same time twice."""
    stamped = path.with_name(f"{path.name}.{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}")
    numbered = (stamped.with_name(f"{stamped.name}-{number}") for number in count(2))
    try:
        path.rename(next(one for one in chain([stamped], numbered) if not one.exists()))
    except OSError as error:
        raise write_error(path, error) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if error.errno in FULL_DISK:
            raise write_error(path, error) from error
        raise InputError(
            f"{path}: cannot write there ({error.strerror}). Choose another folder with --out; nothing was sent."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise RunDirectoryError(
                f"{path}: another evalsuite (pid {holder}) is writing this run. Wait for it, or give this one another --name."
            ) from None
        if not _is_same_file(descriptor, path / LOCK_FILE):
            raise RunDirectoryError(
                f"{path}: another evalsuite was just setting this run aside. Run the command again."
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def find_writer_pid(path: Path) -> int | None:
    """The pid of the process that writes a run; None if there is none. It takes no lock, so it never blocks a writer."""
    lock = path / LOCK_FILE
    try:
        process = int(lock.read_text(encoding="ascii"))
        os.kill(process, 0)
    except PermissionError:
        return process  # another user's
    except (OSError, ValueError):
        return None
    try:
        held = [entry.stat() for entry in Path(f"/proc/{process}/fd").iterdir() if entry.exists()]
        return process if any(os.path.samestat(facts, lock.stat()) for facts in held) else None
    except OSError:  # no such folder on this system, or not ours to look into
        return process


def _is_same_file(descriptor: int, path: Path) -> bool:
    """Whether the path still names the open file: a folder may be renamed between opening and locking."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
