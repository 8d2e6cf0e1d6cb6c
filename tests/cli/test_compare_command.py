"""`evalsuite compare` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from comparison_helpers import mcq_rows, replies, scored
from run_helpers import call

import evalsuite


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("compare")
    return tuple(  # type: ignore[return-value]
        str(scored(folder, name, mcq_rows(replies(right, 30 - right))).path)
        for name, right in (("base", 8), ("sft", 22))
    )


def test_compare_prints_verdict_table_and_notes(runs: tuple[str, str]) -> None:
    done = call(["compare", *runs])
    assert done.returncode == 0
    assert done.stdout.startswith("sft is better than base on exam: accuracy +46.7 points (95 % interval")
    assert "accuracy_macro" in done.stdout
    assert not done.stderr


def test_compare_writes_and_names_every_file(runs: tuple[str, str], tmp_path: Path) -> None:
    files = {name: tmp_path / f"c.{name}" for name in ("html", "csv", "md", "junit", "json")}
    done = call(
        ["compare", *runs, *(word for name, path in files.items() for word in (f"--{name}", str(path)))]
    )
    assert done.returncode == 0
    for path in files.values():
        assert f"wrote {path}" in done.stdout
        assert path.stat().st_size
    assert json.loads(files["json"].read_bytes()) == json.loads(
        json.dumps(evalsuite.compare(*runs).to_dict())
    )


@pytest.mark.parametrize("words", [["--json"], ["--json", "-"]])
def test_compare_json_alone_on_standard_output(runs: tuple[str, str], words: list[Any]) -> None:
    done = call(["compare", *runs, *words])
    assert json.loads(done.stdout)["baseline"] == "base"
    before = call(["compare", *words, *runs])
    assert before.stdout == done.stdout


def test_compare_two_outputs_to_standard_output_are_refused(runs: tuple[str, str]) -> None:
    assert call(["compare", *runs, "--md", "-"]).stdout.startswith("### evalsuite: compared with base")
    done = call(["compare", *runs, "--md", "-", "--csv", "-"])
    assert done.returncode == 2
    assert "--csv and --md would all write to standard output" in done.stderr


@pytest.mark.parametrize("words", [["--fail-on-regression"], ["--fail-on-regression", "accuracy:5%"]])
def test_compare_regression_exits_with_100_after_printing(
    runs: tuple[str, str], words: list[Any], tmp_path: Path
) -> None:
    page = tmp_path / "c.html"
    done = call(["compare", *runs, "--baseline", "sft", *words, "--html", str(page)])
    assert done.returncode == 100
    assert "base is worse than sft" in done.stdout
    assert "error: --fail-on-regression: base is worse than sft on exam" in done.stderr
    assert page.exists()
    assert call(["compare", *words, *runs]).returncode == 0


def test_compare_bad_input_exits_with_2(runs: tuple[str, str], tmp_path: Path) -> None:
    for words, said in (
        ([runs[0]], "needs two variants"),
        ([runs[0], f"{runs[1]}:stf"], "Did you mean sft"),
        ([runs[0], str(tmp_path)], "not the directory of a finished run"),
        ([*runs, "--html", str(tmp_path / "no" / "folder.html")], "cannot write there"),
        ([*runs, "--metric", "bleu"], "Known names: accuracy, accuracy_macro."),
    ):
        done = call(["compare", *words])
        assert done.returncode == 2, words
        assert said in done.stderr


def test_run_with_variants_prints_its_verdict(tmp_path: Path) -> None:
    for name, right in (("base", 8), ("sft", 22)):
        path = tmp_path / f"{name}.jsonl"
        rows = mcq_rows(replies(right, 30 - right))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["score", *(f"mcq:{tmp_path / name}.jsonl" for name in ("base", "sft")), "--out", str(tmp_path)]
    assert "sft is better than base on base / sft: accuracy +46.7 points" in call(words).stdout
    turned = call([*words, "--baseline", "sft"])
    assert "base is worse than sft on sft / base: accuracy −46.7 points" in turned.stdout


def test_compare_table_fits_its_width_and_names_dropped_columns(tmp_path: Path) -> None:
    names = ("base", "a-variant-with-a-rather-long-name-checkpoint-12000")
    paths = [str(scored(tmp_path, name, mcq_rows(replies(8, 22))).path) for name in names]
    done = call(["compare", *paths])
    sentence, *table = done.stdout.splitlines()
    assert sentence.startswith("No detectable difference")
    assert max(len(line) for line in table if line.startswith(" ")) <= 120
    assert "columns that did not fit: baseline, won / lost, n, detectable" in done.stdout
    assert "accuracy_macro" in done.stdout  # metrics' names are not broken


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare"], "Missing argument"),
        (["compare", "a", "--style", "swyft"], "Invalid value for '--style': 'swyft' is not one of 'swift'"),
        (["run", "--backend", "x"], "Invalid value for '--backend': 'x' is not one of 'auto', 'remote'"),
        (["score", "--on-error", "x"], "Invalid value for '--on-error': 'x' is not one of"),
        (
            ["view", "--port", "70000"],
            "Invalid value for '--port': 70000 is not in the range 0<=x<=65535",
        ),
    ],
)
def test_compare_unknown_choice_is_refused(words: list[Any], said: str) -> None:
    done = call(words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Value error" not in done.stderr
    assert "Traceback" not in done.stderr
