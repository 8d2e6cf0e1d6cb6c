"""The one HTTP client: chooses a transport for requests to a model, and makes control calls and downloads with it.

`socket_transport` speaks HTTP/1.1 over plain sockets and takes a quarter of aiohttp's time for a request. It serves plain
`http://` addresses: what a model server on this machine or in this network has. `aiohttp_transport` serves the rest: TLS
and proxies. docs/endpoint-client.md has the measurements.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import orjson

from evalsuite._util.event_loop import run_to_end
from evalsuite._util.http.environment import find_proxy
from evalsuite._util.http.transport import Address, HttpResponse, Transport, TransportError

JSON_TYPE = "application/json"
USER_AGENT = "evalsuite"
OK = 200
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})


def open_transport(address: Address, headers: Mapping[str, str], connections: int) -> Transport:
    """The transport for an address. Call it inside a running event loop.

    `headers` go with every request; `connections` is how many requests may be under way at a time.
    """
    proxy = find_proxy(address)
    if address.scheme == "http" and proxy is None:
        from evalsuite._util.http.socket_transport import SocketTransport

        return SocketTransport(address, headers)
    from evalsuite._util.http.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(address, headers, connections, proxy)


def call(
    method: str,
    url: str,
    timeout: float,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """One control call from ordinary code: send `body` as JSON, follow no redirect; `timeout` in seconds.

    Raises `TransportError`, also when the time is up.
    """
    return run_to_end(send_json(method, url, timeout, body, headers))


async def send_json(
    method: str,
    url: str,
    timeout: float,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """See `call`."""
    sent = {"User-Agent": USER_AGENT, **(headers or {})}
    if body is not None:
        sent["Content-Type"] = JSON_TYPE
    try:
        address = Address.of(url)
        transport = open_transport(address, sent, 1)
    except ValueError as error:
        raise TransportError(f"not an address ({error})") from error
    try:
        content = b"" if body is None else orjson.dumps(body)
        return await transport.send(method, address.target, content, timeout)
    except asyncio.TimeoutError as error:
        raise TransportError(f"no answer within {timeout:g} s") from error
    finally:
        await transport.close()


def read_json(response: HttpResponse) -> Any:
    """The content of a JSON response. Raises `TransportError` for another HTTP status, `ValueError` for broken JSON."""
    if response.status != OK:
        raise TransportError(f"HTTP {response.status}")
    return orjson.loads(response.body)


def download(url: str, timeout: float) -> bytes:
    """The content behind a URL, redirects followed; `timeout` in seconds a request. Raises `TransportError`."""
    for _ in range(MAX_REDIRECTS):
        response = call("GET", url, timeout)
        location = response.headers.get("location")
        if response.status not in REDIRECTS or not location:
            if response.status != OK:
                raise TransportError(f"HTTP {response.status}")
            return response.body
        url = urljoin(url, location)
    raise TransportError(f"more than {MAX_REDIRECTS} redirects")
