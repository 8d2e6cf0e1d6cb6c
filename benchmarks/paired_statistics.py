"""How often 95 % intervals of a paired difference cover it, and how often A against A differs: by simulation.

Shares of two variants on the same rows, which agree on `alike` of them beyond chance. Exact tests of few differing rows
cannot reach 5 %, and their intervals cover more than 95 %: such lines are marked, with the mean number of rows that differ.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from simulation import print_simulation

from evalsuite.metrics.paired import paired_mean

FEW_FLIPS = 60
"""Below it the binomial distribution is too coarse for a rate of exactly 5 %."""
SIZES = (30, 100, 1000, 5000)
SHARES = (0.02, 0.1, 0.5, 0.9, 0.98)


def shares(
    generator: np.random.Generator, n: int, share: float, alike: float, cluster: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of both variants; rows of a cluster share their level."""
    levels = np.full(n, share)
    if cluster > 1:
        spread = 2.0
        drawn = generator.beta(spread * share, spread * (1 - share), (n + cluster - 1) // cluster)
        levels = np.repeat(drawn, cluster)[:n]
    before = generator.random(n) < levels
    after = np.where(generator.random(n) < alike, before, generator.random(n) < levels)
    return before.astype(float), after.astype(float)


def simulated(trials: int, cluster: int) -> Iterator[str]:
    """A line for each size and share."""
    for n in SIZES:
        for share in SHARES:
            for alike in (0.0, 0.7):
                generator = np.random.default_rng(n)
                covered = differing = flips = 0
                clusters = np.arange(n) // cluster if cluster > 1 else None
                for _ in range(trials):
                    found = paired_mean(*shares(generator, n, share, alike, cluster), clusters=clusters)
                    low, high = found.delta.low, found.delta.high
                    covered += low is not None and high is not None and low <= 0 <= high
                    differing += found.p is not None and found.p < 0.05
                    flips += (found.wins or 0) + (found.losses or 0)
                mean_flips = flips / trials
                mark = f"   few rows differ: {mean_flips:.0f}" if mean_flips < FEW_FLIPS else ""
                yield f"{n:6} {share:6.2f} {alike:6.1f} {100 * covered / trials:9.1f} % {100 * differing / trials:9.1f} %{mark}"


if __name__ == "__main__":
    print_simulation(__doc__, "     n  share  alike    covered   A differs from A", simulated, trials=2000)
