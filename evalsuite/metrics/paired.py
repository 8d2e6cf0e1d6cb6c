"""Compares two variants on the same rows: delta = after − before, its interval and its p-value.

- delta of a mean: the t interval of the paired differences. Subjects are strata and not a sample, so only the spread within
  them counts (strata of one cluster are merged with each other). Clustered rows (the steps of one dialogue) are treated
  as in `stats`: C/(C-1) · Σ_c (Σ_i w_i (d_i - d̄))² for each stratum, degrees of freedom by Satterthwaite.
- 0/1 scores: two pseudo-rows are added for the interval, one won and one lost (Bonett and Price 2012, Journal of
  Educational and Behavioral Statistics 37:479; we use t in place of z and, for clustered rows, two pseudo-clusters that change
  by as much as the others). So a few differing rows never give an interval of zero width.
- p-value of 0/1 scores: exact McNemar (McNemar 1947), the binomial test of won against lost rows.
- p-value of other scores, of clustered ones and of macro means: paired permutation. The signs of the differences (of a
  whole cluster) are flipped: in all ways, or in 10,000 random ways, or, if no difference dominates, by the limiting
  distribution of their sum.
- corpus scores (BLEU, chrF): approximate randomisation (Noreen 1989; Riezler and Maxwell 2005) on the rows' sufficient
  statistics for p; for the interval the percentile bootstrap, with the same rows drawn for both (Koehn 2004).
- several p-values: Holm 1979.

The smallest detectable difference is 2.8 standard errors: 1.96 for a two-sided test at 5 %, plus 0.84 for finding it in
80 % of such experiments. The caller leaves out rows for which only one variant has a value.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from evalsuite.metrics.stats import DEFAULT_RESAMPLES, EMPTY_INTERVAL, resampled_sums, t_quantile
from evalsuite.types import Interval

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
    Codes: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

VERSION = "1"
POWER_FACTOR = 2.8
MIN_FLIPS = 6
"""Five rows that all flip one way have p = 0.0625; six have 0.031."""
MAX_EXACT_DIFFERENCES = 16
"""For up to this many differences all 65,536 patterns of signs are tried."""
PERMUTATIONS = 10_000
MAX_VARIANCE_SHARE = 0.02
"""Share of the variance. If no difference has more, their sum is normal, corrected for its fourth cumulant, to about 0.0001
in p."""
MIN_DISTINCT_SIZES = 20
"""With at most this many distinct sizes, sums of differences fall on a lattice, which no smooth distribution fits."""
MAX_RESAMPLED_ROWS = 5_000
"""Rows, or bundles of rows, that the bootstrap draws: with this many the standard error is known to 1 %."""
_TOLERANCE = 1e-9
_DIGITS = 12
# Signs kept in memory at a time: one byte each, and eight when they are multiplied.
_SIGNS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Paired:
    """Two variants compared on the rows for which both have a value, in the scores' unit.

    `before` and `after` are their values, `delta` the difference; `wins` and `losses` count rows whose score rose and
    fell, None for corpus scores. `detectable` is the smallest difference that such data would probably show.
    """

    before: float | None
    after: float | None
    delta: Interval
    p: float | None
    test: str
    wins: int | None = None
    ties: int | None = None
    losses: int | None = None
    detectable: float | None = None

    def rows_to_detect(self, difference: float) -> int | None:
        """Return how many such rows it takes to detect a difference; None if that is not known."""
        if not self.detectable:
            return None
        return math.ceil(self.delta.n * (self.detectable / difference) ** 2)


NO_ROWS = Paired(None, None, EMPTY_INTERVAL, None, "none")


def paired_mean(
    before: Floats,
    after: Floats,
    *,
    strata: Codes | None = None,
    clusters: Codes | None = None,
    macro: bool = False,
    confidence: float = 0.95,
) -> Paired:
    """Compare two means over the same rows, or with `macro` the unweighted means of the strata's means.

    All arrays have one entry for each row. Raises `ValueError` for scores that are not finite.
    """
    import numpy as np

    n = len(before)
    if n == 0:
        return NO_ROWS
    differences = after - before
    if not np.isfinite(differences).all():
        raise ValueError("a score is not finite; expected numbers")
    strata = np.zeros(n, dtype=np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    weights = _macro_weights(strata) if macro else np.full(n, 1 / n)
    groups, strata_of_groups, strata = _group_rows(strata, clusters)
    binary = bool(np.isin(before, (0, 1)).all() and np.isin(after, (0, 1)).all())
    totals = np.bincount(groups, weights * differences).astype(np.float64)
    pseudo_rows = _typical_cluster_change(totals * n, n / len(totals)) if binary else None
    values = [_mean(scores, weights if macro else None) for scores in (before, after, differences)]
    variance, degrees = _variance(differences, weights, strata, groups, strata_of_groups)
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    exact = binary and len(totals) == n and not macro
    return Paired(
        before=values[0],
        after=values[1],
        delta=_interval(values[2], variance, degrees, n, pseudo_rows, confidence),
        p=mcnemar_p(wins, losses) if exact else sign_flip_p(totals),
        test="exact McNemar" if exact else "paired permutation",
        wins=wins,
        ties=n - wins - losses,
        losses=losses,
        detectable=_detectable(variance, n, pseudo_rows),
    )


def paired_corpus(
    before: Floats,
    after: Floats,
    score: Callable[[Sequence[float]], float],
    *,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
) -> Paired:
    """Compare a corpus score of two variants on the same rows.

    `before` and `after` have one line of sufficient statistics for each row; `score` turns their sum into the corpus score. The
    p-value is a share of `resamples` + 1. Reproducible for a seed and an order of the rows.
    """
    import numpy as np

    n = len(before)
    if n == 0:
        return NO_ROWS
    width = before.shape[1]
    first, second = (score(table.sum(axis=0).tolist()) for table in (before, after))
    value = second - first
    if n == 1 or resamples < 2:
        return Paired(first, second, Interval(value, None, None, None, n), None, "approximate randomisation")
    both = _bundle_rows(np.hstack([before, after]), seed)
    drawn = np.array(
        [score(sums[width:]) - score(sums[:width]) for sums in resampled_sums(both, resamples, seed)]
    )
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2])
    stderr = float(drawn.std(ddof=1))
    return Paired(
        first,
        second,
        Interval(value, stderr, float(low), float(high), n),
        p=_swap_p(before, after, score, abs(value), resamples, seed),
        test="approximate randomisation",
        detectable=POWER_FACTOR * stderr or None,
    )


def mcnemar_p(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value of won against lost rows, if both were equally likely.

    >>> round(mcnemar_p(1, 8), 6)
    0.039062
    """
    if wins == losses:
        return 1.0
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5)))


