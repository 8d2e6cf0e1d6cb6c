"""What a page holds for its explorer, opened as the page's script opens it."""

import json
import re
from typing import Any

from evalsuite.report.sample_store import inflate


def data_of(html: Any) -> Any:
    """The data block, as JSON."""
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert block is not None
    return json.loads(block.group(1))


def samples_of(html: Any) -> Any:
    """Its samples in order: entries and bodies in one, messages as [role, text]."""
    data = data_of(html)
    index = inflate(data["index"])
    found: list[dict[str, Any]] = []
    for packed in data["chunks"]:
        chunk = inflate(packed)
        for body in chunk["samples"]:
            entry = {name: column[len(found)] for name, column in index.items()}
            found.append({**entry, **body, "messages": [chunk["messages"][at] for at in body["messages"]]})
    return found
