"""What `validate` warns of in multiple-choice data, and what keeps such data from being read as free answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalsuite.data.dataset import Dataset, load_dataset
from evalsuite.data.layout import DataFile
from evalsuite.tasks.mcq import McqRow, McqTask
from evalsuite.tasks.mcq_checks import (
    FEWEST_ROWS_OF_ONE_ANSWER,
    dataset_warnings,
    hidden_choices,
    row_warnings,
)


def row(question: str = "Which?", **options: str) -> McqRow:
    return McqRow(question, options or {"A": "x", "B": "y"}, ("A",))


def load(folder: Path, dev: str = "", **subjects: str) -> Dataset[McqRow]:
    """A dataset of subjects, each with lines of `id,question,A,B,answer`, and one dev file."""
    header = "id,question,A,B,answer\n"
    shown = folder / "dev.csv"
    shown.write_text(header + dev)
    files = []
    for subject, lines in subjects.items():
        path = folder / f"{subject}.csv"
        path.write_text(header + lines)
        files.append(DataFile(path, subject, shown if dev else None))
    return load_dataset("exam", files, McqTask())


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (row(A="Water", B="fire", C="water "), "options A and C read alike"),
        (row(A="x", B="nan"), "option B reads 'nan'"),
        (row(A="x", B="#N/A"), "option B reads '#N/A'"),
        (row(A="x", B="the answer is A"), "option B holds 'answer is A'"),
        (row(question="哪个是水果？（答案：C）"), "the question holds '答案：C'"),
    ],
)
def test_row_warnings_of_odd_rows_say_what_is_odd(odd: McqRow, said: str) -> None:
    found = [what for what, _ in row_warnings(odd)]
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize("good", [row(), row("What answer is expected?"), row(A="banana", B="none of them")])
def test_row_warnings_of_plain_rows_are_none(good: McqRow) -> None:
    assert list(row_warnings(good)) == []


def test_dataset_warnings_name_questions_that_are_also_few_shot_examples(tmp_path: Path) -> None:
    dataset = load(tmp_path, dev="d,Who  was it?,y,x,A\n", art="1,who was it?,x,y,A\n2,And she?,x,y,B\n")
    (warning,) = dataset_warnings(dataset)
    assert (Path(warning.file).name, warning.line) == ("art.csv", 2)
    assert "the question is also in dev.csv" in warning.what


def test_dataset_warnings_name_ids_that_several_subjects_use_once(tmp_path: Path) -> None:
    dataset = load(tmp_path, art="q1,a,x,y,A\nq2,b,x,y,B\n", law="q1,c,x,y,A\nq2,d,x,y,B\nq3,e,x,y,B\n")
    (warning,) = dataset_warnings(dataset)
    assert "the id 'q1' is also in" in warning.what
    assert "2 ids are in several subjects" in warning.what


def test_dataset_warnings_do_not_count_positions_as_ids(tmp_path: Path) -> None:
    assert list(dataset_warnings(load(tmp_path, art=",a,x,y,A\n", law=",b,x,y,B\n"))) == []


def test_dataset_warnings_of_one_letter_for_all_rows(tmp_path: Path) -> None:
    rows = "".join(f"{place},q{place},x,y,A\n" for place in range(FEWEST_ROWS_OF_ONE_ANSWER))
    (warning,) = dataset_warnings(load(tmp_path, art=rows))
    assert f"the answer is A in all {FEWEST_ROWS_OF_ONE_ANSWER} rows" in warning.what
    few = "".join(rows.splitlines(keepends=True)[:-1])
    assert list(dataset_warnings(load(tmp_path, art=few))) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"question": "q", "answer": "A"}, {"question": "r", "answer": "Ｂ"}], "every answer is a single letter"),
        ([{"query": "q", "a": "x", "b": "y", "answer": "x"}], "its columns a, b look like"),
        ([{"question": "q", "option_c": "x", "answer": "x"}], "its columns option_c look like"),
        ([{"question": "q", "answer": "A"}, {"question": "r", "answer": "Ada"}], ""),
        ([{"question": "q", "answer": "b"}], ""),
        ([{"question": "q", "answer": "4"}], ""),
        ([{"question": "q", "answer": "x", "options": None}], ""),
        ([], ""),
    ],
)  # fmt: skip
def test_hidden_choices_tells_multiple_choice_from_free_answers(
    rows: list[dict[str, str]], said: str
) -> None:
    assert said in hidden_choices(rows)
    assert bool(said) == bool(hidden_choices(rows))
