"""The wall clock jumps a month ahead and back all the time: nothing that takes time may notice.

The real command runs with a library preloaded that changes what the operating system says (`clock.c`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from mock_server import PROBE, Answer, Asked, MockServer, dropped, failing, hanging, reply
from run_helpers import arguments, call, lines_of, numbered, summary_of, write_qa

WATCHES_TIME = "import time; times = [time.time() for _ in range(2_000_000)]; print(max(times) - min(times))"
DAY = 86400.0


@pytest.fixture(scope="module")
def jumping(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process whose wall clock jumps."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and Linux")
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    environment = os.environ | {"LD_PRELOAD": str(library)}
    seen = subprocess.run(
        [sys.executable, "-c", WATCHES_TIME], env=environment, capture_output=True, text=True, check=True
    )
    assert float(seen.stdout) > DAY  # or this file would prove nothing
    return environment


def faulty(asked: Asked) -> Answer:
    """Three in ten fail at first; every answer takes its time."""
    faults = {"0": failing(429, **{"Retry-After": "0.2"}), "1": dropped(), "2": failing(500)}
    if asked.prompt != PROBE and asked.nth == 1 and asked.prompt[-1] in faults:
        return faults[asked.prompt[-1]]
    return Answer(reply(asked.prompt).body, latency=0.05)


def test_times_and_retries_ignore_jumps_of_the_wall_clock(
    jumping: dict[str, str], server: MockServer, tmp_path: Path
) -> None:
    server.behave = faulty
    data = write_qa(tmp_path / "qa.jsonl", numbered(60))
    done = call(arguments(server, tmp_path / "out", data, more=["--timeout", "20"]), env=jumping)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "out" / "run"
    assert sorted(line["index"] for line in lines_of(run)) == list(range(60))
    assert all(0.04 < line["latency_s"] < 20 for line in lines_of(run))
    summary = summary_of(run)
    totals = summary["totals"]
    assert totals["retries"] == 18
    assert 0.5 < totals["wall_s"] < 60
    assert 0 < totals["throughput"]["seconds"] <= totals["wall_s"]
    assert min(totals["throughput"]["samples_per_s"]) >= 0
    started, finished = (
        datetime.fromisoformat(summary[name].replace("Z", "+00:00")) for name in ("started", "finished")
    )
    assert 0 <= (finished - started).total_seconds() <= totals["wall_s"] + 1


def test_deadlines_ignore_jumps_of_the_wall_clock(
    jumping: dict[str, str], server: MockServer, tmp_path: Path
) -> None:
    silent = ("question 3", "question 4")
    server.behave = lambda asked: hanging() if asked.prompt in silent else reply(asked.prompt)
    data = write_qa(tmp_path / "qa.jsonl", numbered(8))
    more = ["--timeout", "1", "--on-error", "skip"]
    done = call(arguments(server, tmp_path / "out", data, more=more), env=jumping)
    assert done.returncode == 0, done.stderr
    errors = {
        line["gold"]: line["error"]["class"] for line in lines_of(tmp_path / "out" / "run") if line["error"]
    }
    assert errors == dict.fromkeys(silent, "timeout")
    assert 0.9 < summary_of(tmp_path / "out" / "run")["totals"]["wall_s"] < 30


def test_resume_after_a_clock_jump_asks_nothing_again(
    jumping: dict[str, str], server: MockServer, data: Path, tmp_path: Path
) -> None:
    words = arguments(server, tmp_path / "out", data)
    assert call([*words, "--limit", "5"], env=jumping).returncode == 0
    server.forget()
    assert call([*words, "--cache", str(tmp_path / "cache")], env=jumping).returncode == 0
    assert server.total == 7
    for _ in range(3):
        server.forget()
        assert call([*words, "--fresh", "--cache", str(tmp_path / "cache")], env=jumping).returncode == 0
    assert server.total == 0
    assert len(list((tmp_path / "out").iterdir())) == 4
