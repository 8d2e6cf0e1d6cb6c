"""What a page counts over all samples, shown or not: reply lengths, latencies, labels, stages.

Lengths and latencies are kept as counts of each value, latencies with four digits, so that memory grows ever more slowly
with the number of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalsuite._util.compact import CompactValues
from evalsuite.metrics.finite import finite

if TYPE_CHECKING:
    from evalsuite.runs.schema import SampleLine

MAX_COUNTED = 50_000
LATENCY_DIGITS = 4


@dataclass
class ReplyStatistics:
    """The replies of one variant on one dataset. Failed requests are not counted, except for their labels."""

    tokens: CompactValues = field(default_factory=lambda: CompactValues(MAX_COUNTED))
    characters: CompactValues = field(default_factory=lambda: CompactValues(MAX_COUNTED))
    latencies: CompactValues = field(default_factory=lambda: CompactValues(MAX_COUNTED))
    """Seconds."""
    labels: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    prompts: int = 0
    """Prompts whose tokens the server counted."""
    prompt_tokens: float = 0.0

    def lengths(self) -> tuple[str, CompactValues]:
        """Unit and values of reply lengths: tokens if the server counted any, else characters."""
        return ("tokens", self.tokens) if self.tokens else ("characters", self.characters)


class ReplyStatisticsTable:
    """The statistics of every variant on every dataset, collected sample by sample."""

    def __init__(self) -> None:
        self._statistics: dict[tuple[str, str], ReplyStatistics] = {}

    def __iter__(self) -> Iterator[tuple[str, str, ReplyStatistics]]:
        """Yield variant, dataset and statistics, in the order of the samples."""
        for (variant, dataset), statistics in self._statistics.items():
            yield variant, dataset, statistics

    def get(self, variant: str, dataset: str) -> ReplyStatistics:
        """The statistics of a variant on a dataset; empty ones if it has no sample."""
        return self._statistics.get((variant, dataset), ReplyStatistics())

    def add(self, line: SampleLine) -> None:
        """Count one journal line."""
        place = line.variant, line.dataset
        statistics = self._statistics.get(place)
        if statistics is None:
            statistics = self._statistics[place] = ReplyStatistics()
        statistics.labels.update(line.labels)
        if line.failed:
            return
        if line.stage:
            statistics.stages[line.stage] += 1
        usage, reply = line.usage, line.reply
        prompt_tokens = finite(usage and usage.prompt_tokens)
        if prompt_tokens is not None:
            statistics.prompts += 1
            statistics.prompt_tokens += prompt_tokens
        tokens = finite(usage and usage.completion_tokens)
        if tokens is not None:
            statistics.tokens.append(tokens)
        elif reply is None or reply.measured is None:
            statistics.characters.append(len(reply.text) if reply else 0)
        latency = finite(line.latency_s)
        if latency is not None:
            statistics.latencies.append(float(f"{latency:.{LATENCY_DIGITS}g}"))
