"""Replies kept between runs (`--cache DIR`): one SQLite file that several processes may read and write at once.

An entry is a reply under a hash of what was asked of whom (`endpoint.cache_policy`), or what a server told of itself
(`recalling`). It holds no prompt, no address and no key.
Entries carry a checksum, since SQLite has none: one that does not fit is passed over, counted, and replaced by the reply
to the request that is sent instead. Whatever else is wrong with the file (not a database, locked, disk full) costs the
use of the cache, never the run: `problems` says so.

Finding is a look-up in the caller's thread (some microseconds); writing is done by a thread of the store's own, many
entries in a transaction, so that a lock held by another process delays no request.
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
"""For a lock that keeps readers out (without a write-ahead log): then it counts as not found."""
WRITE_WAIT_SECONDS = 30.0
MOST_AT_ONCE = 512
"""Entries in a transaction."""
CHECK_BYTES = 8
CREATE_TABLE = (
    "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply BLOB NOT NULL, checksum BLOB NOT NULL)"
)
FIND = "SELECT reply, checksum FROM replies WHERE key = ?"
KEEP = "INSERT OR REPLACE INTO replies VALUES (?, ?, ?)"


class ReplyStore:
    """See the module's docstring. `find` and `put` are for one thread at a time; `close` writes what is left."""

    def __init__(self, folder: Path) -> None:
        """Open the store, made where there is none. Raises `ConfigError` for a folder that cannot be written."""
        self.path = folder / STORE_FILE
        self.damaged = 0
        """Entries that could not be read."""
        self._fault: str | None = None
        self._unwritten: str | None = None
        self._reader: sqlite3.Connection | None = None
        self._waiting: SimpleQueue[tuple[bytes, Reply | dict[str, Any]] | None] = SimpleQueue()
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
            self._fault = str(error)
            return
        self._writer = threading.Thread(target=self._write, name="evalsuite-cache")
        self._writer.start()

    def find(self, key: bytes) -> Reply | None:
        """The reply under a key; None where there is none, or none that can be read."""
        fields = self._fields(key)
        try:
            reply = _reply(fields) if fields else None
        except (TypeError, AttributeError):
            self.damaged += 1
            return None
        return reply

    def facts(self, key: bytes) -> dict[str, Any] | None:
        """What `put_facts` kept under a key, likewise."""
        return self._fields(key)

    def _fields(self, key: bytes) -> dict[str, Any] | None:
        if self._reader is None or self._fault:
            return None
        try:
            found = self._reader.execute(FIND, (key,)).fetchone()
        except sqlite3.Error as error:
            if not _is_busy(error):
                self._fault = str(error)
            return None
        if found is None:
            return None
        fields = _unpacked(key, *found)
        self.damaged += fields is None
        return fields

    def put(self, key: bytes, reply: Reply) -> None:
        """Have a reply written, soon."""
        if self._writer and not self._unwritten:
            self._waiting.put((key, reply))

    def put_facts(self, key: bytes, facts: dict[str, Any]) -> None:
        """Have what a server told written, soon: anything that JSON holds."""
        if self._writer and not self._unwritten:
            self._waiting.put((key, facts))

    def close(self) -> None:
        """Write what waits and close the file."""
        if self._writer:
            self._waiting.put(None)
            self._writer.join()
        if self._reader:
            self._reader.close()

    def problems(self) -> Iterator[str]:
        """What did not work, in sentences for the user."""
        if self._fault:
            yield (
                f"the cache {self.path} cannot be read ({self._fault}), so nothing was taken from it. "
                "Delete the file, or name another folder with --cache."
            )
        if self.damaged:
            entries = "1 entry" if self.damaged == 1 else f"{self.damaged} entries"
            yield f"the cache {self.path} held {entries} that cannot be read; asked again and replaced."
        if self._unwritten:
            yield f"the cache {self.path} could not be written ({self._unwritten}); some replies are not in it."

    def _write(self) -> None:
        """The writer's thread: everything that waits, in one transaction, until the store is closed."""
        try:
            with _writing(self.path) as connection:
                ended = False
                while not ended:
                    batch = [self._waiting.get()]
                    while len(batch) < MOST_AT_ONCE and batch[-1] is not None and not self._waiting.empty():
                        batch.append(self._waiting.get())
                    ended = batch[-1] is None
                    with connection:
                        connection.executemany(KEEP, [_packed(*one) for one in batch if one is not None])
        except sqlite3.Error as error:
            self._unwritten = str(error)


def _open_reader(path: Path) -> sqlite3.Connection:
    """The reader's connection, to a file that has the table and a write-ahead log.

    One process at a time: two that switch a new file to that log at once would refuse each other.
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
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, timeout=WRITE_WAIT_SECONDS)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost entries, never the file
        yield connection
    finally:
        connection.close()


def _is_busy(error: sqlite3.Error) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _packed(key: bytes, kept: Reply | dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    if isinstance(kept, Reply):
        counts = {"prompt_tokens": kept.prompt_tokens, "completion_tokens": kept.completion_tokens}
        kept = kept.to_json() | counts
    content = dumps(kept)
    return key, content, _checksum(key, content)


def _unpacked(key: bytes, content: object, checksum: object) -> dict[str, Any] | None:
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
