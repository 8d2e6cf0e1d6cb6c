"""The sections of both kinds of page, in the order a reader meets them. A new section is registered here."""

from __future__ import annotations

from collections.abc import Callable

from evalsuite.report import (
    breakdown_tables,
    category_tables,
    comparison_headline,
    delta_tables,
    differences,
    forest_plot,
    headline,
    metric_tables,
    quality_cost,
    reply_behaviour,
    reproduce_comparison,
    reproduce_run,
    sample_explorer,
    subset_delta_tables,
    subset_tables,
    training_charts,
    usage_table,
)
from evalsuite.report.section import Section
from evalsuite.report.source import ComparisonSource, RunSource

RUN_SECTIONS: tuple[Callable[[RunSource], Section | None], ...] = (
    headline.section,
    forest_plot.section,
    differences.section,
    metric_tables.section,
    quality_cost.section,
    category_tables.section,
    subset_tables.section,
    breakdown_tables.section,
    usage_table.section,
    reply_behaviour.section,
    sample_explorer.section,
    reproduce_run.section,
)
"""The report of a run. A function returns None if it has nothing to show."""

COMPARISON_SECTIONS: tuple[Callable[[ComparisonSource], Section | None], ...] = (
    comparison_headline.section,
    forest_plot.section,
    training_charts.section,
    quality_cost.section,
    delta_tables.section,
    subset_delta_tables.section,
    sample_explorer.section,
    differences.section,
    reproduce_comparison.section,
)
"""The page of a comparison."""
