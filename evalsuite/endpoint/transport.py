"""How bytes travel to a server: what every transport does, and which one an address wants.

`direct` speaks HTTP/1.1 straight over sockets and takes a quarter of aiohttp's time for a request; it serves
plain `http://` addresses, which is what a model server on this machine or in this network has. `general` is
aiohttp, for the rest: TLS and proxies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from urllib.parse import quote, urlsplit

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")

ChunkCallback: TypeAlias = Callable[[bytes], None]
"""Takes a piece of a response's body the moment it arrives."""
HungCheck: TypeAlias = Callable[[], bool]
"""Whether a request that is still unanswered is to be given up."""
CHECK_SECONDS = 0.5
"""How often that is asked."""


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL taken apart; `host` has no brackets and may be a name in any script, `path` is ready to be sent."""

    scheme: str
    host: str
    port: int | None
    path: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises `ValueError` when the host or the port is impossible."""
        parts = urlsplit(url)
        return cls(
            parts.scheme,
            parts.hostname or "",
            parts.port,
            quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._"),
        )

    @property
    def authority(self) -> str:
        """`host:port` as requests name it: IPv6 in brackets, other scripts in their ASCII form."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        host = host if host.isascii() else host.encode("idna").decode()
        return host if self.port is None else f"{host}:{self.port}"


class TransportError(Exception):
    """A request that got no whole response: refused, dropped, or answered by something that is not HTTP."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type alone, in lower case; empty where none is named."""
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
    ) -> Response:
        """The response to one request, redirects not followed; `timeout` is in seconds and covers all of it.

        A request that is `hung` ends as one whose time is up.

        `on_chunk` sees the body of a response of status 200 as it arrives; what it raises ends the request.
        Raises `TransportError` and `asyncio.TimeoutError`.
        """

    async def close(self) -> None:
        """Close every connection."""


def open_transport(address: Address, headers: Mapping[str, str], connections: int) -> Transport:
    """The transport for an address; to be called inside a running event loop.

    `headers` go with every request; `connections` is how many requests may be under way at a time.
    """
    if address.scheme == "http" and not _is_behind_proxy(address.host):
        from evalsuite.endpoint.socket_transport import SocketTransport

        return SocketTransport(address, headers)
    from evalsuite.endpoint.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(address, headers, connections, trust_env=address.host not in LOCAL_HOSTS)


def _is_behind_proxy(host: str) -> bool:
    """Whether the environment sends requests for this host through a proxy; never those to this machine."""
    if host in LOCAL_HOSTS:
        return False
    from urllib.request import getproxies, proxy_bypass

    return "http" in getproxies() and not proxy_bypass(host)
