"""HTTP as servers really speak it, over real sockets, byte by byte where need be."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mock_server import WAIT_SECONDS, MockServer
from run_helpers import arguments, numbered, write_qa

from evalsuite._util.http import aiohttp_transport as general
from evalsuite._util.http import socket_transport as direct
from evalsuite._util.http.aiohttp_transport import AiohttpTransport
from evalsuite._util.http.calls import open_transport
from evalsuite._util.http.socket_transport import SocketTransport
from evalsuite._util.http.transport import Address, HttpResponse, TransportError

T = TypeVar("T")
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;ext=1\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n" + PLAIN
GZIP_BODY, DEFLATE_BODY = gzip.compress(b"hello", mtime=0), zlib.compress(b"hello")
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nContent-Length: %d\r\n\r\n%b" % (
    len(GZIP_BODY),
    GZIP_BODY,
)
DEFLATED = (
    b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (DEFLATE_BODY[:1], len(DEFLATE_BODY) - 1, DEFLATE_BODY[1:])
)
WHOLE = {
    "plain": PLAIN,
    "chunked": CHUNKED,
    "after 100 Continue": CONTINUED,
    "compressed unasked": GZIPPED,
    "compressed in pieces": DEFLATED,
}
UNFRAMED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"
OLD = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


@dataclass
class Script:
    """A server that answers the nth request with the nth entry: pieces of bytes, then None to hang up."""

    answers: Sequence[Sequence[bytes | None]]
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(b"".join(await read_request(reader)))
                for piece in self.answers[min(len(self.requests), len(self.answers)) - 1]:
                    if piece is None:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        finally:
            self.gone.set()


Talk: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk, host: str = "127.0.0.1") -> AsyncIterator[SocketTransport]:
    """A transport to a server that talks like this, both closed to the last socket at the end."""
    talks = []

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def to_the_end() -> None:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await talk(reader, writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        talks.append(asyncio.ensure_future(to_the_end()))

    server = await asyncio.start_server(begin, host, 0)
    port = server.sockets[0].getsockname()[1]
    transport = SocketTransport(
        Address.of(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"), {"X-Key": "k"}
    )
    try:
        yield transport
    finally:
        await transport.close()
        server.close()
        await asyncio.gather(*talks)


def within(script: Script, do: Callable[[SocketTransport], Awaitable[T]], host: str = "127.0.0.1") -> T:
    async def run() -> T:
        async with serving(script.talk, host) as transport:
            return await do(transport)

    return asyncio.run(run())


async def ask(transport: SocketTransport, timeout: float = WAIT_SECONDS) -> HttpResponse:
    return await transport.send("POST", "/v1/x", b'{"a":1}', timeout)


def answer(*pieces: bytes | None) -> HttpResponse:
    return within(Script([pieces]), ask)


def test_socket_transport_sends_plain_http() -> None:
    script = Script([[PLAIN]])
    response = within(script, ask)
    head, _, body = script.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    names = dict(line.split(": ", 1) for line in lines)
    assert first == "POST /v1/x HTTP/1.1"
    assert names["Host"].startswith("127.0.0.1:")
    assert (names["X-Key"], names["Content-Length"], body) == ("k", "7", b'{"a":1}')
    assert (response.status, response.content_type, response.body) == (200, "application/json", b"hello")


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_socket_transport_response_may_be_split_anywhere(whole: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=6)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    response = answer(*pieces)
    assert (response.status, response.body) == (200, b"hello")
    assert "x-early" not in response.headers


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
def test_socket_transport_response_may_arrive_byte_by_byte(whole: bytes) -> None:
    assert answer(*(whole[at : at + 1] for at in range(len(whole)))).body == b"hello"


@pytest.mark.parametrize("whole", [*WHOLE.values(), PLAIN.replace(b"200 OK", b"500 Oh")])
def test_socket_transport_reuses_a_connection(whole: bytes) -> None:
    script = Script([[whole]])

    async def thrice(transport: SocketTransport) -> list[bytes]:
        return [(await ask(transport)).body for _ in range(3)]

    assert within(script, thrice) == [b"hello"] * 3
    assert script.connections == 1


@pytest.mark.parametrize(
    "closing", [OLD, PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")], ids=["1.0", "close"]
)
def test_socket_transport_connection_close_is_not_reused(closing: bytes) -> None:
    script = Script([[closing, None]])

    async def twice(transport: SocketTransport) -> list[bytes]:
        return [(await ask(transport)).body for _ in range(2)]

    assert within(script, twice) == [b"hello"] * 2
    assert script.connections == 2


def test_socket_transport_connection_closed_while_idle_is_replaced() -> None:
    script = Script([[PLAIN, None], [PLAIN]])

    async def twice(transport: SocketTransport) -> bytes:
        await ask(transport)
        await script.gone.wait()
        while transport._idle[0].is_open:
            await asyncio.sleep(0)
        return (await ask(transport)).body

    assert within(script, twice) == b"hello"
    assert script.connections == 2


def test_socket_transport_connection_idle_for_long_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "IDLE_SECONDS", 0.0)
    script = Script([[PLAIN]])

    async def twice(transport: SocketTransport) -> None:
        await ask(transport)
        await ask(transport)

    within(script, twice)
    assert script.connections == 2


def test_socket_transport_unrequested_response_is_ignored() -> None:
    script = Script([[PLAIN + PLAIN.replace(b"hello", b"other")], [PLAIN.replace(b"hello", b"right")]])

    async def twice(transport: SocketTransport) -> tuple[bytes, bytes]:
        return (await ask(transport)).body, (await ask(transport)).body

    first, second = within(script, twice)
    assert (first, second) == (b"hello", b"right")


def test_socket_transport_body_without_length_ends_with_the_connection() -> None:
    assert answer(UNFRAMED, b" world", None).body == b"hello world"


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((None,), "closed the connection"),
        ((PLAIN[:20], None), "closed the connection"),
        ((PLAIN[:-2], None), "closed the connection"),
        ((CHUNKED[:-30], None), "closed the connection"),
        ((CONTINUED[:45], None), "closed the connection"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), "not HTTP"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",), "not HTTP"),
        ((GZIPPED.replace(GZIP_BODY, b"x" * len(GZIP_BODY)),), "compressed answer cannot be read"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",), "not HTTP"),
    ],
)
def test_socket_transport_broken_response_is_an_error_and_closes_the_connection(
    pieces: tuple[bytes | None, ...], words: str
) -> None:
    script = Script([pieces, [PLAIN]])

    async def again(transport: SocketTransport) -> bytes:
        with pytest.raises(TransportError, match=words):
            await ask(transport)
        return (await ask(transport)).body

    assert within(script, again) == b"hello"
    assert script.connections == 2


def test_socket_transport_timeout_drops_the_late_response() -> None:
    script = Script([[PLAIN[:-1]], [PLAIN]])

    async def again(transport: SocketTransport) -> bytes:
        with pytest.raises(asyncio.TimeoutError):
            await ask(transport, 0.05)
        return (await ask(transport)).body

    assert within(script, again) == b"hello"
    assert script.connections == 2


def test_socket_transport_cancelled_request_closes_its_connection() -> None:
    script = Script([[b""], [PLAIN]])

    async def again(transport: SocketTransport) -> bytes:
        asking = asyncio.ensure_future(ask(transport))
        while not script.requests:
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await script.gone.wait()
        return (await ask(transport)).body

    assert within(script, again) == b"hello"


@pytest.mark.parametrize("turns", range(12))
def test_socket_transport_cancelled_while_connecting_leaves_no_socket(turns: int) -> None:
    """Whatever turn of the loop it is; a socket left to the collector would be a warning, which is an error."""

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            transport = SocketTransport(Address.of(f"http://127.0.0.1:{server.getsockname()[1]}"), {})
            asking = asyncio.ensure_future(ask(transport))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await transport.close()
        gc.collect()

    asyncio.run(scenario())


def test_socket_transport_on_chunk_sees_pieces_and_may_end_the_request() -> None:
    async def see(transport: SocketTransport) -> list[bytes]:
        seen: list[bytes] = []
        await transport.send("POST", "/", b"", WAIT_SECONDS, seen.append)
        return seen

    assert b"".join(within(Script([[PLAIN[:-3], PLAIN[-3:]]]), see)) == b"hello"
    assert within(Script([[PLAIN.replace(b"200 OK", b"400 No")]]), see) == []

    def refuse(_: bytes) -> None:
        raise ValueError("enough")

    async def stop(transport: SocketTransport) -> HttpResponse:
        return await transport.send("POST", "/", b"", WAIT_SECONDS, refuse)

    with pytest.raises(ValueError, match="enough"):
        within(Script([[PLAIN]]), stop)


def test_socket_transport_simultaneous_requests_get_their_own_responses() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    bodies = [str(number).encode() * number for number in range(200)]

    async def run() -> list[bytes]:
        async with serving(echo) as transport:
            asked = (transport.send("POST", "/", body, WAIT_SECONDS) for body in bodies)
            return [response.body for response in await asyncio.gather(*asked)]

    assert asyncio.run(run()) == bodies


def test_socket_transport_ipv6_address_is_named_in_brackets() -> None:
    script = Script([[PLAIN]])
    try:
        assert within(script, ask, "::1").body == b"hello"
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    assert b"Host: [::1]:" in script.requests[0]


def test_socket_transport_unknown_host_is_reported() -> None:
    async def run() -> None:
        await ask(SocketTransport(Address.of("http://nowhere.invalid:1/v1"), {}))

    with pytest.raises(TransportError, match="does not resolve"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "environment", "kind"),
    [
        ("http://127.0.0.1:1/v1", {"http_proxy": "http://127.0.0.1:2"}, SocketTransport),
        ("http://10.0.0.1:1/v1", {}, SocketTransport),
        ("http://10.0.0.1:1/v1", {"http_proxy": "http://127.0.0.1:2"}, AiohttpTransport),
        (
            "http://10.0.0.1:1/v1",
            {"http_proxy": "http://127.0.0.1:2", "no_proxy": "10.0.0.1"},
            SocketTransport,
        ),
        ("https://10.0.0.1:1/v1", {}, AiohttpTransport),
    ],
)
def test_open_transport_uses_aiohttp_for_tls_and_proxies(
    url: str, environment: dict[str, str], kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    async def run() -> None:
        transport = open_transport(Address.of(url), {}, 1)
        assert isinstance(transport, kind)
        await transport.close()

    asyncio.run(run())


@pytest.mark.parametrize("transport", ["direct", "general"])
def test_transport_hung_request_ends_before_its_timeout(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (direct, general):
        monkeypatch.setattr(module, "CHECK_SECONDS", 0.01)
    asked: list[bool] = []

    def hung() -> bool:
        asked.append(len(asked) == 2)
        return asked[-1]

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def run() -> None:
        async with serving(silent) as direct_one:
            address = direct_one._address
            chosen: SocketTransport | AiohttpTransport = direct_one
            if transport == "general":
                chosen = AiohttpTransport(address, {}, 1)
            with pytest.raises(asyncio.TimeoutError):
                await chosen.send("POST", "/v1/x", b"{}", WAIT_SECONDS, hung=hung)
            await chosen.close()

    asyncio.run(run())
    assert asked == [False, False, True]


def test_transport_runs_on_uvloop(tmp_path: Path) -> None:
    pytest.importorskip("uvloop")
    program = "import uvloop; uvloop.install(); from evalsuite.cli.app import main; main()"
    with MockServer() as server:
        data = write_qa(tmp_path / "qa.jsonl", numbered(20))
        words = arguments(server, tmp_path / "out", data)
        done = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr


def loop_with_two_addresses(kind: type[Any], first: str) -> asyncio.AbstractEventLoop:
    """A loop of a kind, to which each name in `example` has two addresses."""

    class Resolving(kind):  # type: ignore[misc]
        async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> list[Any]:
            if not str(host).endswith(".example"):
                return list(await super().getaddrinfo(host, port, **more))
            return [
                (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
                for address in (first, "127.0.0.1")
            ]

    found: asyncio.AbstractEventLoop = Resolving()
    return found


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
@pytest.mark.parametrize("first", ["silent", "refusing"])
def test_socket_transport_falls_back_to_the_second_address(name: str, first: str) -> None:
    kind = asyncio.SelectorEventLoop if name == "asyncio" else pytest.importorskip("uvloop").Loop
    script = Script([[PLAIN]])

    async def run() -> bytes:
        async with serving(script.talk) as plain_one:
            port = plain_one._address.port
            assert port
            with ExitStack() as stack:
                if first == "silent":  # its queue is full, so what wants to connect is left waiting
                    silent = stack.enter_context(socket.create_server(("127.0.0.2", port), backlog=0))
                    stack.enter_context(socket.create_connection(silent.getsockname()))
                named = SocketTransport(Address.of(f"http://two.example:{port}"), {})
                try:
                    return (await ask(named, timeout=5)).body
                finally:
                    await named.close()

    loop = loop_with_two_addresses(kind, "127.0.0.2")
    try:
        assert loop.run_until_complete(run()) == b"hello"
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
