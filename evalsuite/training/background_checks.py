"""Runs checks beside the training, one process each. They are polled between two steps and only awaited at the end.

What runs is `evalsuite run`, or `evalsuite.training.adapter_server` if a server must load an adapter first. It ends with the
training process, however that ends (see `backends.supervisor`).
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from evalsuite.backends.process import ServerProcess
from evalsuite.config import RunConfig
from evalsuite.errors import CheckpointError, EvalsuiteError
from evalsuite.models.adapters import read_adapter
from evalsuite.models.folder import read_folder
from evalsuite.runs.directory import write_error
from evalsuite.runs.run import Run, load_run

logger = logging.getLogger(__name__)

Overlap: TypeAlias = Literal["skip", "queue"]
POLL_SECONDS = 0.2
"""Interval of polling at the end of the training."""
INCOMPLETE_POLL_SECONDS = 1.0
"""Interval of polling a checkpoint that is not complete yet."""
ADAPTER_FILE = "adapter_config.json"
DISTRIBUTED_VARIABLES = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"),
    *("ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "ACCELERATE_USE_FSDP"),
    "ACCELERATE_USE_DEEPSPEED",
)
"""Variables of a distributed launcher, removed for checks: a check is not one of its processes."""
NOT_WEIGHTS = ("optimizer", "scheduler", "rng_state", "global_step")
LINKED_FOLDER = ".held"


@dataclass(frozen=True, slots=True)
class DueCheck:
    """A check that is due. `checkpoint` is None if an endpoint already serves the new weights."""

    step: int
    epoch: float | None
    checkpoint: Path | None


@dataclass(frozen=True, slots=True)
class FinishedCheck:
    """A check that ended, with a complete run or with a message about the problem."""

    wanted: DueCheck
    run: Run | None
    problem: str = ""


@dataclass(slots=True)
class _RunningCheck:
    wanted: DueCheck
    process: ServerProcess
    deadline: float
    held: Path | None
    late: bool = False


@dataclass(slots=True)
class BackgroundChecks:
    """Runs one check at a time. `configure` builds the run of a due check, given its checkpoint's folder.

    `devices`: the value of CUDA_VISIBLE_DEVICES ("cpu" for no device); None leaves it alone. With `hold`, links keep a
    checkpoint's weights on the disk until its check is over, in case the trainer deletes it.
    """

    folder: Path
    configure: Callable[[DueCheck, Path | None], RunConfig]
    command: Callable[[RunConfig, Path | None], list[str]]
    timeout: float
    overlap: Overlap
    devices: str | None = None
    hold: bool = False
    _running: _RunningCheck | None = None
    _waiting: deque[DueCheck] = field(default_factory=deque)
    _since: float = 0.0
    _looked: float = 0.0
    _told: str = ""

    def request(self, wanted: DueCheck) -> None:
        """Start a check now, or after the running one; with `overlap="skip"` not at all while one runs."""
        busy = self._running.wanted if self._running else self._waiting[0] if self._waiting else None
        if busy and self.overlap == "skip":
            logger.info(
                'step %d: skipped, the check of step %d is still running (overlap="queue" keeps it)',
                wanted.step,
                busy.step,
            )
            return
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(wanted)
        self._looked = 0.0

    @property
    def busy(self) -> bool:
        """Whether a check runs or waits."""
        return self._running is not None or bool(self._waiting)

    def poll(self) -> Iterator[FinishedCheck]:
        """Yield what ended since the last call; start what waits."""
        if self._running is not None and (ended := self._ended(self._running)):
            self._running, self._since = None, time.monotonic()
            yield ended
        if self._running is None and self._waiting and (failed := self._start()):
            yield failed

    def finish(self) -> Iterator[FinishedCheck]:
        """Wait for all checks, `timeout` seconds at most, then cancel the rest."""
        deadline = time.monotonic() + self.timeout
        while self.busy and time.monotonic() < deadline:
            yield from self.poll()
            if self.busy:
                time.sleep(POLL_SECONDS)
        yield from self.cancel_all(f"the training ended, and {self.timeout:g} s later it was still running")

    def cancel_all(self, why: str) -> Iterator[FinishedCheck]:
        """End the running check and drop the waiting ones."""
        if self._running is not None:
            running, self._running = self._running, None
            self._close(running)
            yield FinishedCheck(running.wanted, None, why)
        while self._waiting:
            yield FinishedCheck(self._waiting.popleft(), None, why)

    def _start(self) -> FinishedCheck | None:
        now = time.monotonic()
        if now - self._looked < INCOMPLETE_POLL_SECONDS:
            return None
        self._looked = now
        wanted = self._waiting[0]
        try:
            if wanted.checkpoint:
                check_complete(wanted.checkpoint)
        except CheckpointError as error:
            if now - self._since < self.timeout:
                self._tell_once(f"step {wanted.step}: waiting for the checkpoint to be complete ({error})")
                return None
            self._waiting.popleft()
            return FinishedCheck(
                wanted, None, f"after {self.timeout:g} s the checkpoint is still incomplete: {error}"
            )
        self._waiting.popleft()
        try:
            self._running = self._started(wanted)
        except EvalsuiteError as error:
            return FinishedCheck(wanted, None, str(error))
        return None

    def _tell_once(self, sentence: str) -> None:
        if sentence != self._told:
            self._told = sentence
            logger.info("%s", sentence)

    def _started(self, wanted: DueCheck) -> _RunningCheck:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = self._link_weights(wanted.checkpoint) if self.hold and wanted.checkpoint else None
        except OSError as error:
            raise write_error(self.folder, error) from error
        source = held or wanted.checkpoint
        config = self.configure(wanted, source)
        process = ServerProcess(
            ["env", *(f"-u{name}" for name in DISTRIBUTED_VARIABLES), *self.command(config, source)],
            self.folder / f"step-{wanted.step}.log",
            self._environment(config),
            what=f"the check of step {wanted.step}",
        )
        try:
            process.__enter__()
        except OSError as error:
            raise write_error(process.log, error) from error
        return _RunningCheck(wanted, process, time.monotonic() + self.timeout, held)

    def _environment(self, config: RunConfig) -> Mapping[str, str]:
        names = (config.api_key_env, config.judge_api_key_env)
        found = {name: os.environ[name] for name in names if name in os.environ}
        if self.devices is not None:
            found["CUDA_VISIBLE_DEVICES"] = "" if self.devices == "cpu" else self.devices
        return found

    def _link_weights(self, checkpoint: Path) -> Path:
        """A folder with links to the checkpoint's weights; the checkpoint itself if links are not possible."""
        target = self.folder / LINKED_FOLDER / checkpoint.name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        try:
            for file in checkpoint.iterdir():
                if file.is_file() and not file.name.startswith(NOT_WEIGHTS):
                    os.link(file, target / file.name)
        except OSError:
            shutil.rmtree(target, ignore_errors=True)
            return checkpoint
        return target

    def _ended(self, running: _RunningCheck) -> FinishedCheck | None:
        code = running.process.exit_code()
        if code is None:
            if time.monotonic() >= running.deadline and not running.late:
                running.late = True
                running.process.request_stop()
            return None
        log_text = running.process.log_tail()
        self._close(running)
        if running.late:
            return FinishedCheck(running.wanted, None, f"it took longer than timeout={self.timeout:g} s")
        if code != 0:
            return FinishedCheck(
                running.wanted,
                None,
                f"exit code {code}; its last lines in {running.process.log}:\n{log_text}",
            )
        try:
            return FinishedCheck(running.wanted, load_run(self.folder / f"step-{running.wanted.step}"))
        except EvalsuiteError as error:
            return FinishedCheck(running.wanted, None, str(error))

    def _close(self, running: _RunningCheck) -> None:
        running.process.__exit__(None, None, None)
        if running.held and running.held.parent.name == LINKED_FOLDER:
            shutil.rmtree(running.held, ignore_errors=True)


def run_command(config: RunConfig, _: Path | None) -> list[str]:
    """The command of `evalsuite run` with the options of a configuration."""
    return [sys.executable, "-m", *shlex.split(config.command(with_output=True))]


def check_complete(checkpoint: Path) -> None:
    """Raise `CheckpointError` unless a checkpoint is complete on the disk."""
    if (checkpoint / ADAPTER_FILE).is_file():
        read_adapter(checkpoint, str(checkpoint))
    else:
        read_folder(checkpoint, str(checkpoint))
