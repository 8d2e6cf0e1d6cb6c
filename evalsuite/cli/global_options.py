"""Options that every command takes, anywhere on the command line: `--verbose`, `--quiet`, `--log-file`, `--debug`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.errors import ConfigError

DEBUG, VERBOSE, QUIET, LOG_FILE = "--debug", "--verbose", "--quiet", "--log-file"
HELP = (
    ("--verbose", "Show details on standard error as well."),
    ("--quiet", "Show only warnings and errors on standard error, and no progress."),
    ("--log-file FILE", "Append everything that is logged to a file, with time and source."),
    ("--debug", "Show the traceback of an error."),
)
"""What `--help` says of them."""


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """What a command line says for every command."""

    debug: bool = False
    level: int = logging.INFO
    """The lowest level that is shown on standard error."""
    log_file: Path | None = None


def split_global_options(words: Sequence[str]) -> tuple[GlobalOptions, list[str]]:
    """Take these options out of the words of a command line. Words after `--` are left alone. Raises `ConfigError`."""
    end = words.index("--") if "--" in words else len(words)
    rest: list[str] = []
    seen: set[str] = set()
    log_file: str | None = None
    remaining = iter(words[:end])
    for word in remaining:
        if word in (DEBUG, VERBOSE, QUIET):
            seen.add(word)
        elif word == LOG_FILE or word.startswith(f"{LOG_FILE}="):
            log_file = word.partition("=")[2] or next(remaining, "")
            if not log_file:
                raise ConfigError(f"{LOG_FILE}: name the file to write, as in {LOG_FILE} evalsuite.log")
        else:
            rest.append(word)
    if {VERBOSE, QUIET} <= seen:
        raise ConfigError(f"{VERBOSE} and {QUIET} exclude each other; give one of them")
    level = logging.DEBUG if VERBOSE in seen else logging.WARNING if QUIET in seen else logging.INFO
    options = GlobalOptions(DEBUG in seen, level, Path(log_file) if log_file else None)
    return options, [*rest, *words[end:]]
