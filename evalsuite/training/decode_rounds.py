"""Decodes rows in rounds: in this process alone, or shared among all processes of a distributed training."""

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
    """A row as it is sent to another process: everything its reply depends on."""

    name: str
    prompt: list[int]
    settings: Settings
    limit: int


@dataclass(frozen=True, slots=True)
class RowResult:
    """A decoded row as it is sent back. `error`: why there is no reply."""

    tokens: list[int]
    text: str
    logprobs: list[TokenLogprob]
    prompt_logprobs: list[TokenLogprob | None] | None
    finish_reason: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class RoundShares:
    """One share of rows per process, to be decoded within `seconds`."""

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
        """The rows of one round at most."""
        return self.batch_size * self.ranks.count

    async def decode(self, rows: Sequence[Row], deadline: float) -> None:
        """Decode rows to their end; called in the first process. Rows are sorted by length, so shares are similar.

        A single process lets the event loop run after every token, so that the run can be cancelled. Several processes
        each stop at the deadline by themselves.
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
        """In the other processes: decode shares until the first process sends something else, and return that."""
        while isinstance(sent := self.ranks.broadcast(), RoundShares):
            working = [_LocalRow(self.model, one) for one in sent.shares[self.ranks.rank]]
            _until(self.model, [one.row for one in working], time.monotonic() + sent.seconds)
            self.ranks.gather([one.decoded() for one in working])
        return sent


def decoded(model: NamedModel, rows: Sequence[Row]) -> Iterator[None]:
    """Decode rows together and yield after each token. A batch that does not fit into memory is halved.

    Rows with log-probabilities of the prompt are decoded separately: they need the logits of every position.
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
    except Exception as error:  # noqa: BLE001 - reported to the clients, or retried with fewer rows
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
    """Decode without yielding to other tasks; rows that are not done by the deadline fail."""
    for _ in decoded(model, rows):
        if time.monotonic() >= deadline:
            for row in rows:
                if not row.done:
                    row.cancelled = True
                    row.fail("the check ran out of time")
            return


@dataclass(slots=True)
class _LocalRow:
    """A row of another process, decoded here."""

    model: NamedModel
    described: RowRequest
    row: Row = field(init=False)
    error: str | None = None

    def __post_init__(self) -> None:
        request = self.described
        tokenizer = self.model.names[request.name].tokenizer
        skip = request.settings.skip_special_tokens
        pieces = Detokenizer(tokenizer, request.prompt, skip_special_tokens=skip)
        self.row = Row(
            request.name,
            request.prompt,
            request.settings,
            request.limit,
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
    """Copy another process's result into the row."""
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
