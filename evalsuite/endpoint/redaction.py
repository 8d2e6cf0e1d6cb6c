"""Removes the API key from everything a server sends back, before it is quoted, logged or stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import orjson

from evalsuite.types import Reply

MIN_SECRET_LENGTH = 16
"""Characters. Providers' keys are longer."""
REDACTED = "[key]"


@dataclass(frozen=True, slots=True)
class KeyRedactor:
    """Replaces `api_key`; changes nothing if there is none."""

    api_key: str | None = field(repr=False)

    def text(self, text: str) -> str:
        """The text without the key."""
        return text.replace(self.api_key, REDACTED) if self.api_key else text

    def raw(self, raw: bytes) -> bytes:
        """A response without the key. Call it before anything is cut off or quoted."""
        return raw.replace(self.api_key.encode(), REDACTED.encode()) if self.api_key else raw

    def reply(self, reply: Reply) -> Reply:
        """A reply without the key, which may have arrived in pieces or escaped.

        A short key is a placeholder for a local server ("none", "EMPTY", "x"). It is no secret and occurs in ordinary
        replies, which must be scored as they are.
        """
        if not self.api_key or len(self.api_key) < MIN_SECRET_LENGTH:
            return reply
        if self.api_key not in f"{reply.text}{reply.reasoning}{reply.tool_calls}":
            return reply
        calls = orjson.loads(self.text(orjson.dumps(reply.tool_calls).decode()))
        reasoning = self.text(reply.reasoning) if reply.reasoning else None
        return replace(reply, text=self.text(reply.text), reasoning=reasoning, tool_calls=calls)
