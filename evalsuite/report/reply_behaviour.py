"""How the variants answered: reply lengths, latencies, labels, and the stages that read the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from urllib.parse import urlencode

from msgspec import Struct

from evalsuite.formatting.numbers import counted, format_count, format_duration
from evalsuite.report import charts
from evalsuite.report.charts import Figure
from evalsuite.report.reply_statistics import ReplyStatistics, ReplyStatisticsTable
from evalsuite.report.section import Section
from evalsuite.report.source import RunSource

MAX_COUNTS = 12
"""Labels and stages that are named. The others are added up."""


class Count(Struct, frozen=True):
    """One label or stage: its count, and the width of its bar in percent of the largest."""

    name: str
    number: str
    width: int
    link: str


class BehaviourTable(Struct, frozen=True):
    """How one variant answered one dataset: histograms, labels, and the stages that read its answers."""

    variant: str
    figures: tuple[Figure, ...]
    counts: tuple[tuple[str, tuple[Count, ...]], ...]
    """Title and rows of each list of counts."""


def section(source: RunSource) -> Section | None:
    """Make the section. None for a run without samples."""
    datasets = behaviour_tables(source.statistics)
    if not datasets:
        return None
    values = {"datasets": datasets, "several": source.several_variants}
    return Section("behaviour", "Behaviour", "reply_behaviour.html.j2", values)


def behaviour_tables(statistics: ReplyStatisticsTable) -> list[tuple[str, list[BehaviourTable]]]:
    """Make the tables of each dataset, one for each variant. Variants of one dataset share their axes."""
    by_dataset: dict[str, list[tuple[str, ReplyStatistics]]] = {}
    for variant, dataset, behaviour in statistics:
        by_dataset.setdefault(dataset, []).append((variant, behaviour))
    return [(dataset, _tables_of(dataset, behaviours)) for dataset, behaviours in by_dataset.items()]


def _tables_of(dataset: str, behaviours: Sequence[tuple[str, ReplyStatistics]]) -> list[BehaviourTable]:
    lengths: dict[str, list[float]] = {}
    for _, behaviour in behaviours:
        unit, values = behaviour.lengths()
        lengths.setdefault(unit, []).extend(values)
    length_bins = {unit: _bins(values) for unit, values in lengths.items()}
    latency_bins = _bins([value for _, behaviour in behaviours for value in behaviour.latencies])
    found = []
    for variant, behaviour in behaviours:
        unit, values = behaviour.lengths()
        figures = (
            _figure(f"Reply length in {unit}", values, format_count, length_bins[unit]),
            _figure("Latency in seconds", behaviour.latencies, format_duration, latency_bins),
        )
        counts = (
            ("Labels", _counts(behaviour.labels, variant=variant, dataset=dataset, filtered="label")),
            (
                "How answers were read",
                _counts(behaviour.stages, variant=variant, dataset=dataset, filtered="stage"),
            ),
        )
        shown = tuple(figure for figure in figures if figure)
        found.append(BehaviourTable(variant, shown, tuple((title, rows) for title, rows in counts if rows)))
    return found


def _bins(values: Collection[float]) -> charts.Bins | None:
    return charts.choose_bins(values) if values else None


def _figure(
    title: str, values: Collection[float], words: Callable[[float], str], bins: charts.Bins | None
) -> Figure | None:
    if not values:
        return None
    ordered = sorted(values)
    shares = (("median", 0.5), ("p95", 0.95), ("max", 1.0))
    caption = " · ".join(f"{name} {words(charts.percentile(ordered, share))}" for name, share in shares)
    if bins and bins.overflow and ordered[-1] >= (last := bins.edge(bins.count - 1)):
        caption += f" · last bar from {words(last)} on"
    chart = charts.histogram(ordered, title=title, show=words, bins=bins)
    return Figure(title, chart, f"{counted(len(ordered), 'reply', 'replies')} · {caption}")


def _counts(counter: Counter[str], *, variant: str, dataset: str, filtered: str) -> tuple[Count, ...]:
    ranked = counter.most_common()
    if not ranked:
        return ()
    named, rest = ranked[:MAX_COUNTS], ranked[MAX_COUNTS:]
    largest = ranked[0][1]
    shown = []
    for name, count in named:
        wanted = {"variant": variant, "dataset": dataset, filtered: name}
        link = f"#samples?{urlencode(wanted, errors='replace')}"
        shown.append(Count(name, format_count(count), max(1, round(100 * count / largest)), link))
    if rest:
        total = sum(count for _, count in rest)
        shown.append(
            Count(
                counted(len(rest), "other"), format_count(total), min(100, round(100 * total / largest)), ""
            )
        )
    return tuple(shown)
