"""JSON Schemas of the documents of a run directory, generated from `runs.schema`.

`make schemas` (`python -m evalsuite.runs.json_schemas docs/schemas`) writes them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import orjson

from evalsuite.runs.schema import Document, RunInfo, SampleLine, Summary

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DOCUMENTS: dict[str, type[Document]] = {
    "samples.line": SampleLine,
    "run": RunInfo,
    "summary": Summary,
}
"""By the name of the schema's file."""


def json_schema(document: type[Document]) -> dict[str, Any]:
    """Build the schema of a document, with those of its parts in `$defs`."""
    (reference,), parts = msgspec.json.schema_components((document,), ref_template="#/$defs/{name}")
    return {"$schema": DIALECT, **reference, "$defs": parts}


def schema_files() -> dict[str, bytes]:
    """The content of every schema file, by name."""
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return {
        f"{name}.schema.json": orjson.dumps(json_schema(document), option=option)
        for name, document in DOCUMENTS.items()
    }


def write_schemas(folder: Path) -> None:
    """Write every schema file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in schema_files().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
