"""The kinds of datasets. A new one is one file here and one name in `KINDS`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from evalsuite.errors import InputError
from evalsuite.tasks.base import Task

KINDS: Mapping[str, str] = {
    "toolbench": "evalsuite.tasks.toolbench:ToolBenchTask",
    "preference": "evalsuite.tasks.preference:PreferenceTask",
    "judge": "evalsuite.tasks.judge:JudgeTask",
    "mcq": "evalsuite.tasks.mcq:McqTask",
    "gsm8k": "evalsuite.tasks.gsm8k:Gsm8kTask",
    "qa": "evalsuite.tasks.qa:QaTask",
    "perplexity": "evalsuite.tasks.perplexity:PerplexityTask",
}
"""Kind → where its task is, in the order they are tried when the kind is told from the columns."""


def task_class(kind: str) -> type[Task[Any]]:
    """The task of a kind."""
    module, _, name = KINDS[kind].partition(":")
    found: type[Task[Any]] = getattr(import_module(module), name)
    return found


def infer_kind(values: Mapping[str, Any], place: str) -> str:
    """Tell a dataset's kind from its first row. Raises `InputError` when no kind takes such columns."""
    for kind in KINDS:
        if task_class(kind).recognises(values):
            return kind
    known = "\n".join(f"  {kind}: {task_class(kind).columns}" for kind in KINDS)
    found = ", ".join(values) or "none"
    if len(values) == 1 and ";" in found:
        raise InputError(f"{place}: its columns are separated by ';'. Save it with commas, as UTF-8 CSV.")
    raise InputError(
        f"{place}: cannot tell the kind of this dataset from its columns ({found}). The kinds and their columns are:\n{known}\n"
        "Rename the columns, or name the kind before the path: -d mcq:PATH"
    )
