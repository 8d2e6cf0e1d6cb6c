"""HTTP/1.1 over plain sockets: asyncio's protocols with httptools' parser."""

from __future__ import annotations

import asyncio
import os
import socket
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httptools

from evalsuite._util.http.transport import (
    CHECK_SECONDS,
    Address,
    ChunkCallback,
    HttpResponse,
    HungCheck,
    TransportError,
)

IDLE_SECONDS = 4.0
"""A connection idle for longer is not reused: uvicorn (and so vLLM) closes connections after 5 seconds."""
HTTP_PORT = 80
NEXT_ADDRESS_SECONDS = 0.25
"""How long to wait for one address of a host before trying the next one as well (RFC 8305)."""
OK = 200
COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
"""Encodings that some proxies apply although nobody asks for them."""
GZIP_OR_ZLIB = zlib.MAX_WBITS + 32


@dataclass(slots=True)
class _Exchange:
    """One request under way and the part of its response that has arrived."""

    done: asyncio.Future[HttpResponse]
    on_chunk: ChunkCallback | None
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: list[bytes] = field(default_factory=list)
    inflate: Callable[[bytes], bytes] | None = None


class _Connection(asyncio.Protocol):
    """One connection, one request at a time; the parser calls the methods that begin with `on_`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._exchange: _Exchange | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self.is_open = False
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by name
        self.is_open = True

    async def exchange(
        self,
        outbox: _Outbox,
        request: bytes,
        timeout: float,
        on_chunk: ChunkCallback | None,
        hung: HungCheck | None,
    ) -> HttpResponse:
        """Send a request and wait for its response; a connection that fails is closed."""
        self._exchange = _Exchange(self._loop.create_future(), on_chunk)
        self._set_alarm(self._loop.time() + timeout, hung)
        outbox.put(self, request)
        try:
            return await self._exchange.done
        except BaseException:
            self.close()
            raise
        finally:
            self._alarm.cancel()
            self._exchange = None

    def _set_alarm(self, end: float, hung: HungCheck | None) -> None:
        left = end - self._loop.time()
        self._alarm = self._loop.call_later(min(left, CHECK_SECONDS) if hung else left, self._ring, end, hung)

    def _ring(self, end: float, hung: HungCheck | None) -> None:
        if self._loop.time() >= end or (hung and hung()):
            self._fail(asyncio.TimeoutError())
        else:
            self._set_alarm(end, hung)

    def write(self, request: bytes) -> None:
        """Write a request, unless the connection is closed by now."""
        if self.is_open and self._transport:
            self._transport.write(request)

    def close(self) -> None:
        """Close the connection at once, if there is one."""
        self.is_open = False
        if self._transport:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._exchange is None or self._exchange.done.done():
            self.close()  # an unrequested response would be taken for the next one
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._fail(error)  # unless `on_body` has set the real error
        except httptools.HttpParserError as error:
            self._fail(TransportError(f"the answer is not HTTP ({error})"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._exchange:
            self._exchange.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        if exchange:
            exchange.status = self._parser.get_status_code()
            if exchange.headers.get("content-encoding", "").strip().lower() in COMPRESSED:
                exchange.inflate = zlib.decompressobj(GZIP_OR_ZLIB).decompress

    def on_body(self, piece: bytes) -> None:
        exchange = self._exchange
        if exchange:
            try:
                self._take(exchange, piece)
            except Exception as error:
                self._fail(error)  # the parser wraps it, and hides it where another one is being handled
                raise

    @staticmethod
    def _take(exchange: _Exchange, piece: bytes) -> None:
        if exchange.inflate:
            piece = _inflated(exchange.inflate, piece)
        exchange.body.append(piece)
        if exchange.on_chunk and exchange.status == OK:
            exchange.on_chunk(piece)

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if exchange.status < OK:  # "100 Continue" and the like come before the response
            exchange.headers.clear()
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._finish(exchange)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        exchange = self._exchange
        if exchange is None or exchange.done.done():
            return
        if error is None and _ends_with_connection(exchange):
            self._finish(exchange)
        else:
            self._fail(TransportError(describe_error(error) if error else "the server closed the connection"))

    def _finish(self, exchange: _Exchange) -> None:
        if not exchange.done.done():
            exchange.done.set_result(HttpResponse(exchange.status, exchange.headers, b"".join(exchange.body)))

    def _fail(self, error: BaseException) -> None:
        if self._exchange and not self._exchange.done.done():
            self._exchange.done.set_exception(error)


class _Outbox:
    """Sends all requests of one event-loop iteration together.

    Replies arrive in bunches, and each is followed by the next request. Sent one by one, requests would find the server's
    core asleep again and again; waking it costs more than all the rest (measured with benchmarks/engine.py: 125 µs per
    request against 73).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[_Connection, bytes]] = []

    def put(self, connection: _Connection, request: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._send)
        self._waiting.append((connection, request))

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for connection, request in waiting:
            connection.write(request)


