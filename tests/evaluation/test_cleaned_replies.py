"""Cleaning from the file of predictions to the table: labels, notes, the option and the signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scoring_helpers import scoring, write_rows

from evalsuite.evaluation.score import score
from evalsuite.runs.run import Run

ROW = {"question": "Capital of France?", "A": "Rome", "B": "Bern", "C": "Paris", "D": "Oslo", "answer": "C"}


def scored(folder: Path, replies: list[str], **options: Any) -> Run:
    path = write_rows(folder / "rows.jsonl", [ROW | {"prediction": reply} for reply in replies])
    return score(scoring(folder / "out", f"mcq:{path}", **options))


def accuracy(run: Run) -> Any:
    rows = run.summary_frame().to_dict("records")
    return next(row for row in rows if (row["metric"], row["subset"]) == ("accuracy", "all"))


def test_score_counts_what_cleaning_dropped_in_a_note(tmp_path: Path) -> None:
    run = scored(
        tmp_path, ["<think>A?</think>C", "[THINK]A?[/THINK]C</s>", "C\n\nQuestion: Next?\nAnswer: A"]
    )
    assert accuracy(run)["value"] == 1.0
    notes = " ".join(map(str, run.summary.warnings))
    assert "of 3 replies, 2 contained reasoning, 1 ended in an end-of-turn token, 1 went on" in notes


def test_score_reasoning_tags_are_dropped_and_part_of_the_signature(tmp_path: Path) -> None:
    replies = ["<hm>Answer: A</hm>\nAnswer: C"] * 2
    before = scored(tmp_path / "before", replies)
    assert "--reasoning-tags '<hm>,</hm>'" in " ".join(map(str, before.summary.warnings))
    after = scored(tmp_path / "after", ["<hm>Answer: C</hm>\nAnswer: A"] * 2, reasoning_tags=("<hm>,</hm>",))
    assert accuracy(after)["value"] == 0.0
    assert "reasoning-tags:<hm>,</hm>" in accuracy(after)["signature"]
    assert "reasoning-tags" not in accuracy(before)["signature"]
