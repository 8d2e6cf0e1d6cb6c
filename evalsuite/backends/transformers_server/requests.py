"""Prepares a request: finds the model it names, turns its prompt into tokens, creates its row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from evalsuite.backends.transformers_server.model import NamedModel
from evalsuite.backends.transformers_server.replies import ReplyWriter
from evalsuite.backends.transformers_server.request_parser import (
    HTTP_NOT_FOUND,
    InvalidRequest,
    Settings,
    read_messages,
    read_prompt,
    read_settings,
)
from evalsuite.backends.transformers_server.rows import Detokenizer, Row, TextChunk


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A parsed request. `tools`: whether it offers tools, so that calls are looked for in the reply."""

    name: str
    prompt: list[int]
    settings: Settings
    chat: bool
    tools: bool

    def row(
        self, model: NamedModel, tell: Callable[[TextChunk | None], None], fail: Callable[[str], None]
    ) -> Row:
        """The row that generates the reply; `tell` and `fail` as in `Row`."""
        room = model.context - len(self.prompt)
        limit = room if self.settings.max_tokens is None else min(room, self.settings.max_tokens)
        tokenizer = model.names[self.name].tokenizer
        skip = self.settings.skip_special_tokens
        detokenizer = Detokenizer(tokenizer, self.prompt, skip_special_tokens=skip)
        return Row(self.name, self.prompt, self.settings, limit, model.eos, detokenizer, tell, fail)

    def writer(self, model: NamedModel, row: Row) -> ReplyWriter:
        """The writer of the response."""
        tools = self.tools and not self.settings.stream
        return ReplyWriter(row, model.names[self.name].tokenizer, chat=self.chat, reads_tool_calls=tools)


def read_body(raw: bytes) -> dict[str, Any]:
    """Read a request's JSON object. Raises `InvalidRequest`."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the request is not JSON ({error}).") from error
    if not isinstance(body, dict):
        raise InvalidRequest("the request is not a JSON object.")
    return body


def parse_request(model: NamedModel, body: dict[str, Any], *, chat: bool) -> GenerationRequest:
    """Parse a body. Raises `InvalidRequest` for an unknown model, an unsupported field or a prompt that is too long."""
    name = body.get("model")
    if name not in model.names:
        raise InvalidRequest(
            f"the model '{name}' is not served here; served are: {', '.join(model.names)}", HTTP_NOT_FOUND
        )
    settings = read_settings(body, model.defaults, chat=chat)
    prompt = _prompt(model, str(name), body, chat=chat)
    return GenerationRequest(str(name), prompt, settings, chat, chat and bool(body.get("tools")))


def _prompt(model: NamedModel, name: str, body: dict[str, Any], *, chat: bool) -> list[int]:
    if chat:
        prompt = model.chat_tokens(name, read_messages(body), body)
    else:
        given = read_prompt(body)
        special = bool(body.get("add_special_tokens", True))
        prompt = given if isinstance(given, list) else model.text_tokens(given, add_special_tokens=special)
    if not prompt:
        raise InvalidRequest("the prompt has no tokens.")
    if max(prompt) >= model.vocabulary:
        raise InvalidRequest(f"token {max(prompt)} is outside the vocabulary of {model.vocabulary}.")
    if len(prompt) >= model.context:
        raise InvalidRequest(
            f"the prompt has {len(prompt)} tokens and the context of this model ends at {model.context}; "
            "nothing was generated. Shorten it, or ask with fewer --shots."
        )
    return prompt
