"""What the sections of a page are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evalsuite.report.reply_statistics import ReplyStatisticsTable
from evalsuite.report.sample_store import ReadSamples, SampleStore

if TYPE_CHECKING:
    from evalsuite.comparison.document import ComparisonDocument
    from evalsuite.comparison.flips import Flips


def collect_samples(
    store: SampleStore, read_samples: ReadSamples
) -> tuple[ReplyStatisticsTable, SampleStore]:
    """Read all samples: count what they say, and store as many of them as the page can hold."""
    statistics = ReplyStatisticsTable()
    for line in read_samples():
        statistics.add(line)
        store.add(line)
    return statistics, store.fit(read_samples)


@dataclass(frozen=True)
class RunSource:
    """A run: its documents, and what was kept of its samples."""

    info: Mapping[str, Any]
    """run.json."""
    summary: Mapping[str, Any]
    """summary.json."""
    statistics: ReplyStatisticsTable
    samples: SampleStore
    comparison: ComparisonDocument | None = None
    """The comparison of the run's own variants."""
    aliases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Name of a dataset -> what the baseline calls it."""

    @property
    def several_variants(self) -> bool:
        """Whether tables need a column for the variant."""
        return len(self.summary.get("variants") or {}) > 1

    @property
    def several_compared(self) -> bool:
        """Whether tables of differences need a column for the variant."""
        return self.comparison is not None and len(self.comparison.variants) > 1


@dataclass(frozen=True)
class ComparisonSource:
    """A comparison of runs: its document, and what was kept of the rows in common."""

    comparison: ComparisonDocument
    flips: Sequence[Flips]
    statistics: ReplyStatisticsTable
    samples: SampleStore
    command: str
    costs: Mapping[tuple[str, str], float | None]
    """What each side paid for a dataset, by (label, dataset), if it is known."""

    @property
    def several_compared(self) -> bool:
        """Whether tables of differences need a column for the variant."""
        return len(self.comparison.variants) > 1
