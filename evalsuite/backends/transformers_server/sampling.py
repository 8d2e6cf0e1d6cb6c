"""Logits → the next token. A draw depends on the row's own settings and random numbers alone, not on its neighbours.

Order of the steps, as in vLLM: repetition penalty, temperature, min-p, top-k, top-p.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch

from evalsuite.backends.transformers_server.request_parser import Settings

LEAST_TEMPERATURE = 1e-5
"""Below it a reply is greedy; dividing by less would overflow."""


def choose(logits: Any, settings: Settings, seen: Sequence[int], rng: random.Random) -> int:
    """The next token's id, from one row of logits (float32, one a token of the vocabulary). `seen`: prompt and reply so far."""
    if settings.repetition_penalty != 1.0:
        logits = penalised(logits, settings.repetition_penalty, seen)
    if settings.temperature < LEAST_TEMPERATURE:
        return int(logits.argmax())
    probabilities = torch.softmax(logits / settings.temperature, dim=-1)
    if settings.min_p > 0.0:
        probabilities = probabilities.where(probabilities >= settings.min_p * probabilities.max(), 0.0)
    if settings.top_k > 0 or settings.top_p < 1.0:
        return _draw_from_top(probabilities, settings, rng)
    return _draw(probabilities, rng)


def is_plain_greedy(settings: Settings) -> bool:
    """Whether the next token is the most probable one and nothing else: many rows are then done at once."""
    return settings.temperature < LEAST_TEMPERATURE and settings.repetition_penalty == 1.0


def penalised(logits: Any, penalty: float, seen: Sequence[int]) -> Any:
    """Logits of tokens that occurred already, divided by the penalty where positive, multiplied where negative."""
    ids = torch.tensor(sorted(set(seen)), device=logits.device, dtype=torch.long)
    held = logits[ids]
    return logits.index_put((ids,), torch.where(held > 0, held / penalty, held * penalty))


def _draw_from_top(probabilities: Any, settings: Settings, rng: random.Random) -> int:
    """Among the `top_k` most probable, and of these the fewest whose sum reaches `top_p`; the most probable is always in."""
    count = len(probabilities)
    ordered, ids = torch.topk(probabilities, min(settings.top_k, count) if settings.top_k > 0 else count)
    if settings.top_p < 1.0:
        before = ordered.cumsum(-1) - ordered
        ordered = ordered.where(before < settings.top_p * ordered.sum(), 0.0)
        ordered[0] = ordered[0].clamp(min=torch.finfo(ordered.dtype).tiny)
    return int(ids[_draw(ordered, rng)])


def _draw(weights: Any, rng: random.Random) -> int:
    """An index by weight. The random number is Python's, so that a seed means the same on every device."""
    sums = weights.double().cumsum(-1)
    place = torch.tensor(rng.random() * float(sums[-1]), dtype=torch.float64, device=sums.device)
    found = int(torch.searchsorted(sums, place, right=True))
    return min(found, len(weights) - 1)
