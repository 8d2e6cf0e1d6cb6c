"""What is asked of one variant: its datasets, the rows that are owed, a job for each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.endpoint.answer import Answer
from evalsuite.endpoint.wire import Request
from evalsuite.options.running import OnError
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.runs.journal import sample_key
from evalsuite.runs.plan import DatasetPlan, Judge
from evalsuite.runs.schema import SampleLine
from evalsuite.types import Party, Prompt, Reply, Sample, Score

YIELD_EVERY = 200
"""Rows passed over (they are finished) before the event loop gets a turn."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Who is asked: the name results stand under, and the fingerprint of what is served."""

    name: str
    fingerprint: str
    warning: str = ""
    """What was found wrong with what is served; stands on each line of the journal."""


@dataclass(frozen=True, slots=True)
class Step:
    """A further request of a sample. `key` is a hash of what is asked of whom."""

    of: Party
    request: Request
    key: str


@dataclass(slots=True)
class Job:
    """A sample on its way. `existing_reply` is its first reply, where that is there already."""

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
        """The further requests that the reply leads to; none where a file held what they would give."""
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
        """Whether every further request of the reply has been answered, and nothing else is among the answers."""
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


def row_number(subset: str, index: int, own_id: str) -> int:
    """What tells a row of a dataset from others, the same for all of its tries: 63 bits."""
    place = f"{subset}\n{index}\n{own_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(place, digest_size=8).digest(), "big") >> 1


def sample_place(subset: str, index: int, own_id: str, repeat: int) -> str:
    """What tells a sample of a dataset from others."""
    return f"{subset}\n{index}\n{own_id}\n{repeat}"


def line_place(line: SampleLine) -> str:
    """The same of a journal line."""
    return sample_place(line.subset, line.index, line.id, line.repeat)


def line_row_number(line: SampleLine) -> int:
    """The row's number of a journal line."""
    return row_number(line.subset, line.index, line.id)


def count_score(
    plan: DatasetPlan, aggregate: ScoreAggregate, subset: str, row: Any, score: Score, number: int
) -> None:
    """Count a score in the tally of its dataset, and on the lines of its tables. `number`: see `row_number`."""
    task = plan.task
    aggregate.add(
        subset,
        score.outcome,
        score.values,
        score.statistics,
        task.facts(row).cluster,
        plan.categories(subset, row),
        number if plan.repeats > 1 else None,
    )
    aggregate.labels.update(score.labels)
    if score.outcome != "error":
        aggregate.breakdowns.add(subset, task.breakdown_keys(row, score), score.values)


def count_line_score(
    plan: DatasetPlan, aggregate: ScoreAggregate, line: SampleLine, score: Score, row: Any
) -> None:
    """The same for a journal line as it stands; without its row (None) it is on no line of a table."""
    aggregate.add(
        line.subset,
        score.outcome,
        score.values,
        score.statistics,
        line.cluster,
        line.categories,
        line_row_number(line) if plan.repeats > 1 else None,
    )
    aggregate.labels.update(score.labels)
    if row is not None and score.outcome != "error":
        aggregate.breakdowns.add(line.subset, plan.task.breakdown_keys(row, score), score.values)


@dataclass(frozen=True)
class Work:
    """The datasets of one variant with their tallies, and which of their rows are owed."""

    variant: Variant
    plans: Sequence[DatasetPlan]
    aggregates: Mapping[str, ScoreAggregate]
    owed: Mapping[str, bytearray | None]
    """One byte a row, 1 for owed; None when all are."""

    @property
    def judge(self) -> Judge | None:
        """Who judges the replies of its datasets, where rows of such a one are owed; a run has one judge."""
        return next((plan.judge for plan in self.plans if plan.judge and self.count_owed(plan)), None)

    @property
    def has_follow_ups(self) -> bool:
        """Whether samples of any of its datasets take further requests."""
        return any(plan.task.capabilities.has_follow_ups for plan in self.plans)

    @property
    def logprob_plan(self) -> DatasetPlan | None:
        """A dataset of which letters' probabilities are owed; all are asked for in the same form."""
        return next((plan for plan in self.plans if plan.style.logprob and self.count_owed(plan)), None)

    def count_owed(self, plan: DatasetPlan) -> int:
        """How many rows of a dataset are owed."""
        flags = self.owed[plan.name]
        return plan.rows if flags is None else sum(flags)

    @property
    def owed_total(self) -> int:
        """How many rows of all its datasets are owed."""
        return sum(self.count_owed(plan) for plan in self.plans)

    def jobs(self) -> Iterator[Job | None]:
        """The owed samples of one dataset after the other."""
        for plan in self.plans:
            yield from self.owed_jobs(plan)

    def owed_jobs(self, plan: DatasetPlan) -> Iterator[Job | None]:
        """The owed samples of a dataset in file order; None now and then while finished ones are passed over."""
        flags = self.owed[plan.name]
        for number, (sample, shots) in enumerate(plan.samples()):
            if flags is None or flags[number]:
                yield make_job(plan, self.aggregates[plan.name], sample, shots, self.variant)
            elif number % YIELD_EVERY == 0:
                yield None


def new_work(variant: Variant, plans: Sequence[DatasetPlan], on_error: OnError) -> Work:
    """Everything is owed, nothing is counted yet."""
    aggregates = {
        plan.name: ScoreAggregate(plan.metrics, on_error, plan.task.breakdowns, plan.category_order)
        for plan in plans
    }
    return Work(variant, plans, aggregates, dict.fromkeys(aggregates))


def make_job(
    plan: DatasetPlan, aggregate: ScoreAggregate, sample: Sample[Any], shots: Sequence[Any], variant: Variant
) -> Job:
    """Render and serialise a sample's request, once."""
    prompt, request = plan.request(sample, shots)
    key = sample_key(
        variant.fingerprint, request.api, request.payload + plan.place(sample), repeat=sample.repeat
    )
    reply = plan.existing_reply(sample)
    existing_reply = Answer(reply) if reply else None
    return Job(variant.name, variant.warning, plan, aggregate, sample, prompt, request, key, existing_reply)
