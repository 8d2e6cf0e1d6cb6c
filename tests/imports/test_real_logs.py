"""Files that the tools themselves wrote, over a few questions of ours: `logs/`.

logs/lm_eval/      lm-eval 0.4.13, `--log_samples`: its dummy model, and a chat endpoint that answers "Answer: B"
logs/inspect_ai/   inspect-ai 0.3.285, the same endpoint: its own zip, packed with Zstandard
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from known import known
from run_helpers import call

from evalsuite import compare
from evalsuite.errors import InputError
from evalsuite.evaluation.import_results import import_results
from evalsuite.evaluation.rescore import rescore
from evalsuite.imports.archives import Archive
from evalsuite.runs.run import Run
from evalsuite.runs.schema import SampleLine

LOGS = Path(__file__).parent / "logs"
LM_EVAL, INSPECT = LOGS / "lm_eval", LOGS / "inspect_ai"
DUMMY, CHAT = "bu6tyawv", "org_mock"
CHAT_FOLDER = LM_EVAL / "org__mock"


def lines_of(run: Run, variant: str, dataset: str) -> list[SampleLine]:
    return [line for line in run.samples() if (line.variant, line.dataset) == (variant, dataset)]


@pytest.fixture
def lm_eval(tmp_path: Path) -> Run:
    return import_results(LM_EVAL, out=tmp_path / "out")


def test_every_mean_is_what_lm_eval_reports_or_said_to_have_no_samples(lm_eval: Run) -> None:
    assert lm_eval.metric("lm_eval/acc,none", variant=DUMMY, dataset="own_mc") == 0.2
    assert lm_eval.metric("lm_eval/exact_match,strict", variant=CHAT, dataset="own_gen") == 0.0
    said = [warning for warning in lm_eval.summary.warnings if "lm_eval reports" in warning]
    assert len(said) == 6
    assert all("wrote no score of single samples" in warning for warning in said)


def test_an_option_is_read_by_its_likelihood_and_gold_by_its_place(lm_eval: Run) -> None:
    last = lines_of(lm_eval, DUMMY, "own_mc")[-1]
    assert (last.extracted, last.gold, last.scores["lm_eval/acc,none"]) == ("绿", "蓝", 0.0)
    assert "' 蓝': log-likelihood -0.10" in known(last.reply).text


def test_turns_of_a_chat_are_turns_again(lm_eval: Run) -> None:
    first = lines_of(lm_eval, CHAT, "own_gen")[0]
    assert first.message_list == [{"role": "user", "content": "How many legs has a spider?\nAnswer:"}]
    assert known(first.reply).text == "Answer: B"


def test_what_no_filter_could_read_is_unparsed(tmp_path: Path) -> None:
    root = tmp_path / "logs"
    shutil.copytree(LM_EVAL / DUMMY, root / DUMMY)
    (file,) = (root / DUMMY).glob("samples_own_gen_*")
    rows = [json.loads(row) for row in file.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["filtered_resps"] = ["[invalid]"]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = import_results(root, out=tmp_path / "out")
    assert {line.outcome for line in lines_of(run, DUMMY, "own_gen")} == {"unparsed"}


def test_a_task_without_a_score_of_any_sample_stands_in_table_report_and_comparison(tmp_path: Path) -> None:
    done = call(["import", str(LM_EVAL), "--out", str(tmp_path), "--name", "a"])
    assert done.returncode == 0, done.stderr
    (row,) = (
        line for line in done.stdout.splitlines() if line.split()[:2] == [DUMMY, "own_ppl"] and "—" in line
    )
    assert "%" not in row
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "word_perplexity,none = 1.06586" in page
    run = import_results(LM_EVAL, out=tmp_path, name="b")
    assert rescore(run.path).complete
    sides = [f"{tmp_path / name}:{DUMMY}" for name in "ab"]
    assert call(["compare", *sides]).returncode == 0


def test_tasks_of_several_results_are_put_together_and_the_latest_counts(tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "model"
    folder.mkdir(parents=True)
    (results,) = (LM_EVAL / DUMMY).glob("results_*")
    time = results.stem.removeprefix("results_")
    content = json.loads(results.read_text(encoding="utf-8")) | {"model_name": "model"}
    for day, tasks in (("01", ("own_mc", "own_gen")), ("02", ("own_mc",))):
        moment = f"2026-12-{day}T00-00-00.000001"
        kept = {task: content["results"][task] for task in tasks}
        (folder / f"results_{moment}.json").write_text(json.dumps(content | {"results": kept}))
        for task in tasks:
            rows = (LM_EVAL / DUMMY / f"samples_{task}_{time}.jsonl").read_text(encoding="utf-8")
            if day == "02":
                rows = rows.replace('"acc": 0.0', '"acc": 1.0')
            (folder / f"samples_{task}_{moment}.jsonl").write_text(rows)
    run = import_results(tmp_path / "logs", out=tmp_path / "out")
    assert run.metric("lm_eval/acc,none", dataset="own_mc") == 1.0
    assert len(lines_of(run, "model", "own_gen")) == 5
    (folder / "results_2026-12-03T00-00-00.000001.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"12-03.*--log_samples"):
        import_results(tmp_path / "logs", out=tmp_path / "out")


def test_results_of_a_file_name_of_ones_own(tmp_path: Path) -> None:
    (results,) = CHAT_FOLDER.glob("results_*")
    for file in CHAT_FOLDER.iterdir():
        shutil.copy(file, tmp_path / file.name.replace("results_", "mine_"))
    for path in (tmp_path, tmp_path / results.name.replace("results_", "mine_")):
        run = import_results(path, out=tmp_path / "out", name="run")
        assert len(list(run.samples())) == 10


def test_inspects_own_zip_is_read_and_its_numbers_are_its_own(tmp_path: Path) -> None:
    run = import_results(INSPECT, out=tmp_path / "out")
    assert run.metric("inspect_ai/choice", dataset="own_choice") == 0.5
    assert run.metric("inspect_ai/facts/length", dataset="own_facts") == 9.0
    assert run.metric("inspect_ai/facts/upper", dataset="own_facts") == 1.0
    assert not [warning for warning in run.summary.warnings if " reports " in warning]


def test_options_and_turns_that_inspect_sent_are_the_prompt(tmp_path: Path) -> None:
    run = import_results(INSPECT, out=tmp_path / "out")
    first = lines_of(run, "openai_org_mock", "own_choice")[0]
    assert "A) 1\nB) 2\nC) 3" in known(first.message_list)[-1]["content"]
    assert (first.gold, first.extracted, known(first.reply).text) == ("B", "B", "Answer: B")


def test_epochs_are_tries_of_a_row_and_what_is_nan_is_no_score(tmp_path: Path) -> None:
    run = import_results(INSPECT, out=tmp_path / "out", name="a")
    lines = lines_of(run, "openai_org_mock", "own_facts")
    assert [(line.id, line.repeat) for line in lines] == [
        (str(row), epoch) for epoch in (0, 1) for row in range(1, 6)
    ]
    assert [line.scores["inspect_ai/odd"] for line in lines] == 2 * [None, 0.5, 0.5, 0.5, 0.5]
    again = import_results(INSPECT, out=tmp_path / "out", name="b")
    found = compare(run, again, metrics=["inspect_ai/facts/length"])
    assert any("on all 5 rows" in sentence for sentence in found.verdicts)


def as_json(log: Path, target: Path) -> Path:
    """The log as inspect-ai's JSON has it: the header with the samples in it, NaN as it is."""
    with zipfile.ZipFile(log) as opened:
        archive = Archive(log, opened)
        header = json.loads(archive.read("header.json"))
        names = [name for name in archive.names() if name.startswith("samples/")]
        header["samples"] = [json.loads(archive.read(name)) for name in names]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(header))
    return target


