"""What a notebook shows of a run or a comparison: its sentences and a small table, escaped, without style or script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from evalsuite.comparison.tables import HEADLINES, headline_rows
from evalsuite.formatting.numbers import format_count, format_interval, format_value
from evalsuite.formatting.texts import visible

WHOLE = "all"


def comparison_html(document: Mapping[str, Any]) -> str:
    """Verdicts, warnings, and the metrics of whole datasets."""
    verdicts = [str(verdict["sentence"]) for verdict in document["verdicts"]]
    return _list(verdicts) + _list(document["warnings"]) + _table(HEADLINES, headline_rows(document))


def run_html(summary: Mapping[str, Any]) -> str:
    """The metrics of whole datasets, and the verdicts where the run has several variants."""
    rows = [
        (
            variant,
            dataset,
            name,
            format_value(metric, metric["value"]),
            _interval(metric),
            format_count(metric["n"]),
        )
        for variant, entry in summary["variants"].items()
        for dataset, found in entry["datasets"].items()
        for name, metric in found["subsets"][WHOLE]["metrics"].items()
        if not metric["detail"]
    ]
    verdicts = [verdict["sentence"] for verdict in (summary.get("comparison") or {}).get("verdicts", ())]
    state = [] if summary["complete"] else [f"Incomplete: {summary['problem']}"]
    heads = ("variant", "dataset", "metric", "value", "95 % interval", "n")
    return _list([*state, *verdicts]) + _table(heads, rows)


def _interval(metric: Mapping[str, Any]) -> str:
    return format_interval(metric, metric["ci_low"], metric["ci_high"])


def _list(sentences: Sequence[str]) -> str:
    return "".join(f"<p>{_text(sentence)}</p>" for sentence in sentences)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(text: str) -> str:
    return escape(visible(text))
