"""Prints results as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from msgspec import to_builtins
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evalsuite.comparison.document import ComparisonDocument
from evalsuite.comparison.tables import HEADLINES, headline_rows, swift_tables
from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.formatting.numbers import format_count, format_interval, format_speed, format_value
from evalsuite.report.usage_table import usage_notes, usage_table
from evalsuite.runs.run import IDENTICAL, Run, identical_variants

MIN_WIDTH = 110
"""Least width of a table in characters. A narrower terminal wraps lines, which is better than cut names."""
MAX_SUBSETS = 12
"""Subsets that are printed; with more of them only the report lists them."""
PART_MARK = "· "
"""Printed before the name of a subset or category of the dataset above it."""
COLUMN_GAP = 3
"""Characters between two columns, including padding."""
PLAIN_WIDTH = 120
"""Width of a table in characters where standard output is not a terminal."""
OPTIONAL_COLUMNS = ("detectable", "won / lost", "baseline", "n")
"""Columns of a comparison that are dropped, in this order, if the table is too wide. The sentences above the table contain
their values, and so does --csv."""


def print_results(run: Run) -> None:
    """Print one row for each metric: value, 95 % interval, n, and counts of unparsed, truncated and failed replies.

    Below a dataset come its categories with every metric, and its subsets, if they are few, with the primary metric.
    """
    if not run.complete:
        print(f"INCOMPLETE: {_missing_text(run)} These numbers cover only what is finished.")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "dataset"):
        table.add_column(name, overflow="fold")
    table.add_column("metric", no_wrap=True)  # the word that --fail-under takes
    for name in ("value", "95 % interval", "n", "unparsed", "truncated", "error"):
        table.add_column(name, justify="right", no_wrap=True)
    doubtful = identical_variants(run.info)
    for variant, entry in to_builtins(run.summary.variants).items():
        shown = f"{variant} ({IDENTICAL}!)" if variant in doubtful else variant
        for dataset, found in entry["datasets"].items():
            _add_dataset(table, shown, dataset, found["subsets"])
    _print(table)


def _missing_text(run: Run) -> str:
    totals = to_builtins(run.summary.totals)
    if not totals["owed"]:
        return "a benchmark of another suite has no results."
    owed, samples = format_count(totals["owed"]), format_count(totals["samples"])
    return f"{owed} of {samples} samples are missing."


def print_speeds(run: Run) -> None:
    """Print how fast each variant answered, if there are several."""
    entries = to_builtins(run.summary.variants)
    found = [f"{name} {format_speed(entry['speed'])}" for name, entry in entries.items() if "speed" in entry]
    if len(entries) > 1 and found:
        print(f"speed: {', '.join(found)}")


def print_comparison(document: ComparisonDocument, style: str | None = None) -> None:
    """Print the metrics of whole datasets against the baseline; with the style `swift` as SWIFT's tables."""
    if style == "swift":
        for dataset, heads, rows in swift_tables(document):
            _print_table([dataset, *heads[1:]], rows, names=1)
        return
    judged = {(one.variant, one.dataset, one.metric) for one in document.verdicts}
    lines = list(headline_rows(document))
    bold = [(line[2], line[0], line[1].removesuffix(" ↓")) in judged for line in lines]
    fitting, lines_fitting = _fitting_columns(HEADLINES[:-1], [line[:-1] for line in lines], _width())
    _print_table(fitting, lines_fitting, names=3, bold=bold)
    if left_out := [name for name in HEADLINES[:-1] if name not in fitting]:
        print(f"columns that did not fit: {', '.join(left_out)}; --csv FILE and --html FILE have them.")


def _fitting_columns(
    heads: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[str], list[Sequence[str]]]:
    """The columns that fit side by side, and the rows with those columns only."""
    kept = list(range(len(heads)))
    widths = [max(cell_len(line[column]) for line in (heads, *rows)) for column in kept]
    for name in OPTIONAL_COLUMNS:
        if sum(widths[column] + COLUMN_GAP for column in kept) <= width:
            break
        kept.remove(heads.index(name))
    return [heads[column] for column in kept], [[row[column] for column in kept] for row in rows]


