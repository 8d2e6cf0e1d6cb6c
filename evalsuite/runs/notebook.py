"""What a notebook shows of a run: verdicts, and the metrics of whole datasets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.formatting.notebook import notebook_html
from evalsuite.formatting.numbers import format_count, format_interval, format_value

HEADS = ("variant", "dataset", "metric", "value", "95 % interval", "n")


def run_html(summary: Mapping[str, Any]) -> str:
    """Render summary.json. An incomplete run says so first."""
    rows = [
        (
            variant,
            dataset,
            name,
            format_value(metric["unit"], metric["value"]),
            format_interval(metric["unit"], metric["ci_low"], metric["ci_high"]),
            format_count(metric["n"]),
        )
        for variant, entry in summary["variants"].items()
        for dataset, found in entry["datasets"].items()
        for name, metric in found["subsets"][WHOLE_DATASET]["metrics"].items()
        if not metric["detail"]
    ]
    verdicts = [verdict["sentence"] for verdict in (summary.get("comparison") or {}).get("verdicts", ())]
    state = [] if summary["complete"] else [f"Incomplete: {summary['problem']}"]
    return notebook_html([*state, *verdicts], HEADS, rows)
