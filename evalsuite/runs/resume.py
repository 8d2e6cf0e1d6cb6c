"""Matches the current plan with the journal of earlier starts: what is finished, what is owed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from evalsuite._util.compact import OffsetSet
from evalsuite.endpoint.answer import Answer
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.directory import RunDirectory
from evalsuite.runs.journal import FinishedLine, Journal, LineIndex, compact_journal
from evalsuite.runs.progress import EarlierTotals, RunProgress
from evalsuite.runs.records import answer_from_line, failed_score, rejudged_line
from evalsuite.runs.schema import SampleLine, encode_line
from evalsuite.runs.work import Job, Work, make_job


def reconcile(
    works: Sequence[Work],
    directory: RunDirectory,
    progress: RunProgress,
    *,
    keep_errors: bool,
    ignored_datasets: Collection[str] = (),
) -> list[Work]:
    """Count what earlier starts finished, in the works' tallies and the progress; the returned works owe the rest.

    A finished reply whose row moved or got another gold answer, or whose dataset has other scorers now, is
    judged again, not asked again. Lines that nothing asks for any more leave the journal, and so do those of samples
    whose further requests are owed: `PreviousReplies` finds them where they go. Lines of the datasets `ignored_datasets` stay.
    """
    rejudge = _judged_otherwise(works, directory)
    journal_lines = LineIndex(directory.journal, ignored_datasets=ignored_datasets)
    with journal_lines as finished, LineIndex(directory.superseded) as superseded:
        if finished.empty and superseded.empty:
            return list(works)
        with Journal(directory.journal) as journal:
            resuming = _Resuming(finished, superseded, journal, progress.earlier, keep_errors, rejudge)
            resumed = [resuming.work(work) for work in works]
        others = finished.untaken_offsets()
        resuming.drop.update(finished.damaged)
    compact_journal(directory, move=others, drop=resuming.drop, restored=resuming.restored)
    return resumed


@dataclass
class _Resuming:
    """Matches the rows of the current plan with finished lines."""

    finished: LineIndex
    superseded: LineIndex
    journal: Journal
    earlier: EarlierTotals
    keep_errors: bool
    rejudge: Collection[str]
    drop: OffsetSet = field(default_factory=OffsetSet)
    restored: OffsetSet = field(default_factory=OffsetSet)

    def work(self, work: Work) -> Work:
        owed = {
            plan.name: bytearray(self._owes(job) for job in self._all_jobs(work, plan)) for plan in work.plans
        }
        return Work(work.variant, work.plans, work.aggregates, owed)

    @staticmethod
    def _all_jobs(work: Work, plan: DatasetPlan) -> Iterator[Job]:
        for sample, shots in plan.samples():
            yield make_job(plan, work.aggregates[plan.name], sample, shots, work.variant)

    def _owes(self, job: Job) -> bool:
        if job.plan.task.capabilities.has_follow_ups:
            return self._owes_in_steps(job)
        line = self.finished.take(job.variant, job.plan.name, job.key)
        if line and self._usable(line):
            self._use(line, job)
            return False
        if line:
            self.drop.add(line.offset)
        back = self.superseded.take(job.variant, job.plan.name, job.key)
        if back is None or not self._usable(back):
            return True
        self.restored.add(back.offset)
        self._judge_again(back.content, job)
        return False

    def _use(self, line: FinishedLine, job: Job) -> None:
        """Count a line of the journal; it is scored again if its row or its scorers have changed."""
        if job.plan.name in self.rejudge or not _same_row(line.content, job):
            self.drop.add(line.offset)
            self._judge_again(line.content, job)
        else:
            self._count(line.content, job)

    def _owes_in_steps(self, job: Job) -> bool:
        """The same for a sample with follow-up requests: a line that lacks some of their replies is not used."""
        line = self._whole_line(self.finished, job)
        if line:
            self._use(line, job)
            return False
        back = self._whole_line(self.superseded, job)
        if back is None:
            return True
        self.restored.add(back.offset)
        self._judge_again(back.content, job)
        return False

    def _whole_line(self, index: LineIndex, job: Job) -> FinishedLine | None:
        """The first line of a sample that leaves nothing to ask. The others stay for samples that ask the same."""
        found: FinishedLine | None = None
        passed: list[FinishedLine] = []
        while found is None and (line := index.take(job.variant, job.plan.name, job.key)):
            if self._whole(line.content, job):
                found = line
            else:
                passed.append(line)
        for line in passed:
            index.put_back(job.variant, job.plan.name, job.key, line)
        return found

    def _whole(self, line: SampleLine, job: Job) -> bool:
        if line.failed:
            return self.keep_errors and (line.error is None or line.error.kind != "interrupted")
        return job.whole(line.to_reply())

    def _judge_again(self, line: SampleLine, job: Job) -> None:
        again = rejudged_line(line, job)
        self.journal.append(encode_line(again))
        self._count(again, job)

    def _count(self, line: SampleLine, job: Job) -> None:
        self.earlier.add(line)
        job.count(failed_score(job) if line.failed else line.to_score())

    def _usable(self, line: FinishedLine) -> bool:
        return self.keep_errors or not line.content.failed


class PreviousReplies:
    """Replies of an earlier start to samples that still owe follow-up requests. `superseded.jsonl` holds them.

    Used as a context manager, after `reconcile`.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self._lines = LineIndex(directory.superseded)

    def __enter__(self) -> PreviousReplies:
        self._lines.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.__exit__()

    def take(self, job: Job) -> Answer | None:
        """A sample's first reply with its follow-up replies; None if it must be asked."""
        found: list[FinishedLine] = []
        while line := self._lines.take(job.variant, job.plan.name, job.key):
            if line.content.reply is not None:
                found.append(line)
        if not found:
            return None
        best = max(found, key=lambda line: len(line.content.further))
        for line in found:
            if line is not best:
                self._lines.put_back(job.variant, job.plan.name, job.key, line)
        return answer_from_line(best.content)


def _judged_otherwise(works: Sequence[Work], directory: RunDirectory) -> set[str]:
    """The datasets whose scorers are not those that run.json names."""
    previous = directory.read_info()
    recorded = {dataset.name: dataset.scorers for dataset in previous.datasets} if previous else {}
    plans = (plan for work in works for plan in work.plans)
    return {plan.name for plan in plans if recorded.get(plan.name, plan.scorers()) != plan.scorers()}


def _same_row(line: SampleLine, job: Job) -> bool:
    same_place = (line.id, line.subset, line.index) == (
        job.sample.id,
        job.sample.subset,
        job.sample.index,
    )
    categories = job.plan.categories(job.sample.subset, job.sample.row)
    same_groups = line.categories == categories
    return same_place and same_groups and line.gold == job.plan.task.gold(job.sample.row)
