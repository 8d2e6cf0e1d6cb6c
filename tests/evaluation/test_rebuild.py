"""`evalsuite report`: a run's files made again from its journal, also of a run that was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mock_server import Asked, MockServer, failing, ordinary
from msgspec import to_builtins
from run_helpers import call, config, numbered, summary_of, write_qa
from scoring_helpers import MEASURED_ROWS, ROWS, scoring, write_rows

from evalsuite.errors import InputError, RunDirectoryError
from evalsuite.evaluation.evaluate import evaluate
from evalsuite.evaluation.rebuild import rebuild
from evalsuite.evaluation.score import score
from evalsuite.runs.directory import lock_run_directory

RESULTS = ("variants", "complete", "problem", "errors", "warnings")
KINDS = {**ROWS, **MEASURED_ROWS}


def results(run: Path) -> dict[str, Any]:
    """What of summary.json does not depend on the clock."""
    found = summary_of(run)
    return {name: found[name] for name in RESULTS}


def kill(run: Path) -> None:
    """Leave what a run leaves that was killed before it wrote its results."""
    for name in ("summary.csv", "summary.json", "report.html"):
        (run / name).unlink()


def made(folder: Path, kind: str) -> Path:
    path = write_rows(folder / "rows.jsonl", KINDS[kind])
    return score(scoring(folder / "out", f"{kind}:{path}", name="run")).path


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_any_kind_is_rendered_to_the_same_results(tmp_path: Path, kind: str) -> None:
    run = made(tmp_path, kind)
    before, csv = results(run), (run / "summary.csv").read_bytes()
    kill(run)
    assert rebuild(run).complete
    assert results(run) == before
    assert (run / "summary.csv").read_bytes() == csv
    assert "<!doctype html>" in (run / "report.html").read_text(encoding="utf-8")[:50]


def test_what_the_summary_before_knew_of_time_is_kept(tmp_path: Path) -> None:
    run = made(tmp_path, "qa")
    before = summary_of(run)
    rebuild(run)
    after = summary_of(run)
    assert (after["started"], after["finished"]) == (before["started"], before["finished"])
    assert after["totals"] == before["totals"]


@pytest.mark.parametrize("kind", ["qa", "mcq"])
@pytest.mark.parametrize("on_error", ["skip", "wrong", "fail"])
def test_failed_samples_count_as_the_run_says(tmp_path: Path, on_error: str, kind: str) -> None:
    def behave(asked: Asked) -> Any:
        return failing(400) if "question 3" in asked.prompt else ordinary(asked)

    data = tmp_path / f"{kind}.jsonl"
    if kind == "qa":
        write_qa(data, numbered(8))
    else:
        options = {"A": "this", "B": "that", "answer": "A"}
        write_rows(data, [{"question": query, **options} for query, _ in numbered(8)])
    with MockServer(behave) as server:
        words = [
            "run",
            "--base-url",
            server.url,
            "--model",
            "mock-model",
            "--name",
            "run",
            "-d",
            f"{kind}:{data}",
        ]
        done = call([*words, "--out", str(tmp_path / "out"), "--on-error", on_error])
    assert done.returncode == (3 if on_error == "fail" else 0)
    run = tmp_path / "out" / "run"
    before = results(run)
    assert rebuild(run).complete is (on_error != "fail")
    assert results(run) == before


def test_a_run_that_was_killed_half_way_says_what_is_missing(tmp_path: Path) -> None:
    data = write_qa(tmp_path / "qa.jsonl", numbered(8))
    with MockServer() as server:
        run = evaluate(config(server, tmp_path / "out", data)).path
    kill(run)
    journal = run / "samples.jsonl"
    whole = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*whole[:3], whole[0], whole[4][:40]]))  # a line twice, the last one torn
    done = call(["report", str(run)])
    assert done.returncode == 0
    assert "incomplete: 5 of 8 samples are not there yet" in done.stderr
    assert f"report: {run / 'report.html'}" in done.stdout
    found = summary_of(run)
    assert (found["complete"], found["totals"]["owed"], found["totals"]["samples"]) == (False, 5, 8)
    (dataset,) = found["variants"]["mock-model"]["datasets"].values()
    assert dataset["subsets"]["all"]["metrics"]["rouge_l"]["n"] == 3
    assert f"--out {run.parent} --name run" in (run / "report.html").read_text(encoding="utf-8")


def test_tables_that_need_a_file_that_is_gone_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    run = made(tmp_path, "toolbench")
    before = results(run)
    (tmp_path / "rows.jsonl").unlink()
    after = rebuild(run).summary
    assert any("its breakdowns are left out" in warning for warning in after.warnings)
    name, dataset = next(iter(after.variants["run"].datasets.items()))
    was = before["variants"]["run"]["datasets"][name]["subsets"]["all"]
    assert "breakdowns" in was
    assert not dataset.subsets["all"].breakdowns
    assert to_builtins(dataset.subsets["all"].metrics) == was["metrics"]


def test_failed_samples_that_count_as_wrong_need_their_file(tmp_path: Path) -> None:
    row = {"question": "Which?", "A": "this", "B": "that", "answer": "A"}
    path = write_rows(tmp_path / "rows.jsonl", [row | {"prediction": "A"}, row])
    run = score(scoring(tmp_path / "out", f"mcq:{path}", name="run", on_error="wrong")).path
    path.unlink()
    with pytest.raises(InputError, match=r"It needs .*rows\.jsonl"):
        rebuild(run)


def test_a_run_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    run = made(tmp_path, "qa")
    page = (run / "report.html").stat().st_mtime_ns
    with lock_run_directory(run, fresh=False), pytest.raises(RunDirectoryError, match="is writing this run"):
        rebuild(run)
    assert (run / "report.html").stat().st_mtime_ns == page


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    done = call(["report", str(tmp_path)])
    assert done.returncode == 2
    assert "not a run directory" in done.stderr
