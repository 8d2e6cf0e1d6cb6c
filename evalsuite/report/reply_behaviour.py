"""How the variants answered: lengths, latencies, labels, and what read the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from evalsuite.formatting.numbers import counted, format_count, format_duration, format_rate
from evalsuite.report import charts
from evalsuite.report.reply_statistics import ReplyStatistics, Tally
from evalsuite.report.usage_table import throughput_series

TALLIES_SHOWN = 12
"""Labels and stages named one by one; the rest is summed up."""


class Figure(Struct, frozen=True):
    """A histogram with what it shows and a line of percentiles; too few values have no histogram."""

    title: str
    chart: str
    caption: str


class Count(Struct, frozen=True):
    """One label or stage: how often, and its share of the largest in percent for the bar."""

    name: str
    number: str
    width: int
    link: str


class BehaviourTable(Struct, frozen=True):
    """How one variant answered one dataset: histograms, labels, and the stages that read the answers."""

    variant: str
    figures: tuple[Figure, ...]
    tallies: tuple[tuple[str, tuple[Count, ...]], ...]


def behaviour_tables(tally: Tally) -> list[tuple[str, list[BehaviourTable]]]:
    """How each dataset was answered, by each variant; variants of one dataset share their axes."""
    by_dataset: dict[str, list[tuple[str, ReplyStatistics]]] = {}
    for (variant, dataset), behaviour in tally.behaviours.items():
        by_dataset.setdefault(dataset, []).append((variant, behaviour))
    return [(dataset, _habits(dataset, behaviours)) for dataset, behaviours in by_dataset.items()]


def _habits(dataset: str, behaviours: Sequence[tuple[str, ReplyStatistics]]) -> list[BehaviourTable]:
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
        tallies = (
            ("Labels", _counts(behaviour.labels, variant=variant, dataset=dataset, filtered="label")),
            (
                "How answers were read",
                _counts(behaviour.stages, variant=variant, dataset=dataset, filtered="stage"),
            ),
        )
        shown = tuple(figure for figure in figures if figure)
        found.append(
            BehaviourTable(variant, shown, tuple((title, counts) for title, counts in tallies if counts))
        )
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
    named, rest = ranked[:TALLIES_SHOWN], ranked[TALLIES_SHOWN:]
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


def throughput_figure(summary: Mapping[str, Any]) -> Figure | None:
    """How fast replies came over the run's time; None for a short run."""
    found = throughput_series(summary)
    if found is None:
        return None
    width, values, unit = found
    title = f"{'Reply tokens' if unit == 'tokens' else 'Samples'} a second, over seconds of requesting"
    chart = charts.series(values, width, title=title, show=lambda value: format_rate(value, unit))
    if not chart:
        return None
    ordered = sorted(values)
    caption = (
        f"median {format_rate(charts.percentile(ordered, 0.5), unit)} · most {format_rate(ordered[-1], unit)}"
    )
    return Figure(title, chart, f"{caption} · latest start of the run")
