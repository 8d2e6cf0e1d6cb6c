"""`--profile`: what it adds to a run, what it refuses, and that it never asks a kept reply again."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from known import known
from mock_server import MODEL, MockServer
from msgspec import to_builtins
from nltk_model import using_model
from run_helpers import arguments, call, config, lines_of, summary_of, without_speeds
from scoring_helpers import ROWS as PREDICTED
from scoring_helpers import scoring, write_rows

from evalsuite import evaluate
from evalsuite.config import RunConfig
from evalsuite.errors import ConfigError, InputError
from evalsuite.evaluation.evaluate import prepare
from evalsuite.evaluation.rescore import rescore
from evalsuite.evaluation.score import score
from evalsuite.metrics import choices_profiles, numbers_profiles, qa_profiles
from evalsuite.tasks import KINDS, task_class
from evalsuite.tasks.profiles import select_profiles
from evalsuite.tasks.style import Style

ROWS = {
    "mcq": [{"question": f"Paris {number}?", "A": "yes", "B": "no", "answer": "A"} for number in range(6)],
    "qa": [{"query": f"question {number}", "response": "an answer"} for number in range(6)],
    "gsm8k": [{"question": f"{number} + 1?", "answer": f"#### {number + 1}.0"} for number in range(6)],
}


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(kind: str) -> str:
        path = tmp_path / f"{kind}.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS[kind]), encoding="utf-8")
        return f"{kind}:{path}"

    return write


def planned(server: MockServer, out: Path, *specs: str, **options: Any) -> RunConfig:
    return config(server, out, datasets=list(specs), **options)


def metric_names(run: Path, dataset: str) -> set[str]:
    return set(summary_of(run)["variants"][MODEL]["datasets"][dataset]["subsets"]["all"]["metrics"])


def test_a_profile_adds_its_metrics_with_its_own_signature(
    server: MockServer, written: Any, tmp_path: Path
) -> None:
    plain = evaluate(planned(server, tmp_path / "plain", written("mcq")))
    run = evaluate(planned(server, tmp_path / "out", written("mcq"), profile="oc_first_capital"))
    (asked,), (profiled,) = (list(found.summary.variants.values()) for found in (plain, run))
    before, after = (entry.datasets["mcq"].subsets["all"].metrics for entry in (asked, profiled))
    assert set(after) - set(before) == {"oc_first_capital/accuracy"}
    assert after["oc_first_capital/accuracy"].signature.startswith("mcq|oc_first_capital|v1|n:6|")
    assert after["accuracy"] == before["accuracy"]
    assert {line["scores"]["oc_first_capital/accuracy"] for line in lines_of(run.path)} <= {0.0, 1.0}


def test_other_profiles_on_resume_judge_kept_replies_without_a_request(
    server: MockServer, written: Any, tmp_path: Path
) -> None:
    spec = written("mcq")
    evaluate(planned(server, tmp_path / "out", spec))
    asked = server.total
    for profiles in (["evalscope", "oc_first_option"], ["oc_first_option"], []):
        run = evaluate(planned(server, tmp_path / "out", spec, profile=profiles))
        assert server.total == asked
        wanted = {"accuracy", *(f"{name}/accuracy" for name in profiles)}
        assert {frozenset(line["scores"]) for line in lines_of(run.path)} == {frozenset(wanted)}
        (entry,) = run.summary.variants.values()
        assert set(entry.datasets["mcq"].subsets["all"].metrics) == {*wanted, "accuracy_macro"}
        assert len(lines_of(run.path)) == len(ROWS["mcq"])


def test_a_run_without_a_name_finds_its_replies_whatever_the_profiles(
    server: MockServer, written: Any, tmp_path: Path
) -> None:
    given = planned(server, tmp_path / "out", written("mcq"), name=None)
    assert prepare(given).path == prepare(replace(given, profile=("evalscope",))).path


def test_a_profile_may_be_for_one_dataset_of_several(
    server: MockServer, written: Any, tmp_path: Path
) -> None:
    given = planned(server, tmp_path / "out", written("mcq"), written("qa"), profile="oc_first_capital")
    mcq, qa = prepare(given).plans
    assert "oc_first_capital/accuracy" in {metric.name for metric in mcq.metrics}
    assert not any("/" in metric.name for metric in qa.metrics)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("evalscop", "--profile evalscop: there is no such profile. Did you mean evalscope? Profiles by kind: "),
        ("OpenCompass", "--profile OpenCompass: there is no such profile. Did you mean opencompass? "),
        ("lm-eval-strict", "--profile lm-eval-strict: there is no such profile. Did you mean lm_eval_strict? "),
        ("qwertz", "--profile qwertz: there is no such profile. Profiles by kind: gsm8k: lm_eval_strict, "),
        ("", "--profile : there is no such profile. Profiles by kind: "),
        (
            "lm_eval_strict",
            (
                "--profile lm_eval_strict: scores gsm8k, and this run has only mcq datasets. Leave it out. "
                "Profiles by kind: mcq: evalscope, oc_first_capital, oc_first_option."
            ),
        ),
    ],
)  # fmt: skip
def test_a_profile_that_no_dataset_has_is_refused_before_anything_is_sent(
    server: MockServer, written: Any, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        evaluate(planned(server, tmp_path / "out", written("mcq"), profile=["oc_first_option", name]))
    assert str(caught.value).startswith(said)
    assert server.total == 0
    run = evaluate(planned(server, tmp_path / "out", written("mcq")))
    before = (run.path / "summary.json").read_bytes()
    with pytest.raises(ConfigError) as caught:
        rescore(run.path, profiles=[name])
    assert str(caught.value).startswith(said)
    assert (run.path / "summary.json").read_bytes() == before


def test_what_a_profile_needs_is_said_before_anything_is_sent(
    server: MockServer, written: Any, tmp_path: Path, tiny_model: Path
) -> None:
    given = planned(server, tmp_path / "out", written("mcq"), written("qa"), profile="evalscope")
    with using_model(tmp_path), pytest.raises(ConfigError, match=r"nltk\.downloader punkt_tab") as caught:
        evaluate(given)
    assert str(caught.value).startswith("--profile evalscope on qa datasets: NLTK's sentence model")
    assert server.total == 0
    run = evaluate(given)
    assert metric_names(run.path, "qa") > {"evalscope/Rouge-L-R", "evalscope/bleu-4"}
    with using_model(tmp_path), pytest.raises(ConfigError, match="--profile evalscope on qa datasets"):
        rescore(run.path)
    assert rescore(run.path).summary.variants == run.summary.variants


def test_the_command_says_so_with_the_exit_code_of_a_wrong_command(
    server: MockServer, written: Any, tmp_path: Path, tiny_model: Path
) -> None:
    words = arguments(server, tmp_path / "out", written("qa"), more=["--profile", "evalscope"])
    environment = {name: value for name, value in os.environ.items() if name != "NLTK_DATA"}
    environment["HOME"] = str(tmp_path)
    refused = call(words, env=environment)
    if refused.returncode == 0:
        pytest.skip("this machine has NLTK's model in a folder of the system")
    assert refused.returncode == 2
    assert "python -m nltk.downloader punkt_tab" in refused.stderr
    assert "Traceback" not in refused.stderr
    done = call(words, env=environment | {"NLTK_DATA": str(tiny_model)})
    assert done.returncode == 0
    assert "evalscope/Rouge-L-R" in done.stdout


def test_rescoring_adds_profiles_to_every_result_file_without_a_request(
    server: MockServer, written: Any, tmp_path: Path
) -> None:
    run = evaluate(planned(server, tmp_path / "out", *map(written, ROWS), profile="oc_first_capital"))
    asked = server.total
    again = rescore(run.path, profiles=["swift", "lm_eval_flexible", "oc_first_option"])
    assert server.total == asked
    assert metric_names(run.path, "mcq") >= {"oc_first_capital/accuracy", "oc_first_option/accuracy"}
    assert metric_names(run.path, "gsm8k") > {"lm_eval_flexible/accuracy"}
    assert metric_names(run.path, "qa") > {"swift/rouge-l", "swift/bleu-4"}
    table = csv.DictReader((run.path / "summary.csv").read_text(encoding="utf-8").splitlines())
    signatures = {row["metric"]: row["signature"] for row in table}
    assert signatures["lm_eval_flexible/accuracy"].startswith("gsm8k|lm_eval_flexible|v1|n:6|")
    assert "swift/rouge-l" in (run.path / "report.html").read_text(encoding="utf-8")
    assert again.info.config["profile"] == [
        "oc_first_capital", "swift", "lm_eval_flexible", "oc_first_option",
    ]  # fmt: skip
    assert again.info.command.endswith("--profile swift --profile lm_eval_flexible --profile oc_first_option")
    assert known(rescore(run.path).summary.rescored).scores_changed == 0


def test_rescoring_gives_what_the_run_would_have_given(
    server: MockServer, written: Any, tmp_path: Path
) -> None:
    profiles = ("lm_eval_strict", "opencompass", "swift", "oc_first_capital")
    specs = [written(kind) for kind in ROWS]
    straight = evaluate(planned(server, tmp_path / "straight", *specs, profile=profiles))
    later = rescore(evaluate(planned(server, tmp_path / "later", *specs)).path, profiles=profiles)
    assert without_speeds(to_builtins(later.summary.variants)) == without_speeds(
        to_builtins(straight.summary.variants)
    )


def test_gsm8k_profiles_need_the_answer_column_of_the_file(
    server: MockServer, written: Any, tmp_path: Path
) -> None:
    run = evaluate(planned(server, tmp_path / "out", written("gsm8k")))
    (tmp_path / "gsm8k.jsonl").unlink()
    with pytest.raises(InputError, match="judging gsm8k needs more of a row than its gold answer"):
        rescore(run.path, profiles=["opencompass"])
    assert rescore(run.path).summary.variants == run.summary.variants


def test_predictions_are_scored_by_profiles_too(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "p.jsonl", PREDICTED["qa"])
    run = score(scoring(tmp_path / "out", file, profile="swift"))
    (entry,) = run.summary.variants.values()
    metric = entry.datasets["p"].subsets["all"].metrics["swift/rouge-l"]
    assert metric.value == pytest.approx(100.0, abs=1e-5)
    assert metric.signature.startswith("qa|swift|v1|n:2|")
    again = score(scoring(tmp_path / "out", run.path, name="again", profile="swift"))
    assert again.summary.variants == run.summary.variants
    with pytest.raises(ConfigError, match="scores mcq, and this run has only qa datasets"):
        score(scoring(tmp_path / "out", file, profile="oc_first_option"))


@pytest.mark.parametrize("command", ["run", "score", "rescore"])
def test_help_names_every_profile(command: str) -> None:
    shown = call([command, "--help"]).stdout
    names = {name for kind in KINDS if kind != "toolbench" for name in task_class(kind).profiles}
    assert all(name in shown for name in names)


def test_a_gate_may_name_a_profile(server: MockServer, written: Any, tmp_path: Path) -> None:
    gate = {"fail_under": "oc_first_capital/accuracy=0"}
    with pytest.raises(ConfigError, match="no dataset of this run has that metric"):
        evaluate(planned(server, tmp_path / "out", written("mcq"), **gate))
    assert evaluate(planned(server, tmp_path / "out", written("mcq"), profile="oc_first_capital", **gate))


def test_the_kinds_name_the_profiles_that_there_are() -> None:
    assert task_class("mcq").profiles == choices_profiles.PROFILES
    assert task_class("gsm8k").profiles == numbers_profiles.PROFILES
    assert task_class("qa").profiles == tuple(qa_profiles.METRICS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_profile_gives_metrics_that_carry_its_name(kind: str) -> None:
    task = task_class(kind)()
    for multiple in (False, True):
        plain = task.metrics(Style("en", 0, multiple=multiple))
        wanted = select_profiles(task, ["unknown", *reversed(task.profiles)])
        assert wanted == task.profiles
        every = task.metrics(Style("en", 0, multiple=multiple, profiles=wanted))
        assert every[: len(plain)] == plain
        added = every[len(plain) :]
        assert kind == "toolbench" or {metric.profile for metric in added} == set(task.profiles)
        for metric in added:
            assert metric.name.startswith(f"{metric.profile}/")
            assert not metric.primary