def _print_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, names: int, bold: Sequence[bool] = ()
) -> None:
    """Print a table whose first `names` columns may wrap."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(heads):
        named = number < names
        table.add_column(name, overflow="fold", justify="left" if named else "right", no_wrap=not named)
    for row, strong in zip_longest(rows, bold):
        table.add_row(*map(escape, row), style="bold" if strong else None)
    _print(table)


def _print(table: Table) -> None:
    Console(width=_width()).print(table)


def _width() -> int:
    """Width of a table in characters."""
    console = Console()
    return max(console.width, MIN_WIDTH) if console.is_terminal else PLAIN_WIDTH


def print_usage(run: Run) -> None:
    """Print tokens, time and cost; nothing if nothing was asked."""
    took = usage_table(to_builtins(run.summary))
    if took:
        _print_table(took.heads, took.rows, names=2)
        for note in usage_notes(to_builtins(run.summary)):
            print(note)


def print_changes(run: Run) -> None:
    """Print what the latest rescoring changed; nothing for a run that was never rescored."""
    if run.summary.rescored is None:
        return
    rescored = to_builtins(run.summary.rescored)
    for change in rescored["metrics"]:
        metrics = to_builtins(run.summary.variants[change["variant"]].datasets[change["dataset"]].subsets)
        metric = metrics[WHOLE_DATASET]["metrics"].get(change["metric"], {})
        before, after = (format_value(metric.get("unit"), change[name]) for name in ("before", "after"))
        if before == after:
            before, after = (str(change[name]) for name in ("before", "after"))
        print(f"changed: {change['variant']} on {change['dataset']}: {change['metric']} {before} → {after}")
    samples, outcomes, scores = (
        format_count(rescored[name]) for name in ("samples", "outcomes_changed", "scores_changed")
    )
    print(f"rescored: {samples} samples, {outcomes} with another outcome, {scores} with other scores")


def _add_dataset(table: Table, variant: str, dataset: str, subsets: Mapping[str, Mapping[str, Any]]) -> None:
    parts = [(name, part) for name, part in subsets.items() if name != WHOLE_DATASET]
    categories = [(name, part) for name, part in parts if "category" in part]
    plain = [(name, part) for name, part in parts if "category" not in part]
    _add_rows(table, [variant, dataset], subsets[WHOLE_DATASET])
    for name, part in categories:
        _add_rows(table, ["", PART_MARK + name], part)
    if 1 < len(plain) <= MAX_SUBSETS:
        for name, part in plain:
            _add_rows(table, ["", PART_MARK + name], part, only_primary=True)
    elif plain[1:]:
        table.add_row("", f"{PART_MARK}{format_count(len(plain))} subsets: in the report")
    table.add_section()


def _add_rows(
    table: Table, names: list[str], subset: Mapping[str, Any], *, only_primary: bool = False
) -> None:
    """Add a row for each metric. The first row has the names and counts that all share."""
    counts = [_count(subset[outcome]) for outcome in ("n_unparsed", "n_truncated", "n_error")]
    if not subset["metrics"]:
        table.add_row(*names, "—", "—", "—", "0", *counts)
    for name, metric in subset["metrics"].items():
        if metric["detail"] or (only_primary and not metric["primary"]):
            continue
        value = format_value(metric["unit"], metric["value"])
        interval = format_interval(metric["unit"], metric["ci_low"], metric["ci_high"])
        style = "bold" if metric["primary"] else None
        table.add_row(*names, name, value, interval, format_count(metric["n"]), *counts, style=style)
        names, counts = [""] * len(names), [""] * len(counts)


def _count(number: int) -> str:
    return format_count(number) if number else "·"
