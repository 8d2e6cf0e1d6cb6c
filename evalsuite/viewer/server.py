"""The HTTP server of the viewer. It listens on 127.0.0.1 only and answers only GET and HEAD with its own host name.

A foreign page whose name was made to point at 127.0.0.1 (DNS rebinding) sends that name as `Host` and is rejected. Other
pages can neither read responses (`Cross-Origin-Resource-Policy`) nor frame them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from evalsuite._version import __version__
from evalsuite.errors import InputError
from evalsuite.viewer.catalog import RunCatalog
from evalsuite.viewer.pages import PageResponse, respond

HOST = "127.0.0.1"
DEFAULT_PORT = 8360
IDLE_SECONDS = 30
"""Seconds after which a silent connection is closed."""
POLL_SECONDS = 0.1
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def view(root: Path, port: int | None, ready: Callable[[str], None]) -> None:
    """Serve the runs of a folder until interrupted. `ready` is called with the URL.

    Without a port it uses the default one or, if that is taken, any free one. Raises `InputError` if `root` is not a
    directory or the port is taken.
    """
    if not root.is_dir():
        raise InputError(
            f"{root} is not a directory. Name the folder of your runs (--out of `evalsuite run`, reports/ by default)."
        )
    with _bind(RunCatalog(root), port) as server:
        ready(f"http://{HOST}:{server.server_port}/")
        server.serve_forever(POLL_SECONDS)


def _bind(catalog: RunCatalog, port: int | None) -> Viewer:
    try:
        return Viewer(catalog, DEFAULT_PORT if port is None else port)
    except OSError as error:
        if port is None:
            return Viewer(catalog, 0)
        raise InputError(
            f"--port {port} is not available ({error.strerror}). Choose another port, or leave the option out."
        ) from error


class Viewer(ThreadingHTTPServer):
    """A server with one thread per connection. Threads end with the process."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, catalog: RunCatalog, port: int) -> None:
        self.catalog = catalog
        super().__init__((HOST, port), _Handler)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The values of `Host` that are answered."""
        return frozenset(f"{name}:{self.server_port}" for name in (HOST, "localhost"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a browser that closes its connection early."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Viewer
    protocol_version = "HTTP/1.1"
    server_version = f"evalsuite/{__version__}"
    sys_version = ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        self._send(self._answer(), body=True)

    def do_HEAD(self) -> None:
        self._send(self._answer(), body=False)

    def _answer(self) -> PageResponse:
        if self.headers.get_all("Host") not in [[name] for name in self.server.allowed_hosts]:
            hint = f"open http://{HOST}:{self.server.server_port}/\n".encode()
            return PageResponse(hint, "text/plain", HTTPStatus.MISDIRECTED_REQUEST)
        return respond(self.server.catalog, self.path)

    def _send(self, response: PageResponse, *, body: bool) -> None:
        self.send_response(response.status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.content)))
        self.end_headers()
        if body:
            self.wfile.write(response.content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        """Log no requests."""
