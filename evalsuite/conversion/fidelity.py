"""How close two forms of one model are, by their next-token predictions for the same texts (`scripts.reading`).

The divergence is Kullback and Leibler's from the source to the result, in nats. It is computed over the source's listed
candidates and one more for all others. A candidate that the result does not list counts as probable as the last it lists, so
a large divergence is slightly underestimated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAST_DIFFERENCE = 1e-5
"""A smaller difference of log-probabilities, in nats, is float32 rounding."""
LEAST_MASS = 1e-6
"""Least probability of what is not listed; less is float32 rounding."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A model's tokens of each text, its log-probabilities of the next token, and its answer to a question."""

    tokens: tuple[tuple[int, ...], ...]
    following: tuple[Mapping[int, float], ...]
    answer: str

    @classmethod
    def parse(cls, reported: Mapping[str, Any]) -> Reading:
        """Read what a process reported."""
        return cls(
            tuple(tuple(ids) for ids in reported["tokens"]),
            tuple({int(token): float(value) for token, value in one.items()} for one in reported["next"]),
            str(reported["answer"]),
        )


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How close a result is to its source on the texts."""

    texts: int
    same_next: int
    """Texts after which both predict the same token."""
    same_tokens: int
    """Texts that both tokenize in the same way."""
    difference: float
    """Mean absolute difference of the log-probability of the source's most probable token, in nats."""
    divergence: float
    """Mean over the texts, in nats; NaN if the result gives NaN."""
    answer: str

    @property
    def differs(self) -> bool:
        """Whether there is a difference beyond rounding."""
        return self.difference > LEAST_DIFFERENCE

    def to_json(self) -> dict[str, Any]:
        """The entry of the manifest."""
        return {
            "texts": self.texts,
            "same_next_token": self.same_next,
            "same_tokens": self.same_tokens,
            "logprob_difference": round(self.difference, 4),
            "divergence": round(self.divergence, 4),
            "answer": self.answer,
        }

    def __str__(self) -> str:
        return (
            f"the same next token after {self.same_next} of {self.texts} texts, log-probabilities {self.difference:.3f} nats off "
            f"on average, divergence {self.divergence:.3f} nats"
        )


def compare_readings(source: Reading, result: Reading) -> Fidelity:
    """Compare the readings of a source and of its result."""
    pairs = list(zip(source.following, result.following, strict=True))
    best = [max(one, key=one.__getitem__) for one in source.following]
    moved = [abs(one[token] - _value(other, token)) for token, (one, other) in zip(best, pairs, strict=True)]
    return Fidelity(
        len(pairs),
        sum(token == _best(other) for token, (_, other) in zip(best, pairs, strict=True)),
        sum(one == other for one, other in zip(source.tokens, result.tokens, strict=True)),
        _mean(moved),
        _mean([_divergence(one, other) for one, other in pairs]),
        result.answer,
    )


def _divergence(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    total, mass, other_mass = 0.0, 0.0, 0.0
    for token, value in one.items():
        found = _value(other, token)
        total += math.exp(value) * (value - found)
        mass += math.exp(value)
        other_mass += math.exp(found)
    rest, other_rest = max(1 - mass, LEAST_MASS), max(1 - other_mass, LEAST_MASS)
    return total + rest * (math.log(rest) - math.log(other_rest))


def _value(listed: Mapping[int, float], token: int) -> float:
    found = listed.get(token)
    return min(listed.values(), default=math.nan) if found is None else found


def _best(listed: Mapping[int, float]) -> int | None:
    """The most probable token; None if a value is NaN."""
    if not listed or any(math.isnan(value) for value in listed.values()):
        return None
    return max(listed, key=listed.__getitem__)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
