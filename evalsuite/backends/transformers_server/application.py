"""HTTP: /v1/models, /v1/chat/completions, /v1/completions, /health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from evalsuite.backends.transformers_server.asked import (
    HTTP_BAD_REQUEST,
    HTTP_NOT_FOUND,
    Refused,
    Settings,
    read_messages,
    read_prompt,
    read_settings,
)
from evalsuite.backends.transformers_server.engine import Engine
from evalsuite.backends.transformers_server.model import LoadedModel
from evalsuite.backends.transformers_server.replies import Writer
from evalsuite.backends.transformers_server.rows import Detokenizer, Piece, Row

MOST_BODY_BYTES = 64 << 20
HTTP_INTERNAL_ERROR = 500


class Failed(Exception):
    """The engine could not finish a row."""


class Service:
    """Answers requests from the one loaded model."""

    def __init__(self, model: LoadedModel, engine: Engine) -> None:
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
        return await self._answered(request, chat=True)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, chat=False)

    async def _answered(self, request: web.Request, *, chat: bool) -> web.StreamResponse:
        try:
            body = _body(await request.read())
            name = self._name(body)
            settings = read_settings(body, self._model.defaults, chat=chat)
            prompt = await asyncio.to_thread(self._prompt, name, body, chat=chat)
            if settings.stream:
                return await self._streamed(request, name, prompt, settings, chat=chat)
            return await self._whole(name, prompt, settings, body, chat=chat)
        except Refused as refused:
            return _error(str(refused), refused.status)
        except Failed as failed:
            return _error(str(failed), HTTP_INTERNAL_ERROR)

    def _name(self, body: dict[str, Any]) -> str:
        """The model a request names. Another name is refused, listing those that are there."""
        name = body.get("model")
        if name in self._model.names:
            return str(name)
        raise Refused(
            f"the model '{name}' is not served here; served are: {', '.join(self._model.names)}",
            HTTP_NOT_FOUND,
        )

    def _prompt(self, name: str, body: dict[str, Any], *, chat: bool) -> list[int]:
        if chat:
            prompt = self._model.chat_tokens(name, read_messages(body), body)
        else:
            given = read_prompt(body)
            special = body.get("add_special_tokens", True)
            prompt = (
                given
                if isinstance(given, list)
                else self._model.text_tokens(given, add_special_tokens=bool(special))
            )
        if not prompt:
            raise Refused("the prompt has no tokens.")
        if max(prompt) >= self._model.vocabulary:
            raise Refused(f"token {max(prompt)} is outside the vocabulary of {self._model.vocabulary}.")
        if len(prompt) >= self._model.context:
            raise Refused(
                f"the prompt has {len(prompt)} tokens and the context of this model ends at {self._model.context}; "
                "nothing was generated. Shorten it, or ask with fewer --shots."
            )
        return prompt

    def _row(
        self,
        name: str,
        prompt: list[int],
        settings: Settings,
        tell: Callable[[Piece | None], None],
        fail: Callable[[str], None],
    ) -> Row:
        room = self._model.context - len(prompt)
        limit = room if settings.max_tokens is None else min(room, settings.max_tokens)
        tokenizer = self._model.names[name].tokenizer
        detokenizer = Detokenizer(tokenizer, prompt, skip_special_tokens=settings.skip_special_tokens)
        return Row(name, prompt, settings, limit, self._model.eos, detokenizer, tell, fail)

    async def _whole(
        self, name: str, prompt: list[int], settings: Settings, body: dict[str, Any], *, chat: bool
    ) -> web.Response:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def finish(error: str | None) -> None:
            if not ended.done():
                ended.set_exception(Failed(error)) if error else ended.set_result(None)

        def tell(piece: Piece | None) -> None:
            if piece is None:
                loop.call_soon_threadsafe(finish, None)

        def fail(words: str) -> None:
            loop.call_soon_threadsafe(finish, words)

        row = self._row(name, prompt, settings, tell, fail)
        self._engine.submit(row)
        try:
            await ended
        finally:
            row.cancelled = True
        tools = chat and bool(body.get("tools"))
        writer = Writer(row, self._model.names[name].tokenizer, chat=chat, reads_tool_calls=tools)
        return _json(writer.whole())

    async def _streamed(
        self, request: web.Request, name: str, prompt: list[int], settings: Settings, *, chat: bool
    ) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Piece | str | None] = asyncio.Queue()

        def put(item: Piece | str | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, item)

        row = self._row(name, prompt, settings, put, put)
        writer = Writer(row, self._model.names[name].tokenizer, chat=chat)
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


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused(f"the request is not JSON ({error}).") from error
    if not isinstance(body, dict):
        raise Refused("the request is not a JSON object.")
    return body


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def _error(message: str, status: int) -> web.Response:
    kinds = {HTTP_BAD_REQUEST: "BadRequestError", HTTP_NOT_FOUND: "NotFoundError"}
    kind = kinds.get(status, "InternalServerError")
    return _json({"error": {"message": message, "type": kind, "code": status}}, status)


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(b"data: " + orjson.dumps(event) + b"\n\n")
