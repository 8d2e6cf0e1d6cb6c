"""Differences between variants as rows of words with their lines of a forest plot, for every page that shows a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.comparison.tables import (
    WHOLE,
    detectable_text,
    p_text,
    whole_results,
    won_lost,
)
from evalsuite.formatting.numbers import (
    MISSING,
    POINT_UNITS,
    format_count,
    format_delta,
    format_delta_interval,
    format_value,
    scaled,
)
from evalsuite.report import charts

CATEGORY = "category:"


SUBSETS_OPEN = 25


@dataclass(frozen=True, slots=True)
class DeltaRow:
    """One line of a table of differences, in words, with its line of the forest plot."""

    dataset: str
    subset: str
    metric: str
    variant: str
    baseline_value: str
    value: str
    delta: str
    interval: str
    p: str
    won_lost: str
    n: str
    detectable: str
    verdict: str
    kind: str
    graphic: str
    lower_is_better: bool


def _by_scale(results: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Results that share an axis: all that are told in points, then each other unit."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault("points" if result["unit"] in POINT_UNITS else result["unit"], []).append(result)
    return list(groups.values())


def _forest(results: Sequence[Mapping[str, Any]]) -> tuple[list[DeltaRow], str, str]:
    scale = _scale(results)
    return [_row(result, scale) for result in results], charts.forest_axis(scale), _unit(results)


def _unit(results: Sequence[Mapping[str, Any]]) -> str:
    """What an axis is of, as its heading ends."""
    return ", points" if results[0]["unit"] in POINT_UNITS else ""


def _scale(results: Iterable[Mapping[str, Any]]) -> charts.ForestScale:
    """An axis that shows all of them."""
    ends = [
        abs(scaled(result, result[name]) or 0.0)
        for result in results
        for name in ("delta", "ci_low", "ci_high")
    ]
    return charts.forest_scale(max(ends, default=0.0))


def _row(result: Mapping[str, Any], scale: charts.ForestScale | None) -> DeltaRow:
    kind = {"better": "better", "worse": "worse"}.get(str(result["verdict"]), "neither")
    interval = format_delta_interval(result, result["ci_low"], result["ci_high"])
    delta = format_delta(result, result["delta"])
    title = f"{result['variant']}, {result['metric']} on {result['dataset']} {result['subset']}: {delta}"
    if interval != MISSING:
        title += f", 95 % interval {interval}"
    ends = [scaled(result, result[name]) for name in ("delta", "ci_low", "ci_high")]
    return DeltaRow(
        dataset=result["dataset"],
        subset=result["subset"].removeprefix(CATEGORY),
        metric=result["metric"],
        variant=result["variant"],
        baseline_value=format_value(result, result["baseline_value"]),
        value=format_value(result, result["variant_value"]),
        delta=delta,
        interval=interval,
        p=p_text(result),
        won_lost=won_lost(result),
        n=format_count(result["n"]),
        detectable=detectable_text(result),
        verdict=result["verdict"] or "",
        kind=kind,
        graphic=charts.forest_row(*ends, title=title, scale=scale, kind=kind) if scale else "",
        lower_is_better=not result["higher_is_better"],
    )


def delta_tables(document: Mapping[str, Any]) -> list[tuple[str, list[DeltaRow], list[DeltaRow]]]:
    """Every metric of every whole dataset that has rows in common: its name, the rows of what matters, those of minor metrics."""
    tables: dict[str, tuple[list[DeltaRow], list[DeltaRow]]] = {}
    for result in whole_results(document, details=True):
        if not result["n"]:
            continue
        minor = bool(result["detail"]) and not result["verdict"]
        tables.setdefault(result["dataset"], ([], []))[minor].append(_row(result, None))
    return [(dataset, *rows) for dataset, rows in tables.items()]


def subset_delta_tables(document: Mapping[str, Any]) -> list[tuple[str, str, bool, list[DeltaRow], str, str]]:
    """Categories and subsets by the judged metrics: a title, the metric, whether it is unfolded, its rows, the axis, its unit."""
    groups: dict[tuple[str, bool, str], list[Mapping[str, Any]]] = {}
    for result in document["results"]:
        if result["subset"] != WHOLE and result["n"]:
            place = result["dataset"], result["subset"].startswith(CATEGORY), result["metric"]
            groups.setdefault(place, []).append(result)
    tables = []
    for (dataset, categories, metric), results in groups.items():
        scale = _scale(results)
        rows = [_row(result, scale) for result in _largest_change_first(results)]
        title = f"{dataset}, {'categories' if categories else 'subsets'}"
        tables.append(
            (
                title,
                metric,
                len(rows) <= SUBSETS_OPEN,
                rows,
                charts.forest_axis(scale),
                _unit(results),
            )
        )
    return tables


def _largest_change_first(results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Subsets by the first variant's delta, variants of a subset together."""
    place: dict[str, float] = {}
    for result in results:
        place.setdefault(result["subset"], -(result["delta"] or 0.0))
    return sorted(results, key=lambda result: (place[result["subset"]], result["subset"]))


def signature_pairs(document: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Dataset, metric, variant and both signatures of what is judged."""
    return [
        (
            result["dataset"],
            result["metric"],
            result["variant"],
            result["baseline_signature"] or MISSING,
            result["variant_signature"] or MISSING,
        )
        for result in document["results"]
        if result["verdict"]
    ]


def forest_plots(document: Mapping[str, Any]) -> list[tuple[list[DeltaRow], str, str]]:
    """What is judged and can be drawn, as forest plots: the rows that share an axis, the axis, its unit."""
    judged = [
        result for result in whole_results(document) if result["verdict"] and result["delta"] is not None
    ]
    return [_forest(results) for results in _by_scale(judged)]
