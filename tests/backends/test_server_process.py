"""The life of a server process: started, watched, and gone with everything it started, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mock_server import WAIT_SECONDS
from run_helpers import alive, open_descriptors, wait_gone, wait_until

from evalsuite.backends.process import ServerProcess
from evalsuite.errors import ServerError

REPORT = "import os, sys, signal, time\ndef report(text):\n    os.write(int(os.environ['EVALSUITE_NOTE_FD']), (text + '\\n').encode())\n"
SLEEP = "signal.pause()\n"
WORKERS = """
children = []
for own_session in (False, False, True):
    pid = os.fork()
    if not pid:
        if own_session:
            os.setsid()
        if stubborn:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(ready, b'.')
        while True:
            signal.pause()
    children.append(pid)
"""
"""Three workers, one of them in a session of its own; each says when it is set up."""
FORKING = (
    REPORT
    + "stubborn = False\n"
    + "done, ready = os.pipe()\n"
    + WORKERS
    + "count = 0\nwhile count < 3: count += len(os.read(done, 3))\n"
    + "report(' '.join(map(str, [os.getpid(), *children])))\n"
)
STUBBORN = FORKING.replace(
    "stubborn = False", "stubborn = True\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"
)
"""Neither the server nor its workers take SIGTERM: they cost the whole grace period."""
PARENT = """
import os, signal, sys
from pathlib import Path
from evalsuite.backends.process import ServerProcess
with ServerProcess([sys.executable, "-c", sys.argv[1]], Path(sys.argv[2])) as server:
    print(server.pid, server.wait_for_note(60), flush=True)
    signal.pause()
"""


def stub(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def pids(note: str) -> list[int]:
    return [int(word) for word in note.split()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


def test_server_process_server_reports_runs_and_is_gone_afterwards(log: Path) -> None:
    code = REPORT + "print('hello', flush=True); report(str(os.getpid()))\n" + SLEEP
    with ServerProcess(stub(code), log) as server:
        running = [server.pid, *pids(server.wait_for_note(WAIT_SECONDS))]
        server.check()
        assert all(alive(pid) for pid in running)
    assert not any(alive(pid) for pid in running)
    assert log.read_text() == "hello\n"


def test_server_process_keys_for_endpoints_are_not_passed_on(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HF_TOKEN", "hf")
    code = "report(str(os.environ.get('OPENAI_API_KEY')) + ' ' + os.environ['HF_TOKEN'])\n"
    with ServerProcess(stub(REPORT + code + SLEEP), log) as server:
        assert server.wait_for_note(WAIT_SECONDS) == "None hf"


@pytest.mark.parametrize(("own", "told"), [(None, "1000"), ("7", "7")])
def test_server_process_waiting_threads_sleep_soon_unless_the_user_says_otherwise(
    log: Path, monkeypatch: pytest.MonkeyPatch, own: str | None, told: str
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    if own:
        monkeypatch.setenv("GOMP_SPINCOUNT", own)
    with ServerProcess(stub(REPORT + "report(os.environ['GOMP_SPINCOUNT'])\n" + SLEEP), log) as server:
        assert server.wait_for_note(WAIT_SECONDS) == told


def test_server_process_environment_is_passed_on(log: Path) -> None:
    code = REPORT + "report(os.environ['STUB'] + os.environ['HOME'])\n" + SLEEP
    with ServerProcess(stub(code), log, {"STUB": "given "}) as server:
        assert server.wait_for_note(WAIT_SECONDS) == "given " + os.environ["HOME"]


@pytest.mark.parametrize(
    ("end", "exit_code"),
    [
        ("sys.exit(7)", 7),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("raise ValueError('bad tensor')", 1),
    ],
)
def test_server_that_dies_at_its_start_is_reported_with_its_last_lines(
    log: Path, end: str, exit_code: int
) -> None:
    code = (
        REPORT
        + f"print('\\n'.join(f'line {{n}}' for n in range(100)), flush=True)\nprint('weights are corrupt', flush=True)\n{end}"
    )
    started = time.monotonic()
    with ServerProcess(stub(code), log) as server, pytest.raises(ServerError) as caught:
        server.wait_for_note(20 * WAIT_SECONDS)
    assert time.monotonic() - started < WAIT_SECONDS
    message = str(caught.value)
    assert f"exit code {exit_code}" in message
    assert "weights are corrupt" in message
    assert "line 99" in message
    assert "line 50" not in message
    assert str(log) in message


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
            "--backend-arg max_model_len=N",
        ),
        ("Please pass the argument `trust_remote_code=True`", "--backend-arg trust_remote_code=true"),
    ],
)
def test_server_process_words_that_are_known_come_with_what_to_do(log: Path, words: str, advice: str) -> None:
    code = f"print({words!r}, flush=True)\nprint('more\\n' * 40, flush=True)\nraise SystemExit(1)"
    less = "Lower --backend-arg max_model_len=N."
    with ServerProcess(stub(code), log, memory_advice=less) as server, pytest.raises(ServerError) as caught:
        server.wait_for_note(WAIT_SECONDS)
    assert advice in str(caught.value)
    assert words not in log_tail_of(caught.value)


def log_tail_of(error: BaseException) -> str:
    """The last lines of the log in an error's text."""
    return str(error).partition("Errors before that:")[0]


