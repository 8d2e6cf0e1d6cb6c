"""The real command, killed or cut short in ways that no exception handler sees, and started again."""

from __future__ import annotations

import random
import resource
import signal
from collections import Counter
from pathlib import Path

import pytest
from mock_server import PROBE, Answer, Asked, MockServer, reply
from run_helpers import arguments, call, lines_of, numbered, start, summary_of, wait_until, write_qa

CONCURRENCY = 4
KILLS = 6
ROWS = 240


def slow(asked: Asked) -> Answer:
    """Slow enough to be killed in the middle."""
    return Answer(reply(asked.prompt).body, latency=0.0 if asked.prompt == PROBE else 0.01)


def limited(bytes_a_file: int) -> object:
    """What makes a process's files end there, as a full disk would."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))


def lines_in(run: Path) -> int:
    journal = run / "samples.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def test_resume_after_random_kills_has_every_row_once(server: MockServer, tmp_path: Path) -> None:
    server.behave = slow
    data = write_qa(tmp_path / "qa.jsonl", numbered(ROWS))
    words, run = arguments(server, tmp_path / "out", data), tmp_path / "out" / "run"
    moments = random.Random(5)
    for _ in range(KILLS):
        goal = lines_in(run) + moments.randint(1, ROWS // (2 * KILLS))
        with start(words) as process:
            wait_until(lambda goal=goal: lines_in(run) >= goal, f"{goal} lines")  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
    assert lines_in(run) < ROWS
    done = call(words)
    assert done.returncode == 0, done.stderr
    assert Counter(line["index"] for line in lines_of(run)) == Counter(range(ROWS))
    asked = Counter({prompt: count for prompt, count in server.asked.items() if prompt != PROBE})
    repeats = asked.total() - ROWS
    assert set(asked) == {query for query, _ in numbered(ROWS)}
    # a reply that had arrived and was not yet written is repeated, too: those in flight, and those being judged
    assert repeats <= KILLS * 2 * CONCURRENCY
    assert summary_of(run)["totals"]["requests"] == ROWS


@pytest.mark.parametrize(
    ("kilobytes", "least", "most"),
    [
        pytest.param(1, 0, 0, id="run.json"),
        pytest.param(6, 1, 11, id="journal"),
        pytest.param(30, 12, 12, id="report.html"),
    ],
)
def test_full_disk_before_summary_keeps_finished_rows(
    server: MockServer, tmp_path: Path, kilobytes: int, least: int, most: int
) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(12))
    words, run = arguments(server, tmp_path / "out", data), tmp_path / "out" / "run"
    done = call(words, preexec_fn=limited(kilobytes * 1000))
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "cannot write (no space left). Free some space and run the same command again" in done.stderr
    finished = {line["gold"] for line in lines_of(run)} if (run / "samples.jsonl").exists() else set()
    assert least <= len(finished) <= most
    server.forget()
    again = call(words)
    assert again.returncode == 0, again.stderr
    assert set(server.asked) - {PROBE} == {query for query, _ in numbered(12)} - finished
    assert Counter(line["index"] for line in lines_of(run)) == Counter(range(12))
    assert summary_of(run)["complete"]
    assert not list(run.glob(".*.tmp"))


def test_full_disk_keeps_files_of_an_earlier_start(server: MockServer, tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(40))
    words, run = arguments(server, tmp_path / "out", data), tmp_path / "out" / "run"
    assert call([*words, "--limit", "10"]).returncode == 0
    size = (run / "samples.jsonl").stat().st_size
    before = (run / "report.html").read_bytes()
    done = call(words, preexec_fn=limited(2 * size))
    assert done.returncode == 3
    assert (run / "report.html").read_bytes() == before
    kept = len(lines_of_whole(run))
    assert 10 < kept < 40
    server.forget()
    assert call(words).returncode == 0
    assert server.total == 40 - kept


def lines_of_whole(run: Path) -> list[bytes]:
    """The journal's whole lines; the last one may be torn."""
    return (run / "samples.jsonl").read_bytes().split(b"\n")[:-1]


def test_resume_with_new_profile_and_dataset_asks_only_new_rows(server: MockServer, tmp_path: Path) -> None:
    first, second = (
        write_qa(tmp_path / f"{name}.jsonl", numbered(5, at)) for name, at in (("a", 0), ("b", 90))
    )
    words, run = arguments(server, tmp_path / "out", first), tmp_path / "out" / "run"
    assert call(words).returncode == 0
    server.forget()
    assert call([*words, "--profile", "swift"]).returncode == 0
    assert server.total == 0
    metrics = summary_of(run)["variants"]["mock-model"]["datasets"]["a"]["subsets"]["all"]["metrics"]
    assert any(name.startswith("swift/") for name in metrics)
    assert call([*words, "--profile", "swift", "-d", f"qa:{second}"]).returncode == 0
    assert set(server.asked) - {PROBE} == {query for query, _ in numbered(5, 90)}


def test_resume_with_other_speed_asks_nothing_and_other_length_all(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    words = arguments(server, tmp_path / "out", data)
    assert call(words).returncode == 0
    server.forget()
    pace = ["--timeout", "9", "--on-error", "skip", "--price", "1,2", "--cache", str(tmp_path / "cache")]
    assert call([*words, *pace]).returncode == 0
    assert server.total == 0
    assert call([*words, "--max-tokens", "33"]).returncode == 0
    assert server.total == 12
