"""Drawings of agent breakdowns: confused tools as a matrix, scores by group as curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import axis_unit, display_value, format_count, format_value
from evalsuite.metrics.finite import finite
from evalsuite.report.line_charts import Line, Point, line_chart
from evalsuite.report.summary_parts import SubsetResults

MAX_TOOLS = 12
"""Rows and columns of a matrix. With more tools it is not drawn, since most of it would be empty."""
HEAT_LEVELS = 5
GROUPED = ("by_depth", "by_tools")
MATRICES = ("choices", "confusion")


class MatrixCell(Struct, frozen=True):
    """How often one tool was called where another was right. `heat`, 0 to `HEAT_LEVELS`, is the share of its row."""

    number: str
    heat: int
    right: bool


class Matrix(Struct, frozen=True):
    """Gold steps as rows, replies as columns, the most frequent first."""

    title: str
    variant: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MatrixCell, ...]], ...]


class GroupedCurves(Struct, frozen=True):
    """One breakdown as a chart for each metric. `names` are the variants in the order of their colours."""

    title: str
    axis: str
    names: tuple[str, ...]
    charts: tuple[tuple[str, str], ...]


def matrices(wholes: Sequence[SubsetResults]) -> list[Matrix]:
    """Make a matrix for each table of pairs and each variant, all in the same order. Tables that are not complete are left out."""
    found = []
    for name in MATRICES:
        tables = [
            (part.variant, table)
            for part in wholes
            if (table := (part.content.get("breakdowns") or {}).get(name))
        ]
        down, across = _order([table for _, table in tables])
        if len(across) <= MAX_TOOLS and not any(table.get("n_unlisted") for _, table in tables):
            found += [_matrix(variant, table, down, across) for variant, table in tables]
    return found


def _order(tables: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """The gold steps, most frequent first, and the same followed by the other replies."""
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for table in tables:
        for line in table["lines"]:
            for counter, word in zip(counts, line["key"], strict=True):
                counter[str(word)] += int(line["n"])
    down, replied = ([word for word, _ in counter.most_common()] for counter in counts)
    return down, [*down, *(word for word in replied if word not in counts[0])]


def _matrix(variant: str, table: Mapping[str, Any], down: Sequence[str], across: Sequence[str]) -> Matrix:
    counts = {(str(line["key"][0]), str(line["key"][1])): int(line["n"]) for line in table["lines"]}
    rows = []
    for gold in down:
        row = [counts.get((gold, replied), 0) for replied in across]
        cells = (_cell(count, sum(row), gold == replied) for count, replied in zip(row, across, strict=True))
        rows.append((gold, tuple(cells)))
    return Matrix(str(table.get("title", "")), variant, tuple(across), tuple(rows))


def _cell(count: int, of: int, right: bool) -> MatrixCell:
    return MatrixCell(format_count(count) if count else "", -(-HEAT_LEVELS * count // max(1, of)), right)


def grouped_curves(wholes: Sequence[SubsetResults]) -> list[GroupedCurves]:
    """Draw scores by depth and by number of tools: a chart for each metric, a line for each variant."""
    found = []
    for name in GROUPED:
        tables = [
            (part, table) for part in wholes if (table := (part.content.get("breakdowns") or {}).get(name))
        ]
        if any(len(table.get("lines") or ()) > 1 for _, table in tables):
            found.append(_grouped(tables))
    return found


def _grouped(tables: Sequence[tuple[SubsetResults, Mapping[str, Any]]]) -> GroupedCurves:
    described = tables[0][1]
    groups = list(dict.fromkeys(str(line["key"][0]) for _, table in tables for line in table["lines"]))
    groups.sort(key=lambda group: int("".join(filter(str.isdigit, group.split("–")[0])) or 0))
    ticks = [(float(place), group) for place, group in enumerate(groups)]
    charts = []
    for metric in map(str, described.get("averages") or ()):
        lines = [Line(part.variant, tuple(_points(part, table, metric, groups))) for part, table in tables]
        chart = line_chart(
            lines, title=f"{metric} {described.get('title', '')}", ticks=ticks, bounds=(0.0, 100.0)
        )
        if chart:
            unit = axis_unit(dict(tables[0][0].metrics()).get(metric, {}).get("unit"))
            charts.append((metric + unit, chart))
    axis = str((described.get("columns") or [""])[0])
    return GroupedCurves(
        str(described.get("title", "")), axis, tuple(part.variant for part, _ in tables), tuple(charts)
    )


def _points(part: SubsetResults, table: Mapping[str, Any], name: str, groups: Sequence[str]) -> list[Point]:
    metric = dict(part.metrics()).get(name, {})
    points = []
    for line in table["lines"]:
        held = (line.get("values") or {}).get(name) or {}
        value = display_value(metric.get("unit"), held.get("value"))
        if finite(value) is not None and value is not None:
            group = str(line["key"][0])
            words = f"{part.variant}, {group}: {format_value(metric.get('unit'), held['value'])}, n = {format_count(held.get('n'))}"
            points.append(Point(float(groups.index(group)), value, words=words))
    return sorted(points, key=lambda point: point.place)
