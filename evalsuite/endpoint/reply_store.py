"""Stores replies between runs (`--cache DIR`): one SQLite file that several processes may read and write at once.

An entry is a reply under a hash of the request and the model (`endpoint.cache_policy`), or what a server reported of
itself (`evaluation.cached_variants`). It contains no prompt, no address and no key.
Entries carry a checksum, since SQLite has none: a damaged entry is skipped, counted and replaced. Whatever else is wrong with
the file (not a database, locked, disk full) disables the cache but never stops the run; `problems` reports it.

Reading is a look-up in the caller's thread (some microseconds). A thread of the store writes, many entries in a transaction,
so that another process's lock delays no request.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import orjson

from evalsuite.endpoint.wire import dumps
from evalsuite.errors import ConfigError
from evalsuite.types import Measurement, Reply

STORE_FILE = "replies.sqlite"
READ_WAIT_SECONDS = 0.2
"""How long a read waits for a lock (without a write-ahead log); after that the entry counts as not found."""
WRITE_WAIT_SECONDS = 30.0
MAX_BATCH = 512
"""Entries written in one transaction."""
CHECK_BYTES = 8
CREATE_TABLE = (
    "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply BLOB NOT NULL, checksum BLOB NOT NULL)"
)
FIND = "SELECT reply, checksum FROM replies WHERE key = ?"
KEEP = "INSERT OR REPLACE INTO replies VALUES (?, ?, ?)"


class ReplyStore:
    """See the module's docstring. Call `find` and `put` from one thread at a time; `close` writes what is pending."""

    def __init__(self, folder: Path) -> None:
        """Open or create the store. Raises `ConfigError` if the folder cannot be written."""
        self.path = folder / STORE_FILE
        self.damaged = 0
        """Number of entries that could not be read."""
        self._read_error: str | None = None
        self._write_error: str | None = None
        self._reader: sqlite3.Connection | None = None
        self._pending: SimpleQueue[tuple[bytes, Reply | dict[str, Any]] | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path.open("ab").close()
        except OSError as error:
            raise ConfigError(
                f"--cache {folder}: cannot write there ({error.strerror}). Name a folder that can be written, or leave out --cache."
            ) from error
        try:
            self._reader = _open_reader(self.path)
        except sqlite3.Error as error:
            self._read_error = str(error)
            return
        self._writer = threading.Thread(target=self._write, name="evalsuite-cache")
        self._writer.start()

    def find(self, key: bytes) -> Reply | None:
        """The reply under a key; None if there is none that can be read."""
        fields = self._fields(key)
        try:
            reply = _reply(fields) if fields else None
        except (TypeError, AttributeError):
            self.damaged += 1
            return None
        return reply

    def facts(self, key: bytes) -> dict[str, Any] | None:
        """What `put_facts` stored under a key, likewise."""
        return self._fields(key)

    def _fields(self, key: bytes) -> dict[str, Any] | None:
        if self._reader is None or self._read_error:
            return None
        try:
            found = self._reader.execute(FIND, (key,)).fetchone()
        except sqlite3.Error as error:
            if not _is_busy(error):
                self._read_error = str(error)
            return None
        if found is None:
            return None
        fields = _unpack(key, *found)
        self.damaged += fields is None
        return fields

    def put(self, key: bytes, reply: Reply) -> None:
        """Queue a reply for writing."""
        if self._writer and not self._write_error:
            self._pending.put((key, reply))

    def put_facts(self, key: bytes, facts: dict[str, Any]) -> None:
        """Queue what a server reported for writing: anything that JSON can hold."""
        if self._writer and not self._write_error:
            self._pending.put((key, facts))

    def close(self) -> None:
        """Write what is pending and close the file."""
        if self._writer:
            self._pending.put(None)
            self._writer.join()
        if self._reader:
            self._reader.close()

    def problems(self) -> Iterator[str]:
        """Sentences for the user about what did not work."""
        if self._read_error:
            yield (
                f"the cache {self.path} cannot be read ({self._read_error}), so nothing was taken from it. "
                "Delete the file, or name another folder with --cache."
            )
        if self.damaged:
            entries = "1 entry" if self.damaged == 1 else f"{self.damaged} entries"
            yield f"the cache {self.path} held {entries} that cannot be read; asked again and replaced."
        if self._write_error:
            yield f"the cache {self.path} could not be written ({self._write_error}); some replies are not in it."

    def _write(self) -> None:
        """Run in the writer's thread: write what is pending, in one transaction each time, until the store is closed."""
        try:
            with _open_writer(self.path) as connection:
                ended = False
                while not ended:
                    batch = [self._pending.get()]
                    while len(batch) < MAX_BATCH and batch[-1] is not None and not self._pending.empty():
                        batch.append(self._pending.get())
                    ended = batch[-1] is None
                    with connection:
                        connection.executemany(KEEP, [_pack(*one) for one in batch if one is not None])
        except sqlite3.Error as error:
            self._write_error = str(error)


def _open_reader(path: Path) -> sqlite3.Connection:
    """Open the reader's connection; create the table and the write-ahead log if they are missing.

    One process at a time: two that switch a new file to that log at once would fail.
    """
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        connection = sqlite3.connect(path, timeout=WRITE_WAIT_SECONDS, check_same_thread=False)
        try:
            # so that readers and the writer do not wait for each other
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute(CREATE_TABLE)
            connection.execute(f"PRAGMA busy_timeout = {READ_WAIT_SECONDS * 1000:.0f}")
        except sqlite3.Error:
            connection.close()
            raise
    finally:
        os.close(folder)
    return connection


@contextmanager
def _open_writer(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, timeout=WRITE_WAIT_SECONDS)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost entries, never the file
        yield connection
    finally:
        connection.close()


def _is_busy(error: sqlite3.Error) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _pack(key: bytes, kept: Reply | dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    if isinstance(kept, Reply):
        counts = {"prompt_tokens": kept.prompt_tokens, "completion_tokens": kept.completion_tokens}
        kept = kept.to_json() | counts
    content = dumps(kept)
    return key, content, _checksum(key, content)


def _unpack(key: bytes, content: object, checksum: object) -> dict[str, Any] | None:
    if not isinstance(content, bytes) or checksum != _checksum(key, content):
        return None
    try:
        fields = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def _reply(fields: dict[str, Any]) -> Reply:
    measured = fields.pop("measured", None)
    return Reply(**fields, measured=Measurement.from_json(measured) if measured else None)


def _checksum(key: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=CHECK_BYTES, key=key).digest()
