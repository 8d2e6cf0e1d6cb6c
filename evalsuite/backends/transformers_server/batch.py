"""Rows that are decoded together, one per request: they join once their prompt is read and leave once their reply is done.

All rows of a batch use the same adapter. Prompts are padded on the left, and the padding is masked out. Rows can join a
running batch if every layer's cache is a plain one (keys and values of all positions); the shorter caches are padded on the
left as well. With other caches (sliding windows, states) a batch is decoded to its end before the next one starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from evalsuite.backends.transformers_server.model import NamedModel
from evalsuite.backends.transformers_server.rows import Row, TokenLogprob
from evalsuite.backends.transformers_server.sampling import choose, is_plain_greedy

POSITIONS_AT_ONCE = 128
"""Positions of a prompt whose log-probabilities are computed together: a vocabulary of 150,000 takes 77 MB."""


class Batch:
    """Rows with one adapter and their cache. Every call runs the model; none is thread-safe."""

    def __init__(self, model: NamedModel, name: str) -> None:
        self._model = model
        self.name = name
        self.rows: list[Row] = []
        self._cache: Any = None
        self._mask: Any = None

    @property
    def can_grow(self) -> bool:
        """Whether further rows can join now."""
        return not self.rows or _is_plain(self._cache)

    def join(self, rows: Sequence[Row]) -> None:
        """Read the prompts of new rows together, choose their first tokens, and add them to the batch."""
        self._model.select(self.name)
        device = self._model.device
        width = max(len(row.prompt) for row in rows)
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for number, row in enumerate(rows):
            ids[number, width - len(row.prompt) :] = torch.tensor(row.prompt)
            mask[number, width - len(row.prompt) :] = 1
        mask = mask.to(device)
        cache = DynamicCache(config=self._model.model.config)
        output = self._model.forward(
            last_only=not any(row.needs_prompt_logprobs for row in rows),
            input_ids=ids.to(device),
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            past_key_values=cache,
        )
        for number, row in enumerate(rows):
            if row.needs_prompt_logprobs:
                row.prompt_logprobs = _of_prompt(output.logits[number, width - len(row.prompt) :], row)
        self._take(list(rows), output.logits[:, -1])
        self._add(list(rows), output.past_key_values, mask)
        self.drop_done()

    def step(self) -> None:
        """Generate one more token for every row."""
        self._model.select(self.name)
        device = self._model.device
        last = torch.tensor([[row.tokens[-1]] for row in self.rows], device=device)
        lengths = torch.tensor([[len(row.prompt) + len(row.tokens) - 1] for row in self.rows], device=device)
        self._mask = torch.cat([self._mask, self._mask.new_ones((len(self.rows), 1))], dim=-1)
        output = self._model.forward(
            last_only=True,
            input_ids=last,
            attention_mask=self._mask,
            position_ids=lengths,
            past_key_values=self._cache,
        )
        self._cache = output.past_key_values
        self._take(self.rows, output.logits[:, -1])
        self.drop_done()

    def drop_done(self) -> None:
        """Remove the rows that are done, with their part of the cache."""
        kept = [number for number, row in enumerate(self.rows) if not row.done]
        if len(kept) == len(self.rows):
            return
        self.rows = [self.rows[number] for number in kept]
        if not kept:
            self._cache = self._mask = None
            return
        index = torch.tensor(kept, device=self._mask.device)
        self._cache.batch_select_indices(index)
        self._mask = self._mask.index_select(0, index)
        self._trim()

    def _add(self, rows: list[Row], cache: Any, mask: Any) -> None:
        if not self.rows:
            self.rows, self._cache, self._mask = rows, cache, mask
            return
        width = max(self._mask.shape[-1], mask.shape[-1])
        for ours, theirs in zip(self._cache.layers, cache.layers, strict=True):
            ours.keys = torch.cat([_widened(ours.keys, width), _widened(theirs.keys, width)])
            ours.values = torch.cat([_widened(ours.values, width), _widened(theirs.values, width)])
        self._mask = torch.cat([_wide_mask(self._mask, width), _wide_mask(mask, width)])
        self.rows += rows

    def _trim(self) -> None:
        """Cut off the columns on the left that are padding in every row."""
        if not _is_plain(self._cache):
            return
        empty = int(self._mask.any(dim=0).int().argmax())
        if empty:
            self._mask = self._mask[:, empty:]
            for layer in self._cache.layers:
                layer.keys = layer.keys[:, :, empty:]
                layer.values = layer.values[:, :, empty:]

    def _take(self, rows: Sequence[Row], logits: Any) -> None:
        logits = logits.float()
        greedy = logits.argmax(-1).tolist()
        for number, row in enumerate(rows):
            if row.limit == 0:
                row.finish("length")
                continue
            if is_plain_greedy(row.settings):
                token = greedy[number]
            else:
                token = choose(logits[number], row.settings, row.prompt + row.tokens, row.rng)
            wanted = row.settings.logprobs
            row.take(token, None if wanted is None else _logprob(logits[number], token, wanted))


def _logprob(logits: Any, token: int, most: int) -> TokenLogprob:
    """The log-probability in the model's own distribution, before temperature and truncation."""
    return _token_logprob(torch.log_softmax(logits, dim=-1), token, most)


def _token_logprob(logprobs: Any, token: int, most: int) -> TokenLogprob:
    own = logprobs[token]
    top: tuple[tuple[int, float], ...] = ()
    if most:
        values, ids = torch.topk(logprobs, min(most, len(logprobs)))
        top = tuple(zip(ids.tolist(), values.tolist(), strict=True))
    return TokenLogprob(token, float(own), int((logprobs > own).sum()) + 1, top)


def _of_prompt(logits: Any, row: Row) -> list[TokenLogprob | None]:
    """The log-probability of each token of the prompt after those before it; None for the first."""
    most = row.settings.prompt_logprobs
    most = row.settings.logprobs or 0 if most is None else most
    found: list[TokenLogprob | None] = [None]
    for start in range(0, len(row.prompt) - 1, POSITIONS_AT_ONCE):
        following = row.prompt[start + 1 : start + 1 + POSITIONS_AT_ONCE]
        logprobs = torch.log_softmax(logits[start : start + len(following)].float(), dim=-1)
        found += [_token_logprob(logprobs[place], token, most) for place, token in enumerate(following)]
    return found


def _is_plain(cache: Any) -> bool:
    return cache is not None and all(type(layer) is DynamicLayer for layer in cache.layers)


def _widened(states: Any, width: int) -> Any:
    """Keys or values (rows, heads, positions, size) with zeros on the left up to a width."""
    missing = width - states.shape[-2]
    return torch.nn.functional.pad(states, (0, 0, missing, 0)) if missing else states


def _wide_mask(mask: Any, width: int) -> Any:
    missing = width - mask.shape[-1]
    return torch.nn.functional.pad(mask, (missing, 0)) if missing else mask
