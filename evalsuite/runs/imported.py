"""Turns samples that another tool asked and scored into journal lines, metrics and dataset entries.

The harness's scores are taken as they are, under its own names behind its own (`evalscope/accuracy`), and its version is
in every signature. Where it says what they add up to, our mean is held against that: a difference becomes a note.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from msgspec import UNSET, Raw

from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.endpoint.wire import dumps
from evalsuite.runs.schema import (
    DatasetInfo,
    ErrorEntry,
    FileInfo,
    HarnessInfo,
    MetricInfo,
    ReplyEntry,
    SampleLine,
    TokenUsage,
)
from evalsuite.runs.scored_dataset import ScoredDataset, harness_conditions
from evalsuite.tasks.base import Task
from evalsuite.tasks.benchmark import BenchmarkTask
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.style import Style
from evalsuite.types import Message, Outcome, Reply

BETWEEN = re.compile(r"rouge|bleu|chrf|meteor|f1|rate|anls|similarity|score", re.IGNORECASE)
"""Names of metrics between 0 and 1, even if a few samples happen to have only 0 and 1."""
KEY_BYTES = 8
ROUNDING = 1e-9
LOWER_IS_BETTER = re.compile(
    r"hallu|error|\b(?:wer|cer|ter|mae|mse|loss)\b|perplexity|toxic|refus", re.IGNORECASE
)
"""Names of metrics where lower is better, if the tool does not say."""


@dataclass(frozen=True, slots=True)
class ImportedSample:
    """One sample of another tool. Without a reply, `error` has the reason."""

    subset: str
    id: str
    index: int
    prompt: str | Sequence[Message]
    reply: Reply | None
    gold: Any
    scores: Mapping[str, float | None]
    extracted: Any = None
    error: str | None = None
    labels: tuple[str, ...] = ()
    latency_s: float | None = None
    category: str | None = None
    cluster: str | None = None
    """The cluster of samples that are not independent, such as the repeats of a row."""
    repeat: int = 0
    """Which repeat of its row it is; repeats have the same `id` and `index`."""

    @property
    def outcome(self) -> Outcome:
        """`scored`, unless there is no reply or the tool found no answer in it."""
        if self.reply is None:
            return "error"
        if self.extracted in ("", None, []):
            return "truncated" if self.reply.finish_reason == "length" else "unparsed"
        return "scored"


@dataclass(frozen=True, slots=True)
class ReportedScore:
    """A number that a tool reports for the whole dataset or a subset.

    `value` is in the samples' own scale, good to `decimals` places. `better` is "higher" or "lower"; None where the
    harness does not say.
    """

    metric: str
    value: float
    decimals: int
    subset: str = WHOLE_DATASET
    better: str | None = None
    primary: bool = False


@dataclass(frozen=True)
class Source:
    """The tool whose results they are: its name and version, and how it asked, for signatures."""

    harness: str
    version: str
    conditions: tuple[str, ...] = ()

    def info(self) -> HarnessInfo:
        """The harness's entry in run.json."""
        return HarnessInfo(name=self.harness, version=self.version, conditions=self.conditions)


@dataclass(frozen=True, kw_only=True)
class ImportedDataset(ScoredDataset):
    """A dataset that another tool asked and scored for one variant."""

    task: Task[Any] = field(default_factory=BenchmarkTask)
    style: Style = field(default_factory=lambda: Style(lang="en", shots=0))
    own_name: str
    spec: str
    variant: str
    source: Source
    counts: Mapping[str, int]
    """Samples of each subset."""
    own_metrics: tuple[Metric, ...]

    @property
    def name(self) -> str:
        """The name of its results."""
        return self.own_name

    @property
    def files(self) -> tuple[FileInfo, ...]:
        """None: the other tool read them."""
        return ()

    @property
    def subsets(self) -> Mapping[str, int]:
        """Samples of each subset."""
        return self.counts

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The other tool's metrics."""
        return self.own_metrics

    def conditions(self) -> list[str]:
        """How it was asked, as parts of a signature."""
        return harness_conditions(self.source.info())

    def scorers(self) -> dict[str, str]:
        """The other tool's version."""
        return {self.source.harness: self.source.version}

    def info(self) -> DatasetInfo:
        """The dataset's entry in run.json."""
        return DatasetInfo(
            name=self.name,
            kind=self.task.kind,
            spec=self.spec,
            variant=self.variant,
            files=(),
            samples=self.rows,
            subsets=dict(self.counts),
            style=self.style,
            generation={"temperature": 0.0, "max_tokens": 0},
            scorers=self.scorers(),
            harness=self.source.info(),
            metrics=tuple(map(_metric_info, self.own_metrics)),
            notes=self.notes,
        )


def _metric_info(metric: Metric) -> MetricInfo:
    return MetricInfo(
        name=metric.name,
        unit=metric.unit,
        primary=metric.primary,
        higher_is_better=metric.higher_is_better,
        profile=metric.profile,
        version=metric.version,
        detail=metric.detail,
    )


