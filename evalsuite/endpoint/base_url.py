"""Reads the base URL of an OpenAI endpoint as users write it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LONGEST_LABEL = 63
"""Characters between two dots of a host name."""


def complete_url(value: str) -> str:
    """`http://host:8000` → `http://host:8000/v1`. Raises `ValueError`, also for an address with credentials."""
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(
            "not an address such as http://127.0.0.1:8000/v1 (it begins with http:// or https://)"
        )
    if not _is_host(parts.hostname):
        raise ValueError(
            "the host name is not valid (white space, an empty part, or a part of more than 63 characters)"
        )
    if "@" in parts.netloc:
        raise ValueError(
            "it contains a user name or password; put the key into an environment variable (--api-key-env)"
        )
    if parts.query or parts.fragment:
        raise ValueError("it ends in a query (?…) or a fragment (#…); give the address alone")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").removesuffix("/completions")
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def _is_host(name: str) -> bool:
    """Whether a name can be looked up at all. Checked early: resolvers raise exceptions of their own."""
    if name.isascii():  # the codec of other scripts takes milliseconds to load
        labels = name.removesuffix(".").split(".")
        return all(0 < len(label) <= LONGEST_LABEL for label in labels) and not re.search(r"\s", name)
    try:
        return bool(name.encode("idna")) and not re.search(r"\s", name)
    except UnicodeError:
        return False
