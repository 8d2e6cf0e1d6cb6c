"""The base of all documents of a run directory, and how run.json and summary.json are read and written.

Keys that are always written have no default, or a default made by `always_written`. The other keys are left out while
they hold their default. Readers ignore keys they do not know, so a field can be added without a new `FORMAT`.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import orjson
from msgspec import Struct

FORMAT = 1
"""`format` of run.json. It rises when an older evalsuite could no longer read the directory."""

DocumentT = TypeVar("DocumentT", bound="Document")


class Document(Struct, frozen=True, omit_defaults=True, gc=False):
    """The base of all documents and their parts."""


def always_written(value: Any) -> Any:
    """A default for a key that is always written: msgspec omits plain defaults, never those of a function."""
    return msgspec.field(default_factory=lambda: value)


def encode_document(document: Document) -> bytes:
    """Write run.json or summary.json, indented for readers."""
    return orjson.dumps(msgspec.to_builtins(document), option=orjson.OPT_INDENT_2) + b"\n"


def decode_document(raw: bytes, kind: type[DocumentT]) -> DocumentT:
    """Read run.json or summary.json. Raises `msgspec.DecodeError`, whose text names the place that is wrong."""
    return msgspec.json.decode(raw, type=kind)
