"""What tests of comparisons share: runs made by scoring small files of predictions, which takes no model."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite.config import build_score_config
from evalsuite.evaluation.score import score
from evalsuite.runs.run import Run

RIGHT, WRONG, SILENT = "Answer: A", "Answer: B", "I would rather not say"


def mcq_rows(replies: Sequence[str], **changes: Any) -> list[dict[str, Any]]:
    """Questions whose answer is A, in two subjects, each with its reply."""
    return [
        {
            "id": f"q{number}",
            "subject": "law" if number % 2 else "physics",
            "question": f"What is question {number} about?",
            "A": f"this {number}",
            "B": "that",
            "answer": "A",
            "prediction": reply,
            **changes,
        }
        for number, reply in enumerate(replies)
    ]


def qa_rows(replies: Sequence[str]) -> list[dict[str, Any]]:
    """Questions whose answer is a sentence."""
    return [
        {
            "id": str(number),
            "query": f"Say it {number}",
            "response": "the cat sat on the mat today",
            "prediction": reply,
        }
        for number, reply in enumerate(replies)
    ]


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A JSON Lines file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def scored(out: Path, name: str, rows: Iterable[Mapping[str, Any]], kind: str = "mcq", **options: Any) -> Run:
    """A run called `name` whose data file is called `exam`."""
    path = write_rows(out / "files" / name / "exam.jsonl", rows)
    given = {"datasets": [f"{kind}:{path}"], "name": name, "out": out / "runs"}
    return score(build_score_config(given | options))


def text_of(page: str) -> str:
    """What a page says, without its tags; spaces that hold words together as plain ones."""
    return html.unescape(re.sub(r"<[^<>]*>", "", page)).replace("\u00a0", " ")


def replies(right: int, wrong: int) -> list[str]:
    """So many right and then so many wrong replies."""
    return [RIGHT] * right + [WRONG] * wrong
