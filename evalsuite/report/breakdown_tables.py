"""The further tables of a dataset that its task defines, with confusion matrices and curves for agent steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import counted, format_count, format_value
from evalsuite.report.agent_tables import GroupedCurves, Matrix, grouped_curves, matrices
from evalsuite.report.section import Section
from evalsuite.report.source import RunSource
from evalsuite.report.summary_parts import WHOLE, SubsetResults, all_subsets

MAX_LINES = 25
"""Lines shown of one breakdown. summary.json has more."""


class BreakdownRow(Struct, frozen=True):
    """One line of a breakdown: the parts of its key, its numbers, and a link to its samples if there is one."""

    key: tuple[str, ...]
    numbers: tuple[str, ...]
    link: str


class BreakdownTable(Struct, frozen=True):
    """A breakdown of one variant on one dataset. `rest` says what is left out."""

    variant: str
    title: str
    note: str
    columns: tuple[str, ...]
    numbers: tuple[str, ...]
    rows: tuple[BreakdownRow, ...]
    rest: str


class BreakdownTables(Struct, frozen=True):
    """The breakdowns of one dataset: drawings first, then tables, variants of one table together."""

    dataset: str
    matrices: tuple[Matrix, ...]
    curves: tuple[GroupedCurves, ...]
    tables: tuple[BreakdownTable, ...]


def section(source: RunSource) -> Section | None:
    """Make the section. None if no task defines a breakdown."""
    datasets = breakdowns(source.summary)
    if not datasets:
        return None
    values = {"datasets": datasets, "several": source.several_variants}
    return Section("breakdowns", "BreakdownTables", "breakdown_tables.html.j2", values)


def breakdowns(summary: Mapping[str, Any]) -> list[BreakdownTables]:
    """Collect the breakdowns of whole datasets."""
    by_dataset: dict[str, list[SubsetResults]] = {}
    for part in all_subsets(summary):
        if part.subset == WHOLE and part.content.get("breakdowns"):
            by_dataset.setdefault(part.dataset, []).append(part)
    return [
        BreakdownTables(
            dataset, tuple(matrices(wholes)), tuple(grouped_curves(wholes)), tuple(_tables(wholes))
        )
        for dataset, wholes in by_dataset.items()
    ]


def _tables(wholes: Sequence[SubsetResults]) -> Iterator[BreakdownTable]:
    names = dict.fromkeys(name for part in wholes for name in part.content["breakdowns"])
    for name in names:
        for part in wholes:
            if described := part.content["breakdowns"].get(name):
                yield _breakdown(part, described)


def _breakdown(part: SubsetResults, described: Mapping[str, Any]) -> BreakdownTable:
    averages = [str(name) for name in described.get("averages") or ()]
    metrics = dict(part.metrics())
    lines = described.get("lines") or []
    shown = lines[:MAX_LINES]
    total = int(described.get("n_lines") or 0)
    unlisted = int(described.get("n_unlisted") or 0) + sum(int(line["n"]) for line in lines[len(shown) :])
    rows = []
    for line in shown:
        key = tuple(map(str, line["key"]))
        values = line.get("values") or {}
        cells = [
            format_value(metrics.get(name, {}).get("unit"), (values.get(name) or {}).get("value"))
            for name in averages
        ]
        link = part.link(**{described["filter"]: key[0]}) if described.get("filter") else ""
        rows.append(BreakdownRow(key, (format_count(line["n"]), *cells), link))
    rest = f"{counted(unlisted, 'more count')} on lines that are not shown" if unlisted else ""
    if rest and total > len(shown):
        rest = f"The first {len(shown)} of {format_count(total)} lines; {rest}."
    return BreakdownTable(
        variant=part.variant,
        title=str(described.get("title") or ""),
        note=str(described.get("note") or ""),
        columns=tuple(map(str, described.get("columns") or ())),
        numbers=("n", *averages),
        rows=tuple(rows),
        rest=rest,
    )
