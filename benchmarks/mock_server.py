"""An OpenAI server that answers at once: the client, not the model, is what is measured.

Run as a script it prints its port and serves until it is ended. It parses no more of HTTP than it must, so that
one core of it outruns any client. `--latency` delays each reply by so many seconds. `--faults 0.01` answers one request
in a hundred with each of the faults in `FAULTS`, drawn with a fixed seed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
from typing import cast

MODEL = "mock"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def _response(document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


def _failure(status: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status


MODELS = _response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
REPLY = _response(
    {
        "id": "mock",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Answer: B"}}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 4, "total_tokens": 104},
    }
)


FAULTS: dict[str, bytes | None] = {
    "429": _failure(b"429 Too Many Requests"),
    "500": _failure(b"500 Internal Server Error"),
    "dropped": b"",
    "truncated JSON": REPLY[: REPLY.index(b"Content-Length")]
    + b"Content-Length: 30\r\n\r\n"
    + b'{"choices": [{"message": {"con',
    "empty": REPLY[: REPLY.index(b"Content-Length")] + b"Content-Length: 0\r\n\r\n",
    "hang": None,
}
"""Fault → what is sent; nothing sent closes the connection, None leaves it open for ever."""


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, latency: float, faults: float, chance: random.Random) -> None:
        self._latency = latency
        self._faults = faults
        self._chance = chance
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
            answer = MODELS if self._buffer.startswith(b"GET") else self._reply()
            self._buffer = self._buffer[whole:]
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._write, answer)
            elif answer:
                self._transport.write(answer)
            else:
                self._write(answer)

    def _reply(self) -> bytes | None:
        if self._faults and (number := int(self._chance.random() / self._faults)) < len(FAULTS):
            return list(FAULTS.values())[number]
        return REPLY

    def _write(self, answer: bytes | None) -> None:
        if answer is None or self._transport.is_closing():
            return
        if answer:
            self._transport.write(answer)
        else:
            self._transport.close()


async def serve(latency: float, faults: float) -> None:
    """Listen on a free port of 127.0.0.1 and say which."""
    chance = random.Random(1)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(latency, faults, chance), "127.0.0.1", 0, backlog=1024
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
