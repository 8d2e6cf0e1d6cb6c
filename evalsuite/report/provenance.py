"""What it takes to get the same numbers again: signatures and versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite.report.summary_parts import WHOLE, parts


def signatures(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(dataset, metric, signature) of whole datasets, each once."""
    found = {
        (part.dataset, name, str(metric["signature"])): None
        for part in parts(summary)
        if part.subset == WHOLE
        for name, metric in part.metrics()
        if metric.get("signature")
    }
    return list(found)


def version_list(versions: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Interpreter, platform and packages as one list."""
    plain = [(name, str(value)) for name, value in versions.items() if not isinstance(value, Mapping)]
    packages = versions.get("packages")
    return plain + [(str(n), str(v)) for n, v in (packages.items() if isinstance(packages, Mapping) else ())]
