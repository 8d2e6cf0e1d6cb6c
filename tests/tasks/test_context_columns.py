"""Text before the question, from file to request: the signature names it, and rows without it keep their keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from run_helpers import only_plan

from evalsuite.runs.journal import sample_key

ROWS: dict[str, dict[str, Any]] = {
    "mcq": {"question": "Which?", "A": "x", "B": "y", "answer": "B"},
    "qa": {"question": "Why?", "answer": "Because."},
    "gsm8k": {"question": "1 + 1?", "answer": "1 + 1 = 2\n#### 2"},
    "judge": {"question": "Why?", "rubric": "Be kind."},
}
PASSAGE = {"passage": "Read this first."}


def requests(kind: str, folder: Path, *rows: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The conditions in the signature, and the sample keys, of a file with these rows."""
    path = folder / f"{len(list(folder.iterdir()))}.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    plan = only_plan(f"{kind}:{path}")
    made = [plan.request(sample, shots)[1] for sample, shots in plan.samples()]
    return plan.conditions(), [sample_key("model", request.api, request.payload) for request in made]


@pytest.mark.parametrize("kind", ROWS)
def test_signature_names_the_context_of_a_dataset(kind: str, tmp_path: Path) -> None:
    without, _ = requests(kind, tmp_path, ROWS[kind])
    with_passage, _ = requests(kind, tmp_path, ROWS[kind] | PASSAGE)
    assert "context" not in without
    assert "context" in with_passage


@pytest.mark.parametrize("kind", ROWS)
def test_sample_key_changes_only_for_rows_with_a_context(kind: str, tmp_path: Path) -> None:
    _, (plain,) = requests(kind, tmp_path, ROWS[kind])
    _, (passage, empty) = requests(kind, tmp_path, ROWS[kind] | PASSAGE, ROWS[kind] | {"passage": ""})
    assert passage != plain
    assert empty == plain
