"""summary.json a piece at a time: what every view of a page walks over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from evalsuite.report.samples import Metrics

WHOLE = "all"
"""The subset that stands for a whole dataset."""


OUTCOMES_APART = ("unparsed", "truncated", "error", "skipped")


class SubsetSummary(Struct, frozen=True):
    """One subset of one dataset of one variant, as summary.json holds it."""

    variant: str
    dataset: str
    subset: str
    content: Mapping[str, Any]

    @property
    def category(self) -> str:
        """The category its samples are of; empty where it is a subject's part or the whole."""
        return str(self.content.get("category") or "")

    def metrics(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Its metrics, primary ones first, otherwise in their own order."""
        metrics = self.content.get("metrics") or {}
        return sorted(metrics.items(), key=lambda item: not item[1].get("primary"))

    def link(self, **filters: str) -> str:
        """The address that shows its samples in the explorer."""
        wanted = {"variant": self.variant, "dataset": self.dataset, **filters}
        if self.category:
            wanted["category"] = self.category
        elif self.subset != WHOLE:
            wanted["subset"] = self.subset
        return f"#samples?{urlencode(wanted, errors='replace')}"


def parts(summary: Mapping[str, Any]) -> Iterator[SubsetSummary]:
    """Every subset of every dataset of every variant, in the summary's order."""
    for variant, of_variant in (summary.get("variants") or {}).items():
        for dataset, of_dataset in (of_variant.get("datasets") or {}).items():
            for subset, content in (of_dataset.get("subsets") or {}).items():
                owed = {"owed": of_dataset.get("owed")} if subset == WHOLE else {}
                yield SubsetSummary(variant, dataset, subset, {**content, **owed})


def metrics_by_dataset(summary: Mapping[str, Any]) -> dict[tuple[str, str], Metrics]:
    """The metrics of whole datasets with their names, primary first: what a single sample is judged by."""
    return {
        (part.variant, part.dataset): {name: {**metric, "name": name} for name, metric in part.metrics()}
        for part in parts(summary)
        if part.subset == WHOLE
    }


def outcomes_shown(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of counts: `skipped` only where a metric did not apply to some sample."""
    skipped = any(metric.get("n_skipped") for part in parts(summary) for _, metric in part.metrics())
    return OUTCOMES_APART if skipped else OUTCOMES_APART[:3]
