"""Checks that a value from a server, a judge or a file is a usable number."""

from __future__ import annotations

import math
from typing import Any


def finite(value: Any) -> float | None:
    """Return the value as a float; None if it is not a number, not finite, or too large for a float.

    >>> finite(3), finite(True), finite("3"), finite(float("nan")), finite(10**400)
    (3.0, None, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
