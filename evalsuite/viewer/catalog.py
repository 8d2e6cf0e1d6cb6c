"""The runs below a folder: their names, progress and main metrics. Reads files, never writes, takes no lock.

A run is a folder with a run.json, at most `MAX_DEPTH` folders down. Links that lead out of the folder are ignored. A file
is read again only if it has changed, and of a journal only what was added, so that polling every second is cheap.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, TypeAlias

from msgspec import to_builtins

from evalsuite.errors import EvalsuiteError
from evalsuite.evaluation.timing import utc
from evalsuite.runs.directory import (
    JOURNAL_FILE,
    REPORT_FILE,
    RUN_FILE,
    SUMMARY_JSON,
    RunDirectory,
    find_writer_pid,
)
from evalsuite.runs.run import resume_command
from evalsuite.runs.schema import DatasetSummary, DocumentT, RunInfo, Summary

State: TypeAlias = Literal["running", "complete", "interrupted", "unreadable"]
MAX_DEPTH = 3
READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Headline:
    """The main metric of one variant on one dataset, as summary.json holds it. `metric` is None while there is no result."""

    dataset: str
    name: str = ""
    metric: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class CatalogVariant:
    """One variant of a run. `side` is its name in a request for a comparison."""

    name: str
    side: str
    headlines: tuple[Headline, ...]


@dataclass(frozen=True, slots=True)
class CatalogRun:
    """One run. `name` is its path below the folder. `written` is the time of its last change, in seconds since 1970."""

    name: str
    path: Path
    state: State
    written: float
    done: int
    total: int
    variants: tuple[CatalogVariant, ...]
    problem: str = ""
    comparable: bool = False
    """Whether it has results to compare."""
    reported: bool = False
    """Whether report.html covers the whole journal."""

    @property
    def when(self) -> str:
        """The time of its last change, in UTC."""
        return utc(datetime.fromtimestamp(self.written, timezone.utc))


@dataclass(slots=True)
class _LineCount:
    """The number of lines of a journal up to an offset."""

    inode: int = 0
    offset: int = 0
    lines: int = 0


class RunCatalog:
    """The runs below a folder. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._lock = threading.Lock()
        self._documents: dict[Path, tuple[tuple[int, int, int], Any]] = {}
        self._journals: dict[Path, _LineCount] = {}

    def runs(self) -> list[CatalogRun]:
        """All runs: running ones first, then the latest first."""
        with self._lock:
            found = [self._read_run(path) for path in self._find_runs(self.root, 0)]
        found.sort(key=lambda run: run.written, reverse=True)
        return sorted(found, key=lambda run: run.state != "running")

    def find(self, name: str) -> CatalogRun | None:
        """The run with this name. Runs outside the folder are not found."""
        return next((run for run in self.runs() if run.name == name), None)

    def _find_runs(self, folder: Path, depth: int) -> Iterator[Path]:
        if (folder / RUN_FILE).is_file():
            yield folder
            return
        if depth == MAX_DEPTH:
            return
        try:
            inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        except OSError:
            return
        for name in inside:
            below = folder / name
            if not name.startswith(".") and below.resolve().is_relative_to(self.root):
                yield from self._find_runs(below, depth + 1)

    def _read_run(self, path: Path) -> CatalogRun:
        name = path.relative_to(self.root).as_posix() if path != self.root else path.name
        unread = CatalogRun(name, path, "unreadable", _last_written(path), 0, 0, ())
        try:
            directory = RunDirectory(path)
            info = self._document(path / RUN_FILE, directory.read_info)
            summary = self._document(path / SUMMARY_JSON, directory.read_summary)
            return self._describe_run(unread, info, summary) if info else unread
        except (EvalsuiteError, KeyError, TypeError, AttributeError, OSError) as error:
            return replace(unread, problem=f"{type(error).__name__}: {error}")

    def _describe_run(self, run: CatalogRun, info: RunInfo, summary: Summary | None) -> CatalogRun:
        total = sum(
            dataset.samples * (1 if dataset.variant else len(info.variants)) for dataset in info.datasets
        )
        whole = bool(summary and summary.complete and summary.totals.samples == total)
        running = find_writer_pid(run.path) is not None
        return replace(
            run,
            state="running" if running else "complete" if whole else "interrupted",
            done=total if whole and not running else min(total, self._lines(run.path / JOURNAL_FILE)),
            total=total,
            variants=tuple(_variants(run.name, info, summary)),
            problem=_problem(run.path, info, summary),
            comparable=summary is not None,
            reported=not running
            and _modified_at(run.path / REPORT_FILE) >= _modified_at(run.path / JOURNAL_FILE),
        )

    def _document(self, path: Path, read: Callable[[], DocumentT | None]) -> DocumentT | None:
        """Read a document of a run, again only if its file has changed. None if there is no such file."""
        try:
            facts = path.stat()
        except FileNotFoundError:
            return None
        stamp = facts.st_ino, facts.st_size, facts.st_mtime_ns
        known = self._documents.get(path)
        if known is None or known[0] != stamp:
            known = self._documents[path] = stamp, read()
        found: DocumentT | None = known[1]
        return found

    def _lines(self, journal: Path) -> int:
        """Count the lines of a journal. A file that was replaced or cut is counted again from the start."""
        try:
            with journal.open("rb") as stream:
                facts = os.fstat(stream.fileno())
                counted = self._journals.setdefault(journal, _LineCount())
                if counted.inode != facts.st_ino or facts.st_size < counted.offset:
                    counted = self._journals[journal] = _LineCount(facts.st_ino)
                stream.seek(counted.offset)
                while piece := stream.read(READ_BYTES):
                    counted.lines += piece.count(b"\n")
                    counted.offset += len(piece)
        except FileNotFoundError:
            return 0
        return counted.lines


def _variants(run: str, info: RunInfo, summary: Summary | None) -> Iterator[CatalogVariant]:
    """Yield the variants of run.json with their main metrics."""
    for variant in info.variants:
        headlines = [
            _headline(dataset.name, summary.dataset(variant.name, dataset.name) if summary else None)
            for dataset in info.datasets_of(variant.name)
        ]
        yield CatalogVariant(variant.name, f"{run}:{variant.name}", tuple(headlines))


def _problem(path: Path, info: RunInfo, summary: Summary | None) -> str:
    """Why the run is not complete. If it was killed, how to resume it."""
    if summary is None:
        return f"The run ended before it wrote its results. Resume it with: {resume_command(info, path)}"
    return summary.problem or ""


def _headline(dataset: str, found: DatasetSummary | None) -> Headline:
    metrics = found.metrics() if found else {}
    primary = next(((name, to_builtins(metric)) for name, metric in metrics.items() if metric.primary), None)
    return Headline(dataset, *primary) if primary else Headline(dataset)


def _last_written(path: Path) -> float:
    return max(_modified_at(path / file) for file in (RUN_FILE, JOURNAL_FILE, SUMMARY_JSON))


def _modified_at(path: Path) -> float:
    """The time of the last change of a file, in seconds since 1970; 0 if there is no such file."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
