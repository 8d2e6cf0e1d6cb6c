"""Usage by variant and dataset: requests, tokens, time, money. Memory does not grow with rows.

All of it is in the journal's lines, so that a run which is read again, resumed or rescored says the same as before.
Tokens are as the server's `usage` says. Three kinds are kept apart: those of replies that are there (paid), those of
replies that were thrown away and asked for again (wasted: paid as well, as far as anyone told), and those of replies
that came from the cache (not paid).

    latency_s   from the first byte sent to the last received, of the attempt that was answered
    ttft_s      from the first byte sent to the first piece of the reply; known of streams alone
    token_s     a token after the first: (latency_s - ttft_s) / (completion tokens - 1)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from evalsuite.endpoint.answer import Answer
from evalsuite.runs.schema import DistributionSummary, FollowUpEntry, SampleLine, TokenUsage, UsageSummary
from evalsuite.types import FollowUpReply, Party, TokenCounts

GROWTH = 1.02
"""Ratio of the widths of two neighbouring buckets of a `Distribution`: quantiles are off by at most 1 %."""
LOG_GROWTH = math.log(GROWTH)
LEAST = 1e-6
"""Least number of seconds; shorter times count as this."""
MILLION = 1e6


@dataclass(slots=True)
class Distribution:
    """The distribution of positive numbers: mean and quantiles from counts in buckets."""

    count: int = 0
    total: float = 0.0
    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, value: float) -> None:
        """Add a number."""
        self.count += 1
        self.total += value
        bucket = math.ceil(math.log(max(value, LEAST)) / LOG_GROWTH)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def merge(self, other: Distribution) -> None:
        """Add the numbers of another."""
        self.count += other.count
        self.total += other.total
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def quantile(self, share: float) -> float:
        """The nearest-rank quantile, the middle of its bucket. There must be a number."""
        rank = max(1, math.ceil(share * self.count))
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return math.exp((bucket - 0.5) * LOG_GROWTH)
        raise ValueError("a spread of nothing has no quantiles")

    def summary(self) -> DistributionSummary | None:
        """Mean and quantiles; None without any number."""
        if not self.count:
            return None
        middle, high = (round(self.quantile(share), 6) for share in (0.5, 0.95))
        total = round(self.total, 9)  # the same in whatever order the numbers came
        return DistributionSummary(mean=round(total / self.count, 6), median=middle, p95=high)


@dataclass(slots=True)
class DatasetUsage:
    """The usage of one variant on one dataset. A judge's tokens are counted apart."""

    replies: int = 0
    """Paid replies of the model and the judge."""
    from_cache: int = 0
    requests: int = 0
    retries: int = 0
    without_usage: int = 0
    """Paid replies whose tokens the server did not count."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    judge_prompt_tokens: int = 0
    judge_completion_tokens: int = 0
    wasted_prompt_tokens: int = 0
    wasted_completion_tokens: int = 0
    cached_prompt_tokens: int = 0
    cached_completion_tokens: int = 0
    latency: Distribution = field(default_factory=Distribution)
    ttft: Distribution = field(default_factory=Distribution)
    token: Distribution = field(default_factory=Distribution)

    def add_line(self, line: SampleLine) -> None:
        """Add a journal line."""
        self._add_entry("model", line)
        for further in line.further:
            self._add_entry(further.of, further)
        if line.reply is not None and line.latency_s is not None:
            completion = line.usage.completion_tokens if line.usage else None
            self.add_times(line.latency_s, line.ttft_s, completion)

    def _add_entry(self, of: Party, entry: SampleLine | FollowUpEntry) -> None:
        """Count the first reply of a line, or an entry of its `further`."""
        usage, attempts = entry.usage or TokenUsage(), entry.attempts or 0
        self.add_sent(attempts, entry.wasted_tokens)
        if entry.from_cache:
            self.add_cached(usage.prompt_tokens, usage.completion_tokens)
        elif attempts and entry.reply is not None:
            self.add_paid(of, usage.prompt_tokens, usage.completion_tokens)

    def add_answer(self, of: Party, answer: Answer | FollowUpReply) -> None:
        """Add an answer, without its times. A reply from a file took no attempt and cost nothing."""
        reply = answer.reply
        self.add_sent(answer.attempts, answer.wasted)
        if answer.from_cache:
            self.add_cached(reply.prompt_tokens, reply.completion_tokens)
        elif answer.attempts:
            self.add_paid(of, reply.prompt_tokens, reply.completion_tokens)

    def add_sent(self, attempts: int, wasted: TokenCounts) -> None:
        """Add the requests of a reply or a failure, and the tokens of useless attempts."""
        self.requests += attempts
        self.retries += max(0, attempts - 1)
        self.wasted_prompt_tokens += wasted[0]
        self.wasted_completion_tokens += wasted[1]

    def add_cached(self, prompt: int | None, completion: int | None) -> None:
        """Count a reply that came from the cache."""
        self.from_cache += 1
        self.cached_prompt_tokens += prompt or 0
        self.cached_completion_tokens += completion or 0

    def add_paid(self, of: Party, prompt: int | None, completion: int | None) -> None:
        """Count a paid reply."""
        self.replies += 1
        self.without_usage += prompt is None and completion is None
        if of == "judge":
            self.judge_prompt_tokens += prompt or 0
            self.judge_completion_tokens += completion or 0
        else:
            self.prompt_tokens += prompt or 0
            self.completion_tokens += completion or 0

    def add_times(self, latency_s: float, ttft_s: float | None, completion: int | None) -> None:
        """Add the times of a reply, in seconds."""
        self.latency.add(latency_s)
        if ttft_s is not None:
            self.ttft.add(ttft_s)
            if completion and completion > 1:
                self.token.add(max(0.0, latency_s - ttft_s) / (completion - 1))

    def merge(self, other: DatasetUsage) -> None:
        """Add the usage of another."""
        for one in fields(self):
            mine, others = getattr(self, one.name), getattr(other, one.name)
            if isinstance(mine, Distribution):
                mine.merge(others)
            else:
                setattr(self, one.name, mine + others)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked or came from the cache."""
        return not (self.requests or self.from_cache)

    def cost(self, prices: tuple[float, float] | None) -> float | None:
        """The cost of the model's tokens, wasted ones included, in the currency of the prices; None if unknown."""
        if prices is None or (self.replies and self.without_usage == self.replies):
            return None
        prompt = self.prompt_tokens + self.wasted_prompt_tokens
        completion = self.completion_tokens + self.wasted_completion_tokens
        return (prompt * prices[0] + completion * prices[1]) / MILLION

    def counts(self) -> dict[str, int]:
        """All counters."""
        return {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if not isinstance(getattr(self, one.name), Distribution)
        }

    def summary_fields(self, prices: tuple[float, float] | None) -> dict[str, Any]:
        """The fields that `UsageSummary` and `Totals` share."""
        cost = self.cost(prices)
        return {
            **self.counts(),
            "latency_s": self.latency.summary(),
            "ttft_s": self.ttft.summary(),
            "token_s": self.token.summary(),
            "cost": None if cost is None else round(cost, 9),
        }


