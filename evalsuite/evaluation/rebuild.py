"""A run's journal → its results and report, as they are there: nothing is asked, nothing is judged again.

The scores are those of the journal's lines. Rows are needed for the further tables of a kind (ToolBench's), and for
failed samples that count as wrong; they come from the gold answers or from the data files that run.json names. Where
those are not there any more, the tables are left out, and that is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import Any

from evalsuite.errors import InputError, RunIncomplete
from evalsuite.evaluation.results import Stopwatch, build_summary, collect_results, report_page, speeds, utc
from evalsuite.options.running import OnError
from evalsuite.runs import summary as summaries
from evalsuite.runs.dataset_info import recorded_works, rows_from_files
from evalsuite.runs.directory import (
    JOURNAL_FILE,
    REPORT_FILE,
    RUN_FILE,
    SUMMARY_CSV,
    SUMMARY_JSON,
    RunDirectory,
    find_run_directory,
    lock_run_directory,
)
from evalsuite.runs.journal import LineIndex, read_own_journal
from evalsuite.runs.plan import DatasetPlan
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.records import error_score
from evalsuite.runs.run import Run, load_run, resume_command
from evalsuite.runs.schema import SampleLine
from evalsuite.runs.work import Work, count_line_score, line_place, sample_place
from evalsuite.types import Score

UNFINISHED = "{owed} of {total} samples are not there yet. The run's own command asks for them: {command}"


def rebuild(path: Path) -> Run:
    """Write summary.csv, summary.json and report.html of a run anew, and return it.

    Raises `InputError` for what is no run, `RunDirectoryError` where another process is writing it.
    """
    source = find_run_directory(str(path))
    if source is None:
        raise InputError(f"{path}: not a run directory (it lacks {RUN_FILE} or {JOURNAL_FILE}).")
    with lock_run_directory(source, fresh=False) as directory:
        rendered = render_from_journal(directory)
        directory.write(SUMMARY_CSV, rendered.table)
        directory.write_json(SUMMARY_JSON, rendered.summary)
        directory.write(REPORT_FILE, rendered.page)
    return load_run(source)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the files of a run would hold: summary.csv, summary.json, report.html."""

    table: bytes
    summary: dict[str, Any]
    page: bytes


def render_from_journal(directory: RunDirectory) -> Rendered:
    """Render a run from its journal, also one that another process is writing; writes nothing. Raises `InputError`."""
    info, before = directory.read_json(RUN_FILE), directory.read_json(SUMMARY_JSON)
    policy: OnError = info["config"].get("on_error", "fail")
    counting = _Counting(directory, recorded_works(info, policy), policy)
    counting.count()
    results = collect_results(counting.works, counting.on_error)
    progress = counting.progress
    progress.total = sum(found.plan.rows for found in results)
    progress.reused = before["totals"]["reused"] if before and "totals" in before else 0
    owed = sum(found.owed for found in results)
    problem = None
    if owed:
        said = UNFINISHED.format(
            owed=owed, total=progress.total, command=resume_command(info, directory.path)
        )
        problem = RunIncomplete((before or {}).get("problem") or said)
    rows = list(summaries.csv_rows(directory.name, results))
    summary = build_summary(
        directory,
        info,
        rows,
        results,
        progress,
        _times(directory, progress, before),
        problem,
        speeds(progress, before),
    )
    summary["warnings"] += counting.notes
    if before and "rescored" in before:
        summary["rescored"] = before["rescored"]
    table = summaries.to_csv(rows, results, summary["accounts"], info["config"].get("csv_for", "any"))
    return Rendered(
        table, summary, report_page(directory, info, summary, resume_command(info, directory.path))
    )


def _times(
    directory: RunDirectory, progress: RunProgress, before: Mapping[str, Any] | None
) -> dict[str, Any]:
    """As the summary before has them; without one, when the run's files were written."""
    if before and "totals" in before:
        return Stopwatch().times(progress, before)
    begun = directory.path / RUN_FILE
    files = {"started": begun, "finished": directory.journal if directory.journal.exists() else begun}
    moments = {
        name: utc(datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)) for name, path in files.items()
    }
    return {
        **moments,
        "wall_s": None,
        "requests_per_s": None,
        "completion_tokens_per_s": None,
        "concurrency": None,
    }


@dataclass
class _Counting:
    """One pass over a journal; a second one over the lines that need their rows."""

    directory: RunDirectory
    works: list[Work]
    on_error: OnError
    progress: RunProgress = field(default_factory=RunProgress)
    notes: list[str] = field(default_factory=list)

    def count(self) -> None:
        """Count every finished sample in the tallies of its variant."""
        self._plans = {
            (work.variant.name, plan.name): (plan, work) for work in self.works for plan in work.plans
        }
        need_rows: Counter[tuple[str, str]] = Counter()
        for line in self._lines():
            plan, _ = self._plans[line.variant, line.dataset]
            row = plan.task.row_from_gold(line.gold, plan.style)
            if row is None and self._needs_row(plan, line):
                need_rows[line.variant, line.dataset] += 1
            else:
                self._count(line, row)
        for place in need_rows:
            self._count_with_rows(place)

    def _lines(self) -> Iterator[SampleLine]:
        """The lines of what the run asks, each sample once: a crash may have left one twice."""
        seen: set[int] = set()
        for _, line in read_own_journal(self.directory.journal):
            short = hash((line.variant, line.dataset, line_place(line)))
            if (line.variant, line.dataset) in self._plans and short not in seen:
                seen.add(short)
                yield line

    def _needs_row(self, plan: DatasetPlan, line: SampleLine) -> bool:
        return bool(plan.task.breakdowns) or self._counts_as_wrong(line)

    def _counts_as_wrong(self, line: SampleLine) -> bool:
        """Whether it is a failed sample that scores as an empty reply to its row would."""
        return line.failed and self.on_error == "wrong"

    def _count_with_rows(self, place: tuple[str, str]) -> None:
        """Count the lines of a dataset that the first pass left, with their rows from the data files."""
        plan, _ = self._plans[place]
        try:
            samples = rows_from_files(plan)
            first = next(samples)  # what is wrong with the files is known by then
        except InputError as error:
            self._count_without_rows(place, error)
            return
        with LineIndex(self.directory.journal, line_place) as lines:
            for sample in chain((first,), samples):
                for repeat in range(plan.repeats):
                    own = sample_place(sample.subset, sample.index, sample.id, repeat)
                    found = lines.take(*place, own)
                    if found and self._needs_row(plan, found.content):
                        self._count(found.content, sample.row)

    def _count_without_rows(self, place: tuple[str, str], error: InputError) -> None:
        """The same without the files: on no line of a table. Raises the error where a score depends on the row."""
        plan, _ = self._plans[place]
        self.notes.append(f"{place[0]} on {place[1]}: its further tables are left out. {error}")
        for line in self._lines():
            if (line.variant, line.dataset) == place and self._needs_row(plan, line):
                if self._counts_as_wrong(line):
                    raise error
                self._count(line, None)

    def _count(self, line: SampleLine, row: Any) -> None:
        plan, work = self._plans[line.variant, line.dataset]
        if not line.failed:
            score = line.to_score()
        else:
            score = error_score(plan, row) if row is not None else Score("error")
        count_line_score(plan, work.aggregates[plan.name], line, score, row)
        self.progress.earlier.add(line)
