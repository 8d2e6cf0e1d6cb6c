"""The first screen of a comparison: what is compared, the verdicts, and the warnings."""

from __future__ import annotations

from evalsuite.report.section import Section
from evalsuite.report.source import ComparisonSource
from evalsuite.report.verdict_list import verdict_list


def section(source: ComparisonSource) -> Section:
    """Make the section."""
    values = {
        "baseline": source.comparison.baseline,
        "others": source.comparison.variants,
        "verdicts": verdict_list(source.comparison),
        "warnings": source.comparison.warnings,
    }
    return Section("top", "", "comparison_headline.html.j2", values)