def sign_flip_p(totals: Floats, seed: int = 0) -> float:
    """Return the two-sided p-value of a sum of paired differences, if each sign were equally likely."""
    import numpy as np

    sizes = np.sort(np.abs(totals[totals != 0]))
    observed = abs(math.fsum(totals))
    if not len(sizes):
        return 1.0
    if sizes[0] == sizes[-1]:
        wins = int((totals > 0).sum())
        return mcnemar_p(wins, len(sizes) - wins)
    bound = observed - _TOLERANCE * float(sizes.sum())
    if len(sizes) <= MAX_EXACT_DIFFERENCES:
        sums = np.zeros(1)
        for size in sizes:
            sums = np.concatenate([sums + size, sums - size])
        return float((np.abs(sums) >= bound).mean())
    distinct, times = np.unique(np.round(sizes / sizes[-1], _DIGITS), return_counts=True)
    if len(distinct) > MIN_DISTINCT_SIZES and sizes[-1] ** 2 <= MAX_VARIANCE_SHARE * float((sizes**2).sum()):
        return _sign_flip_p_normal(sizes, observed)
    hits = int((np.abs(_flipped_sums(distinct * sizes[-1], times, seed)) >= bound).sum())
    return (1 + hits) / (PERMUTATIONS + 1)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values, in the same order; None means no test and stays None.

    >>> holm([0.01, 0.04, 0.03, 0.005])
    [0.03, 0.06, 0.06, 0.02]
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = largest
    return adjusted


def _mean(scores: Floats, weights: Floats | None) -> float:
    return math.fsum(scores) / len(scores) if weights is None else math.fsum(weights * scores)


def _macro_weights(strata: Codes) -> Floats:
    import numpy as np

    sizes = np.bincount(strata)
    return 1 / (len(sizes) * sizes[strata].astype(np.float64))


def _group_rows(strata: Codes, clusters: Codes | None) -> tuple[Codes, Codes, Codes]:
    """Return each row's cluster, each cluster's stratum and each row's stratum; strata of one cluster are merged."""
    import numpy as np

    if clusters is None:
        groups = np.arange(len(strata))
        strata_of_groups = strata.copy()
    else:
        within = np.stack([strata, clusters], axis=1)
        found, groups = np.unique(within, axis=0, return_inverse=True)
        groups, strata_of_groups = groups.reshape(-1), found[:, 0].astype(np.int64)
    counts = np.bincount(strata_of_groups)
    singletons = np.flatnonzero(counts == 1)
    if len(singletons) == 1 and len(counts) > 1:
        smallest = min((count, stratum) for stratum, count in enumerate(counts) if count > 1)[1]
        singletons = np.append(singletons, smallest)
    if len(singletons) > 1:
        merged = np.arange(len(counts))
        merged[singletons] = singletons[0]
        merged = np.unique(merged, return_inverse=True)[1]
        strata_of_groups, strata = merged[strata_of_groups], merged[strata]
    return groups, strata_of_groups, strata


