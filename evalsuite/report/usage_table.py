"""What a run cost: requests, tokens, latency and price, as one table for the terminal and the page.

Columns without any value (no cache, no price, no stream) are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from evalsuite.formatting.numbers import (
    MISSING,
    format_count,
    format_duration,
    format_plain,
    format_rate,
)
from evalsuite.metrics.finite import finite
from evalsuite.report.charts import Figure, bar_series, percentile
from evalsuite.report.section import Section

if TYPE_CHECKING:
    from evalsuite.report.source import RunSource

UsageEntry = Mapping[str, Any]


class UsageTable(Struct, frozen=True):
    """Heads and rows. The first two columns are names, the others are numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def _unless_zero(name: str) -> Callable[[UsageEntry], str]:
    return lambda entry: format_count(entry.get(name) or None)


def _median(name: str) -> Callable[[UsageEntry], str]:
    return lambda entry: format_duration((entry.get(name) or {}).get("median"))


def _wasted(entry: UsageEntry) -> str:
    return format_count(wasted_tokens(entry) or None)


COLUMNS: tuple[tuple[str, Callable[[UsageEntry], str]], ...] = (
    ("requests", _unless_zero("requests")),
    ("retries", _unless_zero("retries")),
    ("from cache", _unless_zero("from_cache")),
    ("prompt tokens", _unless_zero("prompt_tokens")),
    ("reply tokens", _unless_zero("completion_tokens")),
    ("wasted tokens", _wasted),
    ("latency", _median("latency_s")),
    ("first token", _median("ttft_s")),
    ("a token", _median("token_s")),
    ("cost", lambda entry: format_plain(entry.get("cost"))),
)


def section(source: RunSource) -> Section | None:
    """Make the section. None for a run without requests."""
    table = usage_table(source.summary)
    if table is None:
        return None
    values = {
        "table": table,
        "notes": usage_notes(source.summary),
        "figure": throughput_figure(source.summary),
    }
    return Section("usage", "Cost", "usage_table.html.j2", values)


def wasted_tokens(entry: UsageEntry) -> int:
    """Wasted tokens of prompts and replies together."""
    return int(entry.get("wasted_prompt_tokens") or 0) + int(entry.get("wasted_completion_tokens") or 0)


def usage_table(summary: Mapping[str, Any]) -> UsageTable | None:
    """Make a row for each variant and dataset, and one for the whole run if there are several. None without requests."""
    entries = list(summary.get("accounts") or ())
    if not entries:
        return None
    names = [(str(entry["variant"]), str(entry["dataset"])) for entry in entries]
    if len(entries) > 1:
        entries.append(summary.get("totals") or {})
        names.append(("all", ""))
    shown = [(head, [cell(entry) for entry in entries]) for head, cell in COLUMNS]
    kept = [(head, cells) for head, cells in shown if any(text != MISSING for text in cells)]
    rows = [(*name, *(cells[place] for _, cells in kept)) for place, name in enumerate(names)]
    return UsageTable(("model", "dataset", *(head for head, _ in kept)), tuple(rows))


def usage_notes(summary: Mapping[str, Any]) -> list[str]:
    """Notes that a reader of the table needs."""
    totals = summary.get("totals") or {}
    notes = []
    cached = [
        int(totals.get(name) or 0)
        for name in ("from_cache", "cached_prompt_tokens", "cached_completion_tokens")
    ]
    if cached[0]:
        notes.append(
            f"{format_count(cached[0])} {'reply' if cached[0] == 1 else 'replies'} from the cache: "
            f"{format_count(cached[1])} prompt and {format_count(cached[2])} reply tokens that were not paid for again."
        )
    if finite(totals.get("cost")) is not None:
        judge = " The tokens of the judge are not included." if totals.get("judge_prompt_tokens") else ""
        notes.append(f"Cost is computed from --price and includes wasted tokens.{judge}")
    if unreported := int(totals.get("without_usage") or 0):
        notes.append(
            f"The server did not report tokens for {format_count(unreported)} of {format_count(totals.get('replies'))} replies. "
            "They are not in the sums."
        )
    return notes


def throughput_series(summary: Mapping[str, Any]) -> tuple[float, Sequence[float], str] | None:
    """The seconds of each point, the values, and their unit: reply tokens if they are known, else samples."""
    found = (summary.get("totals") or {}).get("throughput") or {}
    width = finite(found.get("seconds_a_point"))
    if not width:
        return None
    for name, unit in (("completion_tokens_per_s", "tokens"), ("samples_per_s", "samples")):
        values = [finite(value) or 0.0 for value in found.get(name) or ()]
        if any(values):
            return width, values, unit
    return None


def throughput_figure(summary: Mapping[str, Any]) -> Figure | None:
    """Draw the throughput over the time of the run. None for a short run."""
    found = throughput_series(summary)
    if found is None:
        return None
    width, values, unit = found
    title = f"{'Reply tokens' if unit == 'tokens' else 'Samples'} a second, over seconds of requesting"
    chart = bar_series(values, width, title=title, show=lambda value: format_rate(value, unit))
    if not chart:
        return None
    ordered = sorted(values)
    caption = f"median {format_rate(percentile(ordered, 0.5), unit)} · most {format_rate(ordered[-1], unit)}"
    return Figure(title, chart, f"{caption} · latest start of the run")
