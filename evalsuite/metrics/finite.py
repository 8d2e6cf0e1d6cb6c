"""Which values are numbers: of a server's reply, a judge's, a file."""

from __future__ import annotations

import math
from typing import Any


def finite(value: Any) -> float | None:
    """The value as a float; None where it is no number, not finite, or too large for one.

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
