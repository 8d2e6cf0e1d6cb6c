"""Which requests may be answered from an earlier run (`--cache DIR`), and under which key.

Only a request whose reply is decided by what is asked is answered from there and kept: temperature 0 (one choice, which
is all evalsuite ever asks for), or a text that is measured. A seed at a higher temperature is no promise: servers keep
it at best while nothing else is in the batch. The key is a hash of everything the request says (prompt, tools, every
generation setting, fields of the server's own) and of whom it is asked: never of the key of an API, which travels in
a header. How the reply travels (`stream`) is not part of it.

Only whole replies are kept: ended by the model itself, and not empty. One token was all that was wanted where its
log-probabilities, or those of a text, were asked for.
"""

from __future__ import annotations

import asyncio
import hashlib

from evalsuite.endpoint.answer import Answer, Ask
from evalsuite.endpoint.reply_store import ReplyStore
from evalsuite.endpoint.wire import Request
from evalsuite.types import Reply

FORMAT = "1"
"""Another number makes every entry so far one that is never found."""
KEY_BYTES = 20
ENDED_BY_ITSELF = frozenset({"stop", "tool_calls", "function_call", "eos_token", "stop_sequence", "end_turn"})
"""What `finish_reason` says of a reply that its model ended. `length`, `content_filter`, `abort` and silence are none."""


def with_cache(ask: Ask, store: ReplyStore, identity: str) -> Ask:
    """`ask`, with replies taken from the store where they are there. `identity` says who is asked, as exactly as is known."""

    async def ask_or_look_up(request: Request) -> Answer:
        if not request.deterministic:
            return await ask(request)
        key = cache_key(identity, request)
        found = store.find(key)
        if found is not None:
            await asyncio.sleep(0)  # a run of many hits must let the others work too
            return Answer(found, from_cache=True)
        answer = await ask(request)
        if is_whole(answer.reply, request):
            store.put(key, answer.reply)
        return answer

    return ask_or_look_up


def cache_key(identity: str, request: Request) -> bytes:
    """A hash of who is asked and of all that is asked."""
    head = f"{FORMAT}\n{identity}\n{request.api}\n{request.measure}\n"
    return hashlib.blake2b(head.encode() + request.asked, digest_size=KEY_BYTES).digest()


def is_whole(reply: Reply, request: Request) -> bool:
    """Whether a reply may stand for every later one."""
    if request.measure or request.logprobs:
        return True
    return reply.finish_reason in ENDED_BY_ITSELF and bool(reply.text.strip() or reply.tool_calls)
