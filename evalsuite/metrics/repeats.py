"""Estimates for rows that are asked several times: the chance that one, or all, of k repeats are right.

A row has `n` repeats, `c` of them right. Both estimates are unbiased.
"""

from __future__ import annotations

from math import comb


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the chance that at least one of k repeats is right: 1 − C(n−c, k)/C(n, k) (Chen et al. 2021, arXiv 2107.03374).

    >>> pass_at_k(5, 2, 3)
    0.9
    """
    _check(n, c, k)
    return 1 - comb(n - c, k) / comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float:
    """Return the chance that all of k repeats are right, pass^k: C(c, k)/C(n, k) (Yao et al. 2024, arXiv 2406.12045).

    >>> pass_hat_k(5, 4, 2)
    0.6
    """
    _check(n, c, k)
    return comb(c, k) / comb(n, k)


def _check(n: int, c: int, k: int) -> None:
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(
            f"{c} of {n} repeats right, k = {k}; expected 0 ≤ right ≤ repeats and 1 ≤ k ≤ repeats"
        )
