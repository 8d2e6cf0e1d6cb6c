"""How often 95 % intervals of one variant's share cover it: exactly where rows stand alone, by simulation in clusters.

Rows of a cluster (steps of a dialogue, tries of a row) share a level drawn from a beta distribution. Few rows take few
values, so that no interval can cover exactly 95 % of them: such lines are marked, with the number of rows that are
expected to be of the rarer kind.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import binom
from simulation import print_simulation

from evalsuite.metrics.stats import score_interval, wilson

SIZES = (30, 100, 1000, 5000)
SHARES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
SPREAD = 2.0
"""Of the levels: 2 makes rows of a cluster correlate by a third."""
FEW = 10
"""Rows, or clusters, of the rarer kind, below which coverage jumps from one count to the next."""


def exact(n: int, share: float) -> float:
    """The chance that the interval of so many rows covers the share."""
    intervals = [wilson(successes, n) for successes in range(n + 1)]
    covering = [
        found.low is not None and found.high is not None and found.low <= share <= found.high
        for found in intervals
    ]
    return float(binom.pmf(np.flatnonzero(covering), n, share).sum())


def simulated(generator: np.random.Generator, n: int, share: float, size: int, trials: int) -> float:
    """The share of trials whose interval covers, in clusters of `size` rows."""
    clusters = (np.arange(n) // size).tolist()
    covered = 0
    for _ in range(trials):
        levels = generator.beta(SPREAD * share, SPREAD * (1 - share), n // size)
        values = (generator.random(n) < np.repeat(levels, size)).astype(float).tolist()
        found = score_interval(values, clusters)
        covered += found.low is not None and found.high is not None and found.low <= share <= found.high
    return covered / trials


def lines(trials: int, size: int) -> Iterator[str]:
    """A line for each number of rows and each share."""
    for n in SIZES:
        for share in SHARES:
            found = (
                exact(n, share) if size == 1 else simulated(np.random.default_rng(n), n, share, size, trials)
            )
            rarer = min(share, 1 - share) * n / size
            yield f"{n:6} {share:6.2f} {100 * found:9.1f} %{f'   few of one kind: {rarer:.1f}' if rarer < FEW else ''}"


if __name__ == "__main__":
    print_simulation(__doc__, "     n  share    covered", lines, trials=2000)
