"""Fingerprints of files: tell checkpoints apart without reading them completely."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.models.checkpoint import FINGERPRINT_DIGITS

if TYPE_CHECKING:
    from hashlib import blake2b

CHUNK_BYTES = 1 << 20
SAMPLED_CHUNKS = 256
"""A file of up to this many MiB is hashed completely."""
LEAST_CHUNKS = 16
"""Chunks per file if there are many files."""
WHOLE_FILE_BYTES = 64 << 20
"""Configurations, tokenizers and templates are smaller and are hashed completely."""


def file_fingerprint(path: Path) -> str:
    """The fingerprint of one file of weights. Raises `OSError`."""
    digest = hashlib.blake2b(digest_size=FINGERPRINT_DIGITS // 2)
    add_sampled(digest, path, SAMPLED_CHUNKS)
    return digest.hexdigest()


def folder_fingerprint(texts: Iterable[Path], weights: Iterable[Path]) -> str:
    """The fingerprint of a folder: names and contents of its small files, and samples of each file of weights.

    The folder's path and its dates do not matter. Raises `OSError`.
    """
    digest = hashlib.blake2b(digest_size=FINGERPRINT_DIGITS // 2)
    for path in sorted(texts):
        digest.update(f"{path.name}\n".encode())
        add_sampled(digest, path, max(1, WHOLE_FILE_BYTES // CHUNK_BYTES))
    files = sorted(weights)
    for path in files:
        digest.update(f"{path.name}\n".encode())
        add_sampled(digest, path, max(LEAST_CHUNKS, SAMPLED_CHUNKS // len(files)))
    return digest.hexdigest()


def add_sampled(digest: blake2b, path: Path, chunks: int) -> None:
    """Add a file's size and chunks spread over it, including the first (a safetensors header) and the last.

    Two fine-tunes of one model have the same size, headers and perhaps first megabytes, but differ everywhere else.
    Reading 40 GB completely at every start would take a minute.
    """
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as stream:
        for offset in sampled_offsets(size, chunks):
            stream.seek(offset)
            digest.update(stream.read(CHUNK_BYTES))


def sampled_offsets(size: int, most: int = SAMPLED_CHUNKS) -> Iterator[int]:
    """Offsets to read: every chunk of a small file, otherwise evenly spread ones including the first and the last."""
    chunks = max(1, -(-size // CHUNK_BYTES))
    taken = min(chunks, most)
    return (number * (chunks - 1) // max(1, taken - 1) * CHUNK_BYTES for number in range(taken))
