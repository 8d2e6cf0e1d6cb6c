"""Reads texts in the header of a GGUF file, without its tensors. Format: ggml's docs/gguf.md, versions 2 and 3."""

from __future__ import annotations

import struct
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from evalsuite.models.adapters import GGUF_MAGIC

TEMPLATE_KEY = "tokenizer.chat_template"
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Type → bytes of a value."""
STRING, ARRAY = 8, 9
LONGEST = 1 << 28
"""Bytes of a text or values of a list at most; a larger number means that this is not a GGUF file."""


class UnreadableGguf(ValueError):
    """A file that ends too early or contains what no GGUF file has."""


def read_texts(path: Path, wanted: Collection[str]) -> dict[str, str]:
    """Read the texts under these keys, as far as they exist. Raises `UnreadableGguf`, `OSError`."""
    found: dict[str, str] = {}
    with path.open("rb") as stream:
        if _exactly(stream, len(GGUF_MAGIC)) != GGUF_MAGIC:
            raise UnreadableGguf(f"{path}: not a GGUF file")
        _, _, count = struct.unpack("<IQQ", _exactly(stream, 20))
        for _ in range(count):
            key = _text(stream).decode("utf-8", "replace")
            (kind,) = struct.unpack("<I", _exactly(stream, 4))
            if kind == STRING and key in wanted:
                found[key] = _text(stream).decode("utf-8", "replace")
                if len(found) == len(wanted):
                    break
            else:
                _skip(stream, kind)
    return found


def _skip(stream: BinaryIO, kind: int) -> None:
    if kind == STRING:
        _text(stream)
    elif kind == ARRAY:
        of, length = struct.unpack("<IQ", _exactly(stream, 12))
        if of == ARRAY or length > LONGEST:  # llama.cpp writes no lists in lists
            raise UnreadableGguf(f"a list of {length} values")
        if of in SIZES:
            stream.seek(SIZES[of] * length, 1)
        else:
            for _ in range(length):
                _skip(stream, of)
    elif kind in SIZES:
        stream.seek(SIZES[kind], 1)
    else:
        raise UnreadableGguf(f"a value of type {kind}, which GGUF does not have")


def _text(stream: BinaryIO) -> bytes:
    (length,) = struct.unpack("<Q", _exactly(stream, 8))
    if length > LONGEST:
        raise UnreadableGguf(f"a text of {length} bytes")
    return _exactly(stream, length)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    read = stream.read(count)
    if len(read) < count:
        raise UnreadableGguf("it ends inside its header")
    return read
