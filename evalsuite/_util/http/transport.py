"""What carries bytes to a server: the protocol of a transport and the values it exchanges.

`http.open_transport` chooses between the two implementations, `socket_transport` and `aiohttp_transport`. A test, or a
model in memory, gives a transport of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from urllib.parse import quote, urlsplit

ChunkCallback: TypeAlias = Callable[[bytes], None]
"""Receives a piece of a response's body the moment it arrives."""
HungCheck: TypeAlias = Callable[[], bool]
"""Whether to give up on a request that is still unanswered."""
SAFE_CHARACTERS = "/%:@!$&'()*+,;=~-._"
CHECK_SECONDS = 0.5
"""How often a transport calls `HungCheck`."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a URL. `host` has no brackets and may be a name in any script; `path` and `query` are quoted."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str = ""

    @classmethod
    def of(cls, url: str) -> Address:
        """Take a URL apart. Raises `ValueError` if the host or the port is impossible."""
        parts = urlsplit(url)
        return cls(
            parts.scheme,
            parts.hostname or "",
            parts.port,
            quote(parts.path.rstrip("/"), safe=SAFE_CHARACTERS),
            quote(parts.query, safe=f"{SAFE_CHARACTERS}?"),
        )

    @property
    def target(self) -> str:
        """The path with its query, as the first line of a request has it."""
        return f"{self.path or '/'}{'?' if self.query else ''}{self.query}"

    @property
    def authority(self) -> str:
        """`host:port` of the Host header: IPv6 in brackets, other scripts in their ASCII form."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        host = host if host.isascii() else host.encode("idna").decode()
        return host if self.port is None else f"{host}:{self.port}"


class TransportError(Exception):
    """A request without a complete response: refused, dropped, or answered by something that is not HTTP."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty if there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Transport(Protocol):
    """Connections to one server, kept open between requests."""

    async def send(
        self,
        method: str,
        path: str,
        body: bytes,
        timeout: float,
        on_chunk: ChunkCallback | None = None,
        hung: HungCheck | None = None,
    ) -> HttpResponse:
        """Send one request and return its response; redirects are not followed. `timeout`: seconds for all of it.

        `on_chunk` receives the body of a response with status 200 as it arrives; an exception of it ends the request.
        A request that is `hung` ends like one whose time is up. Raises `TransportError` and `asyncio.TimeoutError`.
        """

    async def close(self) -> None:
        """Close every connection."""
