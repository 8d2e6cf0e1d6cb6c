"""Every metric of each category of a dataset, in the order of the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite.formatting.numbers import counted
from evalsuite.report.metric_rows import MetricTable, metric_row, tables_section, unit_domain
from evalsuite.report.section import Section
from evalsuite.report.source import RunSource
from evalsuite.report.summary_parts import WHOLE, SubsetResults, all_subsets, outcomes_shown


def section(source: RunSource) -> Section | None:
    """Make the section. None if no dataset has categories."""
    return tables_section(source, category_tables(source.summary), "categories", "Categories")


def category_tables(summary: Mapping[str, Any]) -> list[MetricTable]:
    """Make a table for each dataset with categories."""
    outcomes = outcomes_shown(summary)
    wholes = {(part.variant, part.dataset): part for part in all_subsets(summary) if part.subset == WHOLE}
    by_dataset: dict[str, dict[tuple[str, str], list[tuple[SubsetResults, Mapping[str, Any]]]]] = {}
    for part in all_subsets(summary):
        if part.category:
            cells = by_dataset.setdefault(part.dataset, {})
            for name, metric in part.metrics():
                cells.setdefault((part.category, name), []).append((part, metric))
    tables = []
    for dataset, cells in by_dataset.items():
        domain = unit_domain(metric for of_cell in cells.values() for _, metric in of_cell)
        rows = []
        for (_, name), of_cell in cells.items():
            for part, metric in of_cell:
                reference = dict(wholes[part.variant, dataset].metrics()).get(name)
                rows.append(metric_row(part, name, metric, domain, reference, outcomes))
        count = len({category for category, _ in cells})
        tables.append(MetricTable(dataset, (counted(count, "category", "categories"),), tuple(rows)))
    return tables
