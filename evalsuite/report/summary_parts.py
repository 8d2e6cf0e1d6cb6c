"""summary.json as a flat sequence of subsets, which every section of a page walks over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from evalsuite.report.samples import Metrics

WHOLE = "all"
"""The name of the subset that is the whole dataset."""


OTHER_OUTCOMES = ("unparsed", "truncated", "error", "skipped")


class SubsetResults(Struct, frozen=True):
    """The results of one variant on one subset of a dataset, as summary.json holds them."""

    variant: str
    dataset: str
    subset: str
    content: Mapping[str, Any]

    @property
    def category(self) -> str:
        """The name of the category; empty for a subset and for the whole dataset."""
        return str(self.content.get("category") or "")

    def metrics(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The metrics, primary ones first, otherwise in the order of the summary."""
        metrics = self.content.get("metrics") or {}
        return sorted(metrics.items(), key=lambda item: not item[1].get("primary"))

    def link(self, **filters: str) -> str:
        """The link that shows its samples in the explorer."""
        wanted = {"variant": self.variant, "dataset": self.dataset, **filters}
        if self.category:
            wanted["category"] = self.category
        elif self.subset != WHOLE:
            wanted["subset"] = self.subset
        return f"#samples?{urlencode(wanted, errors='replace')}"


def all_subsets(summary: Mapping[str, Any]) -> Iterator[SubsetResults]:
    """Yield every subset of every dataset of every variant, in the order of the summary."""
    for variant, of_variant in (summary.get("variants") or {}).items():
        for dataset, of_dataset in (of_variant.get("datasets") or {}).items():
            for subset, content in (of_dataset.get("subsets") or {}).items():
                owed = {"owed": of_dataset.get("owed")} if subset == WHOLE else {}
                yield SubsetResults(variant, dataset, subset, {**content, **owed})


def metrics_by_dataset(summary: Mapping[str, Any]) -> dict[tuple[str, str], Metrics]:
    """The metrics of whole datasets by (variant, dataset), primary ones first. The first one judges single samples."""
    return {
        (part.variant, part.dataset): {name: {**metric, "name": name} for name, metric in part.metrics()}
        for part in all_subsets(summary)
        if part.subset == WHOLE
    }


def outcomes_shown(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """The outcomes that tables count. `skipped` is one of them only if a metric did not apply to some sample."""
    skipped = any(metric.get("n_skipped") for part in all_subsets(summary) for _, metric in part.metrics())
    return OTHER_OUTCOMES if skipped else OTHER_OUTCOMES[:3]
