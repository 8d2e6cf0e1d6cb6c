"""Prepares model text for a page: makes it encodable, cuts it, shows hidden characters, turns JSON values into text.

Nothing here escapes HTML: the autoescape of jinja and `textContent` of the browser do. This module handles what escaping
leaves dangerous or unreadable: lone surrogates, characters that reorder or hide text, size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

MAX_ADDRESS_CHARACTERS = 80
"""Characters shown of the address of a picture."""

MAX_DEPTH = 40
"""Deeper nesting is replaced by an ellipsis. No task nests so deep, and encoders fail at 250."""

MAX_JSON_INTEGER = 2**63 - 1
"""The JSON encoder rejects larger integers. They are kept as text."""

HEAD_SHARE = 0.75
"""The share of a cut text that is taken from its beginning. The rest is its end, since answers are there."""

INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that are invisible, or that reorder visible ones."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class Cut(NamedTuple):
    """A text that is too long for a page: its beginning, its end, and the number of characters between them."""

    head: str
    tail: str
    omitted: int


Text: TypeAlias = "str | Cut"


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, so that the text can be written as UTF-8. Pairs are joined."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def visible(text: str) -> str:
    """Spell out invisible and reordering characters, as in `⟨U+202E⟩`."""
    if text.isascii() and text.isprintable():
        return text
    return INVISIBLE.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", replace_surrogates(text))


def cut(text: Text, limit: int) -> Text:
    """Cut a text to its beginning and end, `limit` characters together. A text that is already cut can be cut further."""
    if (len(text) if type(text) is str else length(text)) <= limit:
        return text
    if isinstance(text, str):  # the whole text as beginning and as end, so the overlap is negative
        return cut(Cut(text, text, -len(text)), limit)
    head, tail = text.head[: int(limit * HEAD_SHARE)], text.tail
    room = limit - len(head)
    tail = tail[len(tail) - room :] if room < len(tail) else tail
    return Cut(head, tail, text.omitted + length(text) - len(head) - len(tail))


def length(text: Text) -> int:
    """The number of characters that are kept of a text."""
    return len(text.head) + len(text.tail) if isinstance(text, Cut) else len(text)


def to_json(text: Text) -> str | list[str | int]:
    """A text as JSON: a string, or a list for a cut text."""
    return text if isinstance(text, str) else list(text)


def replace_surrogates_in_json(value: Any, depth: int = 0) -> Any:
    """Replace all that the JSON encoder rejects: surrogates, huge integers, deep nesting."""
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, Mapping):
        return {
            replace_surrogates(str(key)): replace_surrogates_in_json(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, Sequence):
        return [replace_surrogates_in_json(item, depth + 1) for item in value]
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -MAX_JSON_INTEGER <= value <= MAX_JSON_INTEGER else str(value)
    return replace_surrogates(str(value))


def dump(value: Any, *, indent: bool = False) -> str:
    """Write any value as JSON text. NaN and infinities become null."""
    return dump_bytes(value, indent=indent).decode()


def dump_bytes(value: Any, *, indent: bool = False) -> bytes:
    """Write any value as JSON in UTF-8."""
    import orjson

    option = orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        return orjson.dumps(value, option=option)
    except TypeError:
        return orjson.dumps(replace_surrogates_in_json(value), option=option)


def value_text(value: Any) -> str:
    """Write a gold or extracted answer as a person would: text unchanged, other values as JSON.

    A list of words becomes `B, C`, a list of sentences has one per line. None becomes the empty string.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        if len(value) == 1:
            return str(value[0])
        return (", " if all(item.isalnum() for item in value) else "\n").join(value)
    if isinstance(value, (bool, int, float)):
        return dump(value) if isinstance(value, bool) else str(value)
    return dump(value, indent=True)


def message_text(message: Mapping[str, Any]) -> str:
    """The text of a chat message: text parts, the names of other parts, and a line for each tool call."""
    content = message.get("content")
    if isinstance(content, str) and not message.get("tool_calls"):
        return content
    parts = [part_text(part) for part in content] if isinstance(content, list) else [value_text(content)]
    parts.extend(call_text(call) for call in message.get("tool_calls") or ())
    return "\n".join(part for part in parts if part)


def part_text(part: Any) -> str:
    """One part of a multimodal message. Parts that are not text are named."""
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return str(part["text"])
    if isinstance(part, Mapping) and isinstance(part.get("image_url"), Mapping):
        address = str(part["image_url"].get("url"))
        return f"[picture {address[:MAX_ADDRESS_CHARACTERS]}]" if address.startswith("http") else "[picture]"
    kind = part.get("type", "part") if isinstance(part, Mapping) else "part"
    return f"[{kind}]"


def call_text(call: Any) -> str:
    """A tool call as `name(arguments)`."""
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return value_text(call)
    return f"{value_text(function.get('name'))}({value_text(function.get('arguments'))})"
