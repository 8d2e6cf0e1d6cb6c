"""The life of servers that are someone's command, against a stub that takes their command lines and speaks their protocol."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mock_server import WAIT_SECONDS
from model_folders import hf_folder
from run_helpers import alive, call, deployed, program_in, wait_gone, wait_until, write_qa
from stub_engine import interpreter

from evalsuite.backends import open_backend
from evalsuite.backends.command import list_served_names
from evalsuite.backends.ports import reserved_port
from evalsuite.errors import ConfigError, ServerError
from evalsuite.models.checkpoint import Adapter, Checkpoint

NAMES = ("vllm", "lmdeploy", "sglang")
CRASH_SECONDS = 2.0
STARTING_SECONDS = 1.5
"""Starting the stub's interpreters, on a busy machine, before it can crash."""


@pytest.fixture
def notes(tmp_path: Any, monkeypatch: Any) -> Any:
    """The file in which the stub says what it was started with."""
    path = tmp_path / "notes"
    for name in NAMES:
        monkeypatch.setenv(f"EVALSUITE_{name.upper()}_PYTHON", str(interpreter(tmp_path)))
    monkeypatch.setenv("STUB_NOTES", str(path))
    for name in ("HF_HUB_OFFLINE", "VLLM_CPU_KVCACHE_SPACE", "STUB"):
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.fixture
def checkpoints(tmp_path: Any) -> Any:
    base = Checkpoint("base", "base", "", "original", "f", tmp_path / "model")
    adapter = Adapter(tmp_path / "adapter", "g", rank=8)
    return base, Checkpoint("sft", "sft", "", "lora", "g", base.path, (adapter,), base_form="original")


def read(notes: Any) -> Any:
    return [json.loads(line) for line in notes.read_text().splitlines()]


def pids(notes: Any) -> Any:
    return [pid for note in read(notes) for pid in note["pids"]]


def port_of(served: Any) -> Any:
    return int(served.base_url.rpartition(":")[2].removesuffix("/v1"))


def can_listen(port: Any) -> Any:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        probe.listen()
    return True


