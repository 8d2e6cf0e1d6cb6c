"""Every metric of each dataset, variants of one metric next to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite.formatting.numbers import counted
from evalsuite.report.metric_rows import MetricTable, metric_row, tables_section, unit_domain
from evalsuite.report.section import Section
from evalsuite.report.source import RunSource
from evalsuite.report.summary_parts import WHOLE, SubsetResults, all_subsets, outcomes_shown


def section(source: RunSource) -> Section | None:
    """Make the section. None if nothing was scored."""
    return tables_section(source, metric_tables(source.info, source.summary), "metrics", "Metrics")


def metric_tables(run: Mapping[str, Any], summary: Mapping[str, Any]) -> list[MetricTable]:
    """Make a table for each dataset."""
    outcomes = outcomes_shown(summary)
    by_dataset: dict[str, list[SubsetResults]] = {}
    for part in all_subsets(summary):
        if part.subset == WHOLE:
            by_dataset.setdefault(part.dataset, []).append(part)
    tables = []
    for dataset, wholes in by_dataset.items():
        names = list(dict.fromkeys(name for part in wholes for name, _ in part.metrics()))
        rows = []
        for name in names:
            cells = [(part, metric) for part in wholes for key, metric in part.metrics() if key == name]
            domain = unit_domain(metric for _, metric in cells)
            rows += [metric_row(part, name, metric, domain, None, outcomes) for part, metric in cells]
        tables.append(MetricTable(dataset, _notes(run, wholes[0]), tuple(rows)))
    return tables


def _notes(run: Mapping[str, Any], whole: SubsetResults) -> tuple[str, ...]:
    described: Mapping[str, Any] = next(
        (one for one in run.get("datasets") or () if one.get("name") == whole.dataset), {}
    )
    notes = [str(whole.content.get("kind") or described.get("kind") or "")]
    notes.append(counted(int(whole.content.get("samples") or 0), "sample"))
    if described.get("shots") is not None:
        notes.append(counted(int(described["shots"]), "shot"))
    if described.get("lang"):
        notes.append(str(described["lang"]))
    return tuple(note for note in notes if note)
