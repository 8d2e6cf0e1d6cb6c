"""How bytes travel to a server: what every transport does, and which one an address wants.

`direct` speaks HTTP/1.1 straight over sockets and costs a quarter of a general client's time for a request; it
serves plain `http://` addresses, which is what a model server on this machine or in this network has. Everything
else (TLS, proxies, a user name in the address) goes through aiohttp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from yarl import URL

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")

Piece: TypeAlias = Callable[[bytes], None]
"""Takes a piece of a response's body the moment it arrives."""


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
        self, method: str, path: str, body: bytes, timeout: float, on_piece: Piece | None = None
    ) -> Response:
        """The response to one request, redirects not followed; `timeout` is in seconds and covers all of it.

        `on_piece` sees the body of a response of status 200 as it arrives; what it raises ends the request.
        Raises `TransportError` and `asyncio.TimeoutError`.
        """

    async def close(self) -> None:
        """Close every connection."""


def open_transport(root: URL, headers: Mapping[str, str], connections: int) -> Transport:
    """The transport for an address; to be called inside a running event loop.

    `headers` go with every request; `connections` is how many requests may be under way at a time.
    """
    if root.scheme == "http" and root.user is None and not _is_behind_proxy(root):
        from evalsuite.endpoint.direct import DirectTransport

        return DirectTransport(root, headers)
    from evalsuite.endpoint.general import GeneralTransport

    return GeneralTransport(root, headers, connections, trust_env=root.host not in LOCAL_HOSTS)


def _is_behind_proxy(root: URL) -> bool:
    """Whether the environment sends requests for this host through a proxy; never those to this machine."""
    if root.host is None or root.host in LOCAL_HOSTS:
        return False
    from urllib.request import getproxies, proxy_bypass

    return "http" in getproxies() and not proxy_bypass(root.host)
