"""Pictures of a row: the columns `image`, `images`, `image_path`, `image_1` …, and what a request carries of them.

`<image 2>` in a text stands for the picture in `image_2`, or for the second one of a list; `<image>` for the next one.
A request has them there; pictures that no text mentions come first. Pictures in the parts of `messages` are read, too.

A value is a path inside the data file's folder, an http(s) address, a `data:` URI or bare base64 (as VLMEvalKit's TSV holds
it); several are a list, or a list as JSON text. A file is opened when its request is made, not before: rows stay small.
Paths that lead out of the folder are refused, and so is what is no PNG, JPEG, GIF, WebP or BMP, or larger than 10 MB.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalsuite.data.cell_lists import CellListError, parse_cell
from evalsuite.types import Message

COLUMNS = ("image", "images", "image_path")
NUMBERED_COLUMN = re.compile(r"image_?(\d{1,3})")
PLACEHOLDER = re.compile(r"<image(?:[ _](\d{1,3}))?>")
PICTURES = "pictures"
"""The key under which a row's pictures reach its task."""
LARGEST_BYTES = 10 << 20
"""A request with several still fits what servers accept (OpenAI: 20 MB)."""
SHORTEST_BASE64 = 64
"""Shorter texts in a column of base64 are the index of the row whose picture is meant (VLMEvalKit)."""
THUMBNAIL_PIXELS = 160
THUMBNAIL_BYTES = 12 << 10
"""Without Pillow, pictures of at most so many bytes are shown as they are."""
EXPECTED = "a path inside the folder of the data, an http(s) address, a data: URI or base64, of a PNG, JPEG, GIF, WebP or BMP"
_BEGINNINGS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"BM": "bmp"}


class PictureError(ValueError):
    """What a column holds is no picture; the message says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture. `address` is what is sent as it stands (an http address or a `data:` URI); else `path` is read."""

    name: str
    address: str | None = None
    path: Path | None = None
    number: int = 0
    """What texts call it (`<image 2>`)."""

    def url(self) -> str:
        """What an `image_url` part holds. Raises `OSError` where the file is gone."""
        if self.address is not None:
            return self.address
        assert self.path is not None
        content = self.path.read_bytes()
        return f"data:image/{picture_type(content)};base64,{base64.b64encode(content).decode()}"


def is_picture_column(name: str) -> bool:
    """Whether a column of that name holds pictures."""
    return name in COLUMNS or NUMBERED_COLUMN.fullmatch(name) is not None


@lru_cache(maxsize=256)
def has_picture_columns(columns: tuple[str, ...]) -> bool:
    """Whether one of the columns holds pictures."""
    return any(map(is_picture_column, columns))


def read_pictures(
    values: Mapping[str, Any], folder: Path, known: MutableMapping[str, str]
) -> tuple[Picture, ...]:
    """Return the pictures of a record. `known` collects base64 by row index, for rows that name another's picture.

    Raises `PictureError`.
    """
    found: list[Picture] = []
    for column in COLUMNS:
        for value in _listed(values.get(column) if column in values else None):
            if column == "image_path" and found:
                break  # beside the picture itself, it is where that came from
            found.append(_picture(str(value).strip(), folder, known))
    own = values.get("index") if "index" in values else None
    if own is not None and found and found[0].address and found[0].address.startswith("data:"):
        known.setdefault(str(own), found[0].address)
    numbered = [replace(picture, number=place) for place, picture in enumerate(found, start=1)]
    return (*numbered, *_numbered_pictures(values, folder, known))


def _numbered_pictures(
    values: Mapping[str, Any], folder: Path, known: Mapping[str, str]
) -> Iterator[Picture]:
    columns = {
        int(match[1]): name for name in values if (match := NUMBERED_COLUMN.fullmatch(name)) is not None
    }
    for number, name in sorted(columns.items()):
        for value in _listed(values.get(name)):
            try:
                yield replace(_picture(str(value).strip(), folder, known), number=number)
            except PictureError as error:
                raise PictureError(f"{name}: {error}") from error


def resolve_messages(messages: Any, folder: Path) -> Any:
    """Return a chat history in which a `Picture` stands for the address of each picture that is a local file.

    Raises `PictureError`.
    """
    if isinstance(messages, str) and '"image' in messages:
        try:
            messages = json.loads(messages)
        except ValueError:
            return messages
    if not isinstance(messages, list) or not has_pictures(messages):
        return messages
    return [_resolved(message, folder) for message in messages]


def _resolved(message: Any, folder: Path) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return message
    return {**message, "content": [_resolved_part(part, folder) for part in content]}


