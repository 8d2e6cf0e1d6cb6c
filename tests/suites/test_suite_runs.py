"""Benchmarks of another suite in a run of ours: a process of its own, a real socket, files that go wrong."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from mock_server import MockServer
from run_helpers import KEY, arguments, call, config, lines_of, start, summary_of, wait_until

from evalsuite import compare, evaluate, load_run
from evalsuite.config import RunConfig, build_config
from evalsuite.errors import ConfigError, GateFailed, InputError, RunIncomplete
from evalsuite.evaluation.rescore import rescore

QUIZ = "evalscope:quiz"


def folder(out: Path) -> Path:
    (found,) = (entry for entry in (out / "run" / "suites").glob("*/*") if entry.is_dir())
    return found


def starts(out: Path) -> int:
    return len((folder(out) / "starts").read_text().splitlines())


def with_suite(server: MockServer, out: Path, data: Path | None = None, **options: Any) -> RunConfig:
    datasets = [*([f"qa:{data}"] if data else []), *options.pop("texts", [QUIZ])]
    return config(server, out, datasets=datasets, **options)


def test_suite_runs_beside_native_data_and_is_not_repeated(
    server: MockServer, suite: Path, data: Path, tmp_path: Path
) -> None:
    run = evaluate(with_suite(server, tmp_path / "out", data))
    assert run.metric("evalscope/acc", dataset="quiz") == pytest.approx(2 / 3)
    assert run.metric("evalscope/acc", dataset="quiz", subset="hard") == 0.0
    assert run.metric("rouge_l", dataset="qa") == 1.0
    entry = run.summary.variants["mock-model"].datasets["quiz"]
    signature = entry.subsets["all"].metrics["evalscope/acc"].signature
    assert "evalscope:1.14.1" in signature
    assert "benchmark:quiz" in signature
    line = next(line for line in run.samples() if line.id == "three")
    assert (line.gold, line.extracted, line.scores) == ("wrong", "3", {"evalscope/acc": 0.0})
    assert not [warning for warning in run.summary.warnings if "quiz" in warning]
    server.forget()
    again = evaluate(with_suite(server, tmp_path / "out", data))
    assert server.total == 0
    assert starts(tmp_path / "out") == 1
    assert again.summary.variants == run.summary.variants
    assert again.summary.totals.reused == 15
    assert "quiz" in (again.path / "report.html").read_text()


def test_suite_run_torn_journal_is_filled_from_what_the_suite_left(
    server: MockServer, suite: Path, tmp_path: Path
) -> None:
    run = evaluate(with_suite(server, tmp_path / "out"))
    journal = run.path / "samples.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    again = evaluate(with_suite(server, tmp_path / "out"))
    assert [line.id for line in again.samples()] == ["one", "two", "three"]
    assert starts(tmp_path / "out") == 1


def test_suite_other_setting_runs_again_and_the_first_is_reused(
    server: MockServer, suite: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    evaluate(with_suite(server, out))
    evaluate(with_suite(server, out, max_tokens=9))
    server.forget()
    back = evaluate(with_suite(server, out))
    assert server.total == 0
    assert len(list(back.samples())) == 3


def test_suite_run_other_examples_beside_a_file_are_other_data(
    server: MockServer, suite: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x_val.csv"
    path.write_text("question,A,B,answer\nq,1,2,A\n")
    examples = tmp_path / "x_dev.csv"
    asked = []
    for content in ("a", "b", "b"):
        examples.write_text(content)
        server.forget()
        evaluate(with_suite(server, tmp_path / "out", texts=[f"evalscope:general_mcq={path}"]))
        asked.append(server.total)
    assert asked == [3, 3, 0]


def test_suite_run_key_goes_by_environment_and_is_in_no_file(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with MockServer(key=KEY) as server:
        evaluate(with_suite(server, tmp_path / "out", api_key_env="MY_KEY"))
        assert server.total == 3
    for file in (tmp_path / "out").rglob("*"):
        assert not file.is_file() or KEY not in file.read_text(errors="replace")


def test_suite_run_compare_and_rescore_take_a_suites_samples(
    server: MockServer, suite: Path, data: Path, tmp_path: Path
) -> None:
    first = evaluate(with_suite(server, tmp_path / "out", data))
    second = evaluate(with_suite(server, tmp_path / "out", data, name="second"))
    sentences = compare(first, second).verdicts
    assert any("quiz" in sentence and "evalscope/acc" in sentence for sentence in sentences)
    assert any("rouge_l" in sentence for sentence in sentences)
    before = first.summary.variants
    assert rescore(first.path).summary.variants == before


def test_suite_run_comparison_says_that_a_suite_was_told_something_else(
    server: MockServer, suite: Path, tmp_path: Path
) -> None:
    first = evaluate(with_suite(server, tmp_path / "out"))
    second = evaluate(with_suite(server, tmp_path / "out", name="second", temperature=0.8, seed=3))
    notes = compare(first, second).warnings
    assert any("generation settings are not the same (temperature 0 → 0.8)" in note for note in notes), notes
    third = evaluate(with_suite(server, tmp_path / "out", name="third", limit=3))
    assert not any("not the same" in note for note in compare(first, third).warnings)


@pytest.mark.parametrize("how", ["crash", "no result", "half", "no samples"])
def test_suite_run_goes_wrong_in_a_suite_keeps_the_native_results(
    server: MockServer, suite: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("FAKE_SUITE", how)
    with pytest.raises(RunIncomplete) as caught:
        evaluate(with_suite(server, tmp_path / "out", data))
    run = load_run(tmp_path / "out" / "run")
    assert run.metric("rouge_l") == 1.0
    assert not run.complete
    assert QUIZ in str(caught.value) or "samples.jsonl" in str(caught.value)
    if how == "crash":
        assert "the sky fell" in str(caught.value)
    monkeypatch.setenv("FAKE_SUITE", "")
    assert evaluate(with_suite(server, tmp_path / "out", data)).metric("evalscope/acc") == pytest.approx(
        2 / 3
    )


def test_suite_run_command_ends_with_3_and_one_paragraph(
    server: MockServer, suite: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SUITE", "crash")
    done = call(arguments(server, tmp_path / "out", data, QUIZ))
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "EvalScope" in done.stderr
    assert "rouge_l" in done.stdout


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no data", "It is hub/quiz.*-d evalscope:quiz=FOLDER"),
        ("broken", "environment is broken.*suites install evalscope --fresh"),
        ("lacking", "needs a package.*-m pip install"),
    ],
)
def test_suite_run_error_says_what_to_do(
    server: MockServer, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    monkeypatch.setenv("FAKE_SUITE", how)
    with pytest.raises(RunIncomplete, match=rf"(?s){said}"):
        evaluate(with_suite(server, tmp_path / "out"))


def test_suite_run_suite_that_hangs_is_ended_with_all_it_started(
    server: MockServer, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SUITE", "hang")
    with pytest.raises(RunIncomplete, match=r"not finished after 3 s"):
        evaluate(with_suite(server, tmp_path / "out", suite_timeout=3))
    gone(int((folder(tmp_path / "out") / "child").read_text()))


def test_suite_run_interrupt_ends_the_suites_processes(
    server: MockServer, suite: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SUITE", "hang")
    out = tmp_path / "out"
    process = start(arguments(server, out, data, QUIZ))
    wait_until(lambda: any((out / "run").glob("suites/*/*/child")), "the suite started")
    wait_until(lambda: bool((folder(out) / "child").read_text()), "its child was named")
    child = int((folder(out) / "child").read_text())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 3
    gone(child)
    assert summary_of(out / "run")["variants"]["mock-model"]["datasets"]["qa"]
    assert len(list(lines_of(out / "run"))) == 12


def gone(pid: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_suite_run_mean_that_is_not_what_the_suite_reports_is_reported(
    server: MockServer, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SUITE", "other mean")
    run = evaluate(with_suite(server, tmp_path / "out"))
    assert run.metric("evalscope/acc") == pytest.approx(2 / 3)
    (warning,) = run.summary.warnings
    assert "reports acc = 0.9000" in warning
    assert "0.6667" in warning
    assert "reports acc" in (run.path / "report.html").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("evalscope:quizz", "Did you mean evalscope:quiz"),
        ("evalscope:QUIZ_PRO", "Did you mean evalscope:quiz_pro"),
        ("evalscope:judged", "judge.*none is named"),
        ("evalscope:general_mcq", "your own rows.*=PATH"),
        ("evalscope:", "write evalscope:BENCHMARK"),
        ("evalscope:quiz=", "write evalscope:BENCHMARK"),
        ("evalscope:quiz=/nowhere/at/all", "there is no file or folder"),
        ("opencompass:ceval_gen", "OpenCompass is not installed.*suites install opencompass"),
    ],
)
def test_suite_run_nothing_is_sent_for_a_wrong_name(
    server: MockServer, suite: Path, tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(InputError, match=rf"(?s){said}"):
        evaluate(with_suite(server, tmp_path / "out", texts=[text]))
    assert server.total == 0


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("old", "evalscope 1.9.0; tested are 1.14"),
        ("absent", "has no evalscope"),
        ("does not run", "init_fs_encoding"),
    ],
)
def test_suite_run_environment_that_is_not_as_tested_is_told_apart(
    server: MockServer, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    monkeypatch.setenv("FAKE_SUITE", how)
    with pytest.raises(InputError, match=said):
        evaluate(with_suite(server, tmp_path / "out"))


def test_suite_run_gates_hold_for_a_suites_metrics(server: MockServer, suite: Path, tmp_path: Path) -> None:
    with pytest.raises(GateFailed, match=r"under 0\.9"):
        evaluate(with_suite(server, tmp_path / "a", fail_under=["quiz:evalscope/acc=90%"]))
    assert evaluate(with_suite(server, tmp_path / "b", fail_under=["evalscope/acc=0.5"])).complete
    with pytest.raises(GateFailed, match=r"no dataset of this run was measured by evalscope/nope"):
        evaluate(with_suite(server, tmp_path / "c", fail_under=["evalscope/nope=0.5"]))


def test_suite_run_completions_are_refused(server: MockServer, suite: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--completions"):
        evaluate(with_suite(server, tmp_path / "out", completions=True))


def test_suite_run_imported_dataset_is_not_moved_by_a_run_without_it(
    server: MockServer, suite: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    evaluate(with_suite(server, out, data))
    evaluate(config(server, out, data))
    back = evaluate(with_suite(server, out, data))
    assert len(list(back.samples())) == 15
    assert starts(out) == 1


def test_suite_run_configuration_names_no_time_limit_in_its_identity() -> None:
    words = {"base_url": "http://127.0.0.1:1", "model": "m", "datasets": [QUIZ]}
    assert build_config({**words, "suite_timeout": 5}).identity() == build_config(words).identity()


def test_suite_run_suites_list_says_what_is_there(suite: Path) -> None:
    done = call(["suites", "list"])
    assert done.returncode == 0
    assert "ready" in done.stdout.splitlines()[0]
    assert "evalsuite suites install opencompass" in done.stdout


def test_suite_run_datasets_lists_a_suites_benchmarks(suite: Path) -> None:
    done = call(["datasets", "evalscope"])
    assert done.returncode == 0
    assert json.dumps("quiz_pro")[1:-1] in done.stdout
    assert "judge" in done.stdout
