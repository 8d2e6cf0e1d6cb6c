"""`benchmarks/audit.py` reads each layout that it documents, and marks a stage that guesses."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "audit.py"
OPTIONS = ["Rome", "Bern", "Paris", "Oslo"]


def audit(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def columns(output: str, stage: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if line.strip().startswith(stage))


def published(reply: str, pred: str | None) -> dict[str, Any]:
    return {"options": OPTIONS, "answer": "C", "pred": pred, "model_outputs": reply}


def test_every_layout_is_read_from_files_folders_and_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outputs.zip", "w") as archive:
        rows = [published("The answer is (C).", "C"), published("No idea.", None)]
        archive.writestr("outputs.json", json.dumps(rows))
    question = "法国的首都是\nA．罗马\nB．伯尔尼\nC．巴黎\nD．奥斯陆"
    row = {
        "question": question,
        "standard_answer": ["C"],
        "model_answer": ["C"],
        "model_output": "【答案】C <eoa>",
    }
    (tmp_path / "exam.json").write_text(json.dumps({"example": [row]}))
    solution = {"ground_truth": "so\nA: 18", "6b": {"solution": "9 + 9\nA: 18", "is_correct": True}}
    (tmp_path / "solutions.jsonl").write_text(json.dumps(solution) + "\n")
    own = {"question": "1 + 1?", "A": "one", "B": "two", "answer": "B", "prediction": "B"}
    (tmp_path / "own.jsonl").write_text(json.dumps(own) + "\n")
    (tmp_path / "other.json").write_text("[]")
    done = audit(tmp_path)
    assert done.returncode == 0, done.stderr
    for layout in ("mmlu_pro", "gaokao", "grade_school_math", "evalsuite score"):
        assert f"\n{layout}\n" in done.stdout
    assert "other.json is left out" in done.stdout
    assert columns(done.stdout, "marker") == ["marker", "1", "1", "100.0%", "1", "1", "100.0%"]
    assert columns(done.stdout, "(unparsed)")[1:3] == ["1", "0"]
    assert columns(done.stdout, "answer_is")[4:] == ["1", "1", "100.0%"]


def test_stage_that_disagrees_with_the_published_letters_is_marked(tmp_path: Path) -> None:
    rows = [published("Not (B). The answer is (C).", "B" if number < 5 else "C") for number in range(25)]
    (tmp_path / "outputs.json").write_text(json.dumps(rows))
    done = audit(tmp_path / "outputs.json")
    assert done.returncode == 1
    assert "below 95 %" in done.stdout