def _is_name(host: str) -> bool:
    """Whether a host is a name, which may have several addresses: the first to answer is used.

    A single address is not raced: asyncio loses the socket of a race that is cancelled as it is won.
    """
    return not (":" in host or host.replace(".", "").isdecimal())


def _inflated(inflate: Callable[[bytes], bytes], piece: bytes) -> bytes:
    try:
        return inflate(piece)
    except zlib.error as error:
        raise TransportError(f"the compressed answer cannot be read ({error})") from error


def _ends_with_connection(exchange: _Exchange) -> bool:
    """Whether the end of the connection is the regular end of this response (RFC 9112, 6.3, case 8)."""
    framed = "content-length" in exchange.headers or "transfer-encoding" in exchange.headers
    return exchange.status >= OK and not framed


class SocketTransport:
    """Keep-alive connections to one `http://` address, one per simultaneous request."""

    def __init__(self, address: Address, headers: Mapping[str, str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._outbox = _Outbox(self._loop)
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        lines = {"Host": address.authority, "Accept": "*/*", "Accept-Encoding": "identity", **headers}
        races = isinstance(self._loop, asyncio.BaseEventLoop)  # uvloop tries one address after the other
        self._one_at_a_time = _is_name(address.host) and not races
        self._at_a_time: dict[str, Any] = (
            {"happy_eyeballs_delay": NEXT_ADDRESS_SECONDS} if _is_name(address.host) and races else {}
        )
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode("latin-1")

    async def send(
        self,
        method: str,
        path: str,
        body: bytes,
        timeout: float,
        on_chunk: ChunkCallback | None = None,
        hung: HungCheck | None = None,
    ) -> HttpResponse:
        """See `Transport.send`."""
        start = self._loop.time()
        connection = self._kept(start) or await self._connected(timeout)
        request = b"%b %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (
            method.encode(),
            path.encode(),
            self._head,
            len(body),
            body,
        )
        self._busy.add(connection)
        try:
            left = timeout - (self._loop.time() - start)
            return await connection.exchange(self._outbox, request, left, on_chunk, hung)
        finally:
            self._busy.discard(connection)
            if connection.is_open:
                connection.idle_since = self._loop.time()
                self._idle.append(connection)

    async def close(self) -> None:
        """See `Transport.close`."""
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # the sockets are closed in the next turn of the loop

    def _kept(self, now: float) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and now - connection.idle_since < IDLE_SECONDS:
                return connection
            connection.close()
        return None

    async def _connected(self, timeout: float) -> _Connection:
        connection = _Connection(self._loop)
        connecting = asyncio.ensure_future(self._connect(connection))
        try:  # not `wait_for`: before Python 3.12 it forgets a cancellation that comes as the connection is made
            await asyncio.wait({connecting}, timeout=timeout)
            _ended_in_time(connecting)
        except BaseException:
            connecting.cancel()
            connection.close()
            raise
        return connection

    async def _connect(self, connection: _Connection) -> None:
        host, port = self._address.host, self._address.port or HTTP_PORT
        try:
            if self._one_at_a_time and len(found := await self._found(host, port)) > 1:
                await self._connect_to_first(found, connection)
            else:
                await self._loop.create_connection(lambda: connection, host, port, **self._at_a_time)
        except OSError as error:
            raise TransportError(describe_error(error)) from error

    async def _found(self, host: str, port: int) -> Sequence[Any]:
        return await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    async def _connect_to_first(self, found: Sequence[Any], connection: _Connection) -> None:
        """Connect to the address of a name that answers first."""
        from aiohappyeyeballs import start_connection

        reached = await start_connection(found, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
        try:
            await self._loop.create_connection(lambda: connection, sock=reached)
        except BaseException:
            reached.close()
            raise


def _ended_in_time(task: asyncio.Task[None]) -> None:
    if not task.done():
        raise asyncio.TimeoutError
    task.result()


def describe_error(error: OSError | Exception) -> str:
    """A description of an exception; some have no message of their own."""
    if isinstance(error, socket.gaierror):
        return f"the name does not resolve ({error.strerror})"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
