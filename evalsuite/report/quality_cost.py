"""What each variant cost next to what it scored: seconds, tokens, and the price if it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from evalsuite.comparison.document import ComparisonDocument
from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.formatting.numbers import format_count, format_duration, format_plain, format_rate
from evalsuite.metrics.finite import finite
from evalsuite.report.charts import percentile
from evalsuite.report.metric_rows import MetricRow, metric_row, unit_domain
from evalsuite.report.reply_statistics import ReplyStatistics, ReplyStatisticsTable
from evalsuite.report.section import Section
from evalsuite.report.source import ComparisonSource, RunSource
from evalsuite.report.summary_parts import WHOLE, SubsetResults, all_subsets

Costs = Mapping[tuple[str, str], float | None]
"""(variant, dataset) -> cost, if it is known."""

HEADS = ("seconds a reply", "tokens a second", "reply tokens", "prompt tokens", "all replies", "cost")
FORMATS = (format_duration, format_rate, format_count, format_count, format_duration, format_plain)


class CostMeasure(Struct, frozen=True):
    """One cost as text, and as a percentage of the largest in its column. 0 draws no bar."""

    words: str
    width: int


class QualityCostRow(Struct, frozen=True):
    """One variant on one dataset: its first metric, and a cost for each column."""

    row: MetricRow
    measures: tuple[CostMeasure | None, ...]


class QualityCostTable(Struct, frozen=True):
    """The variants of one dataset. Columns without any value are left out."""

    dataset: str
    metric: str
    heads: tuple[str, ...]
    rows: tuple[QualityCostRow, ...]


def section(source: RunSource | ComparisonSource) -> Section | None:
    """Make the section. None if nothing was measured, as for predictions from a file."""
    if isinstance(source, RunSource):
        tables = quality_cost_tables(source.summary, source.statistics)
    else:
        tables = comparison_quality_cost_tables(source.comparison, source.statistics, source.costs)
    return (
        Section("quality-cost", "Quality and speed", "quality_cost.html.j2", {"tables": tables})
        if tables
        else None
    )


def quality_cost_tables(
    summary: Mapping[str, Any], statistics: ReplyStatisticsTable
) -> list[QualityCostTable]:
    """Make a table for each dataset of a run."""
    costs = {
        (str(entry.get("variant")), str(entry.get("dataset"))): finite(entry.get("cost"))
        for entry in summary.get("accounts") or ()
    }
    wholes = [part for part in all_subsets(summary) if part.subset == WHOLE]
    return _tables(wholes, statistics, costs)


def comparison_quality_cost_tables(
    document: ComparisonDocument, statistics: ReplyStatisticsTable, costs: Costs
) -> list[QualityCostTable]:
    """Make a table for each dataset of a comparison, with values over the rows in common."""
    metrics: dict[tuple[str, str], dict[str, Any]] = {}
    for result in document.judged:
        if result.covers_dataset and result.n:
            for label, value in (
                (document.baseline, result.baseline_value),
                (result.variant, result.variant_value),
            ):
                metric = {
                    "unit": result.unit,
                    "higher_is_better": result.higher_is_better,
                    "n": result.n,
                    "value": value,
                }
                metrics.setdefault((label, result.dataset), {}).setdefault(result.metric, metric)
    wholes = [
        SubsetResults(label, dataset, WHOLE_DATASET, {"metrics": of_dataset})
        for (label, dataset), of_dataset in metrics.items()
    ]
    return _tables(wholes, statistics, costs)


def _tables(
    wholes: Sequence[SubsetResults], statistics: ReplyStatisticsTable, costs: Costs
) -> list[QualityCostTable]:
    by_dataset: dict[str, list[SubsetResults]] = {}
    for part in wholes:
        if part.metrics():
            by_dataset.setdefault(part.dataset, []).append(part)
    tables = (_table(dataset, parts, statistics, costs) for dataset, parts in by_dataset.items())
    return [table for table in tables if table.heads]


def _table(
    dataset: str, wholes: Sequence[SubsetResults], statistics: ReplyStatisticsTable, costs: Costs
) -> QualityCostTable:
    firsts = [(part, *part.metrics()[0]) for part in wholes]
    domain = unit_domain(metric for _, _, metric in firsts)
    places = [(part.variant, dataset) for part in wholes]
    lines = [(*_costs_of(statistics.get(*place)), costs.get(place)) for place in places]
    shown = [at for at in range(len(HEADS)) if any(line[at] is not None for line in lines)]
    largest = [max((line[at] or 0.0 for line in lines), default=0.0) for at in range(len(HEADS))]
    rows = [
        QualityCostRow(
            metric_row(part, name, metric, domain),
            tuple(_measure(at, line[at], largest[at] if len(wholes) > 1 else 0.0) for at in shown),
        )
        for (part, name, metric), line in zip(firsts, lines, strict=True)
    ]
    return QualityCostTable(dataset, firsts[0][1], tuple(HEADS[at] for at in shown), tuple(rows))


def _costs_of(replies: ReplyStatistics) -> tuple[float | None, ...]:
    """The costs in the order of `HEADS`, without the price. Means and medians are over replies, not failures."""
    latencies, tokens = replies.latencies, replies.tokens
    seconds, written = sum(latencies), sum(tokens)
    return (
        percentile(sorted(latencies), 0.5) if latencies else None,
        written / seconds if tokens and seconds else None,
        written / len(tokens) if tokens else None,
        replies.prompt_tokens / replies.prompts if replies.prompts else None,
        seconds if latencies else None,
    )


def _measure(column: int, number: float | None, largest: float) -> CostMeasure | None:
    if number is None:
        return None
    return CostMeasure(FORMATS[column](number), max(1, round(100 * number / largest)) if largest else 0)
