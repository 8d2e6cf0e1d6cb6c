"""Results as a table on a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from evalsuite.report.numbers import format_count, format_interval, format_value
from evalsuite.runs.run import Run
from evalsuite.runs.tally import ALL

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
            subset = found["subsets"][ALL]
            counts = [_count(subset[name]) for name in ("n_unparsed", "n_truncated", "n_error")]
            shown_counts = counts
            for name, metric in subset["metrics"].items():
                value = format_value(metric, metric["value"])
                interval = format_interval(metric, metric["ci_low"], metric["ci_high"])
                style = "bold" if metric["primary"] else None
                table.add_row(
                    variant,
                    dataset,
                    name,
                    value,
                    interval,
                    format_count(metric["n"]),
                    *shown_counts,
                    style=style,
                )
                variant = dataset = ""  # noqa: PLW2901 - said once a block
                shown_counts = ["", "", ""]
            table.add_section()
            variant = _name_again(variant, run, entry)  # noqa: PLW2901
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(table)


def _name_again(shown: str, run: Run, entry: object) -> str:
    return shown or next(name for name, other in run.summary["variants"].items() if other is entry)


def _count(number: int) -> str:
    return format_count(number) if number else "·"
