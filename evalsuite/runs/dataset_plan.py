"""A dataset that can be asked: its rows, its few-shot examples, its prompts and requests."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalsuite.data.dataset import Dataset
from evalsuite.data.spec import DatasetSpec
from evalsuite.endpoint.likelihood_requests import build_request
from evalsuite.endpoint.wire import Generation, Request
from evalsuite.runs.schema import DatasetInfo, FileInfo
from evalsuite.runs.scored_dataset import ScoredDataset
from evalsuite.tasks.base import FollowUpRequest
from evalsuite.types import LogprobPrompt, Prompt, Reply, Sample


@dataclass(frozen=True, kw_only=True)
class DatasetPlan(ScoredDataset):
    """One dataset of a run, ready to be asked."""

    spec: DatasetSpec
    dataset: Dataset[Any]
    generation: Generation
    limit: int | None
    recognised: bool
    """Whether the kind was recognised from the columns."""

    @property
    def name(self) -> str:
        """The name of its results."""
        return self.dataset.name

    @property
    def files(self) -> tuple[FileInfo, ...]:
        """Its data files, dev files included."""
        return tuple(
            FileInfo(path=facts.path, sha256=facts.sha256, rows=facts.rows) for facts in self.dataset.facts
        )

    @property
    def subsets(self) -> Mapping[str, int]:
        """Rows of each subset that are asked; repeats do not count."""
        return self.dataset.quotas(self.limit)

    @property
    def data_notes(self) -> tuple[str, ...]:
        """What reading its files repaired or left out, the same for every variant."""
        return tuple(self.dataset.notes)

    @property
    def subjects(self) -> Collection[str]:
        """All subsets of its files, also those without a row that is asked."""
        return self.dataset.counts

    @property
    def reply_limit(self) -> int | None:
        """Tokens that a reply may have; None where nobody knows."""
        return self.generation.max_tokens

    @property
    def draws_at_random(self) -> bool:
        """Whether two replies to the same prompt may differ by more than noise of serving."""
        return self.generation.temperature > 0

    def samples(self) -> Iterator[tuple[Sample[Any], Sequence[Any]]]:
        """The samples, each with its few-shot rows; the repeats of a row follow each other."""
        few_shot = self.task.capabilities.few_shot
        fallback = few_shot.builtin if few_shot else ()
        for sample, pool in self.dataset.samples(self.limit):
            shots = (pool or fallback)[: self.style.shots]
            yield sample, shots
            for repeat in range(1, self.repeats):
                yield replace(sample, repeat=repeat), shots

    def request(self, sample: Sample[Any], shots: Sequence[Any]) -> tuple[Prompt, Request]:
        """Render a sample's prompt and serialise its request. Every repeat gets a seed of its own, if one is set."""
        prompt = self.task.prompt(sample.row, shots, self.style, sample.subset)
        generation = self.generation
        if sample.repeat and generation.seed is not None:
            generation = replace(generation, seed=generation.seed + sample.repeat)
        return prompt, build_request(prompt, generation)

    def further_request(self, ask: FollowUpRequest) -> Request:
        """Serialise a follow-up request."""
        settings = self.judge.generation if ask.of == "judge" and self.judge else self.generation
        return build_request(ask.prompt, settings)

    def existing_reply(self, sample: Sample[Any]) -> Reply | None:
        """The reply that a sample comes with, so that only a judge must be asked."""
        return None

    def with_logprob_form(self, form: LogprobPrompt) -> DatasetPlan:
        """The same plan, asking for label log-probabilities in another form, if it asks for them."""
        return replace(self, style=replace(self.style, logprob=form)) if self.style.logprob else self

    def key_suffix(self, sample: Sample[Any]) -> bytes:
        """The part of a sample's place in its key: none, because equal questions may share a reply."""
        return b""

    def conditions(self) -> list[str]:
        """How it was asked, as parts of a signature."""
        return self.asked_conditions(self.generation.fields())

    def info(self) -> DatasetInfo:
        """The dataset's entry in run.json."""
        return DatasetInfo(
            name=self.name,
            kind=self.task.kind,
            spec=self.spec.text,
            files=self.files,
            samples=self.rows,
            subsets=dict(self.subsets),
            shots=self.style.shots,
            lang=self.style.lang,
            cot=self.style.cot,
            style=self.style,
            generation=self.generation.fields(),
            scorers=self.scorers(),
            judge=self.judge.info() if self.judge else None,
            repeats=self.repeats,
            columns=dict(self.dataset.columns.pairs),
            notes=self.data_notes,
        )
