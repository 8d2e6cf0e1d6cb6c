"""How to get the same numbers again: the command, variants, data files, signatures, versions and configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite.formatting.numbers import format_speed
from evalsuite.formatting.texts import dump
from evalsuite.report.section import Section
from evalsuite.report.source import RunSource
from evalsuite.report.summary_parts import WHOLE, all_subsets


def section(source: RunSource) -> Section:
    """Make the section."""
    info, summary = source.info, source.summary
    values = {
        "command": str(info.get("command") or ""),
        "variants": list(info.get("variants") or ()),
        "speeds": {
            name: format_speed(entry["speed"])
            for name, entry in (summary.get("variants") or {}).items()
            if "speed" in entry
        },
        "datasets": list(info.get("datasets") or ()),
        "signatures": signatures(summary),
        "version": str(info.get("evalsuite") or ""),
        "versions": version_list(info.get("versions") or {}),
        "git": info.get("git") or {},
        "config": dump(info["config"], indent=True) if info.get("config") else "",
    }
    return Section("reproduce", "Reproduce", "reproduce_run.html.j2", values)


def signatures(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Dataset, metric and signature of whole datasets, without duplicates."""
    found = {
        (part.dataset, name, str(metric["signature"])): None
        for part in all_subsets(summary)
        if part.subset == WHOLE
        for name, metric in part.metrics()
        if metric.get("signature")
    }
    return list(found)


def version_list(versions: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Interpreter, platform and packages in one list."""
    plain = [(name, str(value)) for name, value in versions.items() if not isinstance(value, Mapping)]
    packages = versions.get("packages")
    return plain + [(str(n), str(v)) for n, v in (packages.items() if isinstance(packages, Mapping) else ())]