def _resolved_part(part: Any, folder: Path) -> Any:
    """OpenAI's `image_url`, and `image` as ms-swift and Qwen write it."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in ("image_url", "image"):
        return part
    address = part.get(kind) if part.get(kind) is not None else part.get("image_url")
    rest = (
        {name: value for name, value in address.items() if name != "url"} if isinstance(address, dict) else {}
    )
    address = address.get("url") if isinstance(address, dict) else address
    if not isinstance(address, str) or not address.strip():
        raise PictureError("a picture in 'messages' has no address")
    picture = _picture(address.strip(), folder, {})
    return {"type": "image_url", "image_url": {**rest, "url": picture.address or picture}}


def load_messages(messages: Sequence[Message]) -> list[Message]:
    """Return messages as a request carries them: every `Picture` read. Raises `OSError` where a file is gone."""
    if not has_pictures(messages):
        return list(messages)
    return [
        {**message, "content": [_loaded_part(part) for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else message
        for message in messages
    ]


def _loaded_part(part: Any) -> Any:
    address = part.get("image_url") if isinstance(part, dict) else None
    if isinstance(address, dict) and isinstance(address.get("url"), Picture):
        return {**part, "image_url": {**address, "url": address["url"].url()}}
    return part


def check_placeholders(values: Iterable[Any], pictures: Sequence[Picture]) -> None:
    """Raise `PictureError` where a text of a row mentions a picture (`<image 2>`) that the row does not have."""
    for text in values:
        if isinstance(text, list):
            check_placeholders((item for item in text if isinstance(item, str)), pictures)
        if not isinstance(text, str) or "<image" not in text:
            continue
        numbers = {picture.number for picture in pictures}
        for found in PLACEHOLDER.finditer(text):
            if found[1] and int(found[1]) not in numbers:
                raise PictureError(
                    f"the text mentions '{found.group()}', and the row has no picture {int(found[1])}"
                )


def _listed(value: Any) -> list[Any]:
    if value is None or value == "" or value != value:  # NaN, where a table has an empty cell
        return []
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = parse_cell(value)
        except CellListError:
            return [value]
    return list(value) if isinstance(value, list) else [value]


def _picture(text: str, folder: Path, known: Mapping[str, str]) -> Picture:
    if text.startswith(("http://", "https://")):
        return Picture(text, address=text)
    if text.startswith("data:image/"):
        return _embedded(text.partition(",")[2])
    if text in known:
        return Picture(f"the picture of row {text}", address=known[text])
    if len(text) >= SHORTEST_BASE64 and "." not in text[-SHORTEST_BASE64:] and "\\" not in text:
        return _embedded(text)
    return _file(text, folder)


def _embedded(text: str) -> Picture:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError("base64 that cannot be decoded") from error
    kind = _checked(content, len(content))
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Picture(f"{digest}.{kind}", address=f"data:image/{kind};base64,{text}")


def _file(text: str, folder: Path) -> Picture:
    root = folder.resolve()
    try:
        path = (root / text).resolve()
        inside = path.is_relative_to(root)
        if not inside:
            raise PictureError(f"'{text}' leads out of the folder of the data")
        with path.open("rb") as stream:
            _checked(stream.read(16), path.stat().st_size)
    except (OSError, ValueError) as error:
        if isinstance(error, PictureError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(f"'{text[:100]}' cannot be read ({reason})") from error
    return Picture(text, path=path)


def _checked(beginning: bytes, size: int) -> str:
    if size > LARGEST_BYTES:
        raise PictureError(
            f"a picture of {size / 1e6:.1f} MB (at most {LARGEST_BYTES / 1e6:.1f} MB are sent)"
        )
    return picture_type(beginning)


def picture_type(content: bytes) -> str:
    """`png`, `jpeg`, … by its first bytes. Raises `PictureError`."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    for beginning, kind in _BEGINNINGS.items():
        if content.startswith(beginning):
            return kind
    raise PictureError("what is there is no picture that servers read")


def with_pictures(text: str, pictures: Sequence[Picture]) -> str | list[dict[str, Any]]:
    """Return a message's content in OpenAI's form: the text alone, or with its pictures.

    A picture stands where the text mentions it; those that it does not mention come first.
    """
    if not pictures:
        return text
    inside = list(_parts(text, pictures))
    mentioned = {id(part) for part in inside}
    first = [picture for picture in pictures if id(picture) not in mentioned]
    return [_part(part) for part in (*first, *inside)]


def _parts(text: str, pictures: Sequence[Picture]) -> Iterator[str | Picture]:
    """A text, cut at the pictures it mentions."""
    by_number = {picture.number: picture for picture in pictures}
    following = iter(pictures)
    start = 0
    for found in PLACEHOLDER.finditer(text):
        picture = by_number.get(int(found[1])) if found[1] else next(following, None)
        if picture is None:
            continue
        if before := text[start : found.start()]:
            yield before
        yield picture
        start = found.end()
    if rest := text[start:]:
        yield rest


def _part(part: str | Picture) -> dict[str, Any]:
    if isinstance(part, Picture):
        return {"type": "image_url", "image_url": {"url": part.url()}}
    return {"type": "text", "text": part}


def has_pictures(messages: Sequence[Message] | None) -> bool:
    """Whether any message comes in parts."""
    return any(isinstance(message.get("content"), list) for message in messages or ())


def without_pictures(messages: Sequence[Message]) -> tuple[list[Message], list[dict[str, Any]]]:
    """Messages with a short name in place of every embedded picture, and what is kept of these: name, size, thumbnail."""
    kept: dict[str, dict[str, Any]] = {}
    found: list[Message] = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            found.append({**message, "content": [_named(part, kept) for part in content]})
        else:
            found.append(message)
    return found, list(kept.values())


def _named(part: Any, kept: dict[str, dict[str, Any]]) -> Any:
    url = part.get("image_url", {}).get("url", "") if isinstance(part, dict) else ""
    if not url.startswith("data:"):
        return part
    header, _, text = url.partition(",")
    content = base64.b64decode(text)
    digest = hashlib.sha256(content).hexdigest()
    name = f"sha256:{digest}"
    if name not in kept:
        kept[name] = {"name": name, "bytes": len(content), "thumbnail": thumbnail(content, header)}
    return {"type": "image_url", "image_url": {"url": name}}


def thumbnail(content: bytes, header: str) -> str | None:
    """A small JPEG as a `data:` URI, where Pillow is there; else the picture itself if it is small; else None."""
    try:
        import io

        from PIL import Image
    except ImportError:
        if len(content) > THUMBNAIL_BYTES:
            return None
        return f"{header},{base64.b64encode(content).decode()}"
    try:
        with Image.open(io.BytesIO(content)) as image:
            small = image.convert("RGB")
            small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
            target = io.BytesIO()
            small.save(target, "JPEG", quality=70)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(target.getvalue()).decode()}"