def test_its_json_is_read_alike_and_a_list_of_logs_is_no_log(tmp_path: Path) -> None:
    for log in INSPECT.glob("*.eval"):
        as_json(log, tmp_path / "logs" / f"{log.stem}.json")
    (tmp_path / "logs" / "logs.json").write_text(
        '{"a.eval": {"version": 2, "status": "success", "eval": {}}}'
    )
    assert "NaN" in "".join(file.read_text() for file in (tmp_path / "logs").iterdir())
    zipped = import_results(INSPECT, out=tmp_path / "out", name="a")
    plain = import_results(tmp_path / "logs", out=tmp_path / "out", name="b")
    assert plain.summary.variants == zipped.summary.variants


def test_a_log_that_did_not_end_well_says_so(tmp_path: Path) -> None:
    path = as_json(next(INSPECT.glob("*own-choice*")), tmp_path / "log.json")
    path.write_text(path.read_text().replace('"status": "success"', '"status": "cancelled"'))
    (warning,) = import_results(path, out=tmp_path / "out").summary.warnings
    assert "cancelled" in warning


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python reads Zstandard by itself")
def test_without_pyarrow_it_says_what_reads_zstandard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'evalsuite\[parquet\]'.*inspect log convert"):
        import_results(INSPECT, out=tmp_path / "out")


@pytest.mark.parametrize("damage", [b"\x00" * 40, b"\xff" * 40])
def test_a_damaged_zip_is_one_sentence(tmp_path: Path, damage: bytes) -> None:
    content = bytearray(next(INSPECT.glob("*own-choice*")).read_bytes())
    content[2000 : 2000 + len(damage)] = damage
    (tmp_path / "a.eval").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.eval"):
        import_results(tmp_path / "a.eval", out=tmp_path / "out")
