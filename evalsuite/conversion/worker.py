"""Runs conversions in processes of their own and logs how far they are."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.backends.process import ServerProcess
from evalsuite.conversion.scripts import CHILD, PACKAGE, PROGRESS

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 7 * 86400.0
"""Calibrating a large model takes hours; a process that dies ends the wait at once."""
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
POLL_SECONDS = 0.5
SILENCE_SECONDS = 20.0
LOG_TAIL_BYTES = 4096
_PERCENT = re.compile(r"(?P<percent>\d{1,3})%\|")
"""A progress bar as tqdm draws it."""
COMPLETE_BAR = "100"
"""The percentage of a bar that is over; something else is being done by now."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Starts the processes and logs how far they are. Their output goes to the file `log`."""

    log: Path

    def run_script(
        self, module: str, job: Mapping[str, Any], staging: Path, what: str, python: str = sys.executable
    ) -> dict[str, Any]:
        """Run a module of `evalsuite.conversion.scripts` on a job and return its report.

        `what` names the work in log lines and errors. Raises `ServerError` with the last lines of its output.
        """
        file = staging / "job.json"
        file.write_text(json.dumps(job), encoding="utf-8")
        name = f"evalsuite.conversion.scripts.{module}"
        found: dict[str, Any] = json.loads(
            self.run([python, "-c", CHILD, str(PACKAGE), name, str(file)], what)
        )
        return found

    def run(self, command: Sequence[str], what: str) -> str:
        """Run a command that reports one line, and return it. Raises `ServerError` with the last lines of its output."""
        with (
            _progress_logged(self.log, what),
            ServerProcess(command, self.log, ENVIRONMENT, what=what) as process,
        ):
            return process.wait_for_note(TIMEOUT_SECONDS)


@contextmanager
def _progress_logged(log: Path, what: str) -> Iterator[None]:
    """Log the progress that a process writes, and that it still works if it is silent for long."""
    ended = threading.Event()
    start = log.stat().st_size if log.exists() else 0

    def follow() -> None:
        place, began, spoke = start, time.monotonic(), time.monotonic()
        over = False
        while not over:
            over = ended.wait(POLL_SECONDS)
            with contextlib.suppress(OSError):
                place, sentences = _read_progress(log, place)
                for sentence in sentences:
                    logger.info("%s …", sentence)
                    spoke = time.monotonic()
                if not over and time.monotonic() - spoke > SILENCE_SECONDS:
                    logger.info(
                        "%s has been running for %.0f s%s …", what, time.monotonic() - began, _percent(log)
                    )
                    spoke = time.monotonic()

    thread = threading.Thread(target=follow, name="evalsuite-conversion-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _read_progress(log: Path, place: int) -> tuple[int, list[str]]:
    """The progress messages in a log from a byte offset on, and the offset after its last complete line."""
    with log.open("rb") as stream:
        stream.seek(place)
        complete, _, _ = stream.read().rpartition(b"\n")
    lines = complete.decode("utf-8", "replace").splitlines()
    sentences = [line.removeprefix(PROGRESS) for line in lines if line.startswith(PROGRESS)]
    return place + (len(complete) + 1 if complete else 0), sentences


def _percent(log: Path) -> str:
    """The percentage of the last progress bar in a log; empty if there is none."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        found = _PERCENT.findall(stream.read().decode("utf-8", "replace"))
    return f", {found[-1]} %" if found and found[-1] != COMPLETE_BAR else ""
