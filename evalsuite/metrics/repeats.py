"""A row answered several times: the chance that some, or all, of k tries are right.

`n` tries of which `c` are right; both estimates are unbiased.
"""

from __future__ import annotations

from math import comb


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of k tries is right: 1 − C(n−c, k)/C(n, k) (Chen et al. 2021, arXiv 2107.03374).

    >>> pass_at_k(5, 2, 3)
    0.9
    """
    _check(n, c, k)
    return 1 - comb(n - c, k) / comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float:
    """The chance that all of k tries are right, pass^k: C(c, k)/C(n, k) (Yao et al. 2024, arXiv 2406.12045).

    >>> pass_hat_k(5, 4, 2)
    0.6
    """
    _check(n, c, k)
    return comb(c, k) / comb(n, k)


def _check(n: int, c: int, k: int) -> None:
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(
            f"{c} right of {n} tries, {k} drawn; expected 0 ≤ right ≤ tries and 1 ≤ drawn ≤ tries"
        )