@dataclass(slots=True)
class UsageTotals:
    """The usage of every variant on every dataset."""

    by_place: dict[tuple[str, str], DatasetUsage] = field(default_factory=dict)

    def of(self, variant: str, dataset: str) -> DatasetUsage:
        """The usage of a variant on a dataset."""
        found = self.by_place.get((variant, dataset))
        if found is None:
            found = self.by_place[variant, dataset] = DatasetUsage()
        return found

    def add_line(self, line: SampleLine) -> None:
        """Count a journal line."""
        self.of(line.variant, line.dataset).add_line(line)

    def merged_with(self, other: UsageTotals) -> UsageTotals:
        """The sum of both."""
        both = UsageTotals()
        for usage in (self, other):
            for (variant, dataset), account in usage.by_place.items():
                both.of(variant, dataset).merge(account)
        return both

    def whole(self) -> DatasetUsage:
        """The sum over all variants and datasets."""
        found = DatasetUsage()
        for account in self.by_place.values():
            found.merge(account)
        return found

    def summaries(self, prices: tuple[float, float] | None) -> Iterator[UsageSummary]:
        """The entries of `accounts` in summary.json, for datasets that were asked or answered from the cache."""
        for (variant, dataset), account in self.by_place.items():
            if not account.is_empty:
                yield UsageSummary(variant=variant, dataset=dataset, **account.summary_fields(prices))
