"""Computes one variant's values with standard errors and confidence intervals (95 % by default).

- 0/1 scores: Wilson's score interval (Wilson 1927; Brown, Cai and DasGupta 2001). The standard error is that of
  a mean, sqrt(p(1-p)/(n-1)), so that both kinds of score are reported in the same way.
- other scores: Student's t interval of the mean.
- clustered rows (the steps of one dialogue): the cluster-robust standard error sqrt(C/(C-1) · Σ_c (Σ_i (x_ci - x̄))²) / n
  with C clusters, and t with C-1 degrees of freedom (Liang and Zeger 1986; Miller 2024, arXiv 2411.00640; the C/(C-1)
  correction is ours). Rows without clusters are clusters of one.
- clustered 0/1 scores: Wilson's interval with the effective number of rows (the number of independent rows with the same
  standard error), and t with C-1 degrees of freedom (Franco, Little, Louis and Slud 2019, Journal of Survey Statistics and
  Methodology 7:334). The t interval of the mean covers only 89 % if the rarer value is in a handful of clusters.
- macro mean over subjects, which are strata and not a sample: the mean of the subjects' means, SE = sqrt(Σ se²) / k, t with
  Satterthwaite's degrees of freedom.
- corpus scores: percentile bootstrap over rows' sufficient statistics (Koehn 2004).

Without rows the value is None, and with one row (or one cluster) there is no standard error and no interval: never 0.0. Sums
are exact (`math.fsum`), so the order of rows does not matter. A value that is not finite raises ValueError.
`paired` compares two variants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from evalsuite.types import Interval

if TYPE_CHECKING:
    import numpy as np

VERSION = "2"

EMPTY_INTERVAL = Interval(value=None, stderr=None, low=None, high=None, n=0)
"""The result for no rows."""

DEFAULT_RESAMPLES = 1000
_MANY_DEGREES = 100
# Draws that the bootstrap keeps in memory at a time: eight bytes each, in three arrays.
_DRAWS_AT_ONCE = 500_000


def wilson(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's interval of a proportion, in 0 to 1. `successes` may be a fraction (rows averaged over repeats).

    >>> interval = wilson(8, 10)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.4902, 0.9433)
    """
    if n == 0:
        return EMPTY_INTERVAL
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}; expected a number from 0 to n")
    share = successes / n
    low, high = _wilson_ends(share, n, NormalDist().inv_cdf(0.5 + confidence / 2))
    return Interval(
        value=share,
        stderr=math.sqrt(share * (1 - share) / (n - 1)) if n > 1 else None,
        low=0.0 if successes == 0 else low,  # exact at the bounds
        high=1.0 if successes == n else high,
        n=n,
    )


