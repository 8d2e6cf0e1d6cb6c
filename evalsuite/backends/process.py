"""Runs a server process under a supervisor: starts it, watches it, ends it with everything it started."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from evalsuite.backends.base import ServedModel
from evalsuite.errors import ServerDied, ServerError

SUPERVISOR = Path(__file__).with_name("supervisor.py")
STOP_TIMEOUT_SECONDS = 15.0
"""Longer than the supervisor's grace period, so that it can finish."""
READY_POLL_SECONDS = 0.25
KEY_SUFFIX = "_API_KEY"
"""Such variables are for remote endpoints, not for our servers: vLLM would demand VLLM_API_KEY from clients."""
OPENMP_VARIABLES = {"GOMP_SPINCOUNT": "1000"}
"""How long OpenMP's threads (torch, llama.cpp) spin before they sleep. The default of milliseconds wastes cores that other
processes need: SmolLM2 on two busy cores made 2.4 tokens/s with it, and 23 with this value."""
LOG_TAIL_LINES = 12
LOG_TAIL_BYTES = 65536
EARLIER_ERRORS = 3
LONGEST_ERROR = 400
"""In characters."""
_ERROR = re.compile(r"(?:^|\] )(?P<error>(?:\w+\.)*\w*(?:Error|Exception): .+)$", re.MULTILINE)
"""The last line of a traceback, also behind a logger's prefix: a worker's error usually causes its server's."""

KNOWN_FAILURES: Sequence[tuple[re.Pattern[str], str]] = (
    (
        re.compile(
            r"CUDA out of memory|OutOfMemoryError|No available memory for the cache blocks|Not enough memory\."
            r"|less than desired GPU memory utilization|larger than the available KV cache memory"
        ),
        "The memory is full. {less_memory}End other processes that hold some, or take a quantized form.",
    ),
    (
        re.compile(r"LoRA rank \d+ is greater than"),
        "An adapter's rank is above the server's limit: raise it with --backend-arg max_lora_rank=N, or take --merge.",
    ),
    (
        re.compile(r"(?:argument|option|pass|set|setting) [`'\"]?(?:--)?trust[_-]remote[_-]code"),
        "The model brings code of its own. If you trust its author, add --backend-arg trust_remote_code=true.",
    ),
)
"""What servers print when they fail → what to do. `memory_advice` is the engine's own."""


class ServerProcess:
    """Runs `command` with its output in `log`, as a context manager.

    `what` names it in errors; `memory_advice` is a sentence on how it needs less memory. The command may report one line on
    the file descriptor in the environment variable `EVALSUITE_NOTE_FD`, such as its address; `wait_for_note` returns it.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        *,
        what: str = "the model server",
        memory_advice: str = "",
    ) -> None:
        self.command = tuple(command)
        self.log = log
        self._what = what
        self._less_memory = f"{memory_advice} " if memory_advice else ""
        self._environment = dict(environment or {})

    def __enter__(self) -> ServerProcess:
        life_read, self._life = os.pipe()  # type: tuple[int, int | None]
        self._note, note_write = os.pipe()
        supervised = [
            sys.executable,
            "-I",
            "-S",
            str(SUPERVISOR),
            str(life_read),
            str(note_write),
            *self.command,
        ]
        inherited = {name: value for name, value in os.environ.items() if not name.endswith(KEY_SUFFIX)}
        environment = (
            OPENMP_VARIABLES | inherited | self._environment | {"EVALSUITE_NOTE_FD": str(note_write)}
        )
        try:
            with self.log.open("ab") as output:
                self._log_start = output.tell()
                self._process = subprocess.Popen(
                    supervised,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(life_read, note_write),
                    start_new_session=True,
                    env=environment,
                )
        except OSError as error:
            self._close_pipes()
            raise ServerError(f"{self._what} cannot be started: {error}") from error
        finally:
            os.close(life_read)
            os.close(note_write)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_pipes()
        try:
            self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _close_pipes(self) -> None:
        self.request_stop()
        with contextlib.suppress(OSError):
            os.close(self._note)

    def request_stop(self) -> None:
        """Ask the supervisor to end the process, without waiting."""
        if self._life is not None:
            os.close(self._life)
            self._life = None

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """The exit code, 128 + n for a signal; None while the process runs."""
        return self._process.poll()

    def check(self, patience: float = 0.0) -> None:
        """Raise `ServerDied` with the log's last lines if the process has ended, or ends within `patience` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        code = self._process.poll()
        if code is not None:
            raise ServerDied(
                f"{self._what} ended by itself (exit code {code}). Its last lines in {self.log}:\n{self.log_tail()}"
                f"{self._earlier_errors()}{self._advice()}"
            )

    def wait(self, seconds: float) -> int | None:
        """Wait for the process to end by itself and return its exit code; None if it still runs after `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def wait_for_note(self, timeout: float) -> str:
        """Wait for the line the process reports. Raises `ServerError` if it dies or takes longer than `timeout` seconds."""
        note = b""
        deadline = time.monotonic() + timeout
        poller = select.poll()
        poller.register(self._note, select.POLLIN)
        while not note.endswith(b"\n"):
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise self._not_ready(timeout)
            piece = os.read(self._note, 4096)
            if not piece:
                self.check(STOP_TIMEOUT_SECONDS)
                raise ServerError(f"{self._what} closed its report channel. See {self.log}.")
            note += piece
        return note.decode("utf-8").strip()

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Call `ready` until it is true. Raises `ServerError` if the process dies or takes longer than `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not ready():
            self.check(READY_POLL_SECONDS)
            if time.monotonic() >= deadline:
                raise self._not_ready(timeout)

    def _not_ready(self, timeout: float) -> ServerError:
        return ServerError(
            f"{self._what} was not ready after {timeout:g} s. Its last lines in {self.log}:\n{self.log_tail()}"
        )

    def log_tail(self) -> str:
        """The last lines of this start's log, indented."""
        try:
            lines = self.log_text().splitlines()
        except OSError:
            return "  (no log)"
        return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:]) or "  (an empty log)"

    def log_text(self) -> str:
        """The end of this start's log. Raises `OSError` if there is no log."""
        with self.log.open("rb") as stream:
            stream.seek(max(self._log_start, self.log.stat().st_size - LOG_TAIL_BYTES))
            return stream.read().decode("utf-8", "replace")

    def _earlier_errors(self) -> str:
        """The first errors in the log that the last lines do not show."""
        try:
            before = "\n".join(self.log_text().splitlines()[:-LOG_TAIL_LINES])
        except OSError:
            return ""
        found = dict.fromkeys(match["error"][:LONGEST_ERROR] for match in _ERROR.finditer(before))
        listing = "".join(f"\n  {error}" for error in list(found)[:EARLIER_ERRORS])
        return f"\nErrors before that:{listing}" if listing else ""

    def _advice(self) -> str:
        """What to do, if the log contains a known failure."""
        try:
            text = self.log_text()
        except OSError:
            return ""
        found = [advice for pattern, advice in KNOWN_FAILURES if pattern.search(text)]
        return "".join("\n" + advice.replace("{less_memory}", self._less_memory) for advice in found)


@dataclass(frozen=True, slots=True)
class ProcessServer:
    """A `Server` that evalsuite started as a process."""

    process: ServerProcess
    served: Mapping[str, ServedModel]

    def check(self, patience: float = 0.0) -> None:
        """See `Server.check`."""
        self.process.check(patience)
