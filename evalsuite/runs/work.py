"""What is asked of one variant: its datasets, the rows that are owed, a job for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.config import OnError
from evalsuite.endpoint.wire import Request
from evalsuite.runs.journal import sample_key
from evalsuite.runs.plan import DatasetPlan
from evalsuite.runs.tally import Tally
from evalsuite.types import Prompt, Sample, Score

YIELD_EVERY = 200
"""Rows passed over (they are finished) before the event loop gets a turn."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Who is asked: the name results stand under, and the fingerprint of what is served."""

    name: str
    fingerprint: str


@dataclass(slots=True)
class Job:
    """A sample on its way."""

    variant: str
    plan: DatasetPlan
    tally: Tally
    sample: Sample[Any]
    prompt: Prompt
    request: Request
    key: str

    def count(self, score: Score) -> None:
        """Count the sample's score."""
        count_score(self.plan, self.tally, self.sample.subset, self.sample.row, score)


def count_score(plan: DatasetPlan, tally: Tally, subset: str, row: Any, score: Score) -> None:
    """Count a score in the tally of its dataset, and on the lines of its tables."""
    task = plan.task
    tally.add(
        subset, score.outcome, score.values, score.statistics, task.cluster(row), plan.categories(subset, row)
    )
    if score.outcome != "error":
        tally.breakdowns.add(subset, task.lines(row, score), score.values)


@dataclass(frozen=True)
class Work:
    """The datasets of one variant with their tallies, and which of their rows are owed."""

    variant: Variant
    plans: Sequence[DatasetPlan]
    tallies: Mapping[str, Tally]
    owed: Mapping[str, bytearray | None]
    """One byte a row, 1 for owed; None when all are."""

    @property
    def logprob_plan(self) -> DatasetPlan | None:
        """A dataset of which letters' probabilities are owed; all are asked for in the same form."""
        return next((plan for plan in self.plans if plan.style.logprob and self.owed_rows(plan)), None)

    def owed_rows(self, plan: DatasetPlan) -> int:
        """How many rows of a dataset are owed."""
        flags = self.owed[plan.name]
        return plan.rows if flags is None else sum(flags)

    @property
    def all_owed(self) -> int:
        """How many rows of all its datasets are owed."""
        return sum(self.owed_rows(plan) for plan in self.plans)

    def jobs(self) -> Iterator[Job | None]:
        """The owed samples in file order, so that rows with the same few-shot prefix are neighbours."""
        for plan in self.plans:
            flags = self.owed[plan.name]
            for number, (sample, shots) in enumerate(plan.samples()):
                if flags is None or flags[number]:
                    yield make_job(plan, self.tallies[plan.name], sample, shots, self.variant)
                elif number % YIELD_EVERY == 0:
                    yield None


def new_work(variant: Variant, plans: Sequence[DatasetPlan], on_error: OnError) -> Work:
    """Everything is owed, nothing is counted yet."""
    tallies = {
        plan.name: Tally(plan.metrics, on_error, plan.task.breakdowns(), plan.category_order)
        for plan in plans
    }
    return Work(variant, plans, tallies, dict.fromkeys(tallies))


def make_job(
    plan: DatasetPlan, tally: Tally, sample: Sample[Any], shots: Sequence[Any], variant: Variant
) -> Job:
    """Render and serialise a sample's request, once."""
    prompt, request = plan.request(sample, shots)
    key = sample_key(variant.fingerprint, request.api, request.asked + plan.place(sample))
    return Job(variant.name, plan, tally, sample, prompt, request, key)
