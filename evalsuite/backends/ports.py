"""Ports on 127.0.0.1 for the servers that evalsuite starts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from evalsuite.errors import ServerError

HOST = "127.0.0.1"
LAST_PORT = 65535


@contextmanager
def reserved_port(port: int = 0) -> Iterator[int]:
    """Reserve a port for the duration of the block; 0 takes a free one. Raises `ServerError` if it is in use.

    The port is bound but not listened on: the system gives it to nobody else, and our server can still listen on it, since
    servers bind with SO_REUSEADDR as well. A port that is only found and closed could be taken before the server starts.
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
    """Raise `ServerError` before the weights are loaded if the port is in use."""
    if port:
        with reserved_port(port):
            pass
