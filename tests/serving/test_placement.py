"""Several servers of one run: one after another or at the same time, each with the memory and the GPU it needs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from mock_server import WAIT_SECONDS
from model_folders import TEMPLATE, hf_folder
from run_helpers import call, lines_of, start, summary_of, wait_gone, wait_until, write_qa
from stub_engine import interpreter

from evalsuite import load_run
from evalsuite.backends import open_backend
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.models.templates import template_hash
from evalsuite.runs.schema.run_info import VariantInfo
from evalsuite.serving import placement as memory
from evalsuite.serving.placement import GIB, estimate_bytes, group_servers
from evalsuite.serving.server_plan import ServerPlan


@pytest.fixture
def notes(tmp_path: Any, monkeypatch: Any) -> Any:
    """vLLM is the stub, which writes down here what it was started with."""
    path = tmp_path / "notes"
    monkeypatch.setenv("EVALSUITE_VLLM_PYTHON", str(interpreter(tmp_path)))
    monkeypatch.setenv("STUB_NOTES", str(path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return path


def read(notes: Any) -> Any:
    return [json.loads(line) for line in notes.read_text().splitlines()]


def words(tmp_path: Any, rows: Any = 3) -> Any:
    """A run of two models that share no server."""
    data = write_qa(tmp_path / "qa.jsonl", [(f"{number}: who are you?", "I am") for number in range(rows)])
    one, other = (hf_folder(tmp_path / name) for name in ("one", "other"))
    given = ["run", "--backend", "vllm", "--ckpt", f"one={one}", "--ckpt", f"other={other}"]
    return [*given, "-d", f"qa:{data}", "--out", str(tmp_path), "--name", "run"]


def plan(name: Any, size: Any = 0.0, tmp_path: Any = None, backend: Any = "transformers") -> Any:
    """A server whose weights take so many GiB, as a file that takes no space."""
    path = None
    if tmp_path is not None:
        path = tmp_path / name
        path.mkdir()
        with (path / "model.safetensors").open("wb") as weights:
            weights.truncate(int(size * GIB))
    return ServerPlan(open_backend(backend), (Checkpoint(name, name, name, "original", name, path),), "")


def names(groups: Any) -> Any:
    return [[placed.plan.name for placed in group] for group in groups]


@pytest.mark.parametrize(("more", "beside"), [([], 0), (["--servers", "2"], 1), (["--servers", "1"], 0)])
def test_placement_two_servers_run_at_the_same_time_when_asked_for(
    notes: Any, tmp_path: Path, more: list[Any], beside: int
) -> None:
    done = call([*words(tmp_path), *more])
    assert done.returncode == 0, done.stderr
    assert [note["beside"] for note in read(notes)] == [0, beside]
    assert len(lines_of(tmp_path / "run")) == 6
    summary = summary_of(tmp_path / "run")
    assert summary["totals"]["samples"] == summary["totals"]["requests"] == 6
    for variant in ("one", "other"):
        assert summary["variants"][variant]["speed"]["samples"] == 3
        assert (tmp_path / "run" / f"server-{variant}.log").exists()
    assert "speed: one " in done.stdout
    assert "speed</th>" in (tmp_path / "run" / "report.html").read_text()
    wait_gone(pid for note in read(notes) for pid in note["pids"])


def test_throughput_series_covers_every_server(
    notes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second variant has four times the rows left: its samples come when nobody else asks any more."""
    monkeypatch.setenv("STUB_SECONDS", "0.1")
    given = [*words(tmp_path, rows=24), "--servers", "2", "--concurrency", "2"]
    assert call(given).returncode == 0
    journal = tmp_path / "run" / "samples.jsonl"
    kept = [
        line
        for line in journal.read_bytes().splitlines(keepends=True)
        if json.loads(line)["variant"] == "one"
    ]
    journal.write_bytes(b"".join(kept[:18]))  # six are owed to one, all to the other
    assert call(given).returncode == 0
    pace = summary_of(tmp_path / "run")["totals"]["throughput"]
    width = pace["seconds_a_point"]
    widths = [min(width, pace["seconds"] - point * width) for point in range(len(pace["samples_per_s"]))]
    done = sum(rate * seconds for rate, seconds in zip(pace["samples_per_s"], widths, strict=True))
    assert done == pytest.approx(6 + 24, abs=0.5)


def test_placement_death_of_one_of_two_starts_both_once_more(
    notes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_SECONDS", "0.2")
    with start([*words(tmp_path, rows=40), "--servers", "2", "--concurrency", "2"]) as process:
        journal = tmp_path / "run" / "samples.jsonl"
        wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 3, "some samples")
        os.kill(read(notes)[0]["pids"][0], signal.SIGKILL)
        _, errors = process.communicate(timeout=2 * WAIT_SECONDS)
    assert process.returncode == 0, errors
    assert len(read(notes)) == 4
    assert sorted((line["variant"], line["index"]) for line in lines_of(tmp_path / "run")) == [
        (variant, row) for variant in ("one", "other") for row in range(40)
    ]
    summary = summary_of(tmp_path / "run")
    assert (summary["complete"], summary["totals"]["samples"]) == (True, 80)
    assert {entry["speed"]["samples"] for entry in summary["variants"].values()} == {40}