def test_server_process_reports_a_workers_error_before_the_last_lines(log: Path) -> None:
    cause = "(Worker pid=7) ERROR 11-21 [executor.py:953] ValueError: weights were not initialized"
    code = f"print({cause!r}); print('  in a file\\n' * 40, 'RuntimeError: see above', sep='', flush=True)\nraise SystemExit(1)"
    with ServerProcess(stub(code), log) as server, pytest.raises(ServerError) as caught:
        server.wait_for_note(WAIT_SECONDS)
    assert "Errors before that:\n  ValueError: weights were not initialized" in str(caught.value)
    assert str(caught.value).count("RuntimeError: see above") == 1


def test_server_process_setting_in_the_log_is_no_cause(log: Path) -> None:
    code = "print('Initializing with trust_remote_code=False', flush=True)\nraise SystemExit(1)"
    with ServerProcess(stub(code), log) as server, pytest.raises(ServerError) as caught:
        server.wait_for_note(WAIT_SECONDS)
    assert "code of its own" not in str(caught.value)


def test_server_process_is_run_is_called_by_its_name(log: Path) -> None:
    with ServerProcess(stub("raise SystemExit(1)"), log, what="the merge") as server:
        with pytest.raises(ServerError, match=r"^the merge ended by itself \(exit code 1\)") as caught:
            server.wait_for_note(WAIT_SECONDS)
        assert "max_model_len" not in str(caught.value)


def test_server_process_last_lines_are_those_of_this_start(log: Path) -> None:
    log.write_text("words of an earlier start\n")
    with ServerProcess(stub("raise SystemExit(3)"), log) as server, pytest.raises(ServerError) as caught:
        server.wait_for_note(WAIT_SECONDS)
    assert "an empty log" in str(caught.value)
    assert log.read_text() == "words of an earlier start\n"


def test_server_process_command_that_does_not_exist_is_a_server_error(log: Path) -> None:
    with (
        ServerProcess(["/nonexistent/server"], log) as server,
        pytest.raises(ServerError, match="/nonexistent/server"),
    ):
        server.wait_for_note(WAIT_SECONDS)


def test_server_process_log_that_cannot_be_written_is_a_server_error(tmp_path: Path) -> None:
    before = open_descriptors()
    with (
        pytest.raises(ServerError, match="cannot be started"),
        ServerProcess(stub(SLEEP), tmp_path / "no" / "log"),
    ):
        pass
    assert open_descriptors() == before


@pytest.mark.parametrize(
    "noise", ["", "report_bytes = os.write(int(os.environ['EVALSUITE_NOTE_FD']), b'half a note')\n"]
)
def test_server_process_server_that_never_gets_ready_runs_into_the_time_limit(log: Path, noise: str) -> None:
    code = REPORT + noise + "print('loading shard 1 of 9', flush=True)\n" + SLEEP
    with ServerProcess(stub(code), log) as server:
        wait_until(lambda: log.read_text(), "the stub's first words")
        with pytest.raises(ServerError, match=r"not ready after 0\.2 s.*\n.*loading shard 1 of 9"):
            server.wait_for_note(0.2)
        pid = server.pid
    assert not alive(pid)


def test_server_process_server_that_drips_its_report_does_not_prolong_the_limit(log: Path) -> None:
    drip = "while True:\n    os.write(int(os.environ['EVALSUITE_NOTE_FD']), b'.')\n    time.sleep(0.02)\n"
    with ServerProcess(stub(REPORT + drip), log) as server, pytest.raises(ServerError, match="not ready"):
        server.wait_for_note(1.0)


