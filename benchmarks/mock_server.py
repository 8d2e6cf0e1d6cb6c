"""An OpenAI server that answers at once: the client, not the model, is what is measured.

Run as a script it prints its port and serves until it is ended. It parses no more of HTTP than it must, so that
one core of it outruns any client. `--latency` delays each reply by so many seconds. `--faults 0.01` answers one request
in a hundred with each of the faults in `FAULTS`. `GET /asked` tells how many requests for a reply there were.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
from collections.abc import Iterator
from itertools import repeat
from typing import cast

MODEL = "mock"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def response(document: object) -> bytes:
    """An HTTP response with a JSON body."""
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


MODELS = response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})


def reply(text: str) -> bytes:
    """The response to a chat request."""
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 100, "completion_tokens": 4, "total_tokens": 104}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    document = {"id": "mock", "object": "chat.completion", "model": MODEL, "choices": choices, "usage": usage}
    return response(document)


PLAIN = reply("Answer: B")
_START = PLAIN[: PLAIN.index(b"Content-Length")]
FAULTS: dict[str, bytes | None] = {
    "429": b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "dropped": b"",
    "truncated JSON": _START + b'Content-Length: 30\r\n\r\n{"choices": [{"message": {"con',
    "empty": _START + b"Content-Length: 0\r\n\r\n",
    "hang": None,
}
"""Fault → what is sent; nothing sent closes the connection, None leaves it open for ever."""


def faulty(share: float) -> Iterator[bytes | None]:
    """Plain replies with a share of each fault among them, drawn with a fixed seed."""
    chance = random.Random(1)
    while True:
        number = int(chance.random() / share)
        yield list(FAULTS.values())[number] if number < len(FAULTS) else PLAIN


class Connection(asyncio.Protocol):
    """One keep-alive connection; every request to it gets the next of the replies."""

    def __init__(self, latency: float, replies: Iterator[bytes | None], count: list[int]) -> None:
        self._latency = latency
        self._count = count
        self._replies = replies
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in the buffer."""
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._buffer, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            answer = self._answer()
            self._buffer = self._buffer[whole:]
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._write, answer)
            elif answer:
                self._transport.write(answer)
            else:
                self._write(answer)

    def _answer(self) -> bytes | None:
        if self._buffer.startswith(b"GET /asked"):
            return response(self._count[0])
        if self._buffer.startswith(b"GET"):
            return MODELS
        self._count[0] += 1
        return next(self._replies)

    def _write(self, answer: bytes | None) -> None:
        if answer is None or self._transport.is_closing():
            return
        if answer:
            self._transport.write(answer)
        else:
            self._transport.close()


async def serve(latency: float, faults: float) -> None:
    """Listen on a free port of 127.0.0.1 and say which."""
    replies = faulty(faults) if faults else repeat(PLAIN)
    count = [0]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(latency, replies, count), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--latency", type=float, default=0.0)
    options.add_argument("--faults", type=float, default=0.0)
    given = options.parse_args()
    try:
        import uvloop

        uvloop.run(serve(given.latency, given.faults))
    except ImportError:
        asyncio.run(serve(given.latency, given.faults))
    except KeyboardInterrupt:
        sys.exit(0)
