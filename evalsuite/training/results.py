"""A finished run → logged metrics, and sentences that compare it with the previous check."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.errors import InputError
from evalsuite.evaluation.compare import compare
from evalsuite.formatting.numbers import format_delta, format_delta_interval, format_interval, format_value
from evalsuite.runs.run import Run
from evalsuite.runs.schema import MetricSummary

PREFIX = "eval_"
"""The trainer's prefix for metrics of an evaluation."""


def metric_names(datasets: Mapping[str, Any]) -> list[str]:
    """The headline metrics of planned datasets (name → metrics), as they will be logged."""
    return [
        logged_name(dataset, metric.name)
        for dataset, metrics in datasets.items()
        for metric in metrics
        if metric.primary
    ]


def logged_name(dataset: str, metric: str) -> str:
    """`eval_gsm8k_accuracy`: what `metric_for_best_model` takes, with or without `eval_`."""
    return PREFIX + re.sub(r"\W+", "_", f"{dataset}_{metric}")


def logged_metrics(run: Run) -> dict[str, float]:
    """The headline metrics of every dataset with their standard error, number of samples and how many replies were cut off.

    A reply counts as cut off if `max_tokens` ended it, even if it was scored. Undefined values are omitted.
    """
    found: dict[str, float] = {}
    cut_off = Counter(
        line.dataset for line in run.samples() if line.reply and line.reply.finish_reason == "length"
    )
    for dataset, metric, numbers in _headlines(run):
        name = logged_name(dataset, metric)
        values = {
            name: numbers.value,
            f"{name}_stderr": numbers.stderr,
            f"{name}_n": numbers.n,
            f"{name}_truncated": cut_off[dataset],
        }
        found |= {key: value for key, value in values.items() if value is not None and math.isfinite(value)}
    return found


def result_lines(run: Run, step: int, before: tuple[int, Run] | None) -> Iterator[str]:
    """One line for every headline metric; with the previous check (`before`: step, run) also the change since."""
    changes = _changes(before, run) if before else {}
    for dataset, metric, numbers in _headlines(run):
        value = format_value(numbers.unit, numbers.value)
        interval = format_interval(numbers.unit, numbers.ci_low, numbers.ci_high)
        line = f"step {step}: {dataset} {metric} {value} (95 % interval {interval}, n = {numbers.n})"
        change = changes.get((dataset, metric))
        yield f"{line}; {change}" if change else line


def _changes(before: tuple[int, Run], run: Run) -> dict[tuple[str, str], str]:
    step, earlier = before
    try:
        document = compare(earlier, run).document
    except InputError:
        return {}
    found = {}
    for result in document.results:
        if result.verdict and result.subset == WHOLE_DATASET and result.delta is not None:
            delta = format_delta(result.unit, result.delta)
            interval = format_delta_interval(result.unit, result.ci_low, result.ci_high)
            words = f"{delta} against step {step} (95 % interval {interval}): {result.verdict}"
            found[result.dataset, result.metric] = words
    return found


def _headlines(run: Run) -> Iterator[tuple[str, str, MetricSummary]]:
    """(dataset, metric, its summary) of every headline metric."""
    for variant in run.summary.variants.values():
        for dataset, results in variant.datasets.items():
            for metric, summary in results.metrics(WHOLE_DATASET).items():
                if summary.primary:
                    yield dataset, metric, summary
