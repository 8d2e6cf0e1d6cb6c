"""Writes the results and the report of a run again from its journal: nothing is asked, nothing is scored again.

The scores are those of the journal's lines. Rows are needed for the breakdowns of a kind (ToolBench's tables) and for
failed samples that count as wrong. If the data files are gone, the breakdowns are left out and a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from evalsuite.errors import InputError, RunIncomplete
from evalsuite.evaluation.results import Outcome, RunFiles, build_summary, collect_results, make_files
from evalsuite.evaluation.timing import RunTimes, Stopwatch, utc, variant_speeds
from evalsuite.options.running import OnError
from evalsuite.runs.counting import count_line
from evalsuite.runs.directory import (
    JOURNAL_FILE,
    RUN_FILE,
    RunDirectory,
    find_run_directory,
    lock_run_directory,
)
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.recorded_dataset import RecordedDataset, recorded_counts
from evalsuite.runs.records import error_score
from evalsuite.runs.replay import RecordedCount, ReplayPolicy, replay
from evalsuite.runs.run import Run, load_run, resume_command
from evalsuite.runs.schema import SampleLine, Summary
from evalsuite.types import Score

UNFINISHED = "{owed} of {total} samples are not there yet. The run's own command asks for them: {command}"


def rebuild(path: Path) -> Run:
    """Write summary.csv, summary.json and report.html of a run again, and return the run.

    Raises `InputError` if the path is not a run, `RunDirectoryError` if another process is writing the run.
    """
    source = find_run_directory(str(path))
    if source is None:
        raise InputError(f"{path}: not a run directory (it lacks {RUN_FILE} or {JOURNAL_FILE}).")
    with lock_run_directory(source, fresh=False) as directory:
        render_from_journal(directory).write(directory)
    return load_run(source)


def render_from_journal(directory: RunDirectory) -> RunFiles:
    """Make the result files of a run from its journal, even while another process writes it. Writes nothing.

    Raises `InputError`.
    """
    info, before = directory.read_info(), directory.read_summary()
    if info is None:
        raise InputError(f"{directory.path}: not a run directory (it lacks {RUN_FILE}).")
    progress, policy = RunProgress(), _RebuildPolicy(info.on_error)
    counts = recorded_counts(info, info.on_error)
    for sample in replay(directory.journal, counts, policy):
        dataset, line = sample.count.dataset, sample.line
        missing = policy.missing_files.get((sample.count.variant, dataset.name))
        if missing and sample.row is None and policy.counts_as_wrong(line):
            raise missing  # its score depends on the row
        score = _recorded_score(dataset, line, sample.row)
        count_line(dataset, sample.count.aggregate, line, score, sample.row)
        progress.earlier.add(line)
    results = collect_results(counts, info.on_error)
    progress.total = sum(count.dataset.rows for count in counts)
    progress.reused = before.totals.reused if before else 0
    command = resume_command(info, directory.path)
    owed = sum(found.owed for found in results)
    unfinished = UNFINISHED.format(owed=owed, total=progress.total, command=command)
    outcome = Outcome(
        results,
        progress,
        _times(directory, progress, before),
        variant_speeds(progress, before),
        RunIncomplete((before and before.problem) or unfinished) if owed else None,
        policy.notes,
        before.rescored if before else None,
    )
    return make_files(directory, info, build_summary(directory, info, outcome), command)


@dataclass
class _RebuildPolicy(ReplayPolicy):
    """Reads rows only where counting needs them, and goes on without the data files if it can."""

    on_error: OnError
    notes: list[str] = field(default_factory=list)
    missing_files: dict[tuple[str, str], InputError] = field(default_factory=dict)

    def needs_row(self, dataset: RecordedDataset, line: SampleLine) -> bool:
        """Rows are needed by breakdowns, and by failed samples that count as wrong."""
        return bool(dataset.task.breakdowns) or self.counts_as_wrong(line)

    def on_missing_files(self, count: RecordedCount, error: InputError) -> None:
        """Leave the breakdowns out and say so."""
        self.notes.append(f"{count.variant} on {count.dataset.name}: its breakdowns are left out. {error}")
        self.missing_files[count.variant, count.dataset.name] = error

    def counts_as_wrong(self, line: SampleLine) -> bool:
        """Whether it is a failed sample that scores as an empty reply to its row would."""
        return line.failed and self.on_error == "wrong"


def _recorded_score(dataset: RecordedDataset, line: SampleLine, row: object) -> Score:
    if not line.failed:
        return line.to_score()
    return error_score(dataset, row) if row is not None else Score("error")


def _times(directory: RunDirectory, progress: RunProgress, before: Summary | None) -> RunTimes:
    """The times of the summary before; without one, when the run's files were written."""
    if before:
        return Stopwatch().times(progress, before)
    begun = directory.path / RUN_FILE
    last = directory.journal if directory.journal.exists() else begun
    started, finished = (
        utc(datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)) for path in (begun, last)
    )
    return RunTimes(started, finished)