def template_of(entry: VariantInfo) -> str:
    assert entry.served is not None
    return entry.served["chat_template"]


def test_chat_template_reaches_the_server_and_run_json(notes: Any, tmp_path: Path) -> None:
    template = TEMPLATE + "中文"
    (tmp_path / "mine.jinja").write_text(template, encoding="utf-8")
    done = call([*words(tmp_path), "--chat-template", str(tmp_path / "mine.jinja")])
    assert done.returncode == 0, done.stderr
    for note in read(notes):
        (path,) = (
            after
            for word, after in zip(note["words"], note["words"][1:], strict=False)
            if word == "--chat-template"
        )
        assert Path(path).read_text(encoding="utf-8") == template
    run = load_run(tmp_path / "run")
    assert {template_of(entry) for entry in run.info.variants} == {template_hash(template)}
    before = [entry.fingerprint for entry in run.info.variants]
    again = call([*words(tmp_path), "--chat-template", template])
    assert "6 of 6 samples are finished already" in again.stderr, "the same template by another way"
    other = call([*words(tmp_path), "--chat-template", TEMPLATE])
    assert "finished already" not in other.stderr, "another template is another question"
    assert [entry.fingerprint for entry in load_run(tmp_path / "run").info.variants] == before


def test_placement_folders_own_template_is_named_too(notes: Any, tmp_path: Path) -> None:
    given = words(tmp_path)
    (tmp_path / "one" / "chat_template.jinja").write_text(TEMPLATE)
    done = call(given)
    assert done.returncode == 0, done.stderr
    found = {entry.name: template_of(entry) for entry in load_run(tmp_path / "run").info.variants}
    assert found == {"one": template_hash(TEMPLATE), "other": "none"}
    assert "WARNING: other has no chat template, as base models have none" in done.stderr
    assert "note: WARNING: other has no chat template" in done.stdout
    assert "one has no chat template" not in done.stderr
    flat = call([*given[:-1], "flat", "--completions"])
    assert flat.returncode == 0, flat.stderr
    assert "WARNING" not in flat.stderr


def test_group_servers_without_gpus_is_sequential_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_gpus", dict)
    plans = [plan("a"), plan("b"), plan("c")]
    assert names(group_servers(plans, None, ())) == [["a"], ["b"], ["c"]]
    monkeypatch.setattr(memory, "free_memory", lambda: 100 * GIB)
    assert names(group_servers(plans, 2, ())) == [["a", "b"], ["c"]]


def test_placement_does_not_fit_waits_and_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "free_gpus", dict)
    monkeypatch.setattr(memory, "free_memory", lambda: 20 * GIB)
    plans = [plan("small", 1, tmp_path), plan("large", 8, tmp_path), plan("tiny", 0, tmp_path)]
    assert names(group_servers(plans, 3, ())) == [["small"], ["large"], ["tiny"]]
    assert logged.messages[0].startswith(
        "--servers 3: large waits: with the servers before it, it would need about 20.0 GiB"
    )


def test_placement_float32_on_a_cpu_takes_twice_the_weights(tmp_path: Path) -> None:
    assert estimate_bytes(plan("a", 2, tmp_path)) == 5 * GIB
    assert estimate_bytes(plan("b", 2, tmp_path, "llamacpp")) == int(2.5 * GIB)


def test_group_servers_one_gpu_each_and_large_ones_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_gpus", lambda: {"2": 20 * GIB, "5": 20 * GIB})
    sizes = {"a": 1, "b": 2, "c": 1, "vast": 30}
    plans = [plan(name, size, tmp_path) for name, size in sizes.items()]
    groups = group_servers(plans, None, ())
    assert names(groups) == [["a", "b"], ["c"], ["vast"]]
    assert [[placed.environment.get("CUDA_VISIBLE_DEVICES") for placed in group] for group in groups] == [
        ["2", "5"], ["2"], [None],
    ]  # fmt: skip
    assert names(group_servers(plans, None, ("tensor-parallel-size",))) == [
        ["a"],
        ["b"],
        ["c"],
        ["vast"],
    ]


def test_placement_gpu_of_a_server_is_told_to_its_process(notes: Any, tmp_path: Path) -> None:
    checkpoint = Checkpoint("base", "base", "", "original", "f", hf_folder(tmp_path / "model"))
    seen = {"CUDA_VISIBLE_DEVICES": "3"}
    with open_backend("vllm").serve([checkpoint], {}, tmp_path / "log", environment=seen):
        assert read(notes)[0]["CUDA_VISIBLE_DEVICES"] == "3"


def test_placement_logs_are_named_after_all_who_share_a_server() -> None:
    many = tuple(Checkpoint(name, name, "", "lora", name) for name in "abcde")
    assert ServerPlan(open_backend("vllm"), many[:1], "").name == "a"
    assert ServerPlan(open_backend("vllm"), many[:3], "").name == "a+b+c"
    assert ServerPlan(open_backend("vllm"), many, "").name == "a+b+c+2-more"
