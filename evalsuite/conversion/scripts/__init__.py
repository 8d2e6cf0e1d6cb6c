"""Scripts that make or read a model, each in a process of its own: merge, quantize, read for comparison.

`CHILD` starts one: `python -c CHILD PACKAGE MODULE JOB`, where JOB is a JSON file. A script reports progress by lines that begin
with `PROGRESS`, and its result by one line of JSON on the descriptor that the environment names.

May import: the standard library, the one library the script is for, each other, and `models.load_time_quantization`: scripts
also run in other Pythons, whose libraries pin other versions.
Must not import: anything else of evalsuite.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2]
"""The folder of evalsuite itself."""
PROGRESS = "evalsuite: "
CHILD = (
    "import importlib, sys, types; sys.path[:] = filter(None, sys.path); package = types.ModuleType('evalsuite'); "
    "package.__path__ = [sys.argv[1]]; sys.modules['evalsuite'] = package; importlib.import_module(sys.argv[2]).main()"
)
"""Makes evalsuite's modules importable, but not the packages installed beside it: another Python has other versions."""


def read_job() -> dict[str, Any]:
    """Read the job this process was started for."""
    found: dict[str, Any] = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    return found


def say(sentence: str) -> None:
    """Report progress."""
    sys.stdout.write(f"{PROGRESS}{sentence}\n")
    sys.stdout.flush()


def report(made: Mapping[str, Any]) -> None:
    """Report the result."""
    os.write(int(os.environ["EVALSUITE_NOTE_FD"]), json.dumps(made).encode() + b"\n")


def copy_small_files(
    files: Mapping[str, str], target: Path, *, instead: frozenset[str] = frozenset()
) -> None:
    """Copy the small files (name → path) that saving did not write; those in `instead` replace what it wrote."""
    for name, path in files.items():
        if name in instead or not (target / name).exists():
            shutil.copyfile(path, target / name)
