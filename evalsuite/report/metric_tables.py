"""Tables of metrics with their intervals drawn: whole datasets, categories, subsets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import (
    MISSING,
    counted,
    format_count,
    format_interval,
    format_value,
    scaled,
)
from evalsuite.metrics.finite import finite
from evalsuite.report import charts
from evalsuite.report.summary_parts import WHOLE, SubsetSummary, outcomes_shown, parts


class OutcomeCount(Struct, frozen=True):
    """How many samples of a row ended in one of the outcomes that are set apart; `link` shows them.

    Skipped ones, to which the metric does not apply, are nothing to worry about and have no link.
    """

    outcome: str
    number: int
    link: str


class MetricRow(Struct, frozen=True):
    """One line of a table of metrics."""

    variant: str
    subset: str
    metric: str
    value: str
    interval: str
    graphic: str
    n: str
    flags: tuple[OutcomeCount, ...]
    primary: bool
    lower_is_better: bool
    link: str


class MetricTable(Struct, frozen=True):
    """The rows of one dataset; `notes` are short facts about it."""

    dataset: str
    notes: tuple[str, ...]
    rows: tuple[MetricRow, ...]


def metric_tables(run: Mapping[str, Any], summary: Mapping[str, Any]) -> list[MetricTable]:
    """Whole datasets, one table each: every metric, variants of one metric next to each other."""
    outcomes = outcomes_shown(summary)
    by_dataset: dict[str, list[SubsetSummary]] = {}
    for part in parts(summary):
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


def _notes(run: Mapping[str, Any], whole: SubsetSummary) -> tuple[str, ...]:
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


def subset_tables(summary: Mapping[str, Any]) -> list[MetricTable]:
    """Datasets of more than one subset: the primary metric of each subset, the best one first."""
    outcomes = outcomes_shown(summary)
    wholes = {(part.variant, part.dataset): part for part in parts(summary) if part.subset == WHOLE}
    by_dataset: dict[str, list[tuple[SubsetSummary, str, Mapping[str, Any]]]] = {}
    for part in parts(summary):
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
    cells: Sequence[tuple[SubsetSummary, str, Mapping[str, Any]]],
) -> list[tuple[SubsetSummary, str, Mapping[str, Any]]]:
    """Subsets by the first variant's value, variants of a subset together; without a value last."""
    place: dict[str, tuple[bool, float]] = {}
    for part, _, metric in cells:
        value = finite(metric.get("value"))
        sign = 1.0 if metric.get("higher_is_better") is False else -1.0
        place.setdefault(part.subset, (value is None, sign * (value or 0.0)))
    return sorted(cells, key=lambda cell: place[cell[0].subset])


def category_tables(summary: Mapping[str, Any]) -> list[MetricTable]:
    """Datasets whose rows are in categories: every metric of each category, in the summary's order."""
    outcomes = outcomes_shown(summary)
    wholes = {(part.variant, part.dataset): part for part in parts(summary) if part.subset == WHOLE}
    by_dataset: dict[str, dict[tuple[str, str], list[tuple[SubsetSummary, Mapping[str, Any]]]]] = {}
    for part in parts(summary):
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


def metric_row(
    part: SubsetSummary,
    name: str,
    metric: Mapping[str, Any],
    domain: tuple[float, float],
    reference: Mapping[str, Any] | None = None,
    outcomes: Iterable[str] = (),
) -> MetricRow:
    """One metric of one part in words and drawn; `reference` is the metric of the whole it is a part of."""
    return MetricRow(
        variant=part.variant,
        subset=part.category or part.subset,
        metric=name,
        value=format_value(metric, metric.get("value")),
        interval=format_interval(metric, metric.get("ci_low"), metric.get("ci_high")),
        graphic=_graphic(name, metric, domain, reference),
        n=format_count(metric.get("n")),
        flags=_flags(part, metric, outcomes),
        primary=bool(metric.get("primary")),
        lower_is_better=metric.get("higher_is_better") is False,
        link=part.link(),
    )


def _flags(
    part: SubsetSummary, metric: Mapping[str, Any], outcomes: Iterable[str]
) -> tuple[OutcomeCount, ...]:
    return tuple(
        OutcomeCount(
            outcome,
            int(metric.get(f"n_{outcome}") or 0),
            "" if outcome == "skipped" else part.link(outcome=outcome),
        )
        for outcome in outcomes
    )


def _graphic(
    name: str,
    metric: Mapping[str, Any],
    domain: tuple[float, float],
    reference: Mapping[str, Any] | None = None,
) -> str:
    value, low, high = (scaled(metric, metric.get(key)) for key in ("value", "ci_low", "ci_high"))
    interval = format_interval(metric, metric.get("ci_low"), metric.get("ci_high"))
    words = f"{name} {format_value(metric, metric.get('value'))}"
    if interval != MISSING:
        words += f", 95 % interval {interval}"
    whole = None
    if reference is not None:
        whole = scaled(reference, reference.get("value"))
        words += f"; whole dataset {format_value(reference, reference.get('value'))}"
    return charts.interval_row(value, low, high, title=words, domain=domain, reference=whole)


def unit_domain(metrics: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """The axis of rows of one metric: 0 to 100 where the unit has such an end, else what they span."""
    ends = [0.0]
    for metric in metrics:
        if metric.get("unit") in ("proportion", "score", "bleu"):
            return 0.0, 100.0
        ends.extend(
            end for name in ("value", "ci_low", "ci_high") if (end := finite(metric.get(name))) is not None
        )
    return min(ends), max(ends)


MOST_PANELS = 120
"""More subsets than that are in the table alone: nobody looks at so many, and every report is to be small."""


class Panel(Struct, frozen=True):
    """One subset or category: a small chart with a line a variant."""

    title: str
    link: str
    rows: tuple[MetricRow, ...]


def panels(table: MetricTable) -> list[Panel]:
    """The first rows of a table of subsets or categories by their first metric, as small multiples on one scale."""
    first = table.rows[0].metric
    grouped: dict[str, list[MetricRow]] = {}
    for row in table.rows:
        if row.metric == first:
            grouped.setdefault(row.subset, []).append(row)
    shown = list(grouped.items())[:MOST_PANELS]
    return [Panel(title, rows[0].link, tuple(rows)) for title, rows in shown]