@pytest.mark.parametrize("name", NAMES)
def test_command_server_is_ready_when_it_lists_its_names_and_gone_afterwards(
    name: str, notes: Any, checkpoints: Any, tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    with open_backend(name).serve(checkpoints, {"enforce_eager": "true"}, tmp_path / "log") as server:
        running = pids(notes)
        assert all(alive(pid) for pid in running)
        served = server.served
        assert list_served_names(served["base"].base_url) == {"base", "sft"}
        assert served["sft"].engine["package"] == f"{name} 9.9"
        assert served["sft"].engine["dtype"] == "bfloat16"
        server.check()
    assert not any(alive(pid) for pid in running)
    assert can_listen(port_of(served["base"]))
    (note,) = read(notes)
    assert note["words"][-1] == "--enforce-eager"
    assert note["HF_HUB_OFFLINE"] == "1"
    assert logged.messages[-1].startswith("ready in ")


def test_command_server_the_user_set_in_the_environment_stays(
    notes: Any, checkpoints: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "40")
    with open_backend("vllm").serve(checkpoints, {}, tmp_path / "log"):
        assert read(notes)[0]["VLLM_CPU_KVCACHE_SPACE"] == "40"


def test_command_server_server_that_ignores_sigterm_is_gone_afterwards(
    notes: Any, checkpoints: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB", "stubborn")
    with open_backend("vllm").serve(checkpoints, {}, tmp_path / "log"):
        pass
    assert not any(alive(pid) for pid in pids(notes))


def test_command_server_crash_while_loading_is_told_at_once_with_what_to_do(
    notes: Any, checkpoints: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although a worker that it leaves ignores SIGTERM."""
    monkeypatch.setenv("STUB", "crash")
    began = time.monotonic()
    with pytest.raises(ServerError) as caught, open_backend("vllm").serve(checkpoints, {}, tmp_path / "log"):
        pass
    assert time.monotonic() - began < CRASH_SECONDS + STARTING_SECONDS
    assert "vLLM ended by itself (exit code 1)" in str(caught.value)
    assert "CUDA out of memory" in str(caught.value)
    assert "max_num_seqs=N" in str(caught.value)
    assert "max_batch" not in str(caught.value), "that is another engine's"
    assert not any(alive(pid) for pid in pids(notes))


def test_command_server_death_later_is_noticed(notes: Any, checkpoints: Any, tmp_path: Path) -> Any:
    with open_backend("vllm").serve(checkpoints, {}, tmp_path / "log") as server:
        os.kill(pids(notes)[0], signal.SIGKILL)

        def noticed() -> Any:
            try:
                server.check()
            except ServerError as error:
                return "exit code 137" in str(error)
            return False

        wait_until(noticed, "the server's death")


@pytest.mark.parametrize("how", ["silent", "other"])
def test_command_server_server_that_never_lists_its_names_is_not_ready(
    how: str, notes: Any, checkpoints: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB", how)
    monkeypatch.setattr("evalsuite.backends.command.START_TIMEOUT_SECONDS", 2.0)
    with pytest.raises(ServerError, match="vLLM was not ready after 2 s"):
        open_backend("vllm").serve(checkpoints, {}, tmp_path / "log").__enter__()
    wait_gone(pids(notes))


def test_command_server_taken_port_is_told_before_anything_starts(
    notes: Any, checkpoints: Any, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} of 127.0.0.1 is taken"):
            open_backend("vllm").serve(checkpoints, {"port": str(port)}, tmp_path / "log").__enter__()
    assert not notes.exists()


@pytest.mark.parametrize("text", ["http", "-1", "65536", "²"])
def test_command_server_port_that_is_invalid_is_refused(
    text: str, notes: Any, checkpoints: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="port="):
        open_backend("vllm").serve(checkpoints, {"port": text}, tmp_path / "log").__enter__()


def test_reserved_port_is_exclusive_and_can_be_listened_on() -> None:
    with reserved_port() as port:
        assert can_listen(port)
        with socket.socket() as other, pytest.raises(OSError):
            other.bind(("127.0.0.1", port))


@pytest.mark.parametrize("name", NAMES)
def test_command_server_engine_that_is_not_installed_says_what_to_do(
    name: str, checkpoints: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"EVALSUITE_{name.upper()}_PYTHON", "/bin/true")
    availability = open_backend(name).availability()
    assert not availability.ready
    assert f"evalsuite[{name}]" in availability.detail
    assert f"EVALSUITE_{name.upper()}_PYTHON=PATH" in availability.detail


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", ["nothing", "a_folder", "a_text"])
def test_command_server_path_that_is_no_python_is_told_by_its_variable(
    name: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "a_text").write_text("#!/bin/sh")
    monkeypatch.setenv(f"EVALSUITE_{name.upper()}_PYTHON", str(tmp_path / wrong))
    detail = open_backend(name).availability().detail
    assert f"EVALSUITE_{name.upper()}_PYTHON={tmp_path / wrong} is not a Python that can be run" in detail


def test_command_server_another_interpreter_without_the_engine_is_looked_into(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setenv("EVALSUITE_SGLANG_PYTHON", str(python))
    assert not open_backend("sglang").availability().ready


# ---------------------------------------------------------------- the whole command


@pytest.fixture
def model_words(tmp_path: Any) -> Any:
    return ["--backend", "vllm", "--ckpt", f"base={hf_folder(tmp_path / 'model')}"]


def test_command_server_run_is_served_and_leaves_nothing(
    notes: Any, model_words: Any, tmp_path: Path
) -> None:
    data = write_qa(tmp_path / "qa.jsonl", [("Who are you?", "I am base.")])
    done = call(["run", *model_words, "-d", f"qa:{data}", "--out", str(tmp_path), "--name", "run"])
    assert done.returncode == 0, done.stderr
    assert "100.00" in done.stdout
    wait_gone(pids(notes))


def test_command_server_crash_while_loading_exits_with_4_and_the_last_lines(
    notes: Any, model_words: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB", "crash")
    data = write_qa(tmp_path / "qa.jsonl", [("Who are you?", "I am base.")])
    done = call(["run", *model_words, "-d", f"qa:{data}", "--out", str(tmp_path), "--name", "run"])
    assert done.returncode == 4
    assert "CUDA out of memory" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_server_deploy_holds_until_it_is_interrupted_and_leaves_nothing(
    number: Any, notes: Any, model_words: Any, tmp_path: Path
) -> None:
    process, lines = deployed(model_words, tmp_path)
    with process:
        assert lines[0].startswith("base  http://127.0.0.1:")
        assert 'model="base"' in lines[0]
        process.send_signal(number)
        assert process.stderr is not None
        assert process.wait(WAIT_SECONDS) == 0, process.stderr.read()
        assert not any(alive(pid) for pid in pids(notes))
    assert not list(tmp_path.glob("evalsuite-deploy-*"))


def test_command_server_deploy_prints_is_a_program_that_works(
    notes: Any, model_words: Any, tmp_path: Path
) -> None:
    pytest.importorskip("openai")
    process, lines = deployed(model_words, tmp_path)
    with process:
        done = subprocess.run(
            [sys.executable, "-c", program_in(lines)],
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        process.send_signal(signal.SIGTERM)
        assert done.stdout == "I am base.\n", done.stderr


def test_command_server_deploy_started_is_gone_when_it_is_killed(
    notes: Any, model_words: Any, tmp_path: Path
) -> None:
    process, _ = deployed(model_words, tmp_path)
    with process:
        process.kill()
        wait_gone(pids(notes))


def test_command_server_deploy_ends_with_4_when_its_server_dies(
    notes: Any, model_words: Any, tmp_path: Path
) -> None:
    process, _ = deployed(model_words, tmp_path)
    with process:
        os.kill(pids(notes)[0], signal.SIGKILL)
        assert process.wait(WAIT_SECONDS) == 4
        assert process.stderr is not None
        assert "exit code 137" in process.stderr.read()
    (folder,) = tmp_path.glob("evalsuite-deploy-*")
    assert list(folder.glob("server-base.log"))


def test_command_server_deploy_refuses_one_port_for_several_servers(
    model_words: Any, tmp_path: Path, notes: Any
) -> None:
    other = hf_folder(tmp_path / "other")
    done = call(["deploy", *model_words, "--ckpt", f"other={other}", "--backend-arg", "port=8099"])
    assert done.returncode == 2
    assert "cannot have one port" in done.stderr
