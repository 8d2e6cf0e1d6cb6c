"""What a run took, beside what it scored: one table for the terminal and the page, and the speed over time as a chart.

Columns that have nothing to say in a run (no cache, no price, no stream) are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import (
    MISSING,
    format_count,
    format_duration,
    format_plain,
)
from evalsuite.metrics.finite import finite

SampleEntry = Mapping[str, Any]


class UsageTable(Struct, frozen=True):
    """Heads and rows; the first two columns are names, the others numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def _unless_zero(name: str) -> Callable[[SampleEntry], str]:
    return lambda entry: format_count(entry.get(name) or None)


def _median(name: str) -> Callable[[SampleEntry], str]:
    return lambda entry: format_duration((entry.get(name) or {}).get("median"))


def _wasted(entry: SampleEntry) -> str:
    return format_count(wasted_tokens(entry) or None)


COLUMNS: tuple[tuple[str, Callable[[SampleEntry], str]], ...] = (
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


def wasted_tokens(entry: SampleEntry) -> int:
    """Of prompts and replies together."""
    return int(entry.get("wasted_prompt_tokens") or 0) + int(entry.get("wasted_completion_tokens") or 0)


def usage_table(summary: Mapping[str, Any]) -> UsageTable | None:
    """One row a dataset of a variant, and the whole run where there are several; None where nothing was asked."""
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
    """What has to be known to read the table."""
    totals = summary.get("totals") or {}
    notes = []
    cached = [
        int(totals.get(name) or 0)
        for name in ("from_cache", "cached_prompt_tokens", "cached_completion_tokens")
    ]
    if cached[0]:
        notes.append(
            f"{format_count(cached[0])} {'reply' if cached[0] == 1 else 'replies'} from the cache: "
            f"{format_count(cached[1])} prompt and {format_count(cached[2])} reply tokens that were not paid again."
        )
    if finite(totals.get("cost")) is not None:
        judge = " The judge's tokens are not in it." if totals.get("judge_prompt_tokens") else ""
        notes.append(f"Cost by --price, wasted tokens included.{judge}")
    if untold := int(totals.get("without_usage") or 0):
        notes.append(
            f"The server did not tell the tokens of {format_count(untold)} of {format_count(totals.get('replies'))} replies; "
            "they are in no sum."
        )
    return notes


def throughput_series(summary: Mapping[str, Any]) -> tuple[float, Sequence[float], str] | None:
    """Seconds a point stands for, the values and their unit: reply tokens where they are known, else samples."""
    found = (summary.get("totals") or {}).get("throughput") or {}
    width = finite(found.get("seconds_a_point"))
    if not width:
        return None
    for name, unit in (("completion_tokens_per_s", "tokens"), ("samples_per_s", "samples")):
        values = [finite(value) or 0.0 for value in found.get(name) or ()]
        if any(values):
            return width, values, unit
    return None
