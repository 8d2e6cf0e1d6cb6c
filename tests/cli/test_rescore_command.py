"""`evalsuite rescore` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from mock_server import MockServer
from run_helpers import call, config, summary_of

from evalsuite import evaluate


def test_rescore_prints_the_table_and_what_changed(server: MockServer, data: Path, tmp_path: Path) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    summary = summary_of(run.path)
    summary["variants"]["mock-model"]["datasets"]["qa"]["subsets"]["all"]["metrics"]["bleu"]["value"] = 12.5
    (run.path / "summary.json").write_text(json.dumps(summary))
    done = call(["rescore", str(run.path)])
    assert done.returncode == 0
    assert "changed: mock-model on qa: bleu 12.50 → 0.00" in done.stdout
    assert "rescored: 12 samples, 0 with another outcome, 0 with other scores" in done.stdout


def test_rescore_with_name_or_out_writes_another_run(server: MockServer, data: Path, tmp_path: Path) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    before = (run.path / "summary.json").read_bytes()
    named = call(["rescore", str(run.path / "samples.jsonl"), "--name", "copy", "--json"])
    assert json.loads(named.stdout)["run"] == "copy"
    assert call(["rescore", str(run.path), "--out", str(tmp_path / "else")]).returncode == 0
    assert summary_of(tmp_path / "else" / "run")["rescored"]["samples"] == 12
    assert (run.path / "summary.json").read_bytes() == before


def test_rescore_of_no_run_exits_with_2(tmp_path: Path) -> None:
    done = call(["rescore", str(tmp_path)])
    assert done.returncode == 2
    assert "not a run directory" in done.stderr
