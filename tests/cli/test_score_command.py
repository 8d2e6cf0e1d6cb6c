"""`evalsuite score` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from run_helpers import call
from scoring_helpers import ROWS, write_rows


def test_score_names_its_files_and_prints_the_table(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.jsonl", ROWS["mcq"])
    done = call(["score", str(path), "--out", str(tmp_path / "out"), "--name", "sft"])
    assert done.returncode == 0
    assert f"{path}: 2 rows of kind mcq, own layout, told from the columns" in done.stderr
    assert "accuracy" in done.stdout
    assert "sft" in done.stdout
    assert done.stdout.rstrip().endswith("report.html")


def test_score_json_prints_only_the_summary(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.jsonl", ROWS["qa"])
    done = call(["score", f"qa:{path}", "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(done.stdout)["variants"]["mine"]["datasets"]["mine"]["kind"] == "qa"


def test_score_exit_codes(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out")]
    holes = write_rows(tmp_path / "holes.jsonl", [ROWS["mcq"][0], ROWS["mcq"][1] | {"prediction": None}])
    none = write_rows(tmp_path / "none.jsonl", [{"query": "q", "response": "r"}])
    assert call(["score", str(holes), *out]).returncode == 3
    assert call(["score", str(holes), *out, "--on-error", "skip"]).returncode == 0
    gate = ["--on-error", "wrong", "--fail-under", "accuracy=0.6"]
    assert call(["score", str(holes), *out, *gate]).returncode == 100
    for words in ([str(none)], ["nowhere.jsonl"], [], [str(holes), "--shots", "3"]):
        done = call(["score", *words, *out])
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_score_reads_options_from_a_config_file(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.jsonl", ROWS["gsm8k"])
    settings = tmp_path / "score.yaml"
    settings.write_text(f"datasets: {path}\nlimit: 1\nout: {tmp_path / 'out'}\nname: one\n")
    assert call(["score", "--config", str(settings)]).returncode == 0
    assert (tmp_path / "out" / "one" / "report.html").exists()


def test_score_table_keeps_metric_names_whole_beside_long_names(tmp_path: Path) -> None:
    path = write_rows(tmp_path / f"{'long_' * 12}file.jsonl", ROWS["gsm8k"])
    done = call(["score", str(path), "--out", str(tmp_path / "out"), "--profile", "lm_eval_flexible"])
    assert done.returncode == 0
    assert "lm_eval_flexible/accuracy " in done.stdout


def test_score_without_files_names_what_is_missing(tmp_path: Path) -> None:
    done = call(["score", "--out", str(tmp_path)])
    assert done.returncode == 2
    assert "error: no predictions: name at least one [kind:]path" in done.stderr