def test_server_process_death_during_the_run_is_noticed(log: Path) -> None:
    with ServerProcess(stub(REPORT + "report(str(os.getpid()))\n" + SLEEP), log) as server:
        (pid,) = pids(server.wait_for_note(WAIT_SECONDS))
        os.kill(pid, signal.SIGKILL)

        def noticed() -> bool:
            try:
                server.check()
            except ServerError as error:
                return "exit code 137" in str(error)
            return False

        wait_until(noticed, "the server's death")


@pytest.mark.parametrize("code", [FORKING, STUBBORN], ids=["polite", "stubborn"])
def test_supervisor_kills_workers_that_ignore_sigterm_or_left_the_session(log: Path, code: str) -> None:
    with ServerProcess(stub(code + SLEEP), log) as server:
        running = [server.pid, *pids(server.wait_for_note(WAIT_SECONDS))]
        assert len(running) == 5
        assert all(alive(pid) for pid in running)
    assert not any(alive(pid) for pid in running)


def test_server_process_workers_of_a_server_that_died_are_gone(log: Path) -> None:
    with ServerProcess(stub(FORKING + SLEEP), log) as server:
        leader, *workers = pids(server.wait_for_note(WAIT_SECONDS))
        os.kill(leader, signal.SIGKILL)
        wait_gone(workers)
        server._process.wait(WAIT_SECONDS)
        with pytest.raises(ServerError, match="exit code 137"):
            server.check()


def test_server_process_polite_server_may_clean_up(log: Path, tmp_path: Path) -> None:
    code = REPORT + (
        "def end(*_):\n    print('flushed', flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nreport('ready')\n" + SLEEP
    )
    with ServerProcess(stub(code), log) as server:
        server.wait_for_note(WAIT_SECONDS)
    assert log.read_text() == "flushed\n"


def test_server_process_server_takes_signals_as_any_process_does(log: Path) -> None:
    code = (
        REPORT
        + "report(' '.join(str(signal.getsignal(n) in (signal.SIG_IGN,)) for n in (2, 1, 15)))\n"
        + SLEEP
    )
    with ServerProcess(stub(code), log) as server:
        assert server.wait_for_note(WAIT_SECONDS) == "False False False"


def start_parent(code: str, log: Path) -> tuple[subprocess.Popen[str], list[int]]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, code, str(log)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout
    return parent, pids(parent.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_server_process_everything_is_gone_when_the_parent_ends_in_any_way(
    log: Path, number: signal.Signals
) -> None:
    parent, running = start_parent(FORKING + SLEEP, log)
    with parent:
        assert len(running) == 5
        parent.send_signal(number)
        parent.wait(WAIT_SECONDS)
        wait_gone(running)


def test_server_process_supervisor_may_be_told_to_stop_again_and_again(log: Path) -> None:
    parent, (supervisor, *running) = start_parent(FORKING + SLEEP, log)
    with parent:
        for _ in range(5):
            os.kill(supervisor, signal.SIGTERM)
        os.kill(supervisor, signal.SIGINT)
        wait_gone([supervisor, *running])
        parent.kill()


def test_server_process_server_does_not_outlive_a_killed_supervisor(log: Path) -> None:
    with ServerProcess(stub(REPORT + "report(str(os.getpid()))\n" + SLEEP), log) as server:
        (pid,) = pids(server.wait_for_note(WAIT_SECONDS))
        os.kill(server.pid, signal.SIGKILL)
        wait_gone([pid])
        server._process.wait(WAIT_SECONDS)
        with pytest.raises(ServerError, match="ended by itself"):
            server.check()


def test_server_process_twenty_starts_leave_no_process_and_no_descriptor(log: Path) -> None:
    code = REPORT + "report(str(os.getpid()))\n" + SLEEP
    before, seen = open_descriptors(), []
    for _ in range(20):
        with ServerProcess(stub(code), log) as server:
            seen += [server.pid, *pids(server.wait_for_note(WAIT_SECONDS))]
    assert open_descriptors() == before
    assert not any(alive(pid) for pid in seen)


def test_server_process_error_inside_still_ends_the_server(log: Path) -> None:
    seen: list[int] = []

    def interrupted() -> None:
        with ServerProcess(stub(REPORT + "report(str(os.getpid()))\n" + SLEEP), log) as server:
            seen.extend([server.pid, *pids(server.wait_for_note(WAIT_SECONDS))])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not any(alive(pid) for pid in seen)


def test_server_process_more_than_a_thousand_open_files_do_not_hinder(log: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1400:
        pytest.skip(f"the limit of open files here is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1400), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with ServerProcess(stub(REPORT + "report('ready')\n" + SLEEP), log) as server:
            assert server.wait_for_note(WAIT_SECONDS) == "ready"
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
