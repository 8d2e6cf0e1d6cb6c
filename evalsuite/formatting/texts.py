"""Model text on its way into a page: made encodable, cut at a stated length, turned from JSON into words.

Nothing here escapes HTML; jinja's autoescape and the browser's `textContent` do. What is dealt with here is
what escaping leaves dangerous or unreadable: lone surrogates, controls that reorder or hide text, size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

MAX_ADDRESS_CHARACTERS = 80
"""Characters of a picture's address."""

MAX_DEPTH = 40
"""Nesting below this is replaced by an ellipsis: no task nests so deep, and encoders give up at 250."""

MAX_JSON_INTEGER = 2**63 - 1
"""Beyond it the JSON encoder refuses; such an integer is kept as its digits."""

HEAD_SHARE = 0.75
"""Of a cut text's room, the part kept from its beginning; the end stays too, since answers stand there."""

INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that nobody sees, or that reorder what others see."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class Cut(NamedTuple):
    """A text too long for the page: its beginning, its end, and how many characters are missing between."""

    head: str
    tail: str
    omitted: int


Text: TypeAlias = "str | Cut"


def replace_surrogates(text: str) -> str:
    """The text with lone surrogates replaced, so that it can be written as UTF-8; pairs are joined."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def visible(text: str) -> str:
    """The text with its invisible and reordering characters spelled out, as in `⟨U+202E⟩`."""
    if text.isascii() and text.isprintable():
        return text
    return INVISIBLE.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", replace_surrogates(text))


def cut(text: Text, limit: int) -> Text:
    """At most `limit` characters of a text, beginning and end; a text already cut can be cut further."""
    if (len(text) if type(text) is str else length(text)) <= limit:
        return text
    if isinstance(text, str):  # as a cut text it is its own beginning and its own end, counted twice
        return cut(Cut(text, text, -len(text)), limit)
    head, tail = text.head[: int(limit * HEAD_SHARE)], text.tail
    room = limit - len(head)
    tail = tail[len(tail) - room :] if room < len(tail) else tail
    return Cut(head, tail, text.omitted + length(text) - len(head) - len(tail))


def length(text: Text) -> int:
    """How many characters of a text are kept."""
    return len(text.head) + len(text.tail) if isinstance(text, Cut) else len(text)


def plain(text: Text) -> str | list[str | int]:
    """A cut text as a list, which the JSON encoder takes as it is."""
    return text if isinstance(text, str) else list(text)


def replace_surrogates_in_json(value: Any, depth: int = 0) -> Any:
    """The value with everything replaced that the JSON encoder refuses: surrogates, huge integers, depth."""
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
    """Any value as JSON text; NaN and the infinities become null."""
    return dump_bytes(value, indent=indent).decode()


def dump_bytes(value: Any, *, indent: bool = False) -> bytes:
    """The same as UTF-8."""
    import orjson

    option = orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        return orjson.dumps(value, option=option)
    except TypeError:
        return orjson.dumps(replace_surrogates_in_json(value), option=option)


def value_text(value: Any) -> str:
    """A gold answer or an extracted one as a person writes it: text as it is, other things as JSON.

    A list of words reads as `B, C`, a list of sentences one a line; missing is the empty string.
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
    """What a chat message says: its text parts, other parts named, its tool calls one a line."""
    content = message.get("content")
    if isinstance(content, str) and not message.get("tool_calls"):
        return content
    parts = [part_text(part) for part in content] if isinstance(content, list) else [value_text(content)]
    parts.extend(call_text(call) for call in message.get("tool_calls") or ())
    return "\n".join(part for part in parts if part)


def part_text(part: Any) -> str:
    """One part of a multimodal message; what is not text is named, not shown."""
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
