"""Which requests may be answered from an earlier run (`--cache DIR`), and under which key.

Only deterministic requests are cached: temperature 0, or the log-probabilities of a given text. A seed at a higher
temperature is no guarantee: servers honour it at best while nothing else is in the batch. The key is a hash of the whole
request (prompt, tools, every generation setting, extra fields) and of the model's identity, never of the API key, which
travels in a header. Whether the reply is streamed does not matter.

Only complete replies are stored: ended by the model itself and not empty. A request for log-probabilities is complete with
its single token.
"""

from __future__ import annotations

import asyncio
import hashlib

from evalsuite.endpoint.answer import Answer, Ask
from evalsuite.endpoint.reply_store import ReplyStore
from evalsuite.endpoint.wire import Request
from evalsuite.types import Reply

FORMAT = "1"
"""Raise this number to invalidate every existing entry."""
KEY_BYTES = 20
ENDED_BY_ITSELF = frozenset({"stop", "tool_calls", "function_call", "eos_token", "stop_sequence", "end_turn"})
"""Values of `finish_reason` for a reply that the model ended; not `length`, `content_filter`, `abort` or an empty one."""


def with_cache(ask: Ask, store: ReplyStore, identity: str) -> Ask:
    """Wrap `ask` so that stored replies are used. `identity` identifies the model as exactly as possible."""

    async def ask_or_look_up(request: Request) -> Answer:
        if not request.deterministic:
            return await ask(request)
        key = cache_key(identity, request)
        found = store.find(key)
        if found is not None:
            await asyncio.sleep(0)  # let other tasks run during many hits in a row
            return Answer(found, from_cache=True)
        answer = await ask(request)
        if is_complete(answer.reply, request):
            store.put(key, answer.reply)
        return answer

    return ask_or_look_up


def cache_key(identity: str, request: Request) -> bytes:
    """A hash of the model's identity and the whole request."""
    head = f"{FORMAT}\n{identity}\n{request.api}\n{request.measure}\n"
    return hashlib.blake2b(head.encode() + request.payload, digest_size=KEY_BYTES).digest()


def is_complete(reply: Reply, request: Request) -> bool:
    """Whether a reply may be stored for later runs."""
    if request.measure or request.logprobs:
        return True
    return reply.finish_reason in ENDED_BY_ITSELF and bool(reply.text.strip() or reply.tool_calls)
