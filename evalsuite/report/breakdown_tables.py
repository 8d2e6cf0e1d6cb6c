"""The further tables of a dataset, as its task names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import counted, format_count, format_value
from evalsuite.report.agent_tables import GroupedCurves, Matrix, grouped_curves, matrices
from evalsuite.report.summary_parts import WHOLE, SubsetSummary, parts

BREAKDOWN_LINES = 25
"""Shown of one breakdown; summary.json has more."""


class BreakdownRow(Struct, frozen=True):
    """One line of a breakdown: the parts of its key, its numbers, and where its samples are, if that can be told."""

    key: tuple[str, ...]
    numbers: tuple[str, ...]
    link: str


class BreakdownTable(Struct, frozen=True):
    """A further table of one dataset of one variant; `rest` says what is not in it."""

    variant: str
    title: str
    note: str
    columns: tuple[str, ...]
    numbers: tuple[str, ...]
    rows: tuple[BreakdownRow, ...]
    rest: str


class Breakdowns(Struct, frozen=True):
    """All there is on one dataset: drawings first, then the tables, variants of one title together."""

    dataset: str
    matrices: tuple[Matrix, ...]
    curves: tuple[GroupedCurves, ...]
    tables: tuple[BreakdownTable, ...]


def breakdowns(summary: Mapping[str, Any]) -> list[Breakdowns]:
    """What whole datasets have of them."""
    by_dataset: dict[str, list[SubsetSummary]] = {}
    for part in parts(summary):
        if part.subset == WHOLE and part.content.get("breakdowns"):
            by_dataset.setdefault(part.dataset, []).append(part)
    return [
        Breakdowns(dataset, tuple(matrices(wholes)), tuple(grouped_curves(wholes)), tuple(_tables(wholes)))
        for dataset, wholes in by_dataset.items()
    ]


def _tables(wholes: Sequence[SubsetSummary]) -> Iterator[BreakdownTable]:
    names = dict.fromkeys(name for part in wholes for name in part.content["breakdowns"])
    for name in names:
        for part in wholes:
            if described := part.content["breakdowns"].get(name):
                yield _breakdown(part, described)


def _breakdown(part: SubsetSummary, described: Mapping[str, Any]) -> BreakdownTable:
    averages = [str(name) for name in described.get("averages") or ()]
    metrics = dict(part.metrics())
    lines = described.get("lines") or []
    shown = lines[:BREAKDOWN_LINES]
    total = int(described.get("n_lines") or 0)
    unlisted = int(described.get("n_unlisted") or 0) + sum(int(line["n"]) for line in lines[len(shown) :])
    rows = []
    for line in shown:
        key = tuple(map(str, line["key"]))
        values = line.get("values") or {}
        cells = [
            format_value(metrics.get(name, {}), (values.get(name) or {}).get("value")) for name in averages
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
