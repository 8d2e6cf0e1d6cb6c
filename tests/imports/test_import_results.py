"""Results of other tools: files in the forms their sources write, read, never changed, compared with runs of ours."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from known import known
from mock_server import MockServer
from run_helpers import call, config, numbered, write_qa

from evalsuite import compare, evaluate
from evalsuite.errors import InputError
from evalsuite.evaluation.import_results import import_results

TIME = "2026-11-21T10-00-00.000000"


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lm_eval_folder(
    root: Path, right: int = 3, total: int = 4, *, samples: bool = True, reported: float | None = None
) -> Path:
    """As `lm_eval --output_path root --log_samples` leaves it; two filters, as gsm8k has."""
    folder = root / "my__model"
    value = right / total if reported is None else reported
    results = {
        "results": {
            "gsm8k": {
                "alias": "gsm8k",
                "exact_match,strict-match": value,
                "exact_match_stderr,strict-match": 0.1,
                "exact_match,flexible-extract": 1.0,
            }
        },
        "higher_is_better": {"gsm8k": {"exact_match": True}},
        "versions": {"gsm8k": 3.0},
        "n-shot": {"gsm8k": 5},
        "model_name": "my/model",
        "lm_eval_version": "0.4.13",
    }
    folder.mkdir(parents=True)
    (folder / f"results_{TIME}.json").write_text(json.dumps(results))
    rows = [
        {
            "doc_id": doc,
            "doc": {"question": f"q{doc}"},
            "target": str(doc),
            "arguments": {"gen_args_0": {"arg_0": f"Question: q{doc}", "arg_1": {}}},
            "resps": [[f"The answer is {doc}"]],
            "filtered_resps": [str(doc)],
            "filter": name,
            "metrics": ["exact_match"],
            "doc_hash": "x",
            "exact_match": 1.0 if name == "flexible-extract" or doc < right else 0.0,
        }
        for doc in range(total)
        for name in ("strict-match", "flexible-extract")
    ]
    if samples:
        lines(folder / f"samples_gsm8k_{TIME}.jsonl", rows)
    return root


def content_of(root: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_lm_eval_logs_become_a_run(tmp_path: Path) -> None:
    source = lm_eval_folder(tmp_path / "logs")
    before = content_of(source)
    run = import_results(source, out=tmp_path / "out")
    assert run.metric("lm_eval/exact_match,strict-match") == 0.75
    assert run.metric("lm_eval/exact_match,flexible-extract") == 1.0
    signature = (
        run.summary.variants["my_model"]
        .datasets["gsm8k"]
        .subsets["all"]
        .metrics["lm_eval/exact_match,strict-match"]
        .signature
    )
    assert "lm_eval:0.4.13" in signature
    assert "shots:5" in signature
    line = next(run.samples())
    assert (line.prompt_text, known(line.reply).text, line.gold, line.extracted) == (
        "Question: q0",
        "The answer is 0",
        "0",
        "0",
    )
    assert not run.summary.warnings
    assert content_of(source) == before
    assert import_results(source, out=tmp_path / "out").summary.variants == run.summary.variants


def test_two_imports_are_compared(tmp_path: Path) -> None:
    old = import_results(lm_eval_folder(tmp_path / "old", 10, 40), out=tmp_path / "out", name="old")
    new = import_results(lm_eval_folder(tmp_path / "new", 30, 40), out=tmp_path / "out", name="new")
    sentences = compare(old, new, metrics=["lm_eval/exact_match,strict-match"]).verdicts
    assert any("+50.0 points" in sentence for sentence in sentences)


def test_a_number_that_is_not_the_mean_is_said(tmp_path: Path) -> None:
    run = import_results(lm_eval_folder(tmp_path / "logs", reported=0.9), out=tmp_path / "out")
    (warning,) = run.summary.warnings
    assert "0.9" in warning
    assert "0.75" in warning


def test_logs_without_samples_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--log_samples"):
        import_results(lm_eval_folder(tmp_path / "logs", samples=False), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def mt_bench(path: Path) -> Path:
    rows = [
        {
            "question_id": question,
            "model": model,
            "judge": ["gpt-4", "single-v1"],
            "user_prompt": f"prompt {question}",
            "judgment": f"Rating: [[{score}]]",
            "score": score,
            "turn": turn,
            "tstamp": 1.0,
        }
        for model, scores in (("base", (7, 5, -1, 3)), ("sft", (9, 8, 6, 7)))
        for (question, turn), score in zip(((81, 1), (82, 1), (81, 2), (82, 2)), scores, strict=True)
    ]
    return lines(path, rows)


def test_mt_bench_judgments_by_model_and_turn(tmp_path: Path) -> None:
    run = import_results(mt_bench(tmp_path / "gpt-4_single.jsonl"), out=tmp_path / "out")
    assert run.metric("mt_bench/score", variant="base") == 5.0
    assert run.metric("mt_bench/score", variant="sft") == 7.5
    assert run.metric("mt_bench/score", variant="sft", subset="turn 2") == 6.5
    metrics = run.summary.variants["base"].datasets["mt_bench"].subsets["all"].metrics
    assert "judge:gpt-4" in metrics["mt_bench/score"].signature
    assert metrics["mt_bench/score"].n_unparsed == 1
    assert known(run.summary.comparison)["verdicts"]


def test_pairwise_judgments_are_refused(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "gpt-4_pair.jsonl", [{"question_id": 1, "model_1": "a", "model_2": "b", "g1_winner": "a"}]
    )
    with pytest.raises(InputError, match=r"_single\.jsonl"):
        import_results(path, out=tmp_path / "out")


def llamafactory(folder: Path) -> tuple[Path, Path]:
    """As `llamafactory-cli eval` saves it, beside the data it asked."""
    data = folder / "ceval" / "val"
    data.mkdir(parents=True)
    for subject, golds in (("law", "AB"), ("physics", "CCD")):
        rows = "".join(f"{place},q{place},1,2,3,4,{gold}\n" for place, gold in enumerate(golds))
        (data / f"{subject}_val.csv").write_text("id,question,A,B,C,D,answer\n" + rows)
    saved = folder / "saved"
    saved.mkdir()
    (saved / "results.json").write_text(
        json.dumps({"law": {"0": "A", "1": "A"}, "physics": {"0": "C", "1": "C", "2": "A"}})
    )
    (saved / "results.log").write_text("        Average: 60.00\n           STEM: 66.67\n")
    return saved, folder / "ceval"


def test_llamafactorys_letters_are_held_against_the_data(tmp_path: Path) -> None:
    saved, data = llamafactory(tmp_path)
    run = import_results(saved, out=tmp_path / "out", data=data)
    assert run.metric("llamafactory/accuracy") == pytest.approx(0.6)
    assert run.metric("llamafactory/accuracy", subset="law") == 0.5
    assert not run.summary.warnings


def test_llamafactory_without_its_data_or_with_another_split(tmp_path: Path) -> None:
    saved, data = llamafactory(tmp_path)
    with pytest.raises(InputError, match="--data"):
        import_results(saved, out=tmp_path / "out")
    (data / "val" / "law_val.csv").write_text("id,question,A,B,C,D,answer\n0,q,1,2,3,4,A\n")
    with pytest.raises(InputError, match="law has 1 rows and 2 were evaluated"):
        import_results(saved, out=tmp_path / "out", data=data)


def inspect_log() -> dict[str, Any]:
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "task": "suite/trivia",
            "model": "openai/my-model",
            "packages": {"inspect_ai": "0.3.150"},
            "task_version": 0,
        },
        "results": {
            "scores": [{"name": "match", "metrics": {"accuracy": {"name": "accuracy", "value": 0.5}}}]
        },
        "samples": [
            {
                "id": place,
                "epoch": 1,
                "input": [{"role": "user", "content": f"q{place}"}],
                "target": "yes",
                "output": {
                    "choices": [{"message": {"content": answer}, "stop_reason": "stop"}],
                    "usage": {"input_tokens": 5, "output_tokens": 1},
                },
                "scores": {"match": {"value": "C" if answer == "yes" else "I", "answer": answer}},
            }
            for place, answer in enumerate(("yes", "no"), start=1)
        ],
    }


@pytest.mark.parametrize("form", ["json", "eval"])
def test_inspect_logs(tmp_path: Path, form: str) -> None:
    log = inspect_log()
    path = tmp_path / "logs" / f"2026_trivia.{form}"
    path.parent.mkdir()
    if form == "json":
        path.write_text(json.dumps(log))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            samples = log.pop("samples")
            archive.writestr("header.json", json.dumps(log))
            for sample in samples:
                archive.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
    run = import_results(path.parent, out=tmp_path / "out")
    assert run.metric("inspect_ai/match") == 0.5
    assert [line.extracted for line in run.samples()] == ["yes", "no"]
    assert not run.summary.warnings


def test_a_broken_zip_and_a_log_without_samples(tmp_path: Path) -> None:
    (tmp_path / "a.eval").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(InputError, match="cannot be read"):
        import_results(tmp_path / "a.eval", out=tmp_path / "out")
    (tmp_path / "b.json").write_text(json.dumps({**inspect_log(), "samples": []}))
    with pytest.raises(InputError, match="no samples"):
        import_results(tmp_path / "b.json", out=tmp_path / "out")


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": 1}\n'])
def test_what_no_tool_wrote_is_refused_with_what_is_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(InputError, match="lm-eval"):
        import_results(tmp_path / "x.jsonl", out=tmp_path / "out")


def test_a_cut_off_line_is_named(tmp_path: Path) -> None:
    path = mt_bench(tmp_path / "gpt-4_single.jsonl")
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match=r"gpt-4_single.jsonl:8: not JSON"):
        import_results(path, out=tmp_path / "out")


def test_an_import_never_takes_the_place_of_a_run(tmp_path: Path) -> None:
    with MockServer() as server:
        evaluate(config(server, tmp_path / "out", write_qa(tmp_path / "qa.jsonl", numbered(2))))
    with pytest.raises(InputError, match="holds another run"):
        import_results(mt_bench(tmp_path / "gpt-4_single.jsonl"), out=tmp_path / "out", name="run")


def test_the_command_prints_the_table(tmp_path: Path) -> None:
    path = mt_bench(tmp_path / "gpt-4_single.jsonl")
    done = call(["import", str(path), "--out", str(tmp_path / "out")])
    assert done.returncode == 0, done.stderr
    assert "mt_bench/score" in done.stdout
    assert (tmp_path / "out" / "gpt-4_single-imported" / "report.html").is_file()
    assert call(["import", str(tmp_path / "none")]).returncode == 2


@pytest.mark.parametrize("form", ["mmlu", "cmmlu"])
def test_the_other_data_that_llamafactory_asks(tmp_path: Path, form: str) -> None:
    """MMLU's files have no header; CMMLU's have an unnamed first column and are called by the subject alone."""
    saved, _ = llamafactory(tmp_path)
    folder = tmp_path / form / "test"
    folder.mkdir(parents=True)
    for subject, golds in (("law", "AB"), ("physics", "CCD")):
        if form == "mmlu":
            rows = "".join(f'"q{place}, and",1,2,3,4,{gold}\n' for place, gold in enumerate(golds))
            (folder / f"{subject}_test.csv").write_text(rows)
        else:
            rows = "".join(f"{place},q{place},1,2,3,4,{gold}\n" for place, gold in enumerate(golds))
            (folder / f"{subject}.csv").write_text(",Question,A,B,C,D,Answer\n" + rows)
    run = import_results(saved, out=tmp_path / "out", data=tmp_path / form)
    assert run.metric("llamafactory/accuracy") == pytest.approx(0.6)
    assert run.metric("llamafactory/accuracy", subset="physics") == pytest.approx(2 / 3)
    assert not run.summary.warnings
