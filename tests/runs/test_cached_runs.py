"""Whole runs with --cache: nothing is paid for twice, and nothing is believed that should not be."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mock_server import MODEL, PROBE, Answer, Asked, MockServer, document, failing, ordinary, reply
from msgspec import to_builtins
from run_helpers import (
    KEY,
    arguments,
    call,
    config,
    lines_of,
    numbered,
    start,
    summary_of,
    without_speeds,
    write_qa,
)
from scoring_helpers import write_rows

from evalsuite.config import build_config
from evalsuite.errors import ConfigError, RunIncomplete
from evalsuite.evaluation.evaluate import evaluate
from evalsuite.evaluation.rescore import rescore

STORE = "replies.sqlite"


class Bench:
    """Runs under new names that share one cache."""

    def __init__(self, server: MockServer, folder: Path, logged: pytest.LogCaptureFixture) -> None:
        self.server, self.folder, self.logged = server, folder, logged
        self.data = write_qa(folder / "qa.jsonl", numbered(6))
        self.cache = folder / "cache"
        self.runs = 0

    def run(self, **options: Any) -> Any:
        """The run; counting of requests begins anew."""
        self.runs += 1
        self.server.forget()
        self.logged.clear()
        given = {"name": f"run-{self.runs}", "cache": self.cache} | options
        return evaluate(config(self.server, self.folder / "out", self.data, **given))

    def entries(self) -> int:
        """What the cache holds."""
        with closing(sqlite3.connect(self.cache / STORE)) as connection:
            (count,) = connection.execute("SELECT COUNT(*) FROM replies").fetchone()
        return int(count)


@pytest.fixture
def bench(tmp_path: Path, logged: pytest.LogCaptureFixture) -> Iterator[Bench]:
    with MockServer() as running:
        yield Bench(running, tmp_path, logged)


def test_a_second_run_is_answered_from_the_cache_and_says_so(bench: Bench) -> None:
    first = bench.run()
    assert bench.server.total == 6
    assert first.summary.totals.from_cache == 0
    second = bench.run(price="1000000,1000000")
    assert bench.server.total == 0
    totals = second.summary.totals
    assert (totals.from_cache, totals.requests, totals.cost) == (6, 0, 0)
    assert (totals.prompt_tokens, totals.completion_tokens) == (0, 0)
    assert (totals.cached_prompt_tokens, totals.cached_completion_tokens) == (42, 18)
    assert without_speeds(to_builtins(second.summary.variants)) == without_speeds(
        to_builtins(first.summary.variants)
    )
    for before, now in zip(*(sorted(lines_of(run.path), key=str) for run in (first, second)), strict=True):
        assert now.pop("from_cache") is True
        assert (now["latency_s"], now["attempts"]) == (None, None)
        assert now | {"latency_s": 0, "attempts": 0} == before | {"latency_s": 0, "attempts": 0}
    assert "6 replies from the cache" in (second.path / "report.html").read_text()
    assert "from_cache" in (second.path / "summary.csv").read_text().splitlines()[0]


def test_the_table_and_the_progress_show_hits(bench: Bench, tmp_path: Path) -> None:
    words = arguments(bench.server, tmp_path / "out", bench.data, more=["--cache", str(bench.cache)])
    assert call(words).returncode == 0
    done = call([*words, "--fresh"])
    assert done.returncode == 0
    assert "from cache" in done.stdout
    assert (
        "6 replies from the cache: 42 prompt and 18 reply tokens that were not paid for again." in done.stdout
    )
    assert "6 from cache" in done.stderr


def test_without_the_option_there_is_no_cache(bench: Bench) -> None:
    bench.run(cache=None)
    bench.run(cache=None)
    assert bench.server.total == 6
    assert not bench.cache.exists()


def test_hits_stay_hits_when_a_run_is_resumed_or_rescored(bench: Bench) -> None:
    bench.run(limit=3)
    bench.run(name="again", limit=3)
    resumed = bench.run(name="again")
    assert bench.server.total == 3
    assert (resumed.summary.totals.from_cache, resumed.summary.totals.reused) == (3, 3)
    again = rescore(resumed.path)
    for name in ("totals", "accounts"):
        assert getattr(again.summary, name) == getattr(resumed.summary, name)
    write_qa(bench.data, [("question 0", "another answer"), *numbered(5, 1)])
    judged = bench.run(name="again")
    assert bench.server.total == 0
    assert judged.summary.totals.from_cache == 3


@pytest.mark.parametrize("options", [{"temperature": 0.7}, {"temperature": 0.7, "seed": 1}])
def test_replies_drawn_at_random_are_neither_kept_nor_taken(bench: Bench, options: dict[str, Any]) -> None:
    for _ in range(2):
        bench.run(**options)
        assert bench.server.total == 6
        assert any("random at a temperature above 0" in sentence for sentence in bench.logged.messages)
    assert bench.entries() == 0


@pytest.mark.parametrize(
    "options",
    [{"max_tokens": 9}, {"seed": 1}, {"stop": ["x"]}, {"completions": True}, {"model_revision": "b"}],
)
def test_whatever_else_is_asked_or_of_whom_is_asked_anew(bench: Bench, options: dict[str, Any]) -> None:
    bench.run()
    bench.run(**options)
    assert bench.server.total == 6
    bench.run(**options)
    assert bench.server.total == 0


def test_another_folder_of_the_server_is_another_model(bench: Bench) -> None:
    def serves(folder: str) -> None:
        entry = {"id": MODEL, "object": "model", "created": len(bench.server.requests), "root": folder}
        bench.server.models_answer = document({"object": "list", "data": [entry]})

    serves("/models/step-100")
    bench.run()
    bench.run()
    assert bench.server.total == 0
    serves("/models/step-200")
    bench.run()
    assert bench.server.total == 6


def test_poisoned_replies_are_not_kept(bench: Bench) -> None:
    poison = {
        "question 0": reply("cut", finish_reason="length"),
        "question 1": reply(""),
        "question 2": failing(400, "no"),
        "question 3": reply("kept back", finish_reason="content_filter"),
    }
    bench.server.behave = lambda asked: poison.get(asked.prompt, ordinary(asked))
    with pytest.raises(RunIncomplete):
        bench.run()
    assert bench.entries() == 2
    bench.server.behave = ordinary
    mended = bench.run()
    assert sorted(set(bench.server.asked) - {PROBE}) == [f"question {number}" for number in range(4)]
    assert mended.metric("rouge_l") == 1.0


def test_a_damaged_cache_is_noted_and_the_run_is_whole(bench: Bench) -> None:
    bench.run()
    with closing(sqlite3.connect(bench.cache / STORE)) as connection, connection:
        connection.execute("UPDATE replies SET reply = X'00' WHERE rowid <= 2")
    mended = bench.run()
    assert mended.complete
    assert bench.server.total == 2
    assert any(
        "held 2 entries that cannot be read; asked again" in sentence for sentence in bench.logged.messages
    )
    bench.run()
    assert bench.server.total == 0
    for extra in ("-wal", "-shm"):
        (bench.cache / f"{STORE}{extra}").unlink(missing_ok=True)
    (bench.cache / STORE).write_bytes(b"no database" * 500)
    assert bench.run().complete
    assert bench.server.total == 6
    assert any("Delete the file" in sentence for sentence in bench.logged.messages)


def test_a_cache_that_cannot_be_is_refused_before_anything_is_sent(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--cache"):
        bench.run(cache=tmp_path / "file")
    assert not bench.server.requests
    assert not (tmp_path / "out" / "run-1").exists()


def test_no_key_is_in_the_cache_and_another_key_finds_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    bench.server.behave = lambda asked: reply(f"{asked.prompt} {asked.headers['authorization']}")
    bench.run()
    content = b"".join(path.read_bytes() for path in bench.cache.iterdir())
    assert b"question 0" in content
    assert KEY.encode() not in content
    monkeypatch.setenv("OPENAI_API_KEY", KEY[::-1])
    bench.run()
    assert bench.server.total == 0


def test_two_runs_at_once_share_a_cache(bench: Bench, tmp_path: Path) -> None:
    write_qa(bench.data, numbered(200))
    commands = [
        arguments(bench.server, tmp_path / name, bench.data, more=["--cache", str(bench.cache)])
        for name in ("one", "two", "three")
    ]
    processes = [start(words) for words in commands]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    for process in processes:
        process.communicate()
    assert bench.entries() == 200
    bench.run()
    assert bench.server.total == 0


def test_a_judges_verdicts_are_kept_by_judge_and_revision(tmp_path: Path) -> None:
    rows = [{"question": f"question {number}", "rubric": "Be strict."} for number in range(4)]
    data = write_rows(tmp_path / "judge.jsonl", rows)

    def strict(asked: Asked) -> Answer:
        return (
            ordinary(asked) if asked.prompt == PROBE else reply(json.dumps({"reason": "counted", "score": 3}))
        )

    with MockServer() as model, MockServer(strict, models=["j"]) as judge:

        def run(name: str, **options: Any) -> tuple[int, int, int]:
            for server in (model, judge):
                server.forget()
            given = {"base_url": model.url, "model": MODEL, "judge_base_url": judge.url, "judge_model": "j"}
            shared = {
                "datasets": [f"judge:{data}"],
                "out": tmp_path,
                "name": name,
                "cache": tmp_path / "kept",
            }
            totals = evaluate(build_config(given | shared | options)).summary.totals
            return model.total, judge.total, totals.from_cache

        assert run("a") == (4, 4, 0)
        assert run("b") == (0, 0, 8)
        assert run("c", judge_revision="newer") == (0, 4, 4)
        assert run("d", model_revision="newer") == (4, 0, 4)
        assert summary_of(tmp_path / "d")["totals"].get("judge_prompt_tokens") is None
