"""Ports of this machine's own address for the servers that we start."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from evalsuite.errors import ServerError

HOST = "127.0.0.1"
LAST_PORT = 65535


@contextmanager
def reserved_port(port: int = 0) -> Iterator[int]:
    """A port of ours for as long as the block lasts; 0 takes a free one. Raises `ServerError` where it is taken.

    It is bound and not listened on: the system gives it to nobody else, and our server can listen on it, since servers
    bind with SO_REUSEADDR as well. Found, closed and opened again it could be another's meanwhile.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((HOST, port))
        except OSError as error:
            raise ServerError(
                f"port {port} of {HOST} is taken ({error.strerror}); leave out --backend-arg port= and a free one is used."
            ) from error
        yield held.getsockname()[1]


def refuse_taken_port(port: int) -> None:
    """Say so before the weights are loaded; the server itself fails as well if it is taken meanwhile."""
    if port:
        with reserved_port(port):
            pass
