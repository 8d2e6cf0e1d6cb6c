"""Checkpoints that have to be made before they can be served: made once, kept in the user's cache under their fingerprint."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evalsuite._version import __version__
from evalsuite.backends.process import ServerProcess
from evalsuite.cache import cache_folder
from evalsuite.errors import CheckpointError, ServerError
from evalsuite.models.checkpoint import Adapter, Checkpoint, fingerprint_of
from evalsuite.models.folder import read_folder
from evalsuite.models.gguf import adapter_command, find_converters, model_command
from evalsuite.models.merge import MANIFEST

TIMEOUT_SECONDS = 7200.0
NEEDED = ("torch", "transformers", "peft")
SPARE_SHARE = 1.1
"""Of the base's size: what must be free on the disk."""
MERGE_CHILD = (
    "import sys; sys.path[:] = filter(None, sys.path); from evalsuite.models import merge; merge.main()"
)
SCRIPT_CHILD = (
    "import os, runpy, sys; sys.argv[:] = sys.argv[1:]; sys.path[:] = [os.path.dirname(sys.argv[0]), *filter(None, sys.path)]; "
    "runpy.run_path(sys.argv[0], run_name='__main__'); os.write(int(os.environ['EVALSUITE_NOTE_FD']), b'done\\n')"
)
"""Runs a script that reports nothing by itself; one that ends in an error ends the child."""
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def check_can_be_made(checkpoint: Checkpoint) -> None:
    """Raise `ServerError` where what makes it is not installed and it is not there yet."""
    absent = [package for package in NEEDED if find_spec(package) is None]
    if "merge" in checkpoint.recipe and absent and not is_whole(merged_folder(checkpoint)):
        raise ServerError(
            f"--merge: {checkpoint.name} takes {', '.join(NEEDED)}, and {', '.join(absent)} "
            f"{'is' if len(absent) == 1 else 'are'} not installed; run: pip install 'evalsuite[transformers]'"
        )


def made(checkpoint: Checkpoint, log: Path, say: Callable[[str], None]) -> Checkpoint:
    """The checkpoint as it can be served, made now where it is not there yet.

    Raises `CheckpointError` where there is no space for it, `ServerError` with the last lines of the log when making fails.
    """
    maker = _Maker(log, say)
    for step in checkpoint.recipe:
        checkpoint = maker.merged(checkpoint) if step == "merge" else maker.converted(checkpoint)
    return replace(checkpoint, recipe=())


def merged_folder(checkpoint: Checkpoint) -> Path:
    """Where a merged model is kept: the fingerprints of what it is made of tell which."""
    parts = fingerprint_of(
        checkpoint.base_fingerprint, *(adapter.fingerprint for adapter in checkpoint.adapters)
    )
    return cache_folder("merged", parts)


def merge_into(checkpoint: Checkpoint, target: Path, log: Path) -> None:
    """Merge the checkpoint's adapters into its base, in a process of its own. Raises `CheckpointError`, `ServerError`."""
    assert checkpoint.path
    _clear(target)
    _check_space(target, _weights_bytes(checkpoint.path))
    told = {
        "base": str(checkpoint.path),
        "adapters": [str(adapter.path) for adapter in checkpoint.adapters],
        "target": str(target),
        "manifest": _manifest(checkpoint),
    }
    _run([sys.executable, "-c", MERGE_CHILD, json.dumps(told)], log, "the merge")


def is_whole(folder: Path) -> bool:
    """Whether a folder that was made is there with all its weights."""
    if not (folder / MANIFEST).is_file():
        return False
    try:
        read_folder(folder, str(folder))
    except CheckpointError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Maker:
    log: Path
    say: Callable[[str], None]

    def merged(self, checkpoint: Checkpoint) -> Checkpoint:
        folder = merged_folder(checkpoint)
        if not is_whole(folder):
            self.say(f"merging {checkpoint.name} into {folder} …")
            merge_into(checkpoint, folder, self.log)
        return replace(checkpoint, path=folder, adapters=())

    def converted(self, checkpoint: Checkpoint) -> Checkpoint:
        """The base (or the merged folder) and each adapter as GGUF files."""
        converters, folder = find_converters(), checkpoint.path
        assert converters
        assert folder
        name = folder.name if folder.parent == cache_folder("merged") else checkpoint.base_fingerprint
        base = cache_folder("gguf", f"{name}.gguf")
        self._convert(base, _weights_bytes(folder), lambda target: model_command(converters, folder, target))

        def converted(adapter: Adapter) -> Adapter:
            file = cache_folder("gguf", f"{adapter.fingerprint}-lora.gguf")
            self._convert(file, 0, lambda target: adapter_command(converters, adapter.path, folder, target))
            return replace(adapter, path=file)

        return replace(checkpoint, path=base, adapters=tuple(map(converted, checkpoint.adapters)))

    def _convert(self, target: Path, size: int, command: Callable[[Path], Sequence[str]]) -> None:
        if target.exists():
            return
        self.say(f"converting into {target} …")
        _check_space(target, size)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        _clear(target)
        try:
            _run(
                [sys.executable, "-c", SCRIPT_CHILD, *command(temporary)], self.log, "the conversion to GGUF"
            )
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)


def _run(command: Sequence[str], log: Path, what: str) -> None:
    with ServerProcess(command, log, ENVIRONMENT, what=what) as process:
        process.wait_for_note(TIMEOUT_SECONDS)


def _manifest(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "made_by": "merge",
        "base": str(checkpoint.path),
        "base_fingerprint": checkpoint.base_fingerprint,
        "adapters": [
            {"path": str(adapter.path), "fingerprint": adapter.fingerprint} for adapter in checkpoint.adapters
        ],
        "evalsuite": __version__,
    }


def _weights_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in read_folder(folder, f"--ckpt {folder}").weights)


def _clear(target: Path) -> None:
    """Remove what a process that was killed left behind, and a folder that is not whole."""
    shutil.rmtree(target, ignore_errors=True)
    for left in target.parent.glob(f".{target.name}.*"):
        if not _alive(left.suffix[1:]):
            shutil.rmtree(left, ignore_errors=True)
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


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
            f"no space for {target}: {weights_bytes * SPARE_SHARE / 2**30:.1f} GiB are needed and {free / 2**30:.1f} GiB are free. "
            "Free some, or set EVALSUITE_CACHE to a folder on a larger disk."
        )
