"""The model in training as a server that a run can ask: requests are decoded in this process.

`LiveTransport` replaces the network: it takes the OpenAI requests of the run's own client and answers them, so a check is a run
like any other. Waiting requests are decoded in batches of similar length, the longest first, padded on the left, with a cache,
and greedily unless the request says otherwise; the model's generation_config is ignored. In a distributed training every
process decodes its share of the rows (see `decode_rounds`).
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import torch

from evalsuite._util.http.transport import ChunkCallback, HttpResponse, HungCheck
from evalsuite.backends.base import (
    NO_VARIABLES,
    Availability,
    ExistingServer,
    ServedModel,
    Server,
)
from evalsuite.backends.transformers_server.model import NamedModel
from evalsuite.backends.transformers_server.request_parser import HTTP_BAD_REQUEST, InvalidRequest
from evalsuite.backends.transformers_server.requests import GenerationRequest, parse_request, read_body
from evalsuite.backends.transformers_server.rows import Row, TextChunk
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.serving.server_plan import ServerPlan
from evalsuite.serving.variants import ServingPlan
from evalsuite.training.decode_rounds import RoundDecoder

SLOTS = 512
"""Requests that wait at a time: enough to form batches of similar length."""
SETTLING_SECONDS = 0.002
"""Requests arrive together; after this pause no more are expected."""
NOT_A_NUMBER = (
    "the model produces NaN: its weights are broken. Check the learning rate and the gradient norm; "
    "earlier checkpoints are not affected."
)


class LiveModel(NamedModel):
    """A model in training. It uses a copy of the tokenizer."""

    guard = staticmethod(torch.no_grad)
    """Not inference_mode: a model may keep such tensors and then fail to train with them."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        super().__init__(model, copy.deepcopy(tokenizer), name, device=str(model.device), path="")

    @property
    def defaults(self) -> dict[str, Any]:
        """Nothing: settings that a request does not set are neutral."""
        return {}

    def forward(self, *, last_only: bool, **inputs: Any) -> Any:
        """See `NamedModel.forward`. Raises `FloatingPointError` if a prompt leads to NaN."""
        output = super().forward(last_only=last_only, **inputs)
        if inputs["input_ids"].shape[-1] > 1 and bool(torch.isnan(output.logits[:, -1]).any()):
            raise FloatingPointError(NOT_A_NUMBER)
        return output


class _RowFailed(Exception):
    """A row that could not be decoded."""


class LiveTransport:
    """Answers the requests of one run (see `Transport`). `deadline`: seconds of `time.monotonic`."""

    def __init__(self, model: LiveModel, rounds: RoundDecoder, deadline: float) -> None:
        self._model = model
        self._rounds = rounds
        self._deadline = deadline
        self._waiting: list[Row] = []
        self._worker: asyncio.Task[None] | None = None

    async def send(
        self,
        method: str,
        path: str,
        body: bytes,
        timeout: float,
        on_chunk: ChunkCallback | None = None,
        hung: HungCheck | None = None,
    ) -> HttpResponse:
        """See `Transport.send`. Nothing is streamed, and no request is ever treated as hung."""
        if method == "GET":
            return _response(200, {"data": [{"id": name} for name in self._model.names]})
        try:
            asked = self._asked(path, body)
        except InvalidRequest as refused:
            return _response(refused.status, {"error": {"message": str(refused)}})
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def tell(piece: TextChunk | None) -> None:
            if piece is None and not ended.done():
                ended.set_result(None)

        def fail(words: str) -> None:
            if not ended.done():
                ended.set_exception(_RowFailed(words))

        row = asked.row(self._model, tell, fail)
        self._waiting.append(row)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.ensure_future(self._work())
        try:
            await asyncio.wait_for(ended, min(timeout, max(0.0, self._deadline - time.monotonic())))
        except _RowFailed as failed:
            return _response(HTTP_BAD_REQUEST, {"error": {"message": str(failed)}})
        finally:
            row.cancelled = True
        return _response(200, asked.writer(self._model, row).whole())

    def _asked(self, path: str, body: bytes) -> GenerationRequest:
        if path.endswith("/classify"):
            raise InvalidRequest("the model in training is not a classifier.")
        asked = parse_request(self._model, read_body(body), chat=path.endswith("/chat/completions"))
        if asked.settings.stream:
            raise InvalidRequest("the model in training does not stream its replies; leave out 'stream'.")
        return asked

    async def close(self) -> None:
        """Stop decoding."""
        if self._worker:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self) -> None:
        """Decode waiting rows until there are none."""
        while await self._settled():
            self._waiting = [row for row in self._waiting if not row.done]
            self._waiting.sort(key=lambda row: len(row.prompt))
            most = self._rounds.max_rows
            taken, self._waiting = self._waiting[-most:], self._waiting[:-most]
            try:
                await self._rounds.decode(taken, self._deadline)
            except Exception as error:  # noqa: BLE001 - reported to the requests of these rows
                for row in taken:
                    row.fail(f"{type(error).__name__}: {error}")

    async def _settled(self) -> int:
        """Wait until no more rows arrive and return how many wait."""
        found = -1
        while found != len(self._waiting):
            found = len(self._waiting)
            await asyncio.sleep(SETTLING_SECONDS)
        return found


@dataclass(frozen=True, slots=True)
class LiveBackend:
    """The `Backend` of a model in memory: nothing is started."""

    model: LiveModel
    transport: LiveTransport
    max_rows: int
    name: str = "inprocess"

    def availability(self) -> Availability:
        """Always available."""
        return Availability(self.name, ready=True, detail="the model that is being trained")

    def shares(self, first: Checkpoint, second: Checkpoint) -> bool:
        """See `Backend.shares`."""
        return first == second

    @contextmanager
    def serve(
        self,
        checkpoints: Sequence[Checkpoint],
        arguments: Mapping[str, str],
        log: Path,
        environment: Mapping[str, str] = NO_VARIABLES,
    ) -> Iterator[Server]:
        """Yield the model as it is."""
        name = checkpoints[0].name
        engine = {
            "name": self.name,
            "package": f"transformers {version('transformers')}, torch {version('torch')}",
            "dtype": self.model.dtype,
            "device": self.model.device,
            "chat_template": self.model.template_hash(name),
            "rows_at_a_time": str(self.max_rows),
        }
        address = checkpoints[0].address
        yield ExistingServer(
            {name: ServedModel(address, name, engine, SLOTS, continues_turns=True, transport=self.transport)}
        )


def live_serving(
    model: LiveModel, transport: LiveTransport, *, name: str, fingerprint: str, source: str, max_rows: int
) -> ServingPlan:
    """The model in training as the one variant of a run."""
    checkpoint = Checkpoint(name, name, source, "served", fingerprint, address=f"inprocess://{name}/v1")
    backend = LiveBackend(model, transport, max_rows)
    return ServingPlan(
        (checkpoint,), (ServerPlan(backend, (checkpoint,), "the model that is being trained"),), {}
    )


def _response(status: int, content: Mapping[str, Any]) -> HttpResponse:
    return HttpResponse(status, {"content-type": "application/json"}, orjson.dumps(content))
