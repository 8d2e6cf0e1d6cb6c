"""What tests of whole runs share: small data files, the real command in a process, bounded waits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mock_server import MODEL, WAIT_SECONDS, MockServer

from evalsuite.config import RunConfig, build_config
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.plan import plan_spec
from evalsuite.runs.schema.sample_line import ReplyEntry, SampleLine

EVALSUITE = (sys.executable, "-m", "evalsuite")
POLL_SECONDS = 0.02
KEY = "sk-secret-0123456789"
"""Looks like a key; must stand nowhere after a run."""


def only_plan(spec: str) -> DatasetPlan:
    """What a SPEC stands for that is one dataset."""
    (plan,) = plan_spec(spec)
    return plan


def write_qa(path: Path, rows: Iterable[tuple[str, str]]) -> Path:
    """A QA file of (query, response) rows."""
    lines = [json.dumps({"query": query, "response": response}) for query, response in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def numbered(count: int, first: int = 0) -> list[tuple[str, str]]:
    """Rows that the ordinary mock server answers right: it repeats the prompt."""
    return [(f"question {number}", f"question {number}") for number in range(first, first + count)]


def config(server: MockServer, out: Path, *datasets: Path, **options: Any) -> RunConfig:
    """A run named `run` against a mock server."""
    given = {"base_url": server.url, "model": MODEL, "out": out, "name": "run", "concurrency": 4}
    return build_config(given | {"datasets": [f"qa:{path}" for path in datasets]} | options)


def arguments(server: MockServer, out: Path, *datasets: Path | str, more: Iterable[str] = ()) -> list[str]:
    """The same as a command line."""
    words = ["run", "--base-url", server.url, "--model", MODEL, "--out", str(out), "--name", "run"]
    for path in datasets:
        words += ["-d", f"qa:{path}" if isinstance(path, Path) else path]
    return [*words, "--concurrency", "4", *more]


def call(
    words: Iterable[str], *, timeout: float = 4 * WAIT_SECONDS, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run the real command to its end."""
    return subprocess.run(
        [*EVALSUITE, *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        encoding="utf-8",
        **options,
    )


def start(words: Iterable[str], **options: Any) -> subprocess.Popen[str]:
    """Start the real command."""
    return subprocess.Popen(
        [*EVALSUITE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **options,
    )


def deployed(words: Iterable[str], folder: Path) -> tuple[subprocess.Popen[str], list[str]]:
    """`evalsuite deploy` once it holds its servers, with its logs in a folder, and the lines it printed."""
    process = start(["deploy", *words], env=os.environ | {"TMPDIR": str(folder)})
    assert process.stdout
    assert process.stderr
    lines: list[str] = []
    while not lines or lines[-1] != "Press Ctrl-C to stop.\n":
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line)
    return process, lines


def program_in(lines: list[str]) -> str:
    """The program that it printed."""
    return "".join(lines[lines.index("from openai import OpenAI\n") : -1])


def reply_of(line: SampleLine) -> ReplyEntry:
    """The reply of a sample that must have one."""
    assert line.reply is not None
    return line.reply


def lines_of(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's journal; every one must be whole."""
    return [json.loads(line) for line in (run / "samples.jsonl").read_bytes().split(b"\n")[:-1]]


def without_speeds(variants: dict[str, Any]) -> dict[str, Any]:
    """`variants` of summary.json without how fast each was, which no two runs share."""
    return {name: {**entry, "speed": None} for name, entry in variants.items()}


def summary_of(run: Path) -> dict[str, Any]:
    """summary.json."""
    found: dict[str, Any] = json.loads((run / "summary.json").read_bytes())
    return found


def wait_until(condition: Callable[[], object], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Poll, bounded, for what no event tells."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(POLL_SECONDS)


def open_descriptors() -> set[str]:
    """File descriptors of this process."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_gone(pids: Iterable[int]) -> None:
    """Wait until none of the processes runs any more."""
    left = list(pids)
    wait_until(lambda: not any(alive(pid) for pid in left), f"the end of processes {left}")


def processes_with(text: str) -> list[int]:
    """Running processes whose command line holds a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in words and alive(int(entry.name)):
                found.append(int(entry.name))
    return found


def kill_server(pids: Iterable[int]) -> None:
    """End the server among a supervisor and its server, as a crash would. Numbers of processes begin again at times."""
    (server,) = (pid for pid in pids if b"supervisor.py" not in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(server, signal.SIGKILL)
