"""The user's cache: files that are downloaded once and checked against a pinned SHA-256."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalsuite.errors import InputError

CHUNK_BYTES = 1 << 20


def cache_folder(*parts: str) -> Path:
    """`$EVALSUITE_CACHE`, else `$XDG_CACHE_HOME/evalsuite`, else `~/.cache/evalsuite`; it is not created here."""
    own = os.environ.get("EVALSUITE_CACHE")
    root = (
        Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evalsuite"
    )
    return root.joinpath(*parts)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def verified_download(target: Path, sha256: str) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `target` if its content has the pinned SHA-256.

    Raises `InputError` if the content differs (nothing is kept) or the folder cannot be written.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        found = file_sha256(temporary)
        if found != sha256:
            raise InputError(
                f"{target.name}: the downloaded file is not the pinned file (SHA-256 {found[:16]}…, expected {sha256[:16]}…); download it again."
            )
        temporary.replace(target)
    except OSError as error:
        raise InputError(
            f"{target.parent}: cannot write the cache ({error.strerror}); set EVALSUITE_CACHE to a folder that can be written."
        ) from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)
