"""Runs with --cache of servers that evalsuite starts: where every reply is known, none is started."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from mock_server import MockServer, reply
from model_folders import hf_folder
from run_helpers import call, lines_of, summary_of, write_qa
from scoring_helpers import write_rows
from stub_engine import interpreter

from evalsuite.endpoint.reply_store import ReplyStore

KNOWN = "every reply is in the cache, so its server is not started"


class Bench:
    """Runs of a stub of vLLM, which notes its starts, under new names that share one cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        self.model = hf_folder(folder / "model")
        self.data = write_qa(folder / "qa.jsonl", self.rows(4))
        self.runs = 0
        self.said = ""

    @staticmethod
    def rows(count: int) -> list[tuple[str, str]]:
        return [(f"{number}: who are you?", "I am") for number in range(count)]

    @property
    def starts(self) -> int:
        """So far."""
        return len(self.notes.read_text().splitlines()) if self.notes.exists() else 0

    @property
    def run_path(self) -> Path:
        """Of the latest run."""
        return self.folder / f"run-{self.runs}"

    def run(self, *more: str, variants: Iterable[str] = ("one",), code: int = 0) -> int:
        """How many servers the run started."""
        self.runs += 1
        before = self.starts
        named = [word for name in variants for word in ("--ckpt", f"{name}={self.model}")]
        words = [
            "run",
            "--backend",
            "vllm",
            *named,
            "-d",
            f"qa:{self.data}",
            "--cache",
            str(self.folder / "kept"),
        ]
        done = call([*words, "--out", str(self.folder), "--name", self.run_path.name, *more])
        self.said = done.stderr
        assert done.returncode == code, done.stderr
        return self.starts - before


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("EVALSUITE_VLLM_PYTHON", str(interpreter(tmp_path)))
    monkeypatch.setenv("STUB_NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("STUB_PACKAGES", "vllm 9.9\ntorch 2.13")
    return Bench(tmp_path)


def test_a_server_whose_every_reply_is_known_is_not_started(bench: Bench) -> None:
    assert bench.run() == 1
    first = bench.run_path
    assert KNOWN not in bench.said
    assert bench.run() == 0
    assert f"one: {KNOWN}" in bench.said
    totals = summary_of(bench.run_path)["totals"]
    assert (totals["from_cache"], totals["requests"], totals["owed"]) == (4, 0, 0)
    texts = [
        sorted((line["id"], line["reply"]["text"]) for line in lines_of(run))
        for run in (first, bench.run_path)
    ]
    assert texts[0] == texts[1]
    described = [json.loads((run / "run.json").read_text())["variants"] for run in (first, bench.run_path)]
    assert described[0] == described[1]
    assert not (bench.run_path / "server-one.log").exists()


def test_one_row_that_is_not_known_starts_the_server_which_is_asked_for_it_alone(bench: Bench) -> None:
    bench.run()
    write_qa(bench.data, bench.rows(5))
    assert bench.run() == 1
    totals = summary_of(bench.run_path)["totals"]
    assert (totals["from_cache"], totals["requests"]) == (4, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STUB_PACKAGES", "vllm 9.9\ntorch 2.14"),
        ("VLLM_ATTENTION_BACKEND", "other"),
        ("CUDA_VISIBLE_DEVICES", "1"),
    ],
)
def test_another_library_device_or_setting_of_the_engine_starts_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    bench.run()
    monkeypatch.setenv(name, value)
    assert bench.run() == 1
    assert bench.run() == 0


def test_what_cannot_be_told_of_the_machine_starts_the_server(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_PACKAGES", "")
    assert [bench.run(), bench.run()] == [1, 1]
    assert summary_of(bench.run_path)["totals"]["from_cache"] == 4


@pytest.mark.parametrize("options", [("--max-tokens", "9"), ("--backend-arg", "max_model_len=64")])
def test_another_request_or_server_is_not_known(bench: Bench, options: tuple[str, str]) -> None:
    bench.run()
    assert [bench.run(*options), bench.run(*options)] == [1, 0]


def test_replies_drawn_at_random_need_the_server(bench: Bench) -> None:
    assert [bench.run("--temperature", "0.5"), bench.run("--temperature", "0.5")] == [1, 1]


def train(model: Path) -> Path:
    """Other weights than before."""
    weights = next(model.glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    return model


def test_changed_weights_need_the_server(bench: Bench) -> None:
    bench.run()
    train(bench.model)
    assert bench.run() == 1


def test_an_interrupted_run_is_finished_from_the_cache(bench: Bench) -> None:
    bench.run()
    bench.run()
    journal = bench.run_path / "samples.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    bench.runs -= 1  # the same command again
    assert bench.run() == 0
    assert len(lines_of(bench.run_path)) == 4
    assert bench.run("--fresh") == 0


def test_of_two_variants_only_the_unknown_one_starts_a_server(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    other = train(hf_folder(tmp_path / "other"))
    assert bench.run("--ckpt", f"other={other}") == 1
    assert f"one: {KNOWN}" in bench.said
    assert f"other: {KNOWN}" not in bench.said
    totals = summary_of(bench.run_path)["totals"]
    assert (totals["from_cache"], totals["requests"], totals["samples"]) == (4, 4, 8)


def test_a_judge_at_an_address_is_asked_all_the_same(bench: Bench, tmp_path: Path) -> None:
    rows = [{"question": f"question {number}", "rubric": "Be strict."} for number in range(3)]
    data = write_rows(tmp_path / "judge.jsonl", rows)
    verdict = reply(json.dumps({"reason": "counted", "score": 3}))
    bench.data = data

    def run(revision: str) -> tuple[int, int]:
        judge.forget()
        words = ["--judge-base-url", judge.url, "--judge-model", "j", "--judge-revision", revision]
        return bench.run("-d", f"judge:{data}", *words), judge.total

    with MockServer(lambda asked: verdict, models=["j"]) as judge:
        bench.data = write_qa(tmp_path / "own.jsonl", bench.rows(2))
        assert run("a") == (1, 3)
        assert run("a") == (0, 0)
        assert run("b") == (0, 3)


def test_an_entry_that_vanishes_meanwhile_starts_the_server_after_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, so that the second look at the same key can find nothing."""
    from evalsuite.config import build_config
    from evalsuite.evaluation.evaluate import evaluate

    bench.run()
    looked_at: set[bytes] = set()
    find = ReplyStore.find

    def forgetting(store: ReplyStore, key: bytes) -> object:
        again = key in looked_at
        looked_at.add(key)
        return None if again and len(looked_at) == 4 and bench.starts == 1 else find(store, key)

    monkeypatch.setattr(ReplyStore, "find", forgetting)
    given = {"backend": "vllm", "ckpt": [f"one={bench.model}"], "datasets": [f"qa:{bench.data}"]}
    run = evaluate(
        build_config(given | {"cache": bench.folder / "kept", "out": bench.folder, "name": "again"})
    )
    assert run.complete
    assert bench.starts == 2
    assert len(lines_of(run.path)) == 4


def test_damaged_facts_of_a_server_start_it(bench: Bench) -> None:
    bench.run()
    with closing(sqlite3.connect(bench.folder / "kept" / "replies.sqlite")) as connection, connection:
        connection.execute("UPDATE replies SET checksum = X'00'")
    assert bench.run() == 1
    assert "cannot be read; asked again" in bench.said
