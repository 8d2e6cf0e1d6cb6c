"""Accuracy by category: in the tally, and through `run`, `score` and `rescore` into every file and the terminal."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import known
from mock_server import MODEL, Answer, Asked, MockServer, reply
from run_helpers import call, lines_of, summary_of
from scoring_helpers import scoring, write_rows

from evalsuite.config import build_config
from evalsuite.data.subsets import WHOLE_DATASET as ALL
from evalsuite.evaluation.evaluate import evaluate
from evalsuite.evaluation.rescore import rescore
from evalsuite.evaluation.score import score
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.tasks.metric import Metric

METRICS = (Metric("accuracy", primary=True), Metric("accuracy_macro", aggregate="macro", of="accuracy"))
QUIZ = [
    ("physics", "science", 1), ("physics", "science", 1), ("physics", "science", 0), ("biology", "science", 0),
    ("music", "culture", 1), ("music", "", 0),
]  # fmt: skip
"""Subject, category, whether it is answered right."""


def question(subject: str, category: str | None, right: int, number: int) -> dict[str, Any]:
    row = {"id": number, "question": f"{number}?", "A": "yes", "B": "no", "answer": "A", "subject": subject}
    known = {} if category is None else {"category": category}
    return row | known | {"prediction": "Answer: A" if right else "Answer: B"}


def quiz(path: Path) -> Path:
    return write_rows(path, [question(*row, number) for number, row in enumerate(QUIZ)])


def values(run: Path) -> dict[tuple[str, str], float]:
    rows = csv.DictReader(io.StringIO((run / "summary.csv").read_text(encoding="utf-8")))
    return {(row["subset"], row["metric"]): float(row["value"]) for row in rows}


# ---------------------------------------------------------------- tally


def test_a_category_has_the_accuracy_of_its_rows_and_the_mean_of_its_subjects() -> None:
    aggregate = ScoreAggregate(METRICS, "fail")
    for subject, category, right in QUIZ:
        categories = (category,) if category else ()
        aggregate.add(subject, "scored", {"accuracy": float(right)}, {}, None, categories)
    found = {(result.subset, result.metric.name): result.interval.value for result in aggregate.results()}
    assert found["category:science", "accuracy"] == 0.5
    assert found["category:science", "accuracy_macro"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["category:culture", "accuracy"] == 1.0
    assert found["music", "accuracy"] == 0.5
    assert found[ALL, "accuracy"] == 0.5
    assert aggregate.subjects("category:science") == ["biology", "physics"]


def test_a_row_may_count_in_several_categories_and_an_order_given_is_kept() -> None:
    aggregate = ScoreAggregate(METRICS, "fail", (), ("STEM", "Other", "Hard"))
    aggregate.add("law", "scored", {"accuracy": 0.0}, {}, None, ("own", "Other"))
    aggregate.add("maths", "unparsed", {"accuracy": 0.0}, {}, None, ("STEM", "Hard"))
    aggregate.add("maths", "error", {}, {}, None, ("STEM", "Hard"))
    assert aggregate.categories == ["STEM", "Other", "Hard", "own"]
    hard = next(result for result in aggregate.results() if result.subset == "category:Hard")
    assert (hard.interval.n, hard.n_unparsed, hard.n_error) == (1, 1, 1)


SAMPLES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sets(st.sampled_from("xyz")), st.booleans()), min_size=1, max_size=40
)


@given(SAMPLES, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    samples: list[tuple[str, set[str], bool]], chance: random.Random
) -> None:
    def results() -> list[Any]:
        aggregate = ScoreAggregate(METRICS, "fail")
        for subject, categories, right in samples:
            aggregate.add(subject, "scored", {"accuracy": float(right)}, {}, None, tuple(sorted(categories)))
        return sorted(aggregate.results(), key=lambda result: (result.subset, result.metric.name))

    before = results()
    chance.shuffle(samples)
    assert results() == before


@given(SAMPLES)
def test_all_is_the_same_with_and_without_categories(samples: list[tuple[str, set[str], bool]]) -> None:
    plain, sorted_in = ScoreAggregate(METRICS, "fail"), ScoreAggregate(METRICS, "fail")
    for subject, categories, right in samples:
        score_of_row = {"accuracy": float(right)}
        plain.add(subject, "scored", score_of_row, {})
        sorted_in.add(subject, "scored", score_of_row, {}, None, tuple(sorted(categories)))
    kept = [result for result in sorted_in.results() if not result.subset.startswith("category:")]
    assert kept == plain.results()


# ---------------------------------------------------------------- the category column


def test_a_category_column_beside_the_subject_is_told_apart_from_it(tmp_path: Path) -> None:
    run = score(scoring(tmp_path, f"mcq:{quiz(tmp_path / 'quiz.jsonl')}"))
    found = values(run.path)
    assert {name for name, _ in found} == {
        "all", "category:culture", "category:science", "biology", "music", "physics",
    }  # fmt: skip
    assert found["category:science", "accuracy"] == 0.5
    assert found["category:science", "accuracy_macro"] == pytest.approx(1 / 3)
    science = run.summary.variants["scored"].datasets["quiz"].subsets["category:science"]
    assert (science.category, science.subjects, science.samples) == (
        "science",
        ("biology", "physics"),
        4,
    )
    assert [line.get("categories") for line in lines_of(run.path)] == [["science"]] * 4 + [["culture"], None]
    assert run.metric("accuracy_macro", subset="category:culture") == 1.0


def test_without_subjects_the_categories_are_the_subjects(tmp_path: Path) -> None:
    rows = [question("", category, right, number) for number, (_, category, right) in enumerate(QUIZ[:5])]
    run = score(scoring(tmp_path, f"mcq:{write_rows(tmp_path / 'quiz.jsonl', rows)}"))
    assert {name for name, _ in values(run.path)} == {"all", "science", "culture"}


def test_in_a_folder_of_subjects_the_files_are_the_subjects(tmp_path: Path) -> None:
    for name, category in (("physics", "science"), ("music", "culture")):
        rows = [question("", category, 1, number) for number in range(2)]
        write_rows(tmp_path / "quiz" / "val" / f"{name}_val.jsonl", rows)
    run = score(scoring(tmp_path, f"mcq:{tmp_path / 'quiz'}"))
    assert {name for name, _ in values(run.path)} == {
        "all", "category:culture", "category:science", "physics", "music",
    }  # fmt: skip


@pytest.mark.parametrize("subject", ["all", "category:science"])
def test_a_subject_called_like_other_results_does_not_mix_with_them(tmp_path: Path, subject: str) -> None:
    rows = [question("physics", "science", 1, 0), question(subject, "culture", 0, 1)]
    run = score(scoring(tmp_path, f"mcq:{write_rows(tmp_path / 'quiz.jsonl', rows)}"))
    found = values(run.path)
    assert (found["all", "accuracy"], found["category:science", "accuracy"]) == (0.5, 1.0)
    assert found["category:culture", "accuracy"] == 0.0
    assert len({name for name, _ in found}) == 5


# ---------------------------------------------------------------- C-Eval's groups, through every command

HARD = ("college_physics", "high_school_chemistry")
CEVAL = {
    "law": [1, 0, 0],
    "logic": [1],
    "civil_servant": [0],
    "college_physics": [1, 1],
    "high_school_chemistry": [0],
}


def exam(folder: Path) -> Path:
    for subject, answers in CEVAL.items():
        rows = [question("", None, right, number) for number, right in enumerate(answers)]
        rows = [
            row | {"question": f"{subject} {'right' if right else 'wrong'} {number}"}
            for number, (row, right) in enumerate(zip(rows, answers, strict=True))
        ]
        write_rows(folder / "val" / f"{subject}_val.jsonl", rows)
    return folder


def by_question(asked: Asked) -> Answer:
    return reply("答案：A" if "right" in asked.prompt else "答案：B")


GROUPS = {
    ("category:STEM", "accuracy"): 2 / 3,
    ("category:STEM", "accuracy_macro"): 0.5,
    ("category:Humanities", "accuracy"): 0.5,
    ("category:Humanities", "accuracy_macro"): (1 / 3 + 1) / 2,
    ("category:Other", "accuracy"): 0.0,
    ("category:Other", "accuracy_macro"): 0.0,
    ("category:C-Eval Hard", "accuracy"): 2 / 3,
    ("category:C-Eval Hard", "accuracy_macro"): 0.5,
}


def groups(run: Path) -> dict[tuple[str, str], float]:
    return {place: value for place, value in values(run).items() if place[0].startswith("category:")}


def test_run_resume_and_rescore_give_the_same_groups(server: MockServer, tmp_path: Path) -> None:
    server.behave = by_question
    given = {"base_url": server.url, "model": MODEL, "out": tmp_path, "name": "run"}
    config = build_config(given | {"datasets": [f"mcq:{exam(tmp_path / 'exam')}"], "shots": 0})
    run = evaluate(config)
    assert groups(run.path) == pytest.approx(GROUPS)
    assert list(groups(run.path)) == list(GROUPS), "in the order they are published in"
    evaluate(config)
    assert groups(run.path) == pytest.approx(GROUPS)
    assert server.total == 8
    rescored = rescore(run.path)
    assert groups(rescored.path) == pytest.approx(GROUPS)
    assert known(rescored.summary.rescored).metrics == ()


def test_a_journal_from_before_categories_gets_them_by_rescoring(server: MockServer, tmp_path: Path) -> None:
    run = score(scoring(tmp_path, f"mcq:{exam(tmp_path / 'exam')}")).path
    lines = lines_of(run)
    assert {tuple(line["categories"]) for line in lines} == {
        ("STEM", "C-Eval Hard"),
        ("Humanities",),
        ("Other",),
    }
    bare = [{name: value for name, value in line.items() if name != "categories"} for line in lines]
    (run / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in bare), encoding="utf-8")
    rescore(run)
    assert sorted(lines_of(run), key=lambda line: line["key"]) == sorted(lines, key=lambda line: line["key"])


def test_the_terminal_lists_categories_and_the_report_has_a_table_of_them(tmp_path: Path) -> None:
    data = exam(tmp_path / "exam")
    done = call(["score", f"mcq:{data}", "--out", str(tmp_path), "--name", "run"])
    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    place = next(number for number, line in enumerate(lines) if "category:STEM" in line)
    assert lines[place][:5] == ["·", "category:STEM", "accuracy", "66.7", "%"]
    assert lines[place + 1][:3] == ["accuracy_macro", "50.0", "%"]
    assert any(line[:3] == ["·", "law", "accuracy"] for line in lines)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    table = page.partition('id="categories"')[2].partition("</section>")[0]
    assert table.count("accuracy_macro</td>") == 4
    assert "category=C-Eval+Hard" in table
    subsets = page.partition('id="subsets"')[2].partition("</section>")[0]
    assert "law" in subsets
    assert "STEM" not in subsets


def test_dozens_of_subjects_are_counted_on_the_terminal_not_listed(tmp_path: Path) -> None:
    rows = [question(f"subject {number}", None, 1, number) for number in range(30)]
    data = write_rows(tmp_path / "quiz.jsonl", rows)
    done = call(["score", f"mcq:{data}", "--out", str(tmp_path), "--name", "run"])
    assert "30 subsets" in done.stdout
    assert "subject 7" not in done.stdout
    assert len(summary_of(tmp_path / "run")["variants"]["run"]["datasets"]["quiz"]["subsets"]) == 31
