"""How near two forms of one model are, by what each says next to the same texts (`makers.reading`).

Of every text the source's candidates are taken, with all that is not among them as one more; the divergence is that of
Kullback and Leibler from the source to the result, in nats. A candidate that the result does not list is taken to be as
probable as the last it lists, so what is far off counts a little less than it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAST_DIFFERENCE = 1e-5
"""Of log-probabilities, in nats: below it is what float32 rounds."""
LEAST_MASS = 1e-6
"""Of what is not listed: less is what float32 rounds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Of each text the tokens it is read as and the next ones' log-probabilities; and the answer to a question."""

    tokens: tuple[tuple[int, ...], ...]
    following: tuple[Mapping[int, float], ...]
    answer: str

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> Reading:
        """A reading as a process reported it."""
        return cls(
            tuple(tuple(ids) for ids in told["tokens"]),
            tuple({int(token): float(value) for token, value in one.items()} for one in told["next"]),
            str(told["answer"]),
        )


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How a result compares with its source on the texts."""

    texts: int
    same_next: int
    """Texts after which both hold the same token for the most probable."""
    same_tokens: int
    """Texts that both read as the same tokens."""
    difference: float
    """Of the log-probability of the source's most probable token: the mean of its absolute values, in nats."""
    divergence: float
    """The mean over the texts, in nats; not a number where the result's numbers are none."""
    answer: str

    @property
    def moved(self) -> bool:
        """Whether there is any difference at all, beyond rounding."""
        return self.difference > LEAST_DIFFERENCE

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
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
    """Hold a result against its source, both asked the same."""
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
    """The most probable; None where a number is none, since nothing is greater than that."""
    if not listed or any(math.isnan(value) for value in listed.values()):
        return None
    return max(listed, key=listed.__getitem__)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
