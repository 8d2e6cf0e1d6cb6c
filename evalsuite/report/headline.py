"""The first screen of a report: one sentence per variant, the verdicts, the run in a few numbers, warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import (
    MISSING,
    counted,
    format_count,
    format_duration,
    format_interval,
    format_plain,
    format_rate,
    format_value,
)
from evalsuite.metrics.finite import finite
from evalsuite.report.section import Section
from evalsuite.report.source import RunSource
from evalsuite.report.summary_parts import WHOLE, SubsetResults, all_subsets
from evalsuite.report.usage_table import wasted_tokens
from evalsuite.report.verdict_list import verdict_list

MAX_RESULTS = 3
"""Numbers in the sentence of a variant. The table below has the others."""


class HeadlineResult(Struct, frozen=True):
    """One primary metric of the sentence."""

    dataset: str
    metric: str
    value: str
    interval: str


class VariantHeadline(Struct, frozen=True):
    """The sentence about one variant: how many samples it answered, and its primary metrics."""

    variant: str
    answered: str
    results: tuple[HeadlineResult, ...]
    more: str


def section(source: RunSource) -> Section:
    """Make the section."""
    info, summary, comparison = source.info, source.summary, source.comparison
    totals = summary.get("totals") or {}
    owed = int(totals.get("owed") or 0)
    values = {
        "name": str(summary.get("run") or "run"),
        "started": format_timestamp(summary.get("started")),
        "finished": format_timestamp(summary.get("finished")),
        "incomplete": not summary.get("complete", True),
        "problem": str(summary.get("problem") or ""),
        "owed": f"{counted(owed, 'sample')} {'is' if owed == 1 else 'are'} missing" if owed else "",
        "command": str(info.get("command") or ""),
        "variants": variant_headlines(summary),
        "verdicts": verdict_list(comparison) if comparison else None,
        "facts": run_facts(summary),
        "warnings": [*map(str, summary.get("warnings") or ()), *(comparison.warnings if comparison else ())],
        "errors": [describe_failure(error) for error in summary.get("errors") or ()],
    }
    return Section("top", "", "headline.html.j2", values)


def count_answered(content: Mapping[str, Any]) -> tuple[int, int]:
    """Count the answered samples of a dataset, and all its samples.

    A failed sample may be in `samples` and in `owed`. It counts once.
    """
    samples = int(content.get("samples") or 0)
    done = samples - int(content.get("n_error") or 0)
    return done, max(samples, done + int(content.get("owed") or 0))


def variant_headlines(summary: Mapping[str, Any]) -> list[VariantHeadline]:
    """Write the sentence of each variant."""
    wholes: dict[str, list[SubsetResults]] = {}
    for part in all_subsets(summary):
        if part.subset == WHOLE:
            wholes.setdefault(part.variant, []).append(part)
    complete = bool(summary.get("complete", True))
    return [_variant_headline(variant, of_variant, complete) for variant, of_variant in wholes.items()]


def _variant_headline(variant: str, wholes: Sequence[SubsetResults], complete: bool) -> VariantHeadline:
    counts = [count_answered(part.content) for part in wholes]
    done, asked = sum(one for one, _ in counts), sum(two for _, two in counts)
    results = []
    for part in wholes:
        name, metric = next(iter(part.metrics()), ("", {}))
        if finite(metric.get("value")) is not None:
            interval = format_interval(metric.get("unit"), metric.get("ci_low"), metric.get("ci_high"))
            value = format_value(metric.get("unit"), metric.get("value"))
            results.append(HeadlineResult(part.dataset, name, value, "" if interval == MISSING else interval))
    left = len(results) - MAX_RESULTS
    return VariantHeadline(
        variant=variant,
        answered=_answered_words(done, asked) + ("" if complete else " so far"),
        results=tuple(results[:MAX_RESULTS]),
        more=f", and {counted(left, 'more dataset')} below" if left > 0 else "",
    )


def _answered_words(done: int, asked: int) -> str:
    if asked == 1:
        return "answered the one sample" if done else "did not answer the one sample"
    if done == asked:
        return f"answered all {counted(asked, 'sample')}"
    return f"answered {format_count(done)} of {counted(asked, 'sample')}"


def run_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The run in a few numbers. Unknown ones are left out."""
    totals = summary.get("totals") or {}
    rate = totals.get("completion_tokens_per_s")
    pairs = (
        ("samples", format_count(totals.get("samples"))),
        ("reused", format_count(totals.get("reused") or None)),
        ("from cache", format_count(totals.get("from_cache") or None)),
        ("requests", format_count(totals.get("requests"))),
        ("retries", format_count(totals.get("retries") or None)),
        ("wall time", format_duration(totals.get("wall_s"))),
        ("request rate", format_rate(totals.get("requests_per_s"))),
        ("prompt tokens", format_count(totals.get("prompt_tokens"))),
        ("reply tokens", format_count(totals.get("completion_tokens"))),
        ("judge prompt tokens", format_count(totals.get("judge_prompt_tokens"))),
        ("judge reply tokens", format_count(totals.get("judge_completion_tokens"))),
        ("wasted tokens", format_count(wasted_tokens(totals) or None)),
        ("reply token rate", format_rate(rate)),
        ("cost", format_plain(totals.get("cost"))),
    )
    return [(name, value) for name, value in pairs if value != MISSING]


def format_timestamp(stamp: Any) -> str:
    """Format a timestamp as `2026-11-21 03:20 UTC`. Other forms stay as they are."""
    text = str(stamp or "")
    if len(text) >= 16 and text[10] == "T" and text.endswith("Z"):
        return f"{text[:10]} {text[11:16]} UTC"
    return text


def describe_failure(error: Mapping[str, Any]) -> tuple[str, str, str]:
    """Class, message and count of one kind of failure."""
    count = int(error.get("count") or 0)
    return str(error.get("class") or "error"), str(error.get("message") or ""), counted(count, "time")
