"""Multiple choice by log-probability: which option's letter a model would write next.

A server returns the most probable next tokens, not all of them. A token counts for an option if it is that option's
letter, with any spaces, brackets or marks around it (" A", "Ａ", "(A", "**A", "A.", "▁A"). A lower-case letter does not
count: " a" begins "Answer: a lot". The probabilities of a letter's variants are added. The answer is the option with the
highest sum, the earlier one of two equal ones. An option without any variant among the tokens has no number: each of its
variants is at most as probable as the least probable token returned, the `floor`. If no option is among the tokens, there
is no answer.

Logarithms are natural. Source: the project's metrics definition, section 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from evalsuite.metrics.finite import finite
from evalsuite.metrics.text import ASCII_WIDTH

VERSION = "1"

_LETTER = re.compile(r"[\s▁ĠĊ(\[{<*_`\"'“‘「『【$:]*(?P<label>[A-Z])[\s▁ĠĊ)\]}>*_`\"'”’」』】$.。、,;:]*")
"""Some servers write a token's space or line break as Ġ, Ċ or ▁."""


@dataclass(frozen=True, slots=True)
class LabelProbabilities:
    """The log-probability of each option's letter, None where it is below `floor`."""

    labels: Mapping[str, float | None]
    floor: float | None
    """Log-probability of the least probable token returned; None if no token was."""

    @property
    def best_label(self) -> str | None:
        """The most probable option; None if no option is among the tokens returned."""
        known = {label: value for label, value in self.labels.items() if value is not None}
        return max(known, key=lambda label: known[label]) if known else None


def read(alternatives: Iterable[Sequence[object]], options: Collection[str]) -> LabelProbabilities:
    """Each option's log-probability from pairs of a token's text and its log-probability, in any order.

    `options` are the row's labels in their order.

    >>> found = read([(" B", -0.5), ("B", -2.0), (" A", -1.5), ("The", -4.0)], ["A", "B", "C"])
    >>> found.best_label, round(found.labels["B"], 4), found.labels["C"], found.floor
    ('B', -0.2986, None, -4.0)
    """
    variants: dict[str, list[float]] = {label: [] for label in options}
    returned = []
    for token, value in alternatives:
        number = finite(value)
        if number is None:
            continue
        returned.append(number)
        letter = _LETTER.fullmatch(str(token).translate(ASCII_WIDTH))
        if letter and letter["label"] in variants:
            variants[letter["label"]].append(number)
    return LabelProbabilities(
        {label: _total(values) for label, values in variants.items()}, min(returned, default=None)
    )


def _total(values: Sequence[float]) -> float | None:
    """The logarithm of the sum of probabilities, the same in any order; None without any."""
    if len(values) < 2:
        return values[0] if values else None
    highest = max(values)
    return highest + math.log(math.fsum(math.exp(value - highest) for value in values))