def _wilson_ends(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Return both bounds of Wilson's interval of a share of `n` rows; `n` need not be a whole number."""
    square = quantile * quantile
    centre = share + square / (2 * n)
    half = quantile * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    scale = 1 + square / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def mean_interval(
    values: Collection[float], clusters: Collection[Hashable] | None = None, confidence: float = 0.95
) -> Interval:
    """Return the t interval of a mean, in the values' unit; clustered if `clusters` names the cluster of every value.

    The interval is symmetric and may reach beyond the values' range.
    """
    if clusters is not None and len(clusters) != len(values):
        raise ValueError(
            f"{len(values)} values but {len(clusters)} clusters; expected one cluster for each value"
        )
    n = len(values)
    if n == 0:
        return EMPTY_INTERVAL
    value = _mean(values)
    deviations = None if clusters is None else _cluster_deviations(values, value, clusters)
    groups = n if deviations is None else len(deviations)
    if groups < 2:
        return Interval(value=value, stderr=None, low=None, high=None, n=n)
    singly = (score - value for score in values)  # a generator: there may be millions of rows
    squares = math.fsum(deviation**2 for deviation in (singly if deviations is None else deviations))
    stderr = math.sqrt(groups / (groups - 1) * squares) / n
    half = t_quantile(0.5 + confidence / 2, groups - 1) * stderr
    return Interval(value=value, stderr=stderr, low=value - half, high=value + half, n=n)


def score_interval(
    values: Collection[float], clusters: Collection[Hashable] | None = None, confidence: float = 0.95
) -> Interval:
    """Return the interval that fits the values: Wilson's for plain 0/1 scores, else the t interval of the mean.

    Clustered 0/1 scores get Wilson's interval with their effective number of rows, and t in place of z. If they are all
    equal, it is computed with the number of clusters, and z.
    """
    if any(value not in (0, 1) for value in values):
        return mean_interval(values, clusters, confidence)
    if clusters is None:
        return wilson(math.fsum(values), len(values), confidence)
    interval = mean_interval(values, clusters, confidence)
    if interval.value is None or interval.low is None or interval.high is None:
        return interval
    share, groups = interval.value, len(set(clusters))
    if share in (0, 1) or not interval.stderr:
        bound = wilson(share * groups, groups, confidence)
        low, high = bound.low or 0.0, bound.high or 0.0
    else:
        alone = share * (1 - share) / interval.stderr**2
        low, high = _wilson_ends(share, alone, t_quantile(0.5 + confidence / 2, groups - 1))
    return Interval(value=interval.value, stderr=interval.stderr, low=low, high=high, n=interval.n)


def macro_mean(subjects: Mapping[str, Collection[float]], confidence: float = 0.95) -> Interval:
    """Return the unweighted mean of the subjects' means; `n` counts rows. Subjects without rows are ignored.

    A subject with one row has no spread, so it gets that of all rows together. If no subject has any spread, 0/1 scores get
    Wilson's interval of all rows: an interval of zero width would claim certainty.
    """
    means = [mean_interval(values) for values in subjects.values() if values]
    n = sum(interval.n for interval in means)
    if not means:
        return EMPTY_INTERVAL
    value = _mean([interval.value for interval in means if interval.value is not None])
    pooled = mean_interval(_Pooled([*subjects.values()])).stderr
    if pooled is None:
        return Interval(value=value, stderr=None, low=None, high=None, n=n)
    errors = [pooled * math.sqrt(n) if mean.stderr is None else mean.stderr for mean in means]
    if not any(errors) and value in (0, 1):
        return replace(wilson(value * n, n, confidence), n=n)
    variance = math.fsum(error**2 for error in errors)
    stderr = math.sqrt(variance) / len(means)
    half = 0.0
    if variance > 0:
        spread = math.fsum(
            error**4 / max(1, interval.n - 1) for error, interval in zip(errors, means, strict=True)
        )
        degrees = variance**2 / spread if spread > 0 else math.inf  # fourth powers may underflow
        half = t_quantile(0.5 + confidence / 2, degrees) * stderr
    return Interval(value=value, stderr=stderr, low=value - half, high=value + half, n=n)


@dataclass(frozen=True, slots=True)
class _Pooled(Collection[float]):
    """Several collections of values as one, without a copy."""

    parts: Sequence[Collection[float]]

    def __iter__(self) -> Iterator[float]:
        return chain.from_iterable(self.parts)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __contains__(self, value: object) -> bool:
        return any(value in part for part in self.parts)


def bootstrap_interval(
    statistics: Sequence[Sequence[float]] | np.ndarray[Any, np.dtype[np.float64]],
    score: Callable[[Sequence[float]], float],
    *,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Return the percentile bootstrap interval of a corpus score, in the score's unit.

    `statistics` has one line of sufficient statistics for each row; `score` turns their sum into the corpus score. Rows are
    drawn with replacement, reproducibly for a seed. The standard error is the standard deviation of the resampled scores.
    It needs some tens of MB beside the statistics.
    """
    n = len(statistics)
    if n == 0:
        return EMPTY_INTERVAL
    import numpy as np

    table = np.asarray(statistics, dtype=np.float64)
    if not np.isfinite(table).all():
        raise ValueError("a row's statistics are not finite; expected counts")
    table = table[np.lexsort(table.T)]  # so that the order of rows does not matter
    value = score(table.sum(axis=0).tolist())
    if n == 1 or resamples < 2:
        return Interval(value=value, stderr=None, low=None, high=None, n=n)
    scores = np.array([score(total) for total in resampled_sums(table, resamples, seed)])
    low, high = np.quantile(scores, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(value=value, stderr=float(scores.std(ddof=1)), low=float(low), high=float(high), n=n)


def t_quantile(probability: float, degrees: float) -> float:
    """Return the quantile of Student's t distribution; the normal one for infinite degrees of freedom.

    From `_MANY_DEGREES` on it uses the expansion of Abramowitz and Stegun 26.7.5, which equals scipy's value to 1e-9 there:
    loading scipy takes longer than scoring a thousand rows.
    """
    z = NormalDist().inv_cdf(probability)
    if math.isinf(degrees):
        return z
    if degrees >= _MANY_DEGREES:
        terms = (
            (z**3 + z) / 4,
            (5 * z**5 + 16 * z**3 + 3 * z) / 96,
            (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
            (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
        )
        return z + sum(term / degrees**power for power, term in enumerate(terms, start=1))
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def _mean(values: Collection[float]) -> float:
    total = math.fsum(values)
    if not math.isfinite(total):
        raise ValueError("a value is not finite; expected numbers")
    return total / len(values)


def _cluster_deviations(values: Iterable[float], mean: float, clusters: Iterable[Hashable]) -> list[float]:
    grouped: dict[Hashable, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        grouped.setdefault(cluster, []).append(value - mean)
    return [math.fsum(deviations) for deviations in grouped.values()]


def resampled_sums(
    table: np.ndarray[Any, np.dtype[np.float64]], resamples: int, seed: int
) -> Iterable[list[float]]:
    """Yield the summed statistics of each resample, a few resamples at a time, so that memory does not grow with their number."""
    import numpy as np

    generator = np.random.default_rng(seed)
    n = len(table)
    at_once = max(1, _DRAWS_AT_ONCE // n)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = generator.integers(0, n, size=(count, n)) + n * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n)
        yield from (times.astype(np.float64) @ table).tolist()
