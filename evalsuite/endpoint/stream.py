"""Assembles a reply from a stream of server-sent events, as chat and completions send them."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from evalsuite.endpoint.wire import (
    Alternatives,
    BadReply,
    build_reply,
    count_or_none,
    first_choice,
    first_token_alternatives,
    list_objects,
    loads,
    server_message,
)
from evalsuite.types import Reply, TokenCounts


class StreamReader:
    """Assembles a reply from the `data:` events of a stream. `finished` is set by the closing `[DONE]`.

    `ttft_s`: seconds from `start` (of `perf_counter`) to the first piece of the reply.
    """

    def __init__(self, start: float = 0.0) -> None:
        self.finished = False
        self.ttft_s: float | None = None
        self._start = start
        self._partial_line = b""
        self._pieces = 0
        self._parts: dict[str, list[str]] = {"content": [], "reasoning_content": []}
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish_reason: str | None = None
        self._usage: Any = None
        self._alternatives: Alternatives | None = None

    def take(self, piece: bytes) -> None:
        """Read the next bytes of the response, split anywhere. Raises `BadReply`."""
        *lines, self._partial_line = (self._partial_line + piece).split(b"\n")
        for line in lines:
            if self.feed(line):
                self._pieces += 1
                if self.ttft_s is None:
                    self.ttft_s = perf_counter() - self._start

    @property
    def spent(self) -> TokenCounts:
        """The tokens so far: what the server reported, or one per piece, which is how servers send them."""
        usage = self._usage if isinstance(self._usage, dict) else {}
        counts = count_or_none(usage.get("prompt_tokens")), count_or_none(usage.get("completion_tokens"))
        return (counts[0] or 0, self._pieces if counts[1] is None else counts[1])

    def feed(self, line: bytes) -> bool:
        """Read one line; True if it has a piece of the reply. Raises `BadReply`."""
        if not line.startswith(b"data:"):
            return False
        data = line[5:].strip()
        if data == b"[DONE]":
            self.finished = True
            return False
        event = loads(data)
        if event.get("error"):
            raise BadReply(f"the server broke off the stream: {server_message(event)}")
        self._usage = event.get("usage") or self._usage
        if not event.get("choices"):
            return False
        choice = first_choice(event)
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        if self._alternatives is None and (logprobs := choice.get("logprobs")):
            self._alternatives = first_token_alternatives(logprobs)
        delta = choice.get("delta")
        return self._take(delta if isinstance(delta, dict) else {"content": choice.get("text")})

    def reply(self) -> Reply:
        """The reply that has arrived. Raises `BadReply` if the stream ended without its closing event."""
        self.feed(self._partial_line)
        if not self.finished and self._finish_reason is None:
            raise BadReply("the stream ended before the reply did")
        message: dict[str, Any] = {name: "".join(parts) for name, parts in self._parts.items()}
        message["tool_calls"] = [self._calls[index] for index in sorted(self._calls)]
        return build_reply(message, self._finish_reason, self._usage, self._alternatives)

    def _take(self, delta: Mapping[str, Any]) -> bool:
        pieces = {
            "content": delta.get("content"),
            "reasoning_content": delta.get("reasoning_content") or delta.get("reasoning"),
        }
        calls = list_objects(delta.get("tool_calls"))
        for name, piece in pieces.items():
            if isinstance(piece, str):
                self._parts[name].append(piece)
        for call in calls:
            self._take_call(call)
        return any(pieces.values()) or bool(calls)

    def _take_call(self, call: Mapping[str, Any]) -> None:
        index, function = call.get("index"), call.get("function")
        known = self._calls.setdefault(
            index if isinstance(index, int) else 0,
            {"type": "function", "function": {"name": "", "arguments": ""}},
        )
        if call.get("id"):
            known["id"] = call["id"]
        for name in ("name", "arguments"):
            piece = function.get(name) if isinstance(function, dict) else None
            known["function"][name] += piece if isinstance(piece, str) else ""
