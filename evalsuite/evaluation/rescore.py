"""A finished run's journal → the scores that today's scorers give, without a request.

What judging needs is in the journal where the gold answer is enough (qa, gsm8k). For the other kinds the rows come
from the data files that run.json names, once their SHA-256 has been checked.

Everything is first written to a folder of its own inside the run directory, and takes its place only when all of it
is there: an error or a kill leaves the run as it was.
"""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from evalsuite._util.compact import HashSet, short_hash
from evalsuite._version import __version__
from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.errors import EvalsuiteError, InputError, RunIncomplete
from evalsuite.evaluation.results import Stopwatch, apply_gates, collect_results, speeds, write_results
from evalsuite.metrics.gates import Gate
from evalsuite.options.running import OnError
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.runs.dataset_info import recorded_plan, recorded_works, rows_from_files
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
from evalsuite.runs.imported import count_line
from evalsuite.runs.journal import Journal, LineIndex, read_own_journal
from evalsuite.runs.plan import DatasetPlan
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.provenance import versions
from evalsuite.runs.records import judge_line, rescored_line
from evalsuite.runs.run import Run, load_run
from evalsuite.runs.schema import SampleLine, encode_line
from evalsuite.runs.work import Work, count_score, line_place, line_row_number, sample_place
from evalsuite.tasks.profiles import check_profiles, select_profiles

STAGING = ".rescoring"
REPLACED = (JOURNAL_FILE, RUN_FILE, SUMMARY_CSV, SUMMARY_JSON, REPORT_FILE)
"""In this order: the journal alone rebuilds the rest."""


@dataclass(frozen=True, slots=True)
class Change:
    """A metric of a whole dataset that has another value now."""

    variant: str
    dataset: str
    metric: str
    before: float | None
    after: float | None


def rescore(
    path: Path,
    *,
    beside: Path | None = None,
    on_error: OnError | None = None,
    profiles: Sequence[str] = (),
    gates: Sequence[Gate] = (),
) -> Run:
    """Judge a run's journal again, in place or into the run directory `beside`, and return the run.

    `profiles` are scored beside those the run has.
    `summary["rescored"]` says what changed; in place, the summary before stands in `summary.before-rescore.json`.
    Raises `ConfigError` for a profile that cannot be had, `InputError` where judging needs a data file that is not
    there any more, both with the run as it was;
    `RunIncomplete` for a run that was, and `GateFailed`, with the results written.
    """
    source = find_run_directory(str(path))
    if source is None:
        raise InputError(f"{path}: not a run directory (it lacks {RUN_FILE} or {JOURNAL_FILE}).")
    in_place = beside is None or beside.resolve() == source.resolve()
    with ExitStack() as stack:
        held = stack.enter_context(lock_run_directory(source, fresh=False))
        before = load_run(source)
        target = held
        if beside is not None and not in_place:
            _refuse_another(beside, source)
            target = stack.enter_context(lock_run_directory(beside, fresh=False))
        with _staged(target, keep_summary=in_place) as staging:
            policy = on_error or _recorded_policy(before)
            problem = _Rescoring(before, staging, policy, in_place, tuple(profiles)).run()
    return apply_gates(load_run(target.path), gates, problem)


def _recorded_policy(run: Run) -> OnError:
    policy: OnError = run.info["config"].get("on_error", "fail")
    return policy


def _refuse_another(target: Path, source: Path) -> None:
    """A folder is written to again only by a rescoring of the same run."""
    before = RunDirectory(target).read_json(RUN_FILE)
    if before and before.get("rescored", {}).get("from") != str(source.resolve()):
        raise InputError(f"{target}: holds another run. Choose another --name or --out.")


