"""The primary metric on each subset of a dataset, best subset first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalsuite.formatting.numbers import counted
from evalsuite.metrics.finite import finite
from evalsuite.report.metric_rows import MetricTable, metric_row, tables_section, unit_domain
from evalsuite.report.section import Section
from evalsuite.report.source import RunSource
from evalsuite.report.summary_parts import WHOLE, SubsetResults, all_subsets, outcomes_shown


def section(source: RunSource) -> Section | None:
    """Make the section. None if no dataset has several subsets."""
    return tables_section(source, subset_tables(source.summary), "subsets", "Subsets")


def subset_tables(summary: Mapping[str, Any]) -> list[MetricTable]:
    """Make a table for each dataset with several subsets."""
    outcomes = outcomes_shown(summary)
    wholes = {(part.variant, part.dataset): part for part in all_subsets(summary) if part.subset == WHOLE}
    by_dataset: dict[str, list[tuple[SubsetResults, str, Mapping[str, Any]]]] = {}
    for part in all_subsets(summary):
        if part.subset != WHOLE and not part.category and (first := next(iter(part.metrics()), None)):
            by_dataset.setdefault(part.dataset, []).append((part, *first))
    tables = []
    for dataset, cells in by_dataset.items():
        if len({part.subset for part, _, _ in cells}) < 2:
            continue
        domain = unit_domain(metric for _, _, metric in cells)
        rows = []
        for part, name, metric in _best_subset_first(cells):
            whole = wholes.get((part.variant, dataset))
            reference = dict(whole.metrics()).get(name) if whole else None
            rows.append(metric_row(part, name, metric, domain, reference, outcomes))
        notes = (cells[0][1], counted(len({part.subset for part, _, _ in cells}), "subset"))
        tables.append(MetricTable(dataset, notes, tuple(rows)))
    return tables


def _best_subset_first(
    cells: Sequence[tuple[SubsetResults, str, Mapping[str, Any]]],
) -> list[tuple[SubsetResults, str, Mapping[str, Any]]]:
    """Sort subsets by the value of the first variant, those without a value last. Variants of a subset stay together."""
    place: dict[str, tuple[bool, float]] = {}
    for part, _, metric in cells:
        value = finite(metric.get("value"))
        sign = 1.0 if metric.get("higher_is_better") is False else -1.0
        place.setdefault(part.subset, (value is None, sign * (value or 0.0)))
    return sorted(cells, key=lambda cell: place[cell[0].subset])
