"""A kind that defines only what it must is recognised, checked, asked, scored and summarised like every other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from mock_server import MODEL, MockServer

from evalsuite import evaluate
from evalsuite.config import build_config
from evalsuite.errors import DataError
from evalsuite.runs.plan import plan_spec
from evalsuite.tasks import KINDS, infer_kind, task_class
from evalsuite.tasks.base import Task
from evalsuite.tasks.capabilities import Capabilities
from evalsuite.tasks.style import Style
from evalsuite.types import Reply, Score

EXAMPLES = Path(__file__).parents[2] / "examples"
STYLE = Style("en", 0)
MOST_LINES = 30
PROMPT = "Spell 'stop' backwards. Reply with the letters only."
"""The mock server repeats its prompt, so a row with this answer is right."""


@pytest.fixture(autouse=True)
def spelling(monkeypatch: pytest.MonkeyPatch) -> Task[object]:
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setitem(KINDS, "spelling", "minimal_task:SpellingTask")
    return task_class("spelling")()


def words(folder: Path, *rows: tuple[str, str]) -> Path:
    path = folder / "words.csv"
    path.write_text("".join(f"{word},{answer}\n" for word, answer in (("word", "answer"), *rows)))
    return path


def test_minimal_task_is_about_30_lines_long() -> None:
    tree = ast.parse((EXAMPLES / "minimal_task.py").read_text(encoding="utf-8"))
    (task,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "SpellingTask")
    assert task.end_lineno is not None
    assert task.end_lineno - task.lineno < MOST_LINES
    methods = {node.name for node in task.body if isinstance(node, ast.FunctionDef)}
    assert methods == {"parse", "prompt", "score", "metrics"}


def test_minimal_task_is_recognised_by_its_columns(spelling: Task[object]) -> None:
    assert infer_kind({"word": "stop", "answer": "pots"}, "words.csv") == "spelling"
    assert spelling.missing_columns(["word"]) == ["'answer'"]
    assert str(spelling.columns) == "word, answer; optional id"


def test_minimal_task_defaults(spelling: Task[object]) -> None:
    row = spelling.parse({"word": "stop", "answer": "pots"})
    assert spelling.capabilities == Capabilities()
    assert spelling.gold(row) == "pots"
    assert spelling.row_from_gold("pots", STYLE) is None
    assert not spelling.follow_up_requests(row, Reply("pots"), STYLE)
    assert not list(spelling.breakdown_keys(row, Score("scored")))
    assert spelling.facts(row).subject is None
    assert spelling.max_tokens(STYLE) > 0


@pytest.mark.parametrize(
    ("text", "outcome", "accuracy"),
    [
        ("pots", "scored", 1.0),
        ("<think>s t o p</think> Pots\n", "scored", 1.0),
        ("spot", "scored", 0.0),
        ("", "unparsed", 0.0),
    ],
)
def test_minimal_task_scores_a_reply(
    spelling: Task[object], text: str, outcome: str, accuracy: float
) -> None:
    score = spelling.score(spelling.parse({"word": "stop", "answer": "pots"}), Reply(text), STYLE)
    assert (score.outcome, score.values) == (outcome, {"accuracy": accuracy})


def test_minimal_task_refuses_an_empty_cell_by_line(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        plan_spec(str(words(tmp_path, ("stop", "pots"), ("", "x"))))
    (problem,) = caught.value.problems
    assert (problem.line, problem.what, problem.expected) == (
        3,
        "'word' is empty",
        "a text in the column 'word'",
    )


def test_minimal_task_runs_from_file_to_summary(server: MockServer, tmp_path: Path) -> None:
    path = words(tmp_path, ("stop", PROMPT), ("live", "evil"))
    options = {"base_url": server.url, "model": MODEL, "out": tmp_path / "out", "datasets": [str(path)]}
    run = evaluate(build_config(options))
    (summary,) = run.summary_frame().query("metric == 'accuracy' and subset == 'all'").to_dict("records")
    assert (summary["value"], summary["n"]) == (0.5, 2)
    assert {line.gold for line in run.samples()} == {PROMPT, "evil"}
