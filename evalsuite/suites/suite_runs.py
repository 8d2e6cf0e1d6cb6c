"""The suites' part of a run: runs what is missing and imports its samples into the journal."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET, structs

from evalsuite._util.compact import OffsetSet
from evalsuite.backends.base import ServedModel
from evalsuite.config import RunConfig
from evalsuite.errors import EvalsuiteError, RunIncomplete
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.runs.counting import count_imported_line
from evalsuite.runs.directory import RunDirectory, write_error
from evalsuite.runs.imported import ImportedDataset, ImportedScores, imported_line
from evalsuite.runs.journal import Journal, compact_journal, journal_lines
from evalsuite.runs.progress import EarlierTotals, RunProgress
from evalsuite.runs.schema import DatasetInfo, SampleLine, encode_line
from evalsuite.runs.summary import DatasetResults
from evalsuite.runs.work import Variant
from evalsuite.suites.driver_process import Driver
from evalsuite.suites.jobs import SHOWN_DIGITS, SuiteJob
from evalsuite.suites.results import RESULT_FILE, SAMPLES_FILE, SuiteResult, read_result, read_samples

logger = logging.getLogger(__name__)

SUITES_FOLDER = "suites"
APPEND_LINES = 500
"""Journal lines that are written at once."""


@dataclass
class _JobRun:
    """One job for one variant."""

    job: SuiteJob
    variant: Variant
    identity: str
    folder: Path
    results: DatasetResults | None = None
    problem: EvalsuiteError | None = None

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")


class SuiteRuns:
    """All jobs of a run, for all its variants."""

    def __init__(
        self,
        jobs: Sequence[SuiteJob],
        variants: Sequence[Variant],
        directory: RunDirectory,
        config: RunConfig,
    ) -> None:
        self._directory = directory
        self._config = config
        self._pieces = [self._piece(job, variant) for variant in variants for job in jobs]
        self.names = frozenset(job.name for job in jobs)
        """The datasets whose journal lines belong to these jobs."""

    def _piece(self, job: SuiteJob, variant: Variant) -> _JobRun:
        identity = job.identity(variant.fingerprint)
        name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', job.name)}-{identity[:SHOWN_DIGITS]}"
        folder = self._directory.path / SUITES_FOLDER / re.sub(r"[/\\]", "_", variant.name) / name
        return _JobRun(job, variant, identity, folder)

    def reconcile(self, progress: RunProgress) -> None:
        """Keep what earlier starts imported and import what a suite finished; the rest is still to run."""
        if not self._pieces:
            return
        lines, stale = self._lines()
        for piece in self._pieces:
            result = read_result(piece.folder)
            if result is None:
                continue
            offsets = lines.get((piece.variant.name, piece.job.name), set())
            if len(offsets) != _count_lines(piece.folder / SAMPLES_FILE):
                stale |= offsets
                offsets = set()
            try:
                self._import_samples(piece, result, progress, write=not offsets)
            except RunIncomplete as error:
                logger.warning("%s It runs again.", error)
        if stale:
            self._drop(stale)

    def _lines(self) -> tuple[dict[tuple[str, str], set[int]], set[int]]:
        """The journal offsets of each job's lines, and of lines that belong to no job any more."""
        wanted = {(piece.variant.name, piece.job.name): piece.identity for piece in self._pieces}
        found: dict[tuple[str, str], set[int]] = {}
        keys: set[str] = set()
        stale: set[int] = set()
        for offset, line in journal_lines(self._directory.journal):
            if line is None or line.dataset not in self.names:
                continue
            place, key = (line.variant, line.dataset), line.key
            if key.startswith(wanted.get(place, "-")) and key not in keys:
                found.setdefault(place, set()).add(offset)
                keys.add(key)
            else:
                stale.add(offset)
        return found, stale

    def _drop(self, offsets: set[int]) -> None:
        """Remove the lines of an interrupted import, or of another job of the same name."""
        compact_journal(self._directory, move=OffsetSet(), drop=OffsetSet(offsets), restored=OffsetSet())

    def owed(self, variant: str) -> bool:
        """Whether a variant still has benchmarks to run."""
        return any(piece.results is None for piece in self._pieces if piece.variant.name == variant)

    @property
    def any_results(self) -> bool:
        """Whether there are results of any benchmark."""
        return any(piece.results for piece in self._pieces)

    def run(
        self, variant: str, served: ServedModel, check: Callable[[], None], progress: RunProgress
    ) -> None:
        """Run a variant's missing benchmarks one after another. A failure is kept for `problem`; the others go on."""
        for piece in self._pieces:
            if piece.variant.name == variant and piece.results is None:
                try:
                    self._run(piece, served, check, progress)
                except RunIncomplete as error:
                    piece.problem = error

    def _run(
        self, piece: _JobRun, served: ServedModel, check: Callable[[], None], progress: RunProgress
    ) -> None:
        spec = piece.job.spec
        logger.info(
            "%s: %s %s evaluates %s …",
            spec.text,
            spec.suite.title,
            piece.job.environment.version,
            piece.variant.name,
        )
        for left in (SAMPLES_FILE, RESULT_FILE):
            (piece.folder / left).unlink(missing_ok=True)
        try:
            piece.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(piece.folder, error) from error
        driver_job = piece.job.driver_job(served, piece.folder)
        Driver(piece.job, self._config, piece.log, piece.folder).run(driver_job, check)
        result = read_result(piece.folder)
        if result is None:
            raise RunIncomplete(
                f"{spec.text}: {spec.suite.title} succeeded but left no result ({piece.folder / RESULT_FILE}). See {piece.log}."
            )
        self._import_samples(piece, result, progress, write=True)

    def _import_samples(
        self, piece: _JobRun, result: SuiteResult, progress: RunProgress, *, write: bool
    ) -> None:
        """Count a benchmark's samples; with `write`, also append their journal lines."""
        job, variant, source = piece.job, piece.variant.name, piece.job.source
        kept = ImportedScores(source)
        counted: list[SampleLine] = []
        taken = EarlierTotals()
        for sample in read_samples(piece.folder):
            kept.add(sample)
            line = imported_line(sample, variant, job.name, source, piece.identity)
            counted.append(_without_texts(line))
            taken.add(line)
        if not counted:
            raise RunIncomplete(_without_samples(piece, result))
        if write:
            self._append(piece)
        notes = [*result.notes, *kept.notes(result.reported)]
        dataset = ImportedDataset(
            own_name=job.name,
            spec=job.spec.text,
            variant=variant,
            source=source,
            counts=kept.counts,
            own_metrics=kept.metrics(result.reported),
            notes=tuple(notes),
        )
        aggregate = ScoreAggregate(dataset.metrics, self._config.on_error)
        for line in counted:
            count_imported_line(aggregate, line)
        progress.earlier.take(taken)
        progress.total += len(counted)
        if write:
            progress.imported += len(counted)
        else:
            progress.reused += len(counted)
        piece.results = DatasetResults(variant, dataset, aggregate, 0)

    def _append(self, piece: _JobRun) -> None:
        """Append the journal lines of a benchmark, once all its samples have been read."""
        job, batch = piece.job, []
        with Journal(self._directory.journal) as journal:
            for sample in read_samples(piece.folder):
                line = imported_line(sample, piece.variant.name, job.name, job.source, piece.identity)
                batch.append(encode_line(line))
                if len(batch) >= APPEND_LINES:
                    journal.append(b"".join(batch))
                    batch.clear()
            journal.append(b"".join(batch))

    def results(self) -> list[DatasetResults]:
        """The results, one entry per variant and benchmark."""
        return [piece.results for piece in self._pieces if piece.results]

    def infos(self) -> list[DatasetInfo]:
        """Their entries in run.json."""
        return [
            structs.replace(
                piece.results.dataset.info(), folder=str(piece.folder.relative_to(self._directory.path))
            )
            for piece in self._pieces
            if piece.results and isinstance(piece.results.dataset, ImportedDataset)
        ]

    def problem(self) -> EvalsuiteError | None:
        """Why benchmarks have no results; None if all have."""
        problems = [str(piece.problem) for piece in self._pieces if piece.problem]
        return RunIncomplete("\n".join(problems)) if problems else None


def _without_texts(line: SampleLine) -> SampleLine:
    """What counting a line needs: all lines of a benchmark are in memory until its metrics are known."""
    return structs.replace(line, messages=UNSET, prompt=UNSET, reply=None, extracted=None, gold=None)


def _without_samples(piece: _JobRun, result: SuiteResult) -> str:
    said = ", ".join(f"{score.metric} = {score.value:g}" for score in result.reported) or "no score either"
    return (
        f"{piece.job.spec.text}: {piece.job.spec.suite.title} wrote no samples ({said}), so there is nothing to score, compare or show. "
        f"Its own files are in {piece.folder}, its log is {piece.log}."
    )


def _count_lines(path: Path) -> int:
    try:
        with path.open("rb") as stream:
            return sum(1 for _ in stream)
    except FileNotFoundError:
        return 0
