"""The first screen of a report: one sentence a variant, and the run in a handful of numbers."""

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
from evalsuite.report.summary_parts import WHOLE, SubsetSummary, parts
from evalsuite.report.usage_table import wasted_tokens

RESULTS_IN_THE_VERDICT = 3
"""A sentence with more numbers is not read; the table is right below it."""


class HeadlineResult(Struct, frozen=True):
    """One primary number of the verdict."""

    dataset: str
    metric: str
    value: str
    interval: str


class VariantHeadline(Struct, frozen=True):
    """One sentence on one variant: how much it answered, and its primary numbers."""

    variant: str
    answered: str
    results: tuple[HeadlineResult, ...]
    more: str


def answered(content: Mapping[str, Any]) -> tuple[int, int]:
    """How many samples of a dataset were answered, and how many it has.

    A failed sample may be counted among `samples` and be owed as well; it is one sample all the same.
    """
    samples = int(content.get("samples") or 0)
    done = samples - int(content.get("n_error") or 0)
    return done, max(samples, done + int(content.get("owed") or 0))


def verdicts(summary: Mapping[str, Any]) -> list[VariantHeadline]:
    """One sentence a variant."""
    wholes: dict[str, list[SubsetSummary]] = {}
    for part in parts(summary):
        if part.subset == WHOLE:
            wholes.setdefault(part.variant, []).append(part)
    complete = bool(summary.get("complete", True))
    return [_verdict(variant, of_variant, complete) for variant, of_variant in wholes.items()]


def _verdict(variant: str, wholes: Sequence[SubsetSummary], complete: bool) -> VariantHeadline:
    counts = [answered(part.content) for part in wholes]
    done, asked = sum(one for one, _ in counts), sum(two for _, two in counts)
    results = []
    for part in wholes:
        name, metric = next(iter(part.metrics()), ("", {}))
        if finite(metric.get("value")) is not None:
            interval = format_interval(metric, metric.get("ci_low"), metric.get("ci_high"))
            value = format_value(metric, metric.get("value"))
            results.append(HeadlineResult(part.dataset, name, value, "" if interval == MISSING else interval))
    left = len(results) - RESULTS_IN_THE_VERDICT
    return VariantHeadline(
        variant=variant,
        answered=_answered_words(done, asked) + ("" if complete else " so far"),
        results=tuple(results[:RESULTS_IN_THE_VERDICT]),
        more=f", and {counted(left, 'more dataset')} below" if left > 0 else "",
    )


def _answered_words(done: int, asked: int) -> str:
    if asked == 1:
        return "answered the one sample" if done else "did not answer the one sample"
    if done == asked:
        return f"answered all {counted(asked, 'sample')}"
    return f"answered {format_count(done)} of {counted(asked, 'sample')}"


def facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The run in a handful of numbers; what is not known is left out."""
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
    """A time stamp as a person reads it: `2026-11-21 03:20 UTC`; another form is shown as it is."""
    text = str(stamp or "")
    if len(text) >= 16 and text[10] == "T" and text.endswith("Z"):
        return f"{text[:10]} {text[11:16]} UTC"
    return text


def describe_failure(error: Mapping[str, Any]) -> tuple[str, str, str]:
    """(class, message, how often) of a kind of failure."""
    count = int(error.get("count") or 0)
    return str(error.get("class") or "error"), str(error.get("message") or ""), counted(count, "time")
