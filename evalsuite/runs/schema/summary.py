"""summary.json: the results of a run."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from evalsuite.runs.schema.document import Document, always_written


class MetricSummary(Document, frozen=True, kw_only=True):
    """One metric of one subset. Counts are of samples."""

    value: float | None
    stderr: float | None
    ci_low: float | None
    ci_high: float | None
    """The interval is a 95 % confidence interval."""
    n: int
    n_unparsed: int
    n_truncated: int
    n_error: int
    n_skipped: int
    """Samples that the metric does not apply to."""
    primary: bool
    signature: str
    """Everything the number depends on."""
    bounds: tuple[float, float] | None = None
    """The lowest and highest value it could have, had failed samples been answered."""
    unit: Literal["proportion", "score", "bleu", "ratio", "difference"]
    higher_is_better: bool
    detail: bool
    """Whether it is left out where room is scarce."""


class AverageSummary(Document, frozen=True, kw_only=True):
    """A mean of scores on a line of a breakdown."""

    value: float | None
    n: int


class BreakdownLine(Document, frozen=True, kw_only=True):
    """The samples of one key."""

    key: tuple[str, ...]
    n: int
    values: dict[str, AverageSummary] = msgspec.field(default_factory=dict)


class BreakdownSummary(Document, frozen=True, kw_only=True):
    """A further table of a dataset: samples counted by keys that its task gives them."""

    title: str
    note: str
    columns: tuple[str, ...]
    averages: tuple[str, ...]
    filter: str
    lines: tuple[BreakdownLine, ...]
    n_lines: int
    n_unlisted: int


class SubsetSummary(Document, frozen=True, kw_only=True):
    """The results of a subset, of a category (`category:NAME`) or of the whole dataset (`all`)."""

    category: str | None = None
    subjects: tuple[str, ...] | None = None
    samples: int
    n_unparsed: int
    n_truncated: int
    n_error: int
    metrics: dict[str, MetricSummary]
    breakdowns: dict[str, BreakdownSummary] = msgspec.field(default_factory=dict)


class DatasetSummary(Document, frozen=True, kw_only=True):
    """The results of a variant on a dataset."""

    kind: str
    owed: int
    """Samples that are not finished."""
    subsets: dict[str, SubsetSummary]

    def metrics(self, subset: str = "all") -> dict[str, MetricSummary]:
        """The metrics of a subset, by name; empty for a subset that is not there."""
        found = self.subsets.get(subset)
        return found.metrics if found else {}


class SpeedSummary(Document, frozen=True, kw_only=True):
    """How fast a variant answered."""

    samples: int
    seconds: float
    samples_per_s: float
    completion_tokens_per_s: float


class VariantSummary(Document, frozen=True, kw_only=True):
    """The results of a variant."""

    datasets: dict[str, DatasetSummary]
    speed: SpeedSummary | None = None


class DistributionSummary(Document, frozen=True, kw_only=True):
    """Mean and quantiles of positive numbers."""

    mean: float
    median: float
    p95: float


class UsageSummary(Document, frozen=True, kw_only=True):
    """What replies took. The model's tokens, the judge's, wasted and cached ones are counted apart."""

    variant: str | UnsetType = UNSET
    dataset: str | UnsetType = UNSET
    replies: int
    """Replies that were paid for."""
    from_cache: int
    requests: int
    retries: int
    without_usage: int
    """Paid replies whose tokens the server did not count."""
    prompt_tokens: int
    completion_tokens: int
    judge_prompt_tokens: int
    judge_completion_tokens: int
    wasted_prompt_tokens: int
    wasted_completion_tokens: int
    cached_prompt_tokens: int
    cached_completion_tokens: int
    latency_s: DistributionSummary | None
    ttft_s: DistributionSummary | None
    token_s: DistributionSummary | None
    """Seconds a token after the first."""
    cost: float | None


class ThroughputSummary(Document, frozen=True, kw_only=True):
    """What was finished per second over the time of a run, point by point."""

    seconds_a_point: float
    seconds: float
    samples_per_s: tuple[float, ...]
    completion_tokens_per_s: tuple[float, ...]


class Totals(Document, frozen=True, kw_only=True):
    """What a whole run took, earlier starts included."""

    samples: int
    reused: int
    """Samples that earlier starts had finished."""
    owed: int
    errors: int
    replies: int
    from_cache: int
    requests: int
    retries: int
    without_usage: int
    prompt_tokens: int
    completion_tokens: int
    judge_prompt_tokens: int | UnsetType = UNSET
    judge_completion_tokens: int | UnsetType = UNSET
    wasted_prompt_tokens: int
    wasted_completion_tokens: int
    cached_prompt_tokens: int
    cached_completion_tokens: int
    latency_s: DistributionSummary | None
    ttft_s: DistributionSummary | None
    token_s: DistributionSummary | None
    cost: float | None
    wall_s: float | None = always_written(None)
    requests_per_s: float | None = always_written(None)
    """Samples per second; the key's name is older than follow-up requests."""
    completion_tokens_per_s: float | None = always_written(None)
    concurrency: int | None = always_written(None)
    throughput: ThroughputSummary | None = always_written(None)


class ErrorCount(Document, frozen=True, kw_only=True):
    """How many samples failed in the same way."""

    kind: str = msgspec.field(name="class")
    message: str
    count: int


class MetricChange(Document, frozen=True, kw_only=True):
    """A metric of a whole dataset that rescoring changed."""

    variant: str
    dataset: str
    metric: str
    before: float | None
    after: float | None


class RescoreSummary(Document, frozen=True, kw_only=True):
    """What rescoring changed."""

    samples: int
    outcomes_changed: int
    scores_changed: int
    metrics: tuple[MetricChange, ...]


class Summary(Document, frozen=True, kw_only=True):
    """summary.json: the results of a run."""

    run: str
    """The name of the run directory."""
    complete: bool
    problem: str | None
    started: str | None
    finished: str | None
    """UTC, such as 2026-11-30T23:05:45Z."""
    variants: dict[str, VariantSummary]
    totals: Totals
    accounts: tuple[UsageSummary, ...]
    """What the replies to each dataset took."""
    errors: tuple[ErrorCount, ...]
    warnings: tuple[str, ...]
    comparison: dict[str, Any] | None = None
    """The comparison of the run's own variants; see `comparison.document`."""
    rescored: RescoreSummary | None = None

    def dataset(self, variant: str, dataset: str) -> DatasetSummary | None:
        """The results of a variant on a dataset."""
        found = self.variants.get(variant)
        return found.datasets.get(dataset) if found else None