def _variance(
    differences: Floats, weights: Floats, strata: Codes, groups: Codes, strata_of_groups: Codes
) -> tuple[float | None, float]:
    """Return the variance of the weighted sum and its degrees of freedom; None if there is only one cluster."""
    import numpy as np

    counts = np.bincount(strata_of_groups)
    if len(counts) == 1 and counts[0] < 2:
        return None, 0.0
    means = np.bincount(strata, differences) / np.bincount(strata)
    deviations = np.bincount(groups, weights * (differences - means[strata]))
    parts = counts / (counts - 1) * np.bincount(strata_of_groups, deviations**2)
    variance = float(parts.sum())
    spread = float((parts**2 / (counts - 1)).sum())
    return variance, variance**2 / spread if spread > 0 else float(counts.sum() - len(counts))


def _typical_cluster_change(totals: Floats, cluster_size: float) -> float:
    """Return by how many rows a changed cluster changes (root mean square); a whole cluster if none changes."""
    changed = totals[totals != 0]
    return math.sqrt(float((changed**2).mean())) if len(changed) else cluster_size


def _interval(
    value: float,
    variance: float | None,
    degrees: float,
    n: int,
    pseudo_rows: float | None,
    confidence: float,
) -> Interval:
    """Return the t interval; for 0/1 scores with a won and a lost pseudo-cluster of `pseudo_rows` rows each."""
    if variance is None:
        return Interval(value, None, None, None, n)
    centre, stderr = value, math.sqrt(variance)
    if pseudo_rows:
        whole = n + 2 * pseudo_rows
        centre = value * n / whole
        half = math.sqrt(variance * n**2 + 2 * pseudo_rows**2) / whole
        half *= t_quantile(0.5 + confidence / 2, degrees)
        return Interval(value, stderr, max(-1.0, centre - half), min(1.0, centre + half), n)
    half = t_quantile(0.5 + confidence / 2, degrees) * stderr
    return Interval(value, stderr, centre - half, centre + half, n)


def _detectable(variance: float | None, n: int, pseudo_rows: float | None) -> float | None:
    """Return 2.8 standard errors; for 0/1 scores at least the smallest number of flips that can be significant."""
    if variance is None:
        return None
    fewest = MIN_FLIPS * pseudo_rows / n if pseudo_rows else 0.0
    return max(POWER_FACTOR * math.sqrt(variance), fewest) or None


def _sign_flip_p_normal(sizes: Floats, observed: float) -> float:
    """Return the p-value of many small differences under random signs, by two terms of Edgeworth's expansion.

    Their sum is symmetric, so the first correction is that of the fourth cumulant, -2 Σ x⁴.
    """
    squares = sizes**2
    variance = float(squares.sum())
    z = observed / math.sqrt(variance)
    excess = -2 * float((squares**2).sum()) / variance**2
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    corrected = math.erfc(z / math.sqrt(2)) + 2 * density * excess / 24 * (z**3 - 3 * z)
    return min(1.0, max(corrected, sys.float_info.min))


def _flipped_sums(sizes: Floats, times: Codes, seed: int) -> Floats:
    """Return sums of differences under random signs; `times` says how often each size occurs."""
    import numpy as np

    generator = np.random.default_rng(seed)
    if int(times.max()) > 1:
        kept = generator.binomial(times, 0.5, size=(PERMUTATIONS, len(times)))
    else:
        kept = generator.integers(0, 2, size=(PERMUTATIONS, len(times)), dtype=np.int8)
    sums: Floats = 2 * (kept.astype(np.float64) @ sizes) - float(times @ sizes)
    return sums


def _bundle_rows(table: Floats, seed: int) -> Floats:
    """Sum many rows in random bundles: the variance stays the same, and fewer bundles have to be drawn."""
    import numpy as np

    if len(table) <= MAX_RESAMPLED_ROWS:
        return table
    bundles = np.random.default_rng(seed).permutation(len(table)) % MAX_RESAMPLED_ROWS
    columns = [np.bincount(bundles, column, minlength=MAX_RESAMPLED_ROWS) for column in table.T]
    return np.stack(columns, axis=1).astype(np.float64)


def _swap_p(
    before: Floats,
    after: Floats,
    score: Callable[[Sequence[float]], float],
    observed: float,
    resamples: int,
    seed: int,
) -> float:
    """Return the share of random swaps of rows between the variants that leave them at least as far apart."""
    import numpy as np

    generator = np.random.default_rng(seed)
    gap = before - after
    whole_before, whole_after = before.sum(axis=0), after.sum(axis=0)
    at_once = max(1, _SIGNS_AT_ONCE // len(gap))
    hits = 0
    for start in range(0, resamples, at_once):
        bits = generator.integers(0, 2, size=(min(at_once, resamples - start), len(gap)), dtype=np.int8)
        for swapped in bits.astype(np.float64) @ gap:
            apart = score((whole_after + swapped).tolist()) - score((whole_before - swapped).tolist())
            hits += abs(apart) >= observed - _TOLERANCE * max(1.0, observed)
    return (1 + hits) / (resamples + 1)
