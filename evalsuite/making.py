"""Checkpoints that have to be made before they can be served: made once, kept in the user's cache under their fingerprint."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evalsuite._version import __version__
from evalsuite.backends.process import ServerProcess
from evalsuite.cache import cache_folder
from evalsuite.errors import CheckpointError, ServerError
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.models.folder import read_folder
from evalsuite.models.merge import MANIFEST, SPARE_SHARE

MERGE_TIMEOUT_SECONDS = 7200.0
NEEDED = ("torch", "transformers", "peft")
CHILD = "import sys; sys.path[:] = filter(None, sys.path); from evalsuite.models import merge; merge.main()"


def check_can_be_made(checkpoint: Checkpoint) -> None:
    """Raise `ServerError` where what makes it is not installed and it is not there yet."""
    absent = [package for package in NEEDED if find_spec(package) is None]
    if checkpoint.recipe and absent and not _is_whole(made_folder(checkpoint)):
        raise ServerError(
            f"--merge: {checkpoint.name} takes {', '.join(NEEDED)}, and {', '.join(absent)} "
            f"{'is' if len(absent) == 1 else 'are'} not installed; run: pip install 'evalsuite[transformers]'"
        )


def made(checkpoint: Checkpoint, log: Path, say: Callable[[str], None]) -> Checkpoint:
    """The checkpoint as it can be served, made now where it is not there yet.

    Raises `CheckpointError` where there is no space for it, `ServerError` with the last lines of the log when making fails.
    """
    if checkpoint.recipe is None:
        return checkpoint
    folder = made_folder(checkpoint)
    if not _is_whole(folder):
        say(f"merging {checkpoint.name} into {folder} …")
        merge_into(checkpoint, folder, log)
    return replace(checkpoint, path=folder, adapters=(), recipe=None)


def made_folder(checkpoint: Checkpoint) -> Path:
    """Where it is kept: the fingerprint tells what it is made of."""
    return cache_folder("merged", checkpoint.fingerprint)


def merge_into(checkpoint: Checkpoint, target: Path, log: Path) -> None:
    """Merge the checkpoint's adapters into its base, in a process of its own. Raises `CheckpointError`, `ServerError`."""
    assert checkpoint.path
    folder = read_folder(checkpoint.path, f"--ckpt {checkpoint.path}")
    _clear(target)
    _check_space(target, sum(file.stat().st_size for file in folder.weights))
    told = {
        "base": str(checkpoint.path),
        "adapters": [str(adapter.path) for adapter in checkpoint.adapters],
        "target": str(target),
        "manifest": _manifest(checkpoint),
    }
    command = [sys.executable, "-c", CHILD, json.dumps(told)]
    environment = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with ServerProcess(command, log, environment, what="the merge") as process:
        process.wait_for_note(MERGE_TIMEOUT_SECONDS)


def _manifest(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "made_by": "merge",
        "fingerprint": checkpoint.fingerprint,
        "base": str(checkpoint.path),
        "adapters": [
            {"path": str(adapter.path), "fingerprint": adapter.fingerprint} for adapter in checkpoint.adapters
        ],
        "evalsuite": __version__,
    }


def _is_whole(folder: Path) -> bool:
    """Whether a folder that was made is there with all its weights."""
    if not (folder / MANIFEST).is_file():
        return False
    try:
        read_folder(folder, str(folder))
    except CheckpointError:
        return False
    return True


def _clear(target: Path) -> None:
    """Remove what a merge that was killed left behind, and a folder that is not whole."""
    shutil.rmtree(target, ignore_errors=True)
    for left in target.parent.glob(f".{target.name}.*"):
        if not _alive(left.suffix[1:]):
            shutil.rmtree(left, ignore_errors=True)


def _alive(pid: str) -> bool:
    with contextlib.suppress(ValueError, ProcessLookupError):
        os.kill(int(pid), 0)
        return True
    return False


def _check_space(target: Path, weights_bytes: int) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise CheckpointError(
            f"{target.parent}: cannot write there ({error.strerror}); set EVALSUITE_CACHE to a folder that can be written."
        ) from error
    if free < weights_bytes * SPARE_SHARE:
        raise CheckpointError(
            f"--merge: no space for the merged model: {weights_bytes / 2**30:.1f} GiB are needed in {target.parent}, {free / 2**30:.1f} GiB are "
            "free. Free some, or set EVALSUITE_CACHE to a folder on a larger disk."
        )
