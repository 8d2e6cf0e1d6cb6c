"""pass@k and pass^k: the metrics that are added when every row is asked several times (`--repeats`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from evalsuite.tasks.metric import Aggregate, Metric

NAMES: tuple[tuple[Aggregate, str], ...] = (("pass_at_k", "pass@"), ("pass_hat_k", "pass^"))


def repeat_metrics(metrics: Sequence[Metric], repeats: int) -> Iterator[Metric]:
    """pass@k and pass^k of the primary metric, if it is the mean of right and wrong; none if `repeats` is 1.

    k is the number of repeats and, as details, the powers of two below it. A profile stays in front of the name:
    `strict/pass@4`.
    """
    for metric in metrics:
        if metric.primary and metric.unit == "proportion" and metric.aggregate == "mean":
            prefix = metric.name.rpartition("/")[0]
            for aggregate, name in NAMES:
                for k in _sample_sizes(repeats):
                    yield replace(
                        metric,
                        name=f"{prefix}/{name}{k}" if prefix else f"{name}{k}",
                        of=metric.score,
                        primary=False,
                        aggregate=aggregate,
                        k=k,
                        detail=k < repeats,
                    )


def _sample_sizes(repeats: int) -> list[int]:
    """2, 4, 8, … and the number of repeats."""
    powers = [2**exponent for exponent in range(1, repeats.bit_length()) if 2**exponent < repeats]
    return [*powers, repeats] if repeats > 1 else []
