"""Runs one server process and ends it, with everything it started, once its owner is gone.

Run as a script by `process.ServerProcess`: `supervisor.py LIFE_FD PASSED_FDS COMMAND…`. LIFE_FD is the read
end of a pipe: when the owner dies, even by SIGKILL, the kernel closes the write end. The server runs in a process group of its
own, which gets SIGTERM and, after a grace period, SIGKILL. On Linux the supervisor also becomes the parent of orphaned
descendants, so workers in sessions of their own are ended as well. Standard library only: it starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection

GRACE_SECONDS = 5.0
CRASH_GRACE_SECONDS = 1.0
"""For the workers of a server that died by itself: its owner should learn of it soon."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.05
IGNORED = (signal.SIGINT, signal.SIGHUP)
"""They are meant for the owner, which then closes the pipe."""


def _control_process(option: int, value: int) -> None:
    """Call Linux's prctl; elsewhere the process group must suffice."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value)


def _become_server() -> None:
    """In the new process: die when this supervisor is killed, and handle signals in the default way."""
    _control_process(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)


def _parents() -> dict[int, int]:
    """Process → parent for all processes except zombies; empty without /proc."""
    found: dict[int, int] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112, PTH208 - pathlib is slow to import
        with contextlib.suppress(OSError, ValueError, IndexError):
            if entry.isdigit():
                with open(f"/proc/{entry}/stat", encoding="latin-1") as stream:  # noqa: PTH123
                    state, parent = stream.read().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    found[int(entry)] = int(parent)
    return found


def _descendants() -> set[int]:
    """All living descendants of this process."""
    parents, found = _parents(), {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def _group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _send(number: signal.Signals, group: int, others: Collection[int]) -> None:
    for kill, target in [(os.killpg, group), *((os.kill, other) for other in others)]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(target, number)


def _reap(server: subprocess.Popen[bytes]) -> None:
    """Collect the server's exit code first, then those of orphans, so that its own is not lost."""
    if server.poll() is None:
        return
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _stop(server: subprocess.Popen[bytes]) -> None:
    """SIGTERM, wait, SIGKILL to the whole group and every descendant: workers may outlive their leader."""

    def gone() -> bool:
        _reap(server)
        return not _group_alive(server.pid) and not _descendants()

    grace = GRACE_SECONDS if server.poll() is None else CRASH_GRACE_SECONDS
    _send(signal.SIGTERM, server.pid, _descendants())
    if _wait(gone, grace):
        return
    _send(signal.SIGKILL, server.pid, _descendants())
    _wait(gone, GRACE_SECONDS)


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def main(arguments: list[str]) -> int:
    """Run the command until it ends or the owner is gone; return its exit code (128 + n for a signal)."""
    life = int(arguments[0])
    passed = [int(number) for number in arguments[1].split(",") if number]
    told_to_stop: list[int] = []
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: told_to_stop.append(number))
    for ignored in IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    _control_process(PR_SET_CHILD_SUBREAPER, 1)
    server = subprocess.Popen(
        arguments[2:],
        stdin=subprocess.DEVNULL,
        pass_fds=passed,
        start_new_session=True,
        preexec_fn=_become_server,  # noqa: PLW1509 - one thread, so it is safe
    )
    for number in passed:
        os.close(number)
    poller = select.poll()
    for descriptor in (life, woken):
        poller.register(descriptor, select.POLLIN)
    try:
        while server.poll() is None and not told_to_stop:
            if life in dict(poller.poll()):
                break
            os.read(woken, 512)
    finally:
        _stop(server)
    code = server.returncode if server.returncode is not None else -signal.SIGKILL
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
