"""`evalsuite.validate`: what a Python caller gets of the checks that `evalsuite validate` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import evalsuite


def test_validate_good_file_describes_the_dataset(tmp_path: Path) -> None:
    file = tmp_path / "quiz.csv"
    file.write_text("question,A,B,answer\nq,1,2,A\nr,1,2,B\n", encoding="utf-8")
    result = evalsuite.validate(file)
    (dataset,) = result.datasets
    assert result.ok
    assert (dataset.spec, dataset.kind, dataset.rows, dataset.recognised) == (str(file), "mcq", 2, True)
    assert result.errors == ()


def test_validate_bad_rows_are_errors_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "quiz.csv"
    file.write_text("question,A,B,answer\nq,1,2,A\nr,1,2,Z\ns,1,2,Y\n", encoding="utf-8")
    result = evalsuite.validate(f"mcq:{file}")
    assert not result.ok
    assert [(one.severity, one.file, one.line) for one in result.errors] == [
        ("error", str(file), 3),
        ("error", str(file), 4),
    ]
    assert all(str(one).startswith(f"{file}:{one.line}: ") for one in result.findings)


def test_validate_goes_on_after_a_dataset_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "qa.jsonl"
    file.write_text('{"question": "q", "answer": "a"}\n', encoding="utf-8")
    result = evalsuite.validate("no-such-set", file)
    assert [one.dataset for one in result.errors] == ["no-such-set"]
    assert [one.kind for one in result.datasets] == ["qa"]


@pytest.mark.parametrize("datasets", [[], ["gsm8k_style", "mcq_en"]])
def test_validate_builtin_datasets_have_no_errors(datasets: list[Any]) -> None:
    assert evalsuite.validate(*datasets).ok
