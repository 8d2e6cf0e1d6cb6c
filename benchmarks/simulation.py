"""What the simulations of intervals and p-values share: their options, a heading a cluster size, a line a setting."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator


def print_simulation(
    description: str, heading: str, lines: Callable[[int, int], Iterator[str]], trials: int
) -> None:
    """Print `lines(trials, rows of a cluster)` for each size of clusters wanted, and how long all of it took."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=trials)
    parser.add_argument("--cluster", type=int, nargs="+", default=[1, 5], help="rows of a cluster")
    options = parser.parse_args()
    started = time.perf_counter()
    for size in options.cluster:
        print(f"clusters of {size}" if size > 1 else "rows that stand alone")
        print(heading)
        for line in lines(options.trials, size):
            print(line, flush=True)
    print(f"{options.trials} trials each, {time.perf_counter() - started:.0f} s")