def imported_line(sample: ImportedSample, variant: str, dataset: str, source: Source, job: str) -> SampleLine:
    """The journal line of a sample. Its key starts with `job`, which tells jobs apart."""
    reply = sample.reply
    prompt = Raw(dumps(sample.prompt))
    is_flat = isinstance(sample.prompt, str)
    return SampleLine(
        key=sample_key(job, sample),
        variant=variant,
        dataset=dataset,
        subset=sample.subset,
        id=sample.id,
        index=sample.index,
        prompt=prompt if is_flat else UNSET,
        messages=UNSET if is_flat else prompt,
        reply=ReplyEntry.of(reply) if reply else None,
        outcome=sample.outcome,
        extracted=sample.extracted,
        scores={f"{source.harness}/{name}": value for name, value in sample.scores.items()},
        labels=tuple(sample.labels),
        gold=sample.gold,
        usage=TokenUsage.of(reply),
        latency_s=sample.latency_s,
        attempts=1,
        error=None if reply else ErrorEntry(kind="suite", message=sample.error or "no reply"),
        repeat=sample.repeat,
        categories=(sample.category,) if sample.category else (),
        cluster=sample.cluster or None,
    )


def sample_key(job: str, sample: ImportedSample) -> str:
    """A key of 32 hexadecimal digits: 16 for the job, 16 for the sample's place."""
    tried = f"\n{sample.repeat}" if sample.repeat else ""
    place = f"{sample.subset}\n{sample.index}\n{sample.id}{tried}".encode("utf-8", "surrogatepass")
    return job + hashlib.blake2b(place, digest_size=KEY_BYTES).hexdigest()


@dataclass
class ImportedScores:
    """The scores of a dataset's samples, until its metrics are known: eight bytes a score."""

    source: Source
    counts: Counter[str] = field(default_factory=Counter)
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Metric → subset → scores."""

    def add(self, sample: ImportedSample) -> None:
        """Add a sample."""
        self.counts[sample.subset] += 1
        for name, value in sample.scores.items():
            scores = self.values.setdefault(name, {}).setdefault(sample.subset, [])
            if value is not None:
                scores.append(value)

    def metrics(self, reported: Iterable[ReportedScore]) -> tuple[Metric, ...]:
        """The metrics in the order samples name them, the tool's main one first."""
        said = {score.metric: score for score in reversed(list(reported))}
        primary = next((name for name, score in said.items() if score.primary), None)
        chosen = primary if primary in self.values else next(iter(self.values), None)
        found = [self._metric(name, said.get(name), primary=name == chosen) for name in self.values]
        return tuple(sorted(found, key=lambda metric: not metric.primary))

    def _metric(self, name: str, said: ReportedScore | None, *, primary: bool) -> Metric:
        values = [value for scores in self.values[name].values() for value in scores]
        better = said.better if said and said.better else None
        lower = better == "lower" if better else bool(LOWER_IS_BETTER.search(name))
        return Metric(
            f"{self.source.harness}/{name}",
            unit=_unit(name, values),
            primary=primary,
            higher_is_better=not lower,
            profile=self.source.harness,
            version=self.source.version,
            detail=not primary and len(self.values) > MOST_SHOWN,
        )

    def notes(self, reported: Iterable[ReportedScore]) -> Iterator[str]:
        """A sentence for every reported number that differs from the mean of its samples."""
        for score in reported:
            subsets = self.values.get(score.metric)
            if subsets is None:
                yield (
                    f"{self.source.harness} reports {score.metric} = {score.value:g} and wrote no score of single samples for it, "
                    "so it stands in no table here."
                )
                continue
            whole = score.subset == WHOLE_DATASET
            values = [v for name, found in subsets.items() if whole or name == score.subset for v in found]
            if not values:
                continue
            mean = fmean(values)
            if abs(mean - score.value) <= 0.5 * 10**-score.decimals + ROUNDING:
                continue
            place = "" if whole else f" of {score.subset}"
            yield (
                f"{self.source.harness} reports {score.metric}{place} = {score.value:.{score.decimals}f}; the mean of the {len(values)} samples "
                f"it wrote is {mean:.{score.decimals}f}, which stands here.{_explained(score, subsets)}"
            )


MOST_SHOWN = 8
"""Most metrics of a tool in the table on the terminal; the files have all."""


def _explained(score: ReportedScore, subsets: Mapping[str, Sequence[float]]) -> str:
    means = [fmean(values) for values in subsets.values() if values]
    tolerance = 0.5 * 10**-score.decimals + ROUNDING
    if len(means) > 1 and abs(fmean(means) - score.value) <= tolerance:
        return " It averages its subsets, whatever their size."
    return ""


def _unit(name: str, values: Sequence[float]) -> Any:
    """Guess the unit from the values and the name: a share of right answers, a score from 0 to 1, or a free number."""
    if all(value in (0.0, 1.0) for value in values) and not BETWEEN.search(name):
        return "proportion"
    if all(0.0 <= value <= 1.0 for value in values):
        return "score"
    return "ratio" if all(value >= 0.0 for value in values) else "difference"
