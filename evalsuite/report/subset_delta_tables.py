"""The judged metrics of a comparison on each category and subset, as forest plots with numbers."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from evalsuite.comparison.document import ComparisonDocument, ResultEntry
from evalsuite.data.subsets import CATEGORY_PREFIX
from evalsuite.report.forest_plot import ForestPlot, forest_plot
from evalsuite.report.section import Section
from evalsuite.report.source import ComparisonSource

MAX_OPEN_ROWS = 25
"""Tables with more rows start folded."""


class SubsetDeltaTable(Struct, frozen=True):
    """One judged metric on the subsets or categories of a dataset."""

    title: str
    metric: str
    is_open: bool
    plot: ForestPlot


def section(source: ComparisonSource) -> Section | None:
    """Make the section. None if no dataset has categories or several subsets."""
    tables = subset_delta_tables(source.comparison)
    if not tables:
        return None
    values = {"tables": tables, "baseline": source.comparison.baseline, "several": source.several_compared}
    return Section("subsets", "Subsets", "subset_delta_tables.html.j2", values)


def subset_delta_tables(document: ComparisonDocument) -> list[SubsetDeltaTable]:
    """Make a table for each dataset with categories or subsets, and for each judged metric."""
    groups: dict[tuple[str, bool, str], list[ResultEntry]] = {}
    for result in document.results:
        if not result.covers_dataset and result.n:
            is_category = result.subset.startswith(CATEGORY_PREFIX)
            groups.setdefault((result.dataset, is_category, result.metric), []).append(result)
    return [
        SubsetDeltaTable(
            f"{dataset}, {'categories' if is_category else 'subsets'}",
            metric,
            len(results) <= MAX_OPEN_ROWS,
            forest_plot(_largest_change_first(results)),
        )
        for (dataset, is_category, metric), results in groups.items()
    ]


def _largest_change_first(results: Sequence[ResultEntry]) -> list[ResultEntry]:
    """Sort subsets by the delta of the first variant. Variants of a subset stay together."""
    position: dict[str, float] = {}
    for result in results:
        position.setdefault(result.subset, -(result.delta or 0.0))
    return sorted(results, key=lambda result: (position[result.subset], result.subset))
