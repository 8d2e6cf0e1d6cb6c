"""Reads the header of a safetensors file: names, types and shapes of its tensors, and whether the file is complete.

Needs no torch.

Format: eight bytes, little-endian, of the header's length; the header, a JSON object of tensor name →
`{"dtype", "shape", "data_offsets": [begin, end]}`, with `__metadata__` beside them; the tensors' bytes. Source:
https://github.com/huggingface/safetensors (README, "Format").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

LENGTH_BYTES = 8
MOST_HEADER_BYTES = 100_000_000
"""The library's own limit."""
METADATA = "__metadata__"


class BrokenWeights(Exception):
    """A file of weights that is broken or incomplete; `str(error)` completes a sentence about the file."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a safetensors file. `raw`: its JSON as it is in the file."""

    raw: bytes
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    file_bytes: int

    @property
    def parameters(self) -> int:
        """The number of parameters in its tensors."""
        total = 0
        for shape in self.shapes.values():
            count = 1
            for length in shape:
                count *= length
            total += count
        return total


def read_header(path: Path) -> Header:
    """Read a file's header. Raises `BrokenWeights` if it is not a safetensors file or is truncated, `OSError`."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        if size < LENGTH_BYTES or not 2 <= length <= MOST_HEADER_BYTES:
            raise BrokenWeights(f"is no safetensors file (it has {size:,} bytes and no readable header)")
        raw = stream.read(length)
    if len(raw) < length:
        raise BrokenWeights(f"is cut off inside its header ({size:,} bytes)")
    try:
        document: Any = orjson.loads(raw)
        tensors = {name: entry for name, entry in document.items() if name != METADATA}
        shapes = {name: tuple(map(int, entry["shape"])) for name, entry in tensors.items()}
        dtypes = {name: str(entry["dtype"]) for name, entry in tensors.items()}
        ends = [int(entry["data_offsets"][1]) for entry in tensors.values()]
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise BrokenWeights(f"has a header that cannot be read ({error})") from error
    whole = LENGTH_BYTES + length + max(ends, default=0)
    if size < whole:
        raise BrokenWeights(f"is cut off: {size:,} of {whole:,} bytes are there")
    if size > whole:
        raise BrokenWeights(f"has {size - whole:,} bytes more than its header says")
    return Header(raw, shapes, dtypes, size)
