"""Programs that make a model of another, each in a process of its own: merge, quantize, convert, read for comparison.

They import the standard library, the one library they are named for and each other, nothing else of evalsuite: so they also
run in another Python, where a library lives that pins other versions. `CHILD` starts one: `python -c CHILD PACKAGE MODULE JOB`,
of which JOB is JSON. It tells its progress by lines that begin with `PROGRESS`, and what it made by one line of JSON on the
descriptor that the environment names.
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
"""evalsuite's modules and none of its neighbours, which are of other versions where the Python is another."""


def read_job() -> dict[str, Any]:
    """The job this process was started for."""
    found: dict[str, Any] = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    return found


def say(sentence: str) -> None:
    """Tell how far it is."""
    sys.stdout.write(f"{PROGRESS}{sentence}\n")
    sys.stdout.flush()


def report(made: Mapping[str, Any]) -> None:
    """Tell that it is done, and what came of it."""
    os.write(int(os.environ["EVALSUITE_NOTE_FD"]), json.dumps(made).encode() + b"\n")


def copy_small_files(
    files: Mapping[str, str], target: Path, *, instead: frozenset[str] = frozenset()
) -> None:
    """Copy the small files (name → path) that saving did not write, and those among `instead` even where it did."""
    for name, path in files.items():
        if name in instead or not (target / name).exists():
            shutil.copyfile(path, target / name)
