"""Results as a table on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from evalsuite.data.dataset import WHOLE_DATASET
from evalsuite.report.numbers import format_count, format_interval, format_value
from evalsuite.runs.run import Run

LEAST_WIDTH = 110
"""On a narrower terminal lines wrap, which is better than names cut away."""
PLAIN_WIDTH = 120
"""Where standard output is no terminal a table is as wide as it needs, up to this."""


def print_results(run: Run) -> None:
    """One row a metric: value, 95 % interval, n, and what was not an ordinary answer."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "dataset", "metric"):
        table.add_column(name, overflow="fold")
    for name in ("value", "95 % interval", "n", "unparsed", "truncated", "error"):
        table.add_column(name, justify="right", no_wrap=True)
    for variant, entry in run.summary["variants"].items():
        for dataset, found in entry["datasets"].items():
            _add_dataset(table, variant, dataset, found["subsets"][WHOLE_DATASET])
    console = Console()
    console = Console(width=max(console.width, LEAST_WIDTH) if console.is_terminal else PLAIN_WIDTH)
    console.print(table)


def print_changes(run: Run) -> None:
    """What the latest rescoring changed; nothing for a run that was not rescored."""
    rescored = run.summary.get("rescored")
    if rescored is None:
        return
    for change in rescored["metrics"]:
        metrics = run.summary["variants"][change["variant"]]["datasets"][change["dataset"]]["subsets"]
        metric = metrics[WHOLE_DATASET]["metrics"].get(change["metric"], {})
        before, after = (format_value(metric, change[name]) for name in ("before", "after"))
        if before == after:
            before, after = (str(change[name]) for name in ("before", "after"))
        print(f"changed: {change['variant']} on {change['dataset']}: {change['metric']} {before} → {after}")
    samples, outcomes, scores = (
        format_count(rescored[name]) for name in ("samples", "outcomes_changed", "scores_changed")
    )
    print(f"rescored: {samples} samples, {outcomes} with another outcome, {scores} with other scores")


def _add_dataset(table: Table, variant: str, dataset: str, subset: Mapping[str, Any]) -> None:
    """A block of rows; names and counts, which all its rows share, stand in the first."""
    names = [variant, dataset]
    counts = [_count(subset[outcome]) for outcome in ("n_unparsed", "n_truncated", "n_error")]
    for name, metric in subset["metrics"].items():
        if metric["detail"]:
            continue
        value = format_value(metric, metric["value"])
        interval = format_interval(metric, metric["ci_low"], metric["ci_high"])
        style = "bold" if metric["primary"] else None
        table.add_row(*names, name, value, interval, format_count(metric["n"]), *counts, style=style)
        names, counts = [""] * len(names), [""] * len(counts)
    table.add_section()


def _count(number: int) -> str:
    return format_count(number) if number else "·"
