"""Where models are made of others: in a folder beside their place, by processes of their own, moved when all is good.

Whatever ends the work before (an error, Ctrl-C, a kill), nothing stands under the name that was asked for; what a killed
process left is removed by the next. A run's merged models and `evalsuite export` are made here alike.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite._version import __version__
from evalsuite.backends.process import ServerProcess
from evalsuite.conversion.scripts import CHILD, PACKAGE, PROGRESS
from evalsuite.errors import CheckpointError
from evalsuite.models.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 7 * 86400.0
"""Calibrating a large model takes hours; a process that dies ends the wait at once."""
SPARE_SHARE = 1.1
"""Of what is to be written: what must be free on the disk."""
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
LOOK_SECONDS = 0.5
SILENCE_SECONDS = 20.0
LOG_TAIL_BYTES = 4096
_PERCENT = re.compile(r"(?P<percent>\d{1,3})%\|")
"""A progress bar's, as tqdm draws it."""
WHOLE = "100"
"""Of a bar that is over, after which something else is being done."""


@contextmanager
def staging_folder(target: Path, advice: str) -> Iterator[Path]:
    """A folder beside `target` to work in, on the same disk; gone at the end, whatever happens. Raises `CheckpointError`."""
    bench = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _make_room(target)
        bench.mkdir()
    except OSError as error:
        raise CheckpointError(f"{target.parent}: cannot write there ({error.strerror}); {advice}") from error
    try:
        yield bench
    finally:
        shutil.rmtree(bench, ignore_errors=True)


def publish(made: Path, target: Path) -> None:
    """Give what was made its name; what stood there before is removed when the new one is in its place."""
    before = target.with_name(f".{target.name}.before.{os.getpid()}")
    if target.exists():
        target.rename(before)
    made.rename(target)
    _remove(before)


def check_space(target: Path, needed: float, advice: str) -> None:
    """Raise `CheckpointError` where `needed` bytes, and a little more, are not free beside `target`."""
    place = next(folder for folder in target.absolute().parents if folder.exists())
    free = shutil.disk_usage(place).free
    if free < needed * SPARE_SHARE:
        raise CheckpointError(
            f"no space for {target}: {needed * SPARE_SHARE / 2**30:.1f} GiB are needed and {free / 2**30:.1f} GiB are free. "
            f"Free some, or {advice}"
        )


@dataclass(frozen=True, slots=True)
class Worker:
    """Starts the processes and logs how far they are. Their output goes to the file `log`."""

    log: Path

    def make(
        self, module: str, job: Mapping[str, Any], bench: Path, what: str, python: str = sys.executable
    ) -> dict[str, Any]:
        """Let a program of `evalsuite.conversion.scripts` do a job; what it reports. Raises `ServerError` with its last words."""
        file = bench / "job.json"
        file.write_text(json.dumps(job), encoding="utf-8")
        name = f"evalsuite.conversion.scripts.{module}"
        found: dict[str, Any] = json.loads(
            self.run([python, "-c", CHILD, str(PACKAGE), name, str(file)], what)
        )
        return found

    def run(self, command: Sequence[str], what: str) -> str:
        """Run a command that reports one line. Raises `ServerError` with its last words."""
        with (
            _narrated(self.log, what),
            ServerProcess(command, self.log, ENVIRONMENT, what=what) as process,
        ):
            return process.wait_for_note(TIMEOUT_SECONDS)


def write_manifest(file: Path, made_by: str, source: Checkpoint, facts: Mapping[str, Any]) -> None:
    """Write what a model was made from; `facts` go along as they are."""
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


def _make_room(target: Path) -> None:
    """Remove what processes that were killed left beside a place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.iterdir():
        ours = left.name.startswith(f".{target.name}.") and left.suffix[1:].isdecimal()
        if ours and not _alive(int(left.suffix[1:])):
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _narrated(log: Path, what: str) -> Iterator[None]:
    """Log the progress that a process writes, and that it still works when it is silent for long."""
    ended = threading.Event()
    start = log.stat().st_size if log.exists() else 0

    def follow() -> None:
        place, began, spoke = start, time.monotonic(), time.monotonic()
        over = False
        while not over:
            over = ended.wait(LOOK_SECONDS)
            with contextlib.suppress(OSError):
                place, told = _progress(log, place)
                for sentence in told:
                    logger.info("%s …", sentence)
                    spoke = time.monotonic()
                if not over and time.monotonic() - spoke > SILENCE_SECONDS:
                    logger.info("%s is at work for %.0f s%s …", what, time.monotonic() - began, _percent(log))
                    spoke = time.monotonic()

    thread = threading.Thread(target=follow, name="evalsuite-narrator", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _progress(log: Path, place: int) -> tuple[int, list[str]]:
    """What stands in a log after a place, of what a process tells of its progress; and where its last whole line ends."""
    with log.open("rb") as stream:
        stream.seek(place)
        whole, _, _ = stream.read().rpartition(b"\n")
    lines = whole.decode("utf-8", "replace").splitlines()
    told = [line.removeprefix(PROGRESS) for line in lines if line.startswith(PROGRESS)]
    return place + (len(whole) + 1 if whole else 0), told


def _percent(log: Path) -> str:
    """Of the progress bar that stands last in the log."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        found = _PERCENT.findall(stream.read().decode("utf-8", "replace"))
    return f", {found[-1]} %" if found and found[-1] != WHOLE else ""
