"""Files of predictions that other tools write: what is read, skipped, counted and said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scoring_helpers import scoring, write_rows

from evalsuite import score
from evalsuite.errors import DataError, InputError
from evalsuite.evaluation.rebuild import rebuild


def test_llamafactorys_older_files_of_label_and_predict_alone_are_scored(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "old.jsonl", [{"label": "good day to you", "predict": "good day to you"}])
    run = score(scoring(tmp_path / "out", path))
    assert run.metric("rouge_l") == 1.0
    assert run.info.datasets[0].layout == "LLaMA-Factory"


@pytest.mark.parametrize(
    ("gold", "reply", "rest"),
    [("label", "predict", {"prompt": "<user>hi"}), ("labels", "response", {"query": "hi"})],
)
@pytest.mark.parametrize("empty", ["", "  ", None])
def test_rows_with_an_empty_label_are_skipped_and_counted(
    tmp_path: Path, gold: str, reply: str, rest: dict[str, str], empty: str | None
) -> None:
    rows = [{gold: label, reply: "good day", **rest} for label in ("good day", empty, empty)]
    run = score(scoring(tmp_path / "out", write_rows(tmp_path / "p.jsonl", rows)))
    assert (run.metric("rouge_l"), len(list(run.samples()))) == (1.0, 1)
    said = f"rows with an empty '{gold}' have nothing to compare with and are skipped (2 times, first "
    assert any(said in warning for warning in run.summary.warnings)


def test_a_file_in_which_every_label_is_empty_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", [{"label": "", "predict": "x"}])
    with pytest.raises(DataError, match="no row is left: rows with an empty 'label'"):
        score(scoring(tmp_path / "out", f"qa:{path}"))


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        ("gsm8k", {"prompt": "?", "label": "none", "predict": "x"}, "in the column 'label' that ends in"),
        ("gsm8k", {"query": "?", "labels": "none", "response": "x"}, "in the column 'labels' that ends in"),
        (
            "mcq",
            {"prompt": "?", "label": "A", "predict": "x"},
            "among the keys (found: prompt, label, predict)",
        ),
    ],
)
def test_faults_name_the_columns_of_the_file(
    tmp_path: Path, kind: str, row: dict[str, str], said: str
) -> None:
    path = write_rows(tmp_path / "p.jsonl", [row])
    with pytest.raises(DataError) as caught:
        score(scoring(tmp_path / "out", f"{kind}:{path}"))
    assert said in str(caught.value)


def test_own_names_of_columns_notes_and_excel_reach_the_files_of_a_scoring(tmp_path: Path) -> None:
    rows = [{"Q": "Which?", "A": "x", "B": "y", "Key": "A", "Output": "Answer: A", "source": "web"}]
    path = write_rows(tmp_path / "p.jsonl", rows)
    columns = "question=Q,answer=Key,prediction=Output"
    run = score(scoring(tmp_path / "out", path, columns=columns, csv_for="excel"))
    assert run.metric("accuracy") == 1.0
    wanted = [
        "p: --columns: 'question' is read from 'q', 'answer' is read from 'key', 'prediction' is read from 'output'."
    ]
    wanted.append("p: nothing reads the column 'source'.")
    assert [warning for warning in run.summary.warnings if warning.startswith("p: ")] == wanted
    assert (run.path / "summary.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    again = rebuild(run.path)
    assert [warning for warning in again.summary.warnings if warning.startswith("p: ")] == wanted
    assert (run.path / "summary.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_predictions_of_letters_without_options_are_not_free_answers_in_silence(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", [{"prompt": "?", "label": "A", "predict": "A"}])
    with pytest.raises(InputError, match="every answer is a single letter"):
        score(scoring(tmp_path / "out", path))
    assert score(scoring(tmp_path / "out", f"qa:{path}")).metric("chrf") == 100.0


def test_a_prediction_that_is_a_message_keeps_its_tool_calls(tmp_path: Path) -> None:
    rows = [
        {
            "query": "?",
            "response": "good day",
            "prediction": {"content": [{"type": "text", "text": "good day"}]},
        }
    ]
    path = tmp_path / "p.json"
    path.write_text(json.dumps(rows))
    assert score(scoring(tmp_path / "out", path)).metric("rouge_l") == 1.0
