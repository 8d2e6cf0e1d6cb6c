"""What each variant took beside what it scored: seconds, tokens, and the price where it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import format_count, format_duration, format_plain, format_rate
from evalsuite.metrics.finite import finite
from evalsuite.report import charts
from evalsuite.report.metric_tables import MetricRow, metric_row, unit_domain
from evalsuite.report.reply_statistics import ReplyStatistics, Tally
from evalsuite.report.summary_parts import WHOLE, SubsetSummary, parts

HEADS = ("seconds a reply", "tokens a second", "reply tokens", "prompt tokens", "all replies", "cost")


class CostMeasure(Struct, frozen=True):
    """One thing that was spent: in words, and as a share of the largest of its column in percent; 0 draws no bar."""

    words: str
    width: int


class QualityCostRow(Struct, frozen=True):
    """One variant on one dataset: its first metric, and what it took (one measure a head of the table)."""

    row: MetricRow
    measures: tuple[CostMeasure | None, ...]


class QualityCostTable(Struct, frozen=True):
    """The variants of one dataset; only the columns that any of them has."""

    dataset: str
    metric: str
    heads: tuple[str, ...]
    rows: tuple[QualityCostRow, ...]


def efforts(summary: Mapping[str, Any], tally: Tally) -> list[QualityCostTable]:
    """A table a dataset; none for replies that nobody measured, as those of a file.

    Costs are those of summary.json's `accounts`, where it has them.
    """
    wholes: dict[str, list[SubsetSummary]] = {}
    for part in parts(summary):
        if part.subset == WHOLE and part.metrics():
            wholes.setdefault(part.dataset, []).append(part)
    costs = {
        (str(entry.get("variant")), str(entry.get("dataset"))): finite(entry.get("cost"))
        for entry in summary.get("accounts") or ()
    }
    tables = (_table(dataset, found, tally, costs) for dataset, found in wholes.items())
    return [table for table in tables if table.heads]


def comparison_quality_cost_tables(
    document: Mapping[str, Any], tally: Tally, costs: Mapping[tuple[str, str], float | None]
) -> list[QualityCostTable]:
    """The same of a comparison's sides: values over the rows in common, `costs` by (label, dataset)."""
    variants: dict[str, Any] = {}
    for result in document["results"]:
        if result["subset"] == WHOLE and result["verdict"] and result["n"]:
            for label, value in (
                (document["baseline"], result["baseline_value"]),
                (result["variant"], result["variant_value"]),
            ):
                metric = {name: result[name] for name in ("unit", "higher_is_better", "n")} | {"value": value}
                datasets = variants.setdefault(label, {"datasets": {}})["datasets"]
                whole = datasets.setdefault(result["dataset"], {"subsets": {WHOLE: {"metrics": {}}}})
                whole["subsets"][WHOLE]["metrics"].setdefault(result["metric"], metric)
    accounts = [
        {"variant": label, "dataset": dataset, "cost": cost} for (label, dataset), cost in costs.items()
    ]
    return efforts({"variants": variants, "accounts": accounts}, tally)


def _table(
    dataset: str, wholes: Sequence[SubsetSummary], tally: Tally, costs: Mapping[tuple[str, str], float | None]
) -> QualityCostTable:
    firsts = [(part, *part.metrics()[0]) for part in wholes]
    domain = unit_domain(metric for _, _, metric in firsts)
    places = [(part.variant, dataset) for part in wholes]
    columns = [
        (*_numbers(tally.behaviours.get(place, ReplyStatistics())), costs.get(place)) for place in places
    ]
    shown = [at for at in range(len(HEADS)) if any(numbers[at] is not None for numbers in columns)]
    largest = [max((numbers[at] or 0.0 for numbers in columns), default=0.0) for at in range(len(HEADS))]
    rows = [
        QualityCostRow(
            metric_row(part, name, metric, domain),
            tuple(_measure(at, numbers[at], largest[at], bars=len(wholes) > 1) for at in shown),
        )
        for (part, name, metric), numbers in zip(firsts, columns, strict=True)
    ]
    return QualityCostTable(dataset, firsts[0][1], tuple(HEADS[at] for at in shown), tuple(rows))


def _numbers(behaviour: ReplyStatistics) -> tuple[float | None, ...]:
    """In the order of `HEADS`, but for the cost: medians and means are over the replies that were had."""
    latencies, tokens = behaviour.latencies, behaviour.tokens
    seconds, written = sum(latencies), sum(tokens)
    return (
        charts.percentile(sorted(latencies), 0.5) if latencies else None,
        written / seconds if tokens and seconds else None,
        written / len(tokens) if tokens else None,
        behaviour.prompt_tokens / behaviour.prompts if behaviour.prompts else None,
        seconds if latencies else None,
    )


def _measure(at: int, number: float | None, largest: float, *, bars: bool) -> CostMeasure | None:
    if number is None:
        return None
    shows = (format_duration, format_rate, format_count, format_count, format_duration, format_plain)
    return CostMeasure(shows[at](number), max(1, round(100 * number / largest)) if bars and largest else 0)
