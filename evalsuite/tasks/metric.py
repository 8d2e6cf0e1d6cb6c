"""Metrics and breakdown tables: how the scores of samples become the numbers of a dataset."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Aggregate: TypeAlias = Literal["mean", "macro", "corpus", "pass_at_k", "pass_hat_k"]
Unit: TypeAlias = Literal["proportion", "score", "bleu", "ratio", "difference"]


@dataclass(frozen=True, slots=True)
class Metric:
    """How the scores of samples become one number.

    `aggregate` is one of:

    - `mean`: the mean over samples.
    - `macro`: the unweighted mean of the subsets' means.
    - `corpus`: `from_statistics`, applied to the sum of the samples' sufficient statistics.
    - `pass_at_k`, `pass_hat_k`: for rows that are asked several times, the mean over rows of the probability that at
      least one, or every one, of `k` repeats is right (has a score of 1).

    `unit` sets the range: `proportion` and `score` lie in 0..1, `bleu` in 0..100, `ratio` is at least 0, `difference`
    is unbounded.
    """

    name: str
    unit: Unit = "proportion"
    primary: bool = False
    """The headline metric of its dataset."""
    aggregate: Aggregate = "mean"
    of: str | None = None
    """The score that is aggregated, if its name is not the metric's own."""
    k: int = 0
    """Repeats drawn of each row for pass@k and pass^k; 0 for other metrics."""
    higher_is_better: bool = True
    from_statistics: Callable[[Sequence[float]], float] | None = None
    profile: str = "default"
    version: str = "1"
    detail: bool = False
    """Left out of the table on the terminal, where room is scarce; always in the files."""

    @property
    def score(self) -> str:
        """The name of the score that is aggregated."""
        return self.of or self.name

    @property
    def highest(self) -> float:
        """The largest possible value; infinity for a ratio or a difference."""
        return {"proportion": 1.0, "score": 1.0, "bleu": 100.0}.get(self.unit, math.inf)

    def failure_value(self, empty: float | None) -> float | None:
        """What a failed request scores under `--on-error wrong`; None if the metric leaves it out.

        `empty` is the score of an empty reply, which shows whether the metric applies to the row. Only metrics of
        quality count failures: a failed request hallucinated nothing and was not cut off.
        """
        counts = empty is not None and self.higher_is_better and self.unit not in ("ratio", "difference")
        return 0.0 if counts else None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A table below a dataset's results: its samples counted by keys that `Task.breakdown_keys` gives them.

    Each line shows the number of its samples and the means of the scores named in `averages`.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    """Names of the parts of a key."""
    averages: tuple[str, ...] = ()
    numeric_order: bool = False
    """Sort lines by the number their key begins with; otherwise the most frequent come first."""
    filter: str = ""
    """The filter of the report's sample browser that takes the key as its value."""
    note: str = ""
