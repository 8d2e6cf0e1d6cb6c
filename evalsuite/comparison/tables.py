"""A comparison as tables: rows of ready text for the terminal, pages and notebooks, SWIFT's tables, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from evalsuite.comparison.document import ComparisonDocument, ResultEntry
from evalsuite.comparison.wording import is_undetectable
from evalsuite.formatting.numbers import (
    MISSING,
    format_count,
    format_delta,
    format_delta_interval,
    format_p,
    format_size,
    format_value,
)
from evalsuite.formatting.texts import replace_surrogates

CSV_COLUMNS = (
    "baseline", "variant", "dataset", "subset", "metric", "baseline_value", "variant_value", "delta", "stderr",
    "ci_low", "ci_high", "n", "n_one_sided", "wins", "ties", "losses", "test", "p", "p_adjusted", "detectable",
    "rows_for_one_point", "noise_floor", "verdict", "primary", "unit", "baseline_signature", "variant_signature",
    "complete",
)  # fmt: skip
HEADLINES = (
    "dataset", "metric", "variant", "baseline", "value", "delta", "95 % interval", "p", "won / lost", "n", "detectable", "verdict",
)  # fmt: skip
SWIFT_METRICS = {
    "Plan.EM": "paper/plan_em",
    "Act.EM": "paper/act_em",
    "HalluRate": "paper/hallucination_rate",
    "Avg.F1": "paper/avg_f1",
    "R-L": "paper/rouge_l",
}
"""The columns of SWIFT's tables 6 to 11 (arXiv 2408.05517) and the metrics they correspond to."""


def to_csv(document: ComparisonDocument) -> bytes:
    """Write every result as a line of UTF-8 CSV. An undefined value is an empty cell; `complete` covers both runs."""
    complete = {side.label: side.complete for side in document.sides}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for result in document.results:
        both = complete[document.baseline] and complete[result.variant]
        row = {"baseline": document.baseline, **msgspec.structs.asdict(result), "complete": both}
        writer.writerow({name: _cell(row[name]) for name in CSV_COLUMNS})
    return replace_surrogates(text.getvalue()).encode("utf-8")


def headline_rows(document: ComparisonDocument, *, details: bool = False) -> Iterator[tuple[str, ...]]:
    """Yield the metrics of whole datasets as text, a column for each of `HEADLINES`."""
    for result in whole_results(document, details=details):
        yield (
            result.dataset,
            result.metric + ("" if result.higher_is_better else " ↓"),
            result.variant,
            format_value(result.unit, result.baseline_value),
            format_value(result.unit, result.variant_value),
            format_delta(result.unit, result.delta),
            format_delta_interval(result.unit, result.ci_low, result.ci_high),
            p_text(result),
            won_lost(result),
            format_count(result.n),
            detectable_text(result),
            result.verdict or "",
        )


def whole_results(document: ComparisonDocument, *, details: bool = False) -> list[ResultEntry]:
    """Select the results of whole datasets: judged ones first, variants of one metric next to each other.

    Minor metrics are left out unless they are judged or `details` is set.
    """
    found = [
        result
        for result in document.results
        if result.covers_dataset and (details or result.verdict or not result.detail)
    ]
    datasets = list(dict.fromkeys(result.dataset for result in found))
    metrics = list(dict.fromkeys(result.metric for result in found))
    return sorted(
        found,
        key=lambda one: (datasets.index(one.dataset), not one.verdict, metrics.index(one.metric)),
    )


def p_text(result: ResultEntry) -> str:
    """The p-value for a table: adjusted if the result is judged."""
    p = result.p_adjusted if result.verdict else result.p
    return format_p(p).removeprefix("= ")


def won_lost(result: ResultEntry) -> str:
    """Rows won and lost against the baseline."""
    if result.wins is None:
        return MISSING
    return f"{format_count(result.wins)} / {format_count(result.losses)}"


def detectable_text(result: ResultEntry) -> str:
    """The smallest difference that this many rows would probably have shown."""
    if is_undetectable(result):
        return "none"
    size = format_size(result.unit, result.detectable)
    return size if size == MISSING else f"≥ {size}"


def swift_tables(
    document: ComparisonDocument,
) -> Iterator[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Yield SWIFT's table of each ToolBench dataset: its name, the column heads, and a row for each variant.

    Values are percentages, as in the paper, over the rows for which both sides have a value. Deltas with their 95 %
    intervals are in parentheses.
    """
    results = {
        (result.dataset, result.variant, result.metric): result
        for result in document.results
        if result.covers_dataset
    }
    datasets = dict.fromkeys(dataset for dataset, _, metric in results if metric in SWIFT_METRICS.values())
    heads = ("model", *(name + ("↓" if name == "HalluRate" else "") for name in SWIFT_METRICS))
    for dataset in datasets:
        variants = dict.fromkeys(variant for of, variant, _ in results if of == dataset)
        first = next(iter(variants))
        base = [results.get((dataset, first, metric)) for metric in SWIFT_METRICS.values()]
        rows = [(document.baseline, *(_percent(one.baseline_value if one else None) for one in base))]
        for variant in variants:
            cells = [results.get((dataset, variant, metric)) for metric in SWIFT_METRICS.values()]
            rows.append((variant, *map(_swift_cell, cells)))
        yield dataset, heads, rows


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.2f}"


def _signed_percent(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "−")


def _swift_cell(result: ResultEntry | None) -> str:
    if result is None or result.variant_value is None:
        return MISSING
    value = _percent(result.variant_value)
    if result.delta is None:
        return value
    delta = _signed_percent(result.delta)
    if result.ci_low is None or result.ci_high is None:
        return f"{value} ({delta})"
    return f"{value} ({delta}; {_signed_percent(result.ci_low)} to {_signed_percent(result.ci_high)})"


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value
