"""The work of one variant: its datasets, the rows that are owed, a job for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.endpoint.answer import Answer
from evalsuite.endpoint.wire import Request
from evalsuite.options.running import OnError
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.runs.counting import DatasetCount, count_score, new_aggregate, row_number
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.journal import sample_key
from evalsuite.runs.judges import Judge
from evalsuite.types import Party, Prompt, Reply, Sample, Score

YIELD_EVERY = 200
"""Finished rows that are skipped before the event loop gets a turn."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant: the name of its results, and the fingerprint of what is served."""

    name: str
    fingerprint: str
    warning: str = ""
    """What is wrong with what is served; written to each of its journal lines."""


@dataclass(frozen=True, slots=True)
class Step:
    """A follow-up request of a sample. `key` is a hash of what is asked of whom."""

    of: Party
    request: Request
    key: str


@dataclass(slots=True)
class Job:
    """A sample to be asked. `existing_reply` is its first reply, if there is one already."""

    variant: str
    warning: str
    plan: DatasetPlan
    aggregate: ScoreAggregate
    sample: Sample[Any]
    prompt: Prompt
    request: Request
    key: str
    existing_reply: Answer | None = None

    def steps(self, reply: Reply) -> list[Step]:
        """The follow-up requests of a reply; none if a file holds their replies."""
        if any(not further.key for further in reply.further):
            return []
        found = []
        for ask in self.plan.task.follow_up_requests(self.sample.row, reply, self.plan.style):
            request = self.plan.further_request(ask)
            judge = self.plan.judge
            named = ask.of == "judge" and judge is not None and judge.base_url is not None
            whom = judge.fingerprint if named and judge else self.key
            found.append(Step(ask.of, request, sample_key(whom, request.api, request.payload)))
        return found

    def whole(self, reply: Reply) -> bool:
        """Whether every follow-up request of the reply has been answered, and nothing else."""
        if not self.plan.task.capabilities.has_follow_ups or any(
            not further.key for further in reply.further
        ):
            return True
        return [step.key for step in self.steps(reply)] == [further.key for further in reply.further]

    def count(self, score: Score) -> None:
        """Count the sample's score."""
        sample = self.sample
        number = row_number(sample.subset, sample.index, sample.id)
        count_score(self.plan, self.aggregate, sample.subset, sample.row, score, number)


@dataclass(frozen=True)
class Work:
    """The datasets of one variant, their scores so far, and which of their rows are owed."""

    variant: Variant
    plans: Sequence[DatasetPlan]
    aggregates: Mapping[str, ScoreAggregate]
    owed: Mapping[str, bytearray | None]
    """One byte a row, 1 for owed; None if all rows are owed."""

    def counts(self) -> list[DatasetCount[DatasetPlan]]:
        """What has been counted of each dataset."""
        return [DatasetCount(self.variant.name, plan, self.aggregates[plan.name]) for plan in self.plans]

    @property
    def judge(self) -> Judge | None:
        """The judge, if rows of a judged dataset are owed. A run has at most one judge."""
        return next((plan.judge for plan in self.plans if plan.judge and self.count_owed(plan)), None)

    @property
    def has_follow_ups(self) -> bool:
        """Whether samples of any dataset have follow-up requests."""
        return any(plan.task.capabilities.has_follow_ups for plan in self.plans)

    @property
    def logprob_plan(self) -> DatasetPlan | None:
        """A dataset that still owes label log-probabilities; all such datasets use the same form."""
        return next((plan for plan in self.plans if plan.style.logprob and self.count_owed(plan)), None)

    def count_owed(self, plan: DatasetPlan) -> int:
        """Number of owed rows of a dataset."""
        flags = self.owed[plan.name]
        return plan.rows if flags is None else sum(flags)

    @property
    def owed_total(self) -> int:
        """Number of owed rows of all datasets."""
        return sum(self.count_owed(plan) for plan in self.plans)

    def jobs(self) -> Iterator[Job | None]:
        """The owed samples, one dataset after the other."""
        for plan in self.plans:
            yield from self.owed_jobs(plan)

    def owed_jobs(self, plan: DatasetPlan) -> Iterator[Job | None]:
        """The owed samples of a dataset in file order. Yields None now and then while it skips finished ones."""
        flags = self.owed[plan.name]
        for number, (sample, shots) in enumerate(plan.samples()):
            if flags is None or flags[number]:
                yield make_job(plan, self.aggregates[plan.name], sample, shots, self.variant)
            elif number % YIELD_EVERY == 0:
                yield None


def new_work(variant: Variant, plans: Sequence[DatasetPlan], on_error: OnError) -> Work:
    """Work of which everything is owed and nothing is counted."""
    aggregates = {plan.name: new_aggregate(plan, on_error) for plan in plans}
    return Work(variant, plans, aggregates, dict.fromkeys(aggregates))


def make_job(
    plan: DatasetPlan, aggregate: ScoreAggregate, sample: Sample[Any], shots: Sequence[Any], variant: Variant
) -> Job:
    """Render and serialise a sample's request, once."""
    prompt, request = plan.request(sample, shots)
    key = sample_key(
        variant.fingerprint, request.api, request.payload + plan.key_suffix(sample), repeat=sample.repeat
    )
    reply = plan.existing_reply(sample)
    existing_reply = Answer(reply) if reply else None
    return Job(variant.name, variant.warning, plan, aggregate, sample, prompt, request, key, existing_reply)
