"""HTTP: /v1/models, /v1/chat/completions, /v1/completions, /health."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
from aiohttp import web

from evalsuite.backends.transformers_server.engine import DecodingEngine
from evalsuite.backends.transformers_server.model import LoadedModel
from evalsuite.backends.transformers_server.request_parser import (
    HTTP_BAD_REQUEST,
    HTTP_NOT_FOUND,
    InvalidRequest,
)
from evalsuite.backends.transformers_server.requests import GenerationRequest, parse_request, read_body
from evalsuite.backends.transformers_server.rows import TextChunk

MOST_BODY_BYTES = 64 << 20
HTTP_INTERNAL_ERROR = 500


class GenerationError(Exception):
    """The engine could not finish a row."""


class HttpService:
    """Answers requests with the one loaded model."""

    def __init__(self, model: LoadedModel, engine: DecodingEngine) -> None:
        self._model = model
        self._engine = engine
        self._started = int(time.time())

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(client_max_size=MOST_BODY_BYTES)
        application.add_routes(
            [
                web.get("/health", self._health),
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/completions", self._completions),
            ]
        )
        return application

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _models(self, request: web.Request) -> web.Response:
        base, *adapted = self._model.names.values()
        listed = [
            {
                "id": name.name,
                "object": "model",
                "created": self._started,
                "owned_by": "evalsuite",
                "root": name.paths[-1] if name.paths else self._model.path,
                "parent": None if name is base else base.name,
                "max_model_len": self._model.context,
            }
            for name in (base, *adapted)
        ]
        return _json({"object": "list", "data": listed})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._respond(request, chat=True)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        return await self._respond(request, chat=False)

    async def _respond(self, request: web.Request, *, chat: bool) -> web.StreamResponse:
        try:
            body = read_body(await request.read())
            asked = await asyncio.to_thread(parse_request, self._model, body, chat=chat)
            return await (
                self._respond_in_stream(request, asked)
                if asked.settings.stream
                else self._respond_at_once(asked)
            )
        except InvalidRequest as refused:
            return _error(str(refused), refused.status)
        except GenerationError as failed:
            return _error(str(failed), HTTP_INTERNAL_ERROR)

    async def _respond_at_once(self, asked: GenerationRequest) -> web.Response:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def finish(error: str | None) -> None:
            if not ended.done():
                ended.set_exception(GenerationError(error)) if error else ended.set_result(None)

        def tell(piece: TextChunk | None) -> None:
            if piece is None:
                loop.call_soon_threadsafe(finish, None)

        def fail(words: str) -> None:
            loop.call_soon_threadsafe(finish, words)

        row = asked.row(self._model, tell, fail)
        self._engine.submit(row)
        try:
            await ended
        finally:
            row.cancelled = True
        return _json(asked.writer(self._model, row).whole())

    async def _respond_in_stream(self, request: web.Request, asked: GenerationRequest) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[TextChunk | str | None] = asyncio.Queue()

        def put(item: TextChunk | str | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, item)

        row = asked.row(self._model, put, put)
        writer = asked.writer(self._model, row)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
        )
        await response.prepare(request)
        self._engine.submit(row)
        try:
            if opening := writer.opening():
                await _send(response, opening)
            while (item := await pieces.get()) is not None:
                if isinstance(item, str):
                    await _send(response, {"error": {"message": item, "code": HTTP_INTERNAL_ERROR}})
                    return response
                await _send(response, writer.piece(item))
            for event in writer.closing():
                await _send(response, event)
            await response.write(b"data: [DONE]\n\n")
        finally:
            row.cancelled = True
        await response.write_eof()
        return response


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def _error(message: str, status: int) -> web.Response:
    kinds = {HTTP_BAD_REQUEST: "BadRequestError", HTTP_NOT_FOUND: "NotFoundError"}
    kind = kinds.get(status, "InternalServerError")
    return _json({"error": {"message": message, "type": kind, "code": status}}, status)


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(b"data: " + orjson.dumps(event) + b"\n\n")
