"""The kinds of datasets: how rows are read, what is asked, how replies are judged. A new kind is one file here and one
line in `KINDS` (`examples/minimal_task.py`).

May import: `types`, `errors`, `metrics`, `data`.
Must not import: anything that sends requests or runs models (`endpoint`, `backends`, `serving`), `runs`, `cli`.
"""

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
"""Kind → its class as "module:name", in the order in which `infer_kind` tries them."""


def task_class(kind: str) -> type[Task[Any]]:
    """The task class of a kind."""
    module, _, name = KINDS[kind].partition(":")
    task: type[Task[Any]] = getattr(import_module(module), name)
    return task


def infer_kind(values: Mapping[str, Any], place: str) -> str:
    """The kind of a dataset, from its first row. Raises `InputError` if no kind has such columns.

    `place` names the file in the error.
    """
    for kind in KINDS:
        if task_class(kind).recognises(values):
            return kind
    known = "\n".join(f"  {kind}: {task_class(kind).columns}" for kind in KINDS)
    found = ", ".join(values) or "none"
    if len(values) == 1 and ";" in found:
        raise InputError(f"{place}: its columns are separated by ';'. Save it with commas, as UTF-8 CSV.")
    raise InputError(
        f"{place}: cannot tell the kind of this dataset from its columns ({found}). The kinds and their columns are:\n{known}\n"
        "Say which column is which (--columns question=NAME,answer=NAME), or name the kind before the path, as in mcq:PATH"
    )
