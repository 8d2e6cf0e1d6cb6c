"""One reply being generated: tokens become text, stop strings end it, log-probabilities are collected."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalsuite.backends.transformers_server.request_parser import Settings

INCOMPLETE = "\ufffd"
"""A tokenizer's output for a character whose bytes are not complete yet."""
CONTEXT_TOKENS = 6
"""Prompt tokens that are decoded with the reply: whether a word starts with a space depends on them."""
MOST_HELD_TOKENS = 12
"""Text is held back for at most this many tokens: no character needs more."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token with its log-probability, its rank (1 is the most probable) and the most probable tokens in its place.

    `top`: pairs of id and log-probability.
    """

    token: int
    logprob: float
    rank: int
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class TextChunk:
    """The next piece of a stream."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class Detokenizer:
    """Tokens → text, piece by piece, in complete characters."""

    def __init__(self, tokenizer: Any, prompt: Sequence[int], *, skip_special_tokens: bool) -> None:
        self._tokenizer = tokenizer
        self._skip_special_tokens = skip_special_tokens
        self._ids = list(prompt[-CONTEXT_TOKENS:])
        self._start = 0
        self._read = len(self._ids)

    def push(self, token: int) -> str:
        """The text that is complete now; empty while a character is incomplete."""
        self._ids.append(token)
        return self._new(final=len(self._ids) - self._read > MOST_HELD_TOKENS)

    def rest(self) -> str:
        """The text that was held back."""
        return self._new(final=True)

    def _decode(self, ids: Sequence[int]) -> str:
        text = self._tokenizer.decode(
            ids, skip_special_tokens=self._skip_special_tokens, clean_up_tokenization_spaces=False
        )
        return str(text)

    def _new(self, *, final: bool) -> str:
        before = self._decode(self._ids[self._start : self._read])
        now = self._decode(self._ids[self._start :])
        if len(now) <= len(before) or (now.endswith(INCOMPLETE) and not final):
            return ""
        self._ids = self._ids[self._start :]
        self._start, self._read = self._read - self._start, len(self._ids)
        return now[len(before) :]


class StopStringFilter:
    """Passes text on up to the first stop string. What may be the beginning of one is held back."""

    def __init__(self, stops: Sequence[str], *, include: bool) -> None:
        self._stops = tuple(stops)
        self._include = include
        self._held = ""
        self.stopped_by: str | None = None

    def push(self, text: str, *, final: bool = False) -> str:
        """The text that may be shown now; sets `stopped_by` at a stop string."""
        self._held += text
        found = [(place, stop) for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            place, self.stopped_by = min(found)
            shown, self._held = self._held[: place + (len(self.stopped_by) if self._include else 0)], ""
            return shown
        keep = 0 if final else max((_overlap(self._held, stop) for stop in self._stops), default=0)
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown


def _overlap(text: str, stop: str) -> int:
    """The length of the end of `text` that begins `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


@dataclass(eq=False)
class Row:
    """A request in the engine. `tell` receives the pieces of a stream, then None; `fail` receives an error message."""

    model: str
    prompt: list[int]
    settings: Settings
    limit: int
    """Maximum number of tokens to generate."""
    eos: frozenset[int]
    detokenizer: Detokenizer
    tell: Callable[[TextChunk | None], None]
    fail: Callable[[str], None]
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprob | None] | None = None
    finish_reason: str | None = None
    cancelled: bool = False
    waiting_since: float = 0.0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.settings.seed)
        self._watch = StopStringFilter(self.settings.stop, include=self.settings.include_stop)
        self._unsent: list[TokenLogprob] = []

    @property
    def needs_prompt_logprobs(self) -> bool:
        """Whether the log-probabilities of the prompt were requested."""
        return self.settings.prompt_logprobs is not None or (
            self.settings.echo and self.settings.logprobs is not None
        )

    @property
    def done(self) -> bool:
        """Whether generation has ended."""
        return self.cancelled or self.finish_reason is not None

    def take(self, token: int, logprob: TokenLogprob | None) -> None:
        """Add the next token of the reply."""
        self.tokens.append(token)
        if logprob is not None:
            self.logprobs.append(logprob)
            self._unsent.append(logprob)
        if not self.settings.ignore_eos and (token in self.eos or token in self.settings.stop_token_ids):
            self.finish("stop", shown=self._watch.push(self.detokenizer.rest(), final=True))
            return
        shown = self._watch.push(self.detokenizer.push(token))
        if self._watch.stopped_by is not None:
            self.finish("stop", shown=shown)
        elif len(self.tokens) >= self.limit:
            self.finish("length", shown=shown + self._watch.push(self.detokenizer.rest(), final=True))
        else:
            self._send(shown)

    def finish(self, reason: str, shown: str = "") -> None:
        """End the reply."""
        self._send(shown)
        self.finish_reason = reason
        self.tell(None)

    def _send(self, text: str) -> None:
        self.text += text
        if text and self.settings.stream:
            pending, self._unsent = tuple(self._unsent), []
            self.tell(TextChunk(text, pending))
