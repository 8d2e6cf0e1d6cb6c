"""EvalScope's prediction folders, in the form its 1.14 writes (ModelResult and ReviewResult as JSON lines)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from run_helpers import lines_of
from scoring_helpers import CALL, ROWS, TOOLS, scoring, write_rows

from evalsuite.errors import DataError, InputError, RunIncomplete
from evalsuite.evaluation.rescore import rescore
from evalsuite.evaluation.score import score


def predicted(index: int, reply: Any, stop_reason: str = "stop", **fields: Any) -> dict[str, Any]:
    message = {"id": "ab12", "content": reply, "source": "generate", "role": "assistant", "tool_calls": None}
    output = {"model": "m", "choices": [{"message": message, "stop_reason": stop_reason}], "error": None}
    asked = {"id": "cd34", "content": [{"type": "text", "text": f"question {index}"}], "role": "user"}
    return {
        "index": index,
        "model": "m",
        "model_output": output,
        "messages": [asked, message],
        "agent_trace": None,
        "metadata": {},
    } | fields


def reviewed(index: int, *target: str) -> dict[str, Any]:
    return {"index": index, "target": list(target) or None, "messages": [], "sample_score": {"score": {}}}


def work(
    folder: Path, name: str, predictions: list[Any], reviews: list[Any] | None, model: str = "m"
) -> Path:
    write_rows(folder / "predictions" / model / f"{name}.jsonl", predictions)
    if reviews is not None:
        write_rows(folder / "reviews" / model / f"{name}.jsonl", reviews)
    return folder


# ---------------------------------------------------------------- what is not certain


def test_without_reviews_there_are_no_gold_answers(tmp_path: Path) -> None:
    folder = work(tmp_path / "w", "general_qa_default", [predicted(0, "a")], None)
    with pytest.raises(InputError, match="lack the gold answers, which stand in its reviews"):
        score(scoring(tmp_path / "out", folder))


@pytest.mark.parametrize("spec", ["", "mcq:"])
def test_multiple_choice_is_refused_since_the_options_are_not_there(tmp_path: Path, spec: str) -> None:
    folder = work(tmp_path / "w", "ceval_law", [predicted(0, "ANSWER: A")], [reviewed(0, "A")])
    with pytest.raises(InputError, match="multiple choice lacks the options"):
        score(scoring(tmp_path / "out", f"{spec}{folder}"))


def test_an_unreviewed_row_one_with_several_answers_and_a_broken_review_are_refused_by_line(
    tmp_path: Path,
) -> None:
    rows = [predicted(number, "a") for number in range(3)]
    folder = work(tmp_path / "w", "general_qa_x", rows, [reviewed(0, "a"), reviewed(1, "a", "b"), [1]])
    with pytest.raises(DataError) as caught:
        score(scoring(tmp_path / "out", folder))
    assert [problem.line for problem in caught.value.problems] == [2, 3]
    assert "2 gold answers" in str(caught.value)
    assert "no review of index 2" in str(caught.value)


def test_a_file_taken_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "alone.jsonl", [predicted(0, "a")])
    with pytest.raises(InputError, match="stand in its reviews"):
        score(scoring(tmp_path / "out", path))


def test_no_output_is_no_prediction(tmp_path: Path) -> None:
    rows = [
        predicted(0, "a"),
        predicted(1, "a", model_output=None),
        predicted(2, "a", model_output={"choices": []}),
    ]
    folder = work(tmp_path / "w", "general_qa_x", rows, [reviewed(number, "a") for number in range(3)])
    with pytest.raises(RunIncomplete, match="2 of 3"):
        score(scoring(tmp_path / "out", folder))


# ---------------------------------------------------------------- what is


@pytest.mark.parametrize("place", ["", "predictions", "predictions/m/general_qa_default.jsonl"])
def test_free_answers_with_the_gold_of_their_reviews(tmp_path: Path, place: str) -> None:
    parts = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "good day"}]
    rows = [predicted(7, "over the dog"), predicted(3, parts)]
    reviews = [reviewed(3, "wrong"), reviewed(3, "good day"), reviewed(7, "over the dog")]
    folder = work(tmp_path / "w", "general_qa_default", rows, reviews)
    run = score(scoring(tmp_path / "out", folder / place, name=None))
    assert run.metric("rouge_l", variant="m", dataset="general_qa_default") == 1.0
    assert run.info.datasets[0].layout == "EvalScope"
    first = lines_of(run.path)[0]
    assert (first["id"], first["messages"]) == ("7", [{"role": "user", "content": "question 7"}])
    assert rescore(run.path).summary.variants == run.summary.variants


def test_numbers_agent_steps_and_several_models(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    for model in ("base", "sft"):
        rows = [predicted(0, r"\boxed{18}"), predicted(1, "it", "max_tokens")]
        work(folder, "gsm8k_main", rows, [reviewed(0, "18"), reviewed(1, "5")], model)
    step = ROWS["toolbench"][0]
    metadata = {"target": CALL, "tools": TOOLS, "messages": step["messages"]}
    work(folder, "tool_bench_in_domain", [predicted(0, CALL, metadata=metadata)], None, "sft")
    run = score(scoring(tmp_path / "out", folder))
    assert list(run.summary.variants) == ["base", "sft"]
    assert run.metric("accuracy", variant="base") == run.metric("truncated_rate", variant="base") == 0.5
    assert run.metric("paper/plan_em", variant="sft") == 1.0
    assert rescore(run.path).summary.variants == run.summary.variants
