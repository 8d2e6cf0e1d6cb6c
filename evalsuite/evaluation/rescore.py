"""Scores the journal of a finished run again with today's scorers, without a request.

All files are first written to a folder inside the run directory. They replace the run's files only when all of them
are complete, so an error or a kill leaves the run as it was.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import structs

from evalsuite._version import __version__
from evalsuite.errors import EvalsuiteError, InputError, RunIncomplete
from evalsuite.evaluation.gate_results import apply_gates
from evalsuite.evaluation.results import Outcome, build_summary, collect_results, make_files
from evalsuite.evaluation.timing import Stopwatch, variant_speeds
from evalsuite.metrics.gates import Gate
from evalsuite.options.running import OnError
from evalsuite.runs.counting import count_imported_line, count_score, row_number
from evalsuite.runs.directory import (
    JOURNAL_FILE,
    REPORT_FILE,
    RUN_FILE,
    SUMMARY_BACKUP,
    SUMMARY_CSV,
    SUMMARY_JSON,
    RunDirectory,
    find_run_directory,
    lock_run_directory,
    write_error,
)
from evalsuite.runs.journal import Journal
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.provenance import versions
from evalsuite.runs.recorded_dataset import recorded_counts, recorded_dataset
from evalsuite.runs.records import judge_line, rescored_line
from evalsuite.runs.replay import RecordedCount, ReplayedSample, ReplayPolicy, replay
from evalsuite.runs.run import Run, load_run
from evalsuite.runs.schema import (
    DatasetInfo,
    MetricChange,
    RescoreInfo,
    RescoreSummary,
    RunInfo,
    SampleLine,
    Summary,
    encode_line,
)
from evalsuite.tasks.profiles import check_profiles

STAGING = ".rescoring"
REPLACED = (JOURNAL_FILE, RUN_FILE, SUMMARY_CSV, SUMMARY_JSON, REPORT_FILE)
"""In this order: the journal alone rebuilds the rest."""


def rescore(
    path: str | Path,
    *,
    beside: str | Path | None = None,
    on_error: OnError | None = None,
    profiles: Sequence[str] = (),
    fail_under: Sequence[str] = (),
) -> Run:
    """Score a run's journal again, in place or into the run directory `beside`, and return the run.

    `profiles` are added to those the run has; `fail_under` are gates, each `[DATASET:]METRIC=VALUE`. `summary.rescored` says what changed. In place, the summary before is
    kept in `summary.before-rescore.json`.

    Raises `ConfigError` for a profile that cannot be used and `InputError` for a data file that is missing; both leave
    the run as it was. Raises `RunIncomplete` for a run that was incomplete, and `GateFailed`, with the results written.
    """
    source = find_run_directory(str(path))
    if source is None:
        raise InputError(f"{path}: not a run directory (it lacks {RUN_FILE} or {JOURNAL_FILE}).")
    beside = None if beside is None else Path(beside)
    gates = tuple(map(Gate.parse, fail_under))
    in_place = beside is None or beside.resolve() == source.resolve()
    with ExitStack() as stack:
        held = stack.enter_context(lock_run_directory(source, fresh=False))
        before = load_run(source)
        target = held
        if beside is not None and not in_place:
            _refuse_another(beside, source)
            target = stack.enter_context(lock_run_directory(beside, fresh=False))
        with _staged(target, keep_summary=in_place) as staging:
            policy = on_error or before.info.on_error
            problem = _Rescoring(before, staging, policy, in_place, tuple(profiles)).run()
    return apply_gates(load_run(target.path), gates, problem)


def _refuse_another(target: Path, source: Path) -> None:
    """A folder is written to again only by a rescoring of the same run."""
    before = RunDirectory(target).read_info()
    if before and (before.rescored is None or before.rescored.source != str(source.resolve())):
        raise InputError(f"{target}: holds another run. Choose another --name or --out.")


@contextmanager
def _staged(target: RunDirectory, *, keep_summary: bool) -> Iterator[RunDirectory]:
    """A folder to write to. Its files replace the target's when the block ends without an error."""
    folder = target.path / STAGING
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
        yield RunDirectory(folder, target.name)
        if keep_summary:
            target.write(SUMMARY_BACKUP, (target.path / SUMMARY_JSON).read_bytes())
        for name in REPLACED:
            (folder / name).replace(target.path / name)
    except OSError as error:
        raise write_error(target.path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _RescorePolicy(ReplayPolicy):
    """Refuses a journal that run.json or the data files do not agree with: no sample may get lost."""

    run: Run

    def on_unknown_line(self, line: SampleLine) -> None:
        """Refuse it."""
        raise self._out_of_order(f"samples of '{line.dataset}' by '{line.variant}'", "run.json")

    def on_missing_rows(self, count: RecordedCount, missing: int) -> None:
        """Refuse them."""
        raise self._out_of_order(f"{missing} samples of '{count.dataset.name}'", "the data file")

    def _out_of_order(self, what: str, where: str) -> InputError:
        return InputError(
            f"{self.run.path}: the journal has {what} that {where} does not know. "
            f"Run the run's own command again, which puts the journal in order: {_own_command(self.run)}"
        )


@dataclass
class _Rescoring:
    """One pass over a journal. `run` writes a whole run directory and returns what is wrong with the run."""

    before: Run
    staging: RunDirectory
    on_error: OnError
    in_place: bool
    profiles: tuple[str, ...] = ()
    outcomes_changed: int = 0
    scores_changed: int = 0
    samples: int = 0
    progress: RunProgress = field(default_factory=RunProgress)

    def run(self) -> EvalsuiteError | None:
        counts = recorded_counts(self.before.info, self.on_error, self.profiles)
        check_profiles(self.profiles, [(count.dataset.task, count.dataset.style) for count in counts])
        samples = replay(self.before.path / JOURNAL_FILE, counts, _RescorePolicy(self.before))
        with Journal(self.staging.journal) as journal:
            for sample in samples:
                journal.append(encode_line(self._rescored(sample)))
        self.staging.write_document(RUN_FILE, self._run_info())
        return self._write(counts)

    def _rescored(self, sample: ReplayedSample) -> SampleLine:
        """Score a sample again and count it; its new line."""
        line, dataset, aggregate = sample.line, sample.count.dataset, sample.count.aggregate
        self.progress.earlier.add(line)
        self.samples += 1
        if dataset.task.capabilities.scored_elsewhere:
            count_imported_line(aggregate, line)
            return line
        score = judge_line(line, dataset, sample.row)
        number = row_number(line.subset, line.index, line.id)
        count_score(dataset, aggregate, line.subset, sample.row, score, number)
        cluster = dataset.task.facts(sample.row).cluster
        new = rescored_line(line, score, dataset.categories(line.subset, sample.row), cluster)
        self.outcomes_changed += score.outcome != line.outcome
        self.scores_changed += new.scores != line.scores
        return new

    def _run_info(self) -> RunInfo:
        """run.json as it was, except for what scores now."""
        info = self.before.info
        added = [name for name in dict.fromkeys(self.profiles) if name not in info.profiles]
        return structs.replace(
            info,
            command=" ".join([info.command, *(f"--profile {name}" for name in added)]),
            config={**info.config, "on_error": self.on_error, "profile": [*info.profiles, *added]},
            datasets=tuple(map(self._dataset_info, info.datasets)),
            rescored=RescoreInfo(
                evalsuite=__version__,
                versions=versions(),
                source=None if self.in_place else str(self.before.path.resolve()),
            ),
        )

    def _dataset_info(self, info: DatasetInfo) -> DatasetInfo:
        dataset = recorded_dataset(info).with_profiles(self.profiles)
        return structs.replace(info, style=dataset.style, scorers=dataset.scorers())

    def _write(self, counts: Sequence[RecordedCount]) -> EvalsuiteError | None:
        progress, before = self.progress, self.before.summary
        results = collect_results(counts, self.on_error)
        progress.total = sum(count.dataset.rows for count in counts)
        progress.reused = before.totals.reused
        owed = sum(found.owed for found in results)
        said = before.problem or f"{owed} of {progress.total} samples failed."
        outcome = Outcome(
            results,
            progress,
            Stopwatch().times(progress, before),
            variant_speeds(progress, before),
            RunIncomplete(said) if owed else None,
        )
        info = self.staging.read_info()
        assert info
        summary = build_summary(self.staging, info, outcome)
        changes = RescoreSummary(
            samples=self.samples,
            outcomes_changed=self.outcomes_changed,
            scores_changed=self.scores_changed,
            metrics=tuple(_changes(before, summary)),
        )
        summary = structs.replace(summary, rescored=changes)
        make_files(self.staging, info, summary).write(self.staging)
        return self._still_missing(owed) if owed else None

    def _still_missing(self, owed: int) -> RunIncomplete:
        """The run was incomplete and still is. Rescoring sends nothing, so the advice names the run's own command."""
        return RunIncomplete(
            f"{owed} of {self.progress.total} samples are missing in the run; what it has was judged again, and rescore asks for "
            f"nothing more. To have them, run the run's own command, then rescore: {_own_command(self.before)}"
        )


def _own_command(run: Run) -> str:
    """The command that made the run, with the folder of its results, which run.json does not hold."""
    path = run.path.resolve()
    return f"{run.info.command} {shlex.join(['--out', str(path.parent), '--name', path.name])}"


def _changes(before: Summary, after: Summary) -> Iterator[MetricChange]:
    """The metrics of whole datasets that differ, new and vanished ones included."""
    for variant, of_variant in after.variants.items():
        for dataset, results in of_variant.datasets.items():
            old = before.dataset(variant, dataset)
            was, now = old.metrics() if old else {}, results.metrics()
            for metric in {**was, **now}:
                values = [metrics[metric].value if metric in metrics else None for metrics in (was, now)]
                if values[0] != values[1]:
                    yield MetricChange(
                        variant=variant, dataset=dataset, metric=metric, before=values[0], after=values[1]
                    )
