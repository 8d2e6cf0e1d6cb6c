"""What differs between the sides besides their replies, and how rows were paired."""

from __future__ import annotations

from evalsuite.report.section import Section
from evalsuite.report.source import ComparisonSource, RunSource


def section(source: RunSource | ComparisonSource) -> Section | None:
    """Make the section. Only the page of a comparison shows how rows were paired: variants of a run have equal rows."""
    comparison = source.comparison
    if comparison is None or not comparison.judged:
        return None
    is_comparison = isinstance(source, ComparisonSource)
    values = {
        "baseline": comparison.baseline,
        "several": source.several_compared,
        "differences": comparison.differences,
        "rows": comparison.rows if is_comparison else (),
    }
    return Section("differences", "What differs" if is_comparison else "", "differences.html.j2", values)