@contextmanager
def _staged(target: RunDirectory, *, keep_summary: bool) -> Iterator[RunDirectory]:
    """A folder to write to, whose files take the place of the target's when the block ends well."""
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
        works = _works(self.before.info, self.on_error, self.profiles)
        self._plans = {(work.variant.name, plan.name): (plan, work) for work in works for plan in work.plans}
        self._seen = HashSet()
        with Journal(self.staging.journal) as journal:
            for line in self._judged():
                journal.append(encode_line(line))
        self.staging.write_json(RUN_FILE, self._run_file())
        return self._write(works)

    def _judged(self) -> Iterator[SampleLine]:
        """Every line of the journal, judged again: those whose gold is enough, then those that need their row."""
        need_rows: Counter[tuple[str, str]] = Counter()
        for _, line in read_own_journal(self.before.path / JOURNAL_FILE):
            place = line.variant, line.dataset
            if place not in self._plans:
                raise self._out_of_order(f"samples of '{place[1]}' by '{place[0]}'", "run.json")
            if not self._is_new(line):
                continue
            plan, work = self._plans[place]
            if plan.task.capabilities.scored_elsewhere:
                yield self._keep(line, work.aggregates[plan.name])
                continue
            row = plan.task.row_from_gold(line.gold, plan.style)
            if row is None:
                need_rows[place] += 1
            else:
                yield self._judge(line, row, plan, work)
        if need_rows:
            yield from self._judged_by_rows(need_rows)

    def _keep(self, line: SampleLine, aggregate: ScoreAggregate) -> SampleLine:
        """A line whose scores are another harness's."""
        count_line(aggregate, line)
        self.progress.earlier.add(line)
        self.samples += 1
        return line

    def _is_new(self, line: SampleLine) -> bool:
        """A crash may have left a sample's line twice."""
        return self._seen.add(short_hash(f"{line.variant}\n{line.dataset}\n{line_place(line)}"))

    def _judged_by_rows(self, counts: Mapping[tuple[str, str], int]) -> Iterator[SampleLine]:
        with LineIndex(self.before.path / JOURNAL_FILE, line_place) as lines:
            for (variant, dataset), count in counts.items():
                plan, work = self._plans[variant, dataset]
                judged = 0
                for sample in rows_from_files(plan):
                    for repeat in range(plan.repeats):
                        place = sample_place(sample.subset, sample.index, sample.id, repeat)
                        found = lines.take(variant, dataset, place)
                        if found:
                            judged += 1
                            yield self._judge(found.content, sample.row, plan, work)
                if judged != count:
                    raise self._out_of_order(f"{count - judged} samples of '{dataset}'", "the data file")

    def _out_of_order(self, what: str, where: str) -> InputError:
        return InputError(
            f"{self.before.path}: the journal has {what} that {where} does not know. "
            f"Run the run's own command again, which puts the journal in order: {self._own_command()}"
        )

    def _own_command(self) -> str:
        """The command that made the run, with the folder it landed in, which run.json does not hold."""
        path = self.before.path.resolve()
        return f"{self.before.info['command']} {shlex.join(['--out', str(path.parent), '--name', path.name])}"

    def _judge(self, line: SampleLine, row: Any, plan: DatasetPlan, work: Work) -> SampleLine:
        score = judge_line(line, plan, row)
        count_score(plan, work.aggregates[plan.name], line.subset, row, score, line_row_number(line))
        self.progress.earlier.add(line)
        self.samples += 1
        self.outcomes_changed += score.outcome != line.outcome
        judged = rescored_line(line, score, plan.categories(line.subset, row), plan.task.facts(row).cluster)
        self.scores_changed += judged.scores != line.scores
        return judged

    def _run_file(self) -> dict[str, Any]:
        """run.json: as it was, but for what judges now."""
        info = self.before.info
        plans = [_plan(entry, self.profiles) for entry in info["datasets"]]
        datasets = [
            {**entry, "style": asdict(plan.style), "scorers": plan.scorers()}
            for entry, plan in zip(info["datasets"], plans, strict=True)
        ]
        note = {"evalsuite": __version__, "versions": versions()}
        if not self.in_place:
            note["from"] = str(self.before.path.resolve())
        before = info["config"].get("profile", ())
        added = [name for name in dict.fromkeys(self.profiles) if name not in before]
        config = {**info["config"], "on_error": self.on_error, "profile": [*before, *added]}
        command = " ".join([info["command"], *(f"--profile {name}" for name in added)])
        return {**info, "command": command, "config": config, "datasets": datasets, "rescored": note}

    def _write(self, works: Sequence[Work]) -> EvalsuiteError | None:
        results = collect_results(works, self.on_error)
        self.progress.total = sum(found.plan.rows for found in results)
        self.progress.reused = self.before.summary["totals"]["reused"]
        owed = sum(found.owed for found in results)
        said = self.before.summary["problem"] or f"{owed} of {self.progress.total} samples could not be had."
        problem = RunIncomplete(said) if owed else None
        times = Stopwatch().times(self.progress, self.before.summary)
        fast = speeds(self.progress, self.before.summary)
        write_results(self.staging, results, self.progress, times, problem, fast)
        summary = self.staging.read_json(SUMMARY_JSON)
        summary["rescored"] = {
            "samples": self.samples,
            "outcomes_changed": self.outcomes_changed,
            "scores_changed": self.scores_changed,
            "metrics": [asdict(change) for change in _changes(self.before.summary, summary)],
        }
        self.staging.write_json(SUMMARY_JSON, summary)
        return self._still_missing(owed) if problem else None

    def _still_missing(self, owed: int) -> RunIncomplete:
        """The run was incomplete and is: judging again sends nothing, so advice is about the run's own command."""
        return RunIncomplete(
            f"{owed} of {self.progress.total} samples are missing in the run; what it has was judged again, and rescore asks for "
            f"nothing more. To have them, run the run's own command, then rescore: {self._own_command()}"
        )


def _plan(entry: Mapping[str, Any], profiles: Sequence[str]) -> DatasetPlan:
    """A dataset's plan with further profiles beside its own."""
    plan = recorded_plan(entry)
    in_words = plan.style.logprob is None
    wanted = select_profiles(plan.task, {*plan.style.profiles, *profiles}, in_words=in_words)
    return replace(plan, style=replace(plan.style, profiles=wanted))


def _works(info: Mapping[str, Any], on_error: OnError, profiles: Sequence[str]) -> list[Work]:
    """Each variant with the datasets it was asked, nothing counted yet. Raises `ConfigError` for a profile."""
    works = recorded_works(info, on_error, lambda entry: _plan(entry, profiles))
    check_profiles(profiles, [(plan.task, plan.style) for work in works for plan in work.plans])
    return works


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """The metrics of whole datasets that differ, new and vanished ones included."""
    for variant, entry in after["variants"].items():
        for dataset, results in entry["datasets"].items():
            old = before["variants"].get(variant, {"datasets": {}})["datasets"].get(dataset)
            was = old["subsets"].get(WHOLE_DATASET, {"metrics": {}})["metrics"] if old else {}
            now = results["subsets"].get(WHOLE_DATASET, {"metrics": {}})["metrics"]
            for metric in {**was, **now}:
                values = [metrics.get(metric, {}).get("value") for metrics in (was, now)]
                if values[0] != values[1]:
                    yield Change(variant, dataset, metric, *values)
