"""A run that lacks samples says so wherever its numbers stand, with the values the missing ones could give it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from mock_server import Answer, Asked, MockServer, failing, ordinary
from run_helpers import arguments, call, numbered, write_qa

from evalsuite import load_run
from evalsuite.evaluation.compare import compare


@pytest.fixture
def out(tmp_path: Path, server: MockServer) -> Path:
    """The folder of a complete run and of one that lacks three of its twelve samples."""
    data = write_qa(tmp_path / "qa.jsonl", numbered(12))
    words = arguments(server, tmp_path, data)
    assert call([*words, "--name", "whole"]).returncode == 0

    def refuse_some(asked: Asked) -> Answer:
        return (
            failing(400, "no")
            if asked.prompt in ("question 0", "question 5", "question 7")
            else ordinary(asked)
        )

    server.behave = refuse_some
    done = call([*words, "--name", "part"])
    assert done.returncode == 3
    (tmp_path / "stdout").write_text(done.stdout)
    (tmp_path / "stderr").write_text(done.stderr)
    return tmp_path


def test_the_terminal_says_it_above_the_table_and_on_both_streams(out: Path) -> None:
    first = (out / "stdout").read_text().splitlines()[0]
    assert first == "INCOMPLETE: 3 of 12 samples are missing. These numbers cover only what is finished."
    assert "rouge_l is between 75.0 and 100.0" in (out / "stdout").read_text()
    assert "3 of 12 samples failed (3 × HTTP 400: no)" in (out / "stderr").read_text()


def test_every_file_of_the_run_says_it(out: Path) -> None:
    part = load_run(out / "part")
    with (part.path / "summary.csv").open(encoding="utf-8") as stream:
        owed = {row["n_owed"] for row in csv.DictReader(stream) if row["subset"] == "all"}
    assert owed == {"3"}
    assert (part.complete, part.summary.complete, part.summary.totals.owed) == (False, False, 3)
    whole = part.summary.variants["mock-model"].datasets["qa"].subsets["all"].metrics
    assert whole["rouge_l"].bounds == (0.75, 1.0)
    page = (part.path / "report.html").read_text(encoding="utf-8")
    assert "This run is incomplete: 3 samples are missing." in page
    assert "rouge_l is between 75.0 and 100.0" in page
    assert "Incomplete: 3 of 12" in part._repr_html_()


def test_a_complete_run_says_nothing_of_the_kind(out: Path) -> None:
    whole = load_run(out / "whole")
    with (whole.path / "summary.csv").open(encoding="utf-8") as stream:
        assert {row["n_owed"] for row in csv.DictReader(stream) if row["subset"] == "all"} == {"0"}
    assert "ncomplete" not in whole._repr_html_()
    assert "ncomplete:" not in (whole.path / "report.html").read_text(encoding="utf-8")


def test_every_form_of_a_comparison_says_it(out: Path) -> None:
    sentence = "the run part is incomplete: only finished samples are compared."
    found = compare(out / "whole", out / "part")
    assert any(sentence in warning for warning in found.warnings)
    assert sentence in found.html()
    assert sentence in found.markdown()
    assert sentence in found.markdown(style="swift")
    assert {row["complete"] for row in csv.DictReader(found.csv().decode().splitlines())} == {"false"}
    errors = ET.fromstring(found.junit()).findall(".//system-err")
    assert errors
    assert all(sentence in str(one.text) for one in errors)
    assert [side["complete"] for side in json.loads(json.dumps(found.to_dict()))["sides"]] == [True, False]
    assert sentence in found._repr_html_()
    done = call(["compare", str(out / "whole"), str(out / "part")])
    assert f"note: {sentence}" in done.stdout
