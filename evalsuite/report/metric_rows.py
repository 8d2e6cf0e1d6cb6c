"""Rows and tables of metrics with their intervals drawn. The sections of datasets, categories and subsets share them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import (
    MISSING,
    display_value,
    format_count,
    format_interval,
    format_value,
)
from evalsuite.metrics.finite import finite
from evalsuite.report import charts
from evalsuite.report.section import Section
from evalsuite.report.source import RunSource
from evalsuite.report.summary_parts import SubsetResults, outcomes_shown

MAX_PANELS = 120
"""Further subsets are in the table only: nobody looks at so many charts, and a report should stay small."""


class OutcomeCount(Struct, frozen=True):
    """How many samples of a row had an outcome other than `scored`. `link` shows them.

    Skipped samples, to which the metric does not apply, need no attention and have no link.
    """

    outcome: str
    number: int
    link: str


class MetricRow(Struct, frozen=True):
    """One metric of one subset, as text."""

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
    """The metrics of one dataset. `notes` are short facts about it."""

    dataset: str
    notes: tuple[str, ...]
    rows: tuple[MetricRow, ...]

    @property
    def panels(self) -> list[Panel]:
        """A small chart of each subset or category by the first metric, all on one scale."""
        first = self.rows[0].metric
        grouped: dict[str, list[MetricRow]] = {}
        for row in self.rows:
            if row.metric == first:
                grouped.setdefault(row.subset, []).append(row)
        shown = list(grouped.items())[:MAX_PANELS]
        return [Panel(title, rows[0].link, tuple(rows)) for title, rows in shown]


class Panel(Struct, frozen=True):
    """A small chart of one subset or category, with a line for each variant."""

    title: str
    link: str
    rows: tuple[MetricRow, ...]


def tables_section(
    source: RunSource, tables: Sequence[MetricTable], anchor: str, title: str
) -> Section | None:
    """Make a section of tables of metrics; its template is named after the anchor. None without a table."""
    if not tables:
        return None
    values = {
        "tables": tables,
        "outcomes": outcomes_shown(source.summary),
        "several": source.several_variants,
        "compared": source.comparison is not None,
        "doubtful": {
            str(entry["name"])
            for entry in source.info.get("variants") or ()
            if (entry.get("live") or {}).get("identical")
        },
    }
    return Section(anchor, title, f"{anchor}.html.j2", values)


def metric_row(
    part: SubsetResults,
    name: str,
    metric: Mapping[str, Any],
    domain: tuple[float, float],
    reference: Mapping[str, Any] | None = None,
    outcomes: Iterable[str] = (),
) -> MetricRow:
    """Format and draw one metric of a subset. `reference` is the same metric of the whole dataset."""
    return MetricRow(
        variant=part.variant,
        subset=part.category or part.subset,
        metric=name,
        value=format_value(metric.get("unit"), metric.get("value")),
        interval=format_interval(metric.get("unit"), metric.get("ci_low"), metric.get("ci_high")),
        graphic=_graphic(name, metric, domain, reference),
        n=format_count(metric.get("n")),
        flags=_outcome_counts(part, metric, outcomes),
        primary=bool(metric.get("primary")),
        lower_is_better=metric.get("higher_is_better") is False,
        link=part.link(),
    )


def _outcome_counts(
    part: SubsetResults, metric: Mapping[str, Any], outcomes: Iterable[str]
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
    value, low, high = (
        display_value(metric.get("unit"), metric.get(key)) for key in ("value", "ci_low", "ci_high")
    )
    interval = format_interval(metric.get("unit"), metric.get("ci_low"), metric.get("ci_high"))
    words = f"{name} {format_value(metric.get('unit'), metric.get('value'))}"
    if interval != MISSING:
        words += f", 95 % interval {interval}"
    whole = None
    if reference is not None:
        whole = display_value(reference.get("unit"), reference.get("value"))
        words += f"; whole dataset {format_value(reference.get('unit'), reference.get('value'))}"
    return charts.interval_row(value, low, high, title=words, domain=domain, reference=whole)


def unit_domain(metrics: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """The axis that rows of one metric share: 0 to 100 for shares and scores, otherwise the range of the values."""
    ends = [0.0]
    for metric in metrics:
        if metric.get("unit") in ("proportion", "score", "bleu"):
            return 0.0, 100.0
        ends.extend(
            end for name in ("value", "ci_low", "ci_high") if (end := finite(metric.get(name))) is not None
        )
    return min(ends), max(ends)
