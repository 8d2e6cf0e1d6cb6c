"""Holds one server process and ends it, and all it started, when the process that asked for it is gone.

Run as a script by `process.ServerProcess`: `supervisor.py LIFE_FD PASSED_FDS COMMAND…`. The read end of a pipe
(LIFE_FD) tells when its owner dies, even by SIGKILL: the kernel closes the write end. The server runs in a
process group of its own, which gets SIGTERM and, after a grace period, SIGKILL. Standard library only: it
starts in milliseconds and imports nothing of evalsuite.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

GRACE_SECONDS = 5.0
PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05


def _die_with_parent() -> None:
    """Linux only: the server gets SIGKILL when this supervisor itself is killed."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _stop(server: subprocess.Popen[bytes]) -> None:
    """TERM, wait, KILL: the whole group, since a server's workers outlive their leader."""
    _signal_group(server.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline:
        server.poll()
        if not _group_alive(server.pid):
            break
        time.sleep(POLL_SECONDS)
    _signal_group(server.pid, signal.SIGKILL)
    server.wait()


def main(arguments: list[str]) -> int:
    """Run the command until it ends or the life line is cut; return its exit code (128 + n for a signal)."""
    life = int(arguments[0])
    passed = [int(number) for number in arguments[1].split(",") if number]
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: os.close(life))
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    server = subprocess.Popen(
        arguments[2:],
        stdin=subprocess.DEVNULL,
        pass_fds=passed,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - one thread, so it is safe
    )
    for number in passed:
        os.close(number)
    try:
        while server.poll() is None:
            readable, _, _ = select.select([life, woken], [], [])
            if life in readable:
                break
            os.read(woken, 512)
    except OSError:
        pass
    finally:
        _stop(server)
    code = server.returncode
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
