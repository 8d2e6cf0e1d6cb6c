"""Rows decoded a round at a time: by this process alone, or by all processes of a distributed training, each its share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalsuite.backends.transformers_server.batch import Batch
from evalsuite.backends.transformers_server.model import NamedModel
from evalsuite.backends.transformers_server.request_parser import Settings
from evalsuite.backends.transformers_server.rows import Detokenizer, Row, TokenLogprob
from evalsuite.training.distributed import Ranks

OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True, slots=True)
class RowRequest:
    """A row on its way to another process: all that its reply depends on."""

    name: str
    prompt: list[int]
    settings: Settings
    limit: int


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row on its way back; `error` says why there is no reply."""

    tokens: list[int]
    text: str
    logprobs: list[TokenLogprob]
    prompt_logprobs: list[TokenLogprob | None] | None
    finish_reason: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class RoundShares:
    """One share of rows a process, to be decoded within some seconds."""

    shares: list[list[RowRequest]]
    seconds: float


@dataclass(frozen=True, slots=True)
class RoundDecoder:
    """Decodes rows on all `ranks`, at most `batch_size` at a time on each."""

    model: NamedModel
    ranks: Ranks
    batch_size: int

    @property
    def max_rows(self) -> int:
        """What one round takes."""
        return self.batch_size * self.ranks.count

    async def decode(self, rows: Sequence[Row], deadline: float) -> None:
        """Finish rows; in the first process. They are sorted by length, so that each share is a mix of the same.

        Alone, the event loop gets a turn after every token, so that the run can be cancelled. Together, each process
        stops at the deadline by itself.
        """
        if self.ranks.count == 1:
            for _ in decoded(self.model, rows):
                await asyncio.sleep(0)
            return
        shares = [list(rows[rank :: self.ranks.count]) for rank in range(self.ranks.count)]
        described = [[_described(row) for row in share] for share in shares]
        self.ranks.broadcast(RoundShares(described, deadline - time.monotonic()))
        _until(self.model, shares[0], deadline)
        for share, found in zip(shares[1:], self.ranks.gather(None)[1:], strict=True):
            for row, one in zip(share, found, strict=True):
                _take_over(row, one)

    def serve(self) -> Any:
        """In the other processes: decode shares until the first one sends something else, which is returned."""
        while isinstance(sent := self.ranks.broadcast(), RoundShares):
            working = [_LocalRow(self.model, one) for one in sent.shares[self.ranks.rank]]
            _until(self.model, [one.row for one in working], time.monotonic() + sent.seconds)
            self.ranks.gather([one.decoded() for one in working])
        return sent


def decoded(model: NamedModel, rows: Sequence[Row]) -> Iterator[None]:
    """Decode rows together, a turn after each token. A batch that does not fit into memory is halved.

    Rows whose prompt's log-probabilities are asked for are read apart: they take the logits of every position.
    """
    for wanting in (False, True):
        group = [row for row in rows if row.needs_prompt_logprobs is wanting and not row.done]
        if group:
            yield from _decoded(model, group)


def _decoded(model: NamedModel, rows: Sequence[Row]) -> Iterator[None]:
    batch = Batch(model, rows[0].model)
    try:
        batch.join(rows)
        yield
        while batch.rows:
            batch.step()
            yield
    except Exception as error:  # noqa: BLE001 - told to those who asked, or tried again with fewer rows
        words = f"{type(error).__name__}: {error}"
    else:
        return
    del batch
    left = [row for row in rows if not row.done]
    if OUT_OF_MEMORY in words.lower() and len(left) > 1 and not any(row.tokens for row in left):
        _free_memory()
        for half in (left[: len(left) // 2], left[len(left) // 2 :]):
            yield from _decoded(model, half)
        return
    for row in left:
        row.cancelled = True
        row.fail(words.partition("\n")[0])


def _until(model: NamedModel, rows: Sequence[Row], deadline: float) -> None:
    """Decode without turns for anyone else; what is not done by the deadline is given up."""
    for _ in decoded(model, rows):
        if time.monotonic() >= deadline:
            for row in rows:
                if not row.done:
                    row.cancelled = True
                    row.fail("the check ran out of time")
            return


@dataclass(slots=True)
class _LocalRow:
    """A described row as it is decoded here."""

    model: NamedModel
    described: RowRequest
    row: Row = field(init=False)
    error: str | None = None

    def __post_init__(self) -> None:
        told = self.described
        tokenizer = self.model.names[told.name].tokenizer
        skip = told.settings.skip_special_tokens
        pieces = Detokenizer(tokenizer, told.prompt, skip_special_tokens=skip)
        self.row = Row(
            told.name,
            told.prompt,
            told.settings,
            told.limit,
            self.model.eos,
            pieces,
            lambda _: None,
            self._fail,
        )

    def _fail(self, words: str) -> None:
        self.error = words

    def decoded(self) -> RowResult:
        row = self.row
        return RowResult(
            row.tokens, row.text, row.logprobs, row.prompt_logprobs, row.finish_reason, self.error
        )


def _described(row: Row) -> RowRequest:
    return RowRequest(row.model, row.prompt, row.settings, row.limit)


def _take_over(row: Row, found: RowResult) -> None:
    """Another process's work becomes the row's."""
    if found.error is not None or found.finish_reason is None:
        row.cancelled = True
        row.fail(found.error or "it was not finished")
        return
    row.tokens, row.text = found.tokens, found.text
    row.logprobs, row.prompt_logprobs = found.logprobs, found.prompt_logprobs
    row.finish(found.finish_reason)


def _free_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
