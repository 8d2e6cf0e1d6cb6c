"""Writes what evalsuite logs to standard error and to a file, for programs that have no logging of their own.

A Python caller needs none of this: everything is logged below `logging.getLogger("evalsuite")`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from evalsuite.errors import InputError

ROOT_LOGGER = "evalsuite"
FILE_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class StandardErrorHandler(logging.Handler):
    """Writes each record as one line to what standard error is at that moment, so that a live progress line stays whole."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - as logging's own handlers do
            self.handleError(record)


@contextmanager
def write_log(level: int = logging.INFO, file: Path | None = None) -> Iterator[None]:
    """Write records of at least `level` to standard error, and all of them, with time and source, to `file`.

    Raises `InputError` when the file cannot be written.
    """
    logger = logging.getLogger(ROOT_LOGGER)
    before = logger.level
    with ExitStack() as stack:
        stack.callback(logger.setLevel, before)
        terminal = StandardErrorHandler(level)
        _add_handler(logger, terminal, stack)
        if file is not None:
            _add_handler(logger, _file_handler(file), stack)
        logger.setLevel(level if file is None else logging.DEBUG)
        yield


def notes_are_shown() -> bool:
    """Whether standard error shows more than warnings and errors."""
    handlers = logging.getLogger(ROOT_LOGGER).handlers
    return all(one.level <= logging.INFO for one in handlers if isinstance(one, StandardErrorHandler))


def _file_handler(file: Path) -> logging.Handler:
    try:
        handler = logging.FileHandler(file.expanduser(), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputError(
            f"--log-file {file}: cannot write there ({error.strerror}); choose another file."
        ) from error
    handler.setFormatter(logging.Formatter(FILE_FORMAT))
    return handler


def _add_handler(logger: logging.Logger, handler: logging.Handler, stack: ExitStack) -> None:
    logger.addHandler(handler)
    stack.callback(handler.close)
    stack.callback(logger.removeHandler, handler)
