"""Which event loop a coroutine runs on, and that evaluations on uvloop end as they do on asyncio's own."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mock_server import PROBE, WAIT_SECONDS, Answer, Asked, MockServer, hanging, ordinary
from run_helpers import arguments, call, lines_of, numbered, start, summary_of, wait_until, write_qa

from evalsuite._util.event_loop import UVLOOP_MIN_REQUESTS, run_to_end

needs_uvloop = pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed (evalsuite[fast])"
)


async def _kind() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


@needs_uvloop
def test_run_to_end_loads_uvloop_only_for_many_requests() -> None:
    program = f"""
import asyncio, sys
from evalsuite._util.event_loop import run_to_end
async def kind():
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]
few = run_to_end(kind(), {UVLOOP_MIN_REQUESTS - 1})
loaded = "uvloop" in sys.modules
print(few, loaded, run_to_end(kind(), {UVLOOP_MIN_REQUESTS}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["asyncio", "False", "uvloop"]


def test_run_to_end_without_uvloop_uses_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run_to_end(_kind(), UVLOOP_MIN_REQUESTS) == "asyncio"


@needs_uvloop
def test_run_to_end_inside_a_running_loop_uses_a_thread() -> None:
    async def outer() -> tuple[str, str]:
        return await _kind(), run_to_end(_kind(), UVLOOP_MIN_REQUESTS)

    assert asyncio.run(outer()) == ("asyncio", "uvloop")


def test_run_to_end_raises_the_error_of_the_coroutine() -> None:
    async def failing() -> None:
        raise ImportError("of its own")

    with pytest.raises(ImportError, match="of its own"):
        run_to_end(failing(), UVLOOP_MIN_REQUESTS)


@needs_uvloop
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_large_run_interrupted_is_resumed(server: MockServer, tmp_path: Path, number: signal.Signals) -> None:
    """So large that it runs on uvloop: nothing hangs, nothing is lost, every row is there once at the end."""
    rows, known = UVLOOP_MIN_REQUESTS + 10, 50
    data = write_qa(tmp_path / "many.jsonl", numbered(rows))

    def behave(asked: Asked) -> Answer:
        return ordinary(asked) if asked.prompt == PROBE or server.total <= known else hanging()

    server.behave = behave
    words, run = arguments(server, tmp_path / "out", data), tmp_path / "out" / "run"
    journal = run / "samples.jsonl"
    with start(words) as process:
        wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= known, "lines")
        assert "/uvloop/" in Path(f"/proc/{process.pid}/maps").read_text()
        process.send_signal(number)
        _, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 3
    assert "interrupted. Run the same command again" in errors
    assert "Traceback" not in errors
    assert summary_of(run)["totals"]["owed"] == rows - known
    server.behave = ordinary
    assert call(words).returncode == 0
    assert sorted(line["index"] for line in lines_of(run)) == list(range(rows))
