"""HTTP through aiohttp, for addresses that need TLS or a proxy."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import aiohttp
from yarl import URL

from evalsuite._util.http.environment import tls_context
from evalsuite._util.http.transport import (
    CHECK_SECONDS,
    Address,
    ChunkCallback,
    HttpResponse,
    HungCheck,
    TransportError,
)

OK = 200


class AiohttpTransport:
    """Keep-alive connections to one address, through the proxy whose URL is `proxy` if there is one."""

    def __init__(
        self, address: Address, headers: Mapping[str, str], connections: int, proxy: str | None = None
    ) -> None:
        self._root = f"{address.scheme}://{address.authority}"
        self._proxy = proxy
        connector = aiohttp.TCPConnector(
            limit=connections,
            keepalive_timeout=60,
            ttl_dns_cache=300,
            ssl=tls_context() if address.scheme == "https" else True,
        )
        self._session = aiohttp.ClientSession(connector=connector, headers=headers)

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
        sending = self._send(method, path, body, timeout, on_chunk)
        return await (_send_unless_hung(asyncio.ensure_future(sending), hung) if hung else sending)

    async def _send(
        self, method: str, path: str, body: bytes, timeout: float, on_chunk: ChunkCallback | None
    ) -> HttpResponse:
        try:
            async with self._session.request(
                method,
                URL(self._root + path, encoded=True),
                data=body,
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                whole = await _read(response, on_chunk if response.status == OK else None)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpResponse(response.status, headers, whole)
        except asyncio.TimeoutError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError(_describe_error(error)) from error

    async def close(self) -> None:
        """See `Transport.close`."""
        await self._session.close()


async def _send_unless_hung(sending: asyncio.Future[HttpResponse], hung: HungCheck) -> HttpResponse:
    try:
        while not sending.done():
            await asyncio.wait({sending}, timeout=CHECK_SECONDS)
            if not sending.done() and hung():
                raise asyncio.TimeoutError
        return sending.result()
    finally:
        if not sending.done():
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _read(response: aiohttp.ClientResponse, on_chunk: ChunkCallback | None) -> bytes:
    if on_chunk is None:
        return await response.read()
    pieces = []
    async for piece in response.content.iter_any():
        on_chunk(piece)
        pieces.append(piece)
    return b"".join(pieces)


def _describe_error(error: BaseException) -> str:
    """A description of an exception; some have no message of their own."""
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.strerror:
        return error.os_error.strerror
    return str(error) or type(error).__name__
