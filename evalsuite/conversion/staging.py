"""Where a conversion writes: a folder beside its target, moved there once the result is complete and checked.

Whatever ends the work early (an error, Ctrl-C, a kill), nothing incomplete gets the target's name. The next conversion removes
what a killed process left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalsuite._version import __version__
from evalsuite.errors import CheckpointError
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.models.folder import ADAPTER_CONFIG, text_files

SPARE_SHARE = 1.1
"""Free disk space that is required, as a multiple of what will be written."""


@contextmanager
def staging_folder(target: Path, advice: str) -> Iterator[Path]:
    """A temporary folder beside `target`, on the same disk, removed in any case. Raises `CheckpointError` with `advice`."""
    staging = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _clear_leftovers(target)
        staging.mkdir()
    except OSError as error:
        raise CheckpointError(f"{target.parent}: cannot write there ({error.strerror}); {advice}") from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def publish(result: Path, target: Path) -> None:
    """Move a result to its target. What was there before is removed once the new one is in place."""
    before = target.with_name(f".{target.name}.before.{os.getpid()}")
    if target.exists():
        target.rename(before)
    result.rename(target)
    _remove(before)


def check_space(target: Path, needed: float, advice: str) -> None:
    """Raise `CheckpointError` unless `needed` bytes and a little more are free beside `target`."""
    place = next(folder for folder in target.absolute().parents if folder.exists())
    free = shutil.disk_usage(place).free
    if free < needed * SPARE_SHARE:
        raise CheckpointError(
            f"no space for {target}: {needed * SPARE_SHARE / 2**30:.1f} GiB are needed and {free / 2**30:.1f} GiB are free. "
            f"Free some, or {advice}"
        )


def write_manifest(file: Path, made_by: str, source: Checkpoint, facts: Mapping[str, Any]) -> None:
    """Write what a model was made from, followed by `facts`."""
    content = {
        "made_by": made_by,
        "base": {"path": str(source.path), "fingerprint": source.base_fingerprint or source.fingerprint},
        "adapters": [
            {"path": str(adapter.path), "fingerprint": adapter.fingerprint} for adapter in source.adapters
        ],
        **facts,
        "evalsuite": __version__,
    }
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def find_small_files(folders: Sequence[Path]) -> dict[str, str]:
    """The files that accompany the weights (name → path); later folders replace files of earlier ones."""
    found: dict[str, str] = {}
    for number, folder in enumerate(folders):
        own = {file.name: str(file) for file in text_files(folder) if file.name != ADAPTER_CONFIG}
        if number:
            own.pop("config.json", None)
        found |= own
    return found


def _clear_leftovers(target: Path) -> None:
    """Remove what killed processes left beside a target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.iterdir():
        ours = left.name.startswith(f".{target.name}.") and left.suffix[1:].isdecimal()
        if ours and not _is_alive(int(left.suffix[1:])):
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
