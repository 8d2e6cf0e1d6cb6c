"""One thread that runs the model: it takes waiting requests, fills a batch, and steps it."""

from __future__ import annotations

import queue
import sys
import threading
import time
import traceback
from collections.abc import Sequence

from evalsuite.backends.transformers_server.batch import Batch
from evalsuite.backends.transformers_server.model import NamedModel
from evalsuite.backends.transformers_server.rows import Row

WINDOW_SECONDS = 0.003
"""How long the first request after a pause waits for others: clients send theirs a few milliseconds apart."""
PATIENCE_SECONDS = 2.0
"""Once a request for another adapter has waited this long, no row joins the current batch any more."""
PREFILL_TOKENS = 8192
"""Prompt tokens, padding included, that are read in one pass."""
PROMPT_LOGIT_BYTES = 1 << 30
"""Memory limit for the logits of all positions, for requests with log-probabilities of the prompt."""
OUT_OF_MEMORY = "out of memory"
LESS_MEMORY = "Lower --backend-arg max_batch=N or max_model_len=N, or take a smaller model."


class DecodingEngine:
    """Takes rows from any thread and calls their callbacks from its own."""

    def __init__(self, model: NamedModel, max_rows: int) -> None:
        self._model = model
        self._most_rows = max_rows
        self._arrived: queue.SimpleQueue[Row] = queue.SimpleQueue()
        self._waiting: list[Row] = []
        self._batch: Batch | None = None
        threading.Thread(target=self._work, name="evalsuite-engine", daemon=True).start()

    def submit(self, row: Row) -> None:
        """Queue a request."""
        row.waiting_since = time.monotonic()
        self._arrived.put(row)

    def _work(self) -> None:
        while True:
            self._collect()
            self._waiting = [row for row in self._waiting if not row.cancelled]
            try:
                self._admit()
                if self._batch is not None and self._batch.rows:
                    self._batch.drop_done()
                if self._batch is not None and self._batch.rows:
                    self._batch.step()
            except Exception as error:  # noqa: BLE001 - reported to the clients; the server goes on
                traceback.print_exc(file=sys.stderr)
                self._fail_rows(self._batch.rows if self._batch else [], error)
                self._batch = None

    def _collect(self) -> None:
        """Take the requests that have arrived. If there is nothing to do, wait for one, and briefly for more."""
        if not self._waiting and not (self._batch and self._batch.rows):
            self._waiting.append(self._arrived.get())
            deadline = time.monotonic() + WINDOW_SECONDS
            while len(self._waiting) < self._most_rows:
                try:
                    self._waiting.append(self._arrived.get(timeout=max(0.0, deadline - time.monotonic())))
                except queue.Empty:
                    break
        while not self._arrived.empty():
            self._waiting.append(self._arrived.get())

    def _admit(self) -> None:
        """Fill the batch with waiting rows of its model; an empty batch takes the model that has waited longest."""
        while self._waiting:
            if self._batch is None or not self._batch.rows:
                self._batch = Batch(self._model, self._waiting[0].model)
            free = self._most_rows - len(self._batch.rows)
            if free <= 0 or not self._batch.can_grow or self._others_wait_long(self._batch.name):
                return
            group = self._next_group(self._batch.name, free)
            if not group:
                return
            self._waiting = [row for row in self._waiting if row not in group]
            try:
                self._batch.join(group)
            except Exception as error:  # noqa: BLE001 - the running rows are unaffected and go on
                traceback.print_exc(file=sys.stderr)
                self._fail_rows(group, error)

    def _others_wait_long(self, name: str) -> bool:
        now = time.monotonic()
        return any(
            row.model != name and now - row.waiting_since > PATIENCE_SECONDS for row in self._waiting
        ) and bool(self._batch and self._batch.rows)

    def _next_group(self, name: str, free: int) -> list[Row]:
        """The longest-waiting rows of a model that can be read together: padded, they stay within a memory limit."""
        group: list[Row] = []
        for row in self._waiting:
            if len(group) >= free:
                break
            if row.model != name or (group and row.needs_prompt_logprobs != group[0].needs_prompt_logprobs):
                continue
            width = max(len(one.prompt) for one in [*group, row])
            if group and (len(group) + 1) * width > self._most_tokens(row):
                break
            group.append(row)
        return group

    def _most_tokens(self, row: Row) -> int:
        if not row.needs_prompt_logprobs:
            return PREFILL_TOKENS
        return max(1, min(PREFILL_TOKENS, PROMPT_LOGIT_BYTES // (4 * self._model.vocabulary)))

    def _fail_rows(self, rows: Sequence[Row], error: Exception) -> None:
        """Fail rows with the error's message and, if memory ran out, with what to do."""
        words = f"{type(error).__name__}: {error}"
        if OUT_OF_MEMORY in str(error).lower():
            words = f"{words.splitlines()[0]} {LESS_MEMORY}"
        for row in rows:
            row.cancelled = True
            row.fail(words)
