"""The address of an OpenAI endpoint as users write it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LONGEST_LABEL = 63
"""Of a host's name, between two dots."""


def complete_url(value: str) -> str:
    """`http://host:8000` → `http://host:8000/v1`; credentials in an address are refused. Raises `ValueError`."""
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(
            "not an address such as http://127.0.0.1:8000/v1 (it begins with http:// or https://)"
        )
    if not _is_host(parts.hostname):
        raise ValueError(
            "the host's name is not one (white space, an empty part, or more than 63 characters in one)"
        )
    if "@" in parts.netloc:
        raise ValueError(
            "it holds a user name or password; put the key into an environment variable (--api-key-env)"
        )
    if parts.query or parts.fragment:
        raise ValueError("it ends in a query (?…) or a fragment (#…); give the address alone")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").removesuffix("/completions")
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def _is_host(name: str) -> bool:
    """Whether a name can be looked up at all; asked early, since a resolver answers with an exception of its own."""
    if name.isascii():  # the codec of other scripts takes milliseconds to load
        labels = name.removesuffix(".").split(".")
        return all(0 < len(label) <= LONGEST_LABEL for label in labels) and not re.search(r"\s", name)
    try:
        return bool(name.encode("idna")) and not re.search(r"\s", name)
    except UnicodeError:
        return False
