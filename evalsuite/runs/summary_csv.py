"""`summary.csv`: the numbers of summary.json as a table, one row a metric, variant, dataset and subset."""

from __future__ import annotations

import csv
import io
from typing import Any

from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.options.running import CsvFor
from evalsuite.runs.schema import Summary, UsageSummary

NUMBER_COLUMNS = (
    "value", "stderr", "ci_low", "ci_high", "n", "n_unparsed", "n_truncated", "n_error", "n_skipped",
    "primary", "signature",
)  # fmt: skip
COLUMNS = ("run", "variant", "dataset", "subset", "metric", *NUMBER_COLUMNS)
USAGE_COLUMNS = (
    "n_owed", "requests", "retries", "from_cache", "prompt_tokens", "completion_tokens", "wasted_tokens",
    "latency_s", "ttft_s", "token_s", "cost",
)  # fmt: skip
"""Of whole datasets, the same in each of their rows: samples still owed, and what the others took. Times are medians."""
FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
"""Excel runs a text that begins so as a formula."""
COUNT_COLUMNS = ("requests", "retries", "from_cache", "prompt_tokens", "completion_tokens", "cost")
TIME_COLUMNS = ("latency_s", "ttft_s", "token_s")


def summary_csv(summary: Summary, csv_for: CsvFor = "any") -> bytes:
    """Write the table as UTF-8 CSV. An undefined value is an empty cell.

    For Excel it begins with a byte order mark, without which Excel reads another encoding, and no text is a formula.
    """
    cell = _excel_cell if csv_for == "excel" else _cell
    usage = {(found.variant, found.dataset): _usage_cells(found) for found in summary.accounts}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, (*COLUMNS, *USAGE_COLUMNS), restval="", lineterminator="\n")
    writer.writeheader()
    for variant, of_variant in summary.variants.items():
        for dataset, results in of_variant.datasets.items():
            taken = {"n_owed": results.owed, **usage.get((variant, dataset), {})}
            for subset, part in results.subsets.items():
                for name, metric in part.metrics.items():
                    row = {
                        "run": summary.run,
                        "variant": variant,
                        "dataset": dataset,
                        "subset": subset,
                        "metric": name,
                        **{column: getattr(metric, column) for column in NUMBER_COLUMNS},
                        **(taken if subset == WHOLE_DATASET else {}),
                    }
                    writer.writerow({column: cell(value) for column, value in row.items()})
    return text.getvalue().encode("utf-8-sig" if csv_for == "excel" else "utf-8")


def _usage_cells(found: UsageSummary) -> dict[str, Any]:
    times = {name: getattr(found, name) for name in TIME_COLUMNS}
    return {
        **{name: getattr(found, name) for name in COUNT_COLUMNS},
        **{name: spread.median if spread else None for name, spread in times.items()},
        "wasted_tokens": found.wasted_prompt_tokens + found.wasted_completion_tokens,
    }


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value


def _excel_cell(value: Any) -> Any:
    """A text that Excel would run as a formula, marked as text by an apostrophe; anything else as it is."""
    cell = _cell(value)
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_BEGINNINGS) else cell
