"""Every metric of the datasets that both sides have: values, difference, interval, p-value."""

from __future__ import annotations

from msgspec import Struct

from evalsuite.comparison.document import ComparisonDocument
from evalsuite.comparison.tables import whole_results
from evalsuite.report.forest_plot import DeltaRow, delta_row
from evalsuite.report.section import Section
from evalsuite.report.source import ComparisonSource


class DeltaTable(Struct, frozen=True):
    """Every metric of one dataset."""

    dataset: str
    rows: tuple[DeltaRow, ...]
    minor: tuple[DeltaRow, ...]
    """Metrics that start folded."""


def section(source: ComparisonSource) -> Section:
    """Make the section."""
    values = {
        "tables": delta_tables(source.comparison),
        "baseline": source.comparison.baseline,
        "several": source.several_compared,
    }
    return Section("metrics", "Metrics", "delta_tables.html.j2", values)


def delta_tables(document: ComparisonDocument) -> list[DeltaTable]:
    """Make a table for each dataset that has rows in common."""
    tables: dict[str, tuple[list[DeltaRow], list[DeltaRow]]] = {}
    for result in whole_results(document, details=True):
        if result.n:
            is_minor = result.detail and not result.verdict
            tables.setdefault(result.dataset, ([], []))[is_minor].append(delta_row(result))
    return [DeltaTable(dataset, tuple(rows), tuple(minor)) for dataset, (rows, minor) in tables.items()]
