"""Members of a zip, those packed with Zstandard included, which Python's own `zipfile` reads from 3.14 on only."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

from evalsuite.errors import InputError

ZSTANDARD = 93
"""Its number among the compression methods of the zip format (APPNOTE 6.3.7, 4.4.5)."""
LOCAL_HEADER_BYTES = 30
NAME_LENGTHS_AT = 26
"""Where a local header holds the lengths of the name and the extra field that follow it."""


class Archive:
    """A zip that is open. Raises `InputError` where a member is packed in a way that cannot be read here."""

    def __init__(self, path: Path, opened: zipfile.ZipFile) -> None:
        self._path = path
        self._zip = opened

    def names(self) -> list[str]:
        """Its members, in the order they were written."""
        return self._zip.namelist()

    def read(self, name: str) -> bytes:
        """A member's content."""
        member = self._zip.getinfo(name)
        if member.compress_type != ZSTANDARD:
            return self._zip.read(member)
        try:
            return self._zip.read(member)
        except NotImplementedError:
            return self._unpacked(member)

    def _unpacked(self, member: zipfile.ZipInfo) -> bytes:
        try:
            import pyarrow as pa
        except ImportError as error:
            raise InputError(
                f"{self._path}: packed with Zstandard, which Python 3.14 reads by itself and older ones with pyarrow: "
                "pip install 'evalsuite[parquet]', or write it as JSON: inspect log convert FILE --to json --output-dir DIR"
            ) from error
        packed = pa.BufferReader(self._packed(member))
        try:
            with pa.input_stream(packed, compression="zstd") as stream:
                return bytes(stream.read())
        except OSError as error:
            raise InputError(f"{self._path}: {member.filename} is damaged ({error}).") from error

    def _packed(self, member: zipfile.ZipInfo) -> bytes:
        """What stands in the file: the name and the extra field may be longer there than in the directory."""
        with self._path.open("rb") as stream:
            stream.seek(member.header_offset + NAME_LENGTHS_AT)
            name, extra = struct.unpack("<HH", stream.read(LOCAL_HEADER_BYTES - NAME_LENGTHS_AT))
            stream.seek(name + extra, io.SEEK_CUR)
            return stream.read(member.compress_size)
