"""Predictions that exist, scored into run directories: ugly ones first."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from mock_server import Answer, Asked, MockServer, failing, reply
from msgspec import UNSET, structs
from run_helpers import call, config, lines_of, summary_of
from scoring_helpers import ASKED, CALL, HEADLINE, MEASURED_ROWS, ROWS, TOOLS, scoring, write_rows

from evalsuite import evaluate
from evalsuite.config import build_score_config
from evalsuite.errors import ConfigError, DataError, GateFailed, InputError, RunIncomplete
from evalsuite.evaluation.rescore import rescore
from evalsuite.evaluation.score import MISSING, score

UGLY: dict[str, Any] = {
    "null": None,
    "not a number": float("nan"),
    "an empty list": [],
    "empty": "",
    "white space": " \n\t",
    "only punctuation": "。。。!?...,,,",
    "one megabyte": "Answer B tea 5 " * 70_000,
    "one megabyte in one word": "x" * 1_000_000,
    "one megabyte of brackets": "{" * 1_000_000,
    "a lone surrogate": "half of \ud83d",
    "nothing but a surrogate": "\ud83d",
    "an unclosed think tag": "<think>it is B, 2",
    "nothing but a think tag": "<think>",
    "nothing after thinking": "<think>it is B, 2</think>\n",
    "a number": 2,
    "a huge number": 10**400,
    "an object": {"a": [1, None]},
    "NaN in JSON": 'Action: search\nAction Input: {"q": NaN}',
    "broken JSON arguments": 'Action: search\nAction Input: {"q": NaN, }',
    "deep JSON": "Action: search\nAction Input: " + "[" * 100_000,
    "a message": {"content": None, "tool_calls": [{"function": {"name": "search", "arguments": "{"}}, 3]},
    "control characters": "\x00\x1b[31m B \u202e",
}
ABSENT = ("null", "not a number", "an empty list")
MUTE = ("empty", "white space", "an unclosed think tag", "nothing but a think tag", "nothing after thinking")
"""No answer at all."""
WORDS = ("one megabyte", "one megabyte in one word", "a lone surrogate", "a number", "a huge number", "an object",
         "NaN in JSON", "broken JSON arguments", "deep JSON", "control characters")  # fmt: skip
"""Words like any other to `qa`: that they have nothing in common with the reference is what the zero says."""


# ---------------------------------------------------------------- ugly predictions


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("name", UGLY)
def test_whatever_the_prediction_is_it_ends_in_an_outcome(tmp_path: Path, kind: str, name: str) -> None:
    row = {key: value for key, value in ROWS[kind][0].items() if not key.startswith("prediction")}
    good = ROWS[kind][1]
    path = write_rows(tmp_path / "p.jsonl", [row | {"prediction": UGLY[name]}, good])
    run = score(scoring(tmp_path / "out", f"{kind}:{path}", on_error="skip"))
    ugly, fine = lines_of(run.path)
    assert (ugly["outcome"] == "error") == (name in ABSENT)
    assert fine["outcome"] == "scored"
    if name in ABSENT:
        assert ugly["error"]["class"] == MISSING
        assert ugly["reply"] is None
    headline = ugly["scores"].get(HEADLINE[kind])
    if name in MUTE:
        assert ugly["outcome"] == "unparsed"
    if headline == 0:
        answered = name in WORDS if kind == "qa" else kind != "toolbench" and ugly["extracted"]
        assert ugly["outcome"] == "unparsed" or ugly["labels"] or answered
    assert headline is None or 0 <= headline <= 1


@pytest.mark.parametrize("kind", ROWS)
def test_the_command_ends_well_whatever_the_predictions_are(tmp_path: Path, kind: str) -> None:
    row = {key: value for key, value in ROWS[kind][0].items() if not key.startswith("prediction")}
    path = write_rows(tmp_path / "p.jsonl", [row, *(row | {"prediction": value} for value in UGLY.values())])
    words = [
        "score",
        f"{kind}:{path}",
        "--out",
        str(tmp_path),
        "--name",
        "ugly",
        "--on-error",
        "skip",
        "--json",
    ]
    done = call(words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    summary = json.loads(done.stdout)
    assert summary["totals"]["samples"] == len(UGLY) + 1
    assert summary["totals"]["errors"] == len(ABSENT) + 1
    assert (tmp_path / "ugly" / "report.html").is_file()


def test_steps_without_their_dialogue_are_scored_all_the_same(tmp_path: Path) -> None:
    rows = [{name: row[name] for name in ("tools", "target", "predictions")} for row in ROWS["toolbench"]]
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    summary = summary_of(score(scoring(tmp_path / "out", str(path), name="steps")).path)
    (dataset,) = summary["variants"]["steps"]["datasets"].values()
    metrics = dataset["subsets"]["all"]["metrics"]
    assert [metrics[name]["value"] for name in ("paper/plan_em", "paper/act_em", "strict/plan_em")] == [
        1.0
    ] * 3


def test_rewards_and_log_probabilities_are_not_averaged_together(tmp_path: Path) -> None:
    rewarded = {"prompt": "q", "chosen": "a", "rejected": "b", "chosen_score": 2.0, "rejected_score": 1.0}
    path = write_rows(tmp_path / "p.jsonl", [*MEASURED_ROWS["preference"], rewarded])
    with pytest.raises(InputError, match=r"1 rows hold rewards and 2 log-probabilities.*two files"):
        score(scoring(tmp_path / "out", str(path)))


def test_nobody_is_told_to_raise_a_limit_that_somebody_else_set(tmp_path: Path) -> None:
    cut = ROWS["gsm8k"][0] | {"prediction": "Let me think", "finish_reason": "length"}
    run = score(scoring(tmp_path / "out", f"gsm8k:{write_rows(tmp_path / 'p.jsonl', [cut])}"))
    again = rescore(run.path, beside=tmp_path / "again")
    for path in (run.path, again.path):
        (said,) = summary_of(path)["warnings"]
        assert "1 of 1 replies were cut off before an answer" in said
        assert "generate them with a higher token limit" in said
        assert "--max-tokens" not in said


UNDESCRIBED = {
    "no parameters": [{"name": "search"}],
    "null for parameters": [{"name": "search", "parameters": None}],
    "parameters as a string": [{"name": "search", "parameters": "q: string, what to look for"}],
    "parameters as a number": [{"name": "search", "parameters": 3}],
    "parameters as an odd list": [{"name": "search", "parameters": [1, None, {}]}],
    "a tool twice": [{"name": "search"}, {"name": "search"}],
    "two tools of one name": [{"name": "search", "parameters": {"q": "string"}}, {"name": "search", "parameters": {"z": "integer"}}],
    "odd words for required": [{"name": "search", "parameters": {"type": "object", "properties": [1], "required": {"q": 1}}}],
}  # fmt: skip


@pytest.mark.parametrize("tools", UNDESCRIBED.values(), ids=UNDESCRIBED)
def test_tools_that_say_nothing_of_their_parameters_leave_no_zero_unexplained(
    tmp_path: Path, tools: list[dict[str, Any]]
) -> None:
    row = {"messages": ASKED, "tools": tools, "target": CALL}
    other = 'Thought: look\nAction: search\nAction Input: {"z": 1}'
    path = write_rows(tmp_path / "p.jsonl", [row | {"prediction": CALL}, row | {"prediction": other}])
    right, wrong = lines_of(score(scoring(tmp_path / "out", f"toolbench:{path}")).path)
    assert (right["scores"]["strict/avg_f1"], right["labels"]) == (1.0, [])
    assert (wrong["scores"]["strict/avg_f1"], wrong["labels"]) == (0.0, ["other_arguments"])


def test_parameters_as_json_text_are_read(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    row = {"messages": ASKED, "tools": [{"name": "search", "parameters": json.dumps(schema)}], "target": CALL}
    path = write_rows(tmp_path / "p.jsonl", [row | {"prediction": CALL.replace('"q"', '"z"')}])
    (line,) = lines_of(score(scoring(tmp_path / "out", f"toolbench:{path}")).path)
    assert line["labels"] == ["missing_required", "unknown_param"]


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_that_lacks_its_prediction_is_an_error_and_the_policy_decides(
    tmp_path: Path, kind: str
) -> None:
    first, second = ROWS[kind]
    bare = {key: value for key, value in second.items() if not key.startswith("prediction")}
    path = write_rows(tmp_path / "p.jsonl", [first, bare])
    with pytest.raises(RunIncomplete, match=r"1 of 2 samples failed .*no prediction.*--on-error"):
        score(scoring(tmp_path / "out", f"{kind}:{path}"))
    assert summary_of(tmp_path / "out" / "scored")["errors"] == [
        {"class": MISSING, "message": "the file has no prediction for the row", "count": 1}
    ]
    skipped = score(scoring(tmp_path / "out", f"{kind}:{path}", on_error="skip"))
    assert skipped.metric(HEADLINE[kind]) == 1.0
    wrong = score(scoring(tmp_path / "out", f"{kind}:{path}", on_error="wrong"))
    assert wrong.metric(HEADLINE[kind]) == 0.5


def test_an_empty_cell_of_a_table_is_an_empty_reply(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("question,A,B,answer,prediction\nq,one,two,A,\nr,one,two,B,B\n")
    run = score(scoring(tmp_path / "out", path))
    assert [line["outcome"] for line in lines_of(run.path)] == ["unparsed", "scored"]
    assert run.metric("accuracy") == 0.5


def test_bytes_that_are_no_text_are_replaced_in_predictions(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b'{"query": "q", "response": "caf", "prediction": "caf\xe9"}\n')
    (line,) = lines_of(score(scoring(tmp_path / "out", path)).path)
    assert line["reply"]["text"] == "caf\ufffd"


def test_several_predictions_of_a_row_are_refused_by_line(tmp_path: Path) -> None:
    row = ROWS["qa"][0]
    path = write_rows(tmp_path / "p.jsonl", [row, row | {"prediction": ["a", "b"]}])
    with pytest.raises(DataError, match=r"p\.jsonl:2: 2 predictions; expected one"):
        score(scoring(tmp_path / "out", path))
    assert not (tmp_path / "out").exists()


def test_a_dialogue_of_several_steps_beside_one_prediction_is_refused(tmp_path: Path) -> None:
    turns = [
        {"from": "user", "value": "Tea?"},
        {"from": "assistant", "value": "look Next: caller"},
        {"from": "caller", "value": "Action: search\nAction Input: {}"},
        {"from": "observation", "value": "{}"},
        {"from": "assistant", "value": "no Next: give up"},
    ]
    path = write_rows(tmp_path / "p.jsonl", [{"conversations": turns, "tools": TOOLS, "prediction": CALL}])
    with pytest.raises(DataError, match="one record a step"):
        score(scoring(tmp_path / "out", f"toolbench:{path}"))


def test_a_file_without_predictions_is_refused_with_what_is_read(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", [{"query": "q", "response": "a"}])
    with pytest.raises(InputError, match=r"no predictions in it (.*\n)+.*ms-swift.*\n.*LLaMA-Factory"):
        score(scoring(tmp_path / "out", path))


# ---------------------------------------------------------------- the ordinary scoring


@pytest.mark.parametrize("kind", ROWS)
def test_the_gold_as_prediction_gives_the_maximum(tmp_path: Path, kind: str) -> None:
    run = score(scoring(tmp_path / "out", write_rows(tmp_path / "p.jsonl", ROWS[kind])))
    assert run.complete
    (entry,) = run.summary.variants["scored"].datasets.values()
    assert entry.kind == kind
    best = {"bleu": 100.0, "chrf": 100.0, "truncated_rate": None}
    for name, metric in entry.subsets["all"].metrics.items():
        if metric.value is None or name == "strict/easy_f1":
            continue
        expected = best.get(name, 0.0 if name.endswith("hallucination_rate") else 1.0)
        assert metric.value == pytest.approx(expected, abs=1e-8), name


PREDICTIONS = (
    "Answer: A",
    "答案：B",
    "(c)",
    "AB",
    "",
    "maybe",
    "<think>A",
    "D. four",
    "E",
    "Answer: A … no. Answer: C",
)


@pytest.mark.parametrize("multiple", [False, True])
def test_the_order_of_the_rows_changes_nothing(tmp_path: Path, multiple: bool) -> None:
    rows = [
        {"id": f"q{number}", "question": f"{number}?", "A": "one", "B": "two", "C": "three", "D": "four",
         "answer": "AB" if multiple and number % 5 == 0 else "ABCD"[number % 4], "prediction": PREDICTIONS[number % 10],
         "subject": f"s{number % 3}", "category": f"c{number % 2}"}
        for number in range(60)
    ]  # fmt: skip
    seen = []
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        run = score(
            scoring(tmp_path / str(seed), f"mcq:{write_rows(tmp_path / f'{seed}' / 'p.jsonl', rows)}")
        )
        (entry,) = run.summary.variants["scored"].datasets.values()
        found = {
            name: {key: structs.replace(metric, signature="") for key, metric in subset.metrics.items()}
            for name, subset in entry.subsets.items()
        }
        judged = {
            line["id"]: (line["extracted"], line["stage"], line["outcome"]) for line in lines_of(run.path)
        }
        seen.append((found, judged))
    assert seen[0] == seen[1] == seen[2]
    assert set(seen[0][0]) == {"all", "category:c0", "category:c1", "s0", "s1", "s2"}


@pytest.mark.parametrize("kind", ROWS)
def test_the_order_of_two_rows_changes_nothing_of_any_kind(tmp_path: Path, kind: str) -> None:
    first, second = ROWS[kind]
    column = "predictions" if "predictions" in second else "prediction"
    bad = second | {column: "something else"}
    values = []
    for number, rows in enumerate(([first, bad], [bad, first])):
        path = write_rows(tmp_path / str(number) / "p.jsonl", rows)
        run = score(scoring(tmp_path / f"out{number}", f"{kind}:{path}"))
        (entry,) = run.summary.variants["scored"].datasets.values()
        metrics = entry.subsets["all"].metrics
        values.append({name: (metric.value, metric.ci_low, metric.n) for name, metric in metrics.items()})
    assert values[0] == values[1]


def test_a_run_directory_like_any_other_whose_signatures_claim_no_prompt(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", ROWS["mcq"])
    run = score(scoring(tmp_path / "out", path))
    files = {file.name for file in run.path.iterdir()}
    assert files == {".lock", "run.json", "samples.jsonl", "summary.csv", "summary.json", "report.html"}
    (dataset,) = run.info.datasets
    assert dataset.layout == "own"
    assert (dataset.shots, dataset.cot, dataset.generation) == (UNSET, UNSET, None)
    metric = run.summary.variants["scored"].datasets["p"].subsets["all"].metrics["accuracy"]
    assert "|n:2|lang:en|predictions|data:" in metric.signature
    assert run.info.command.startswith(f"evalsuite score {path}")


def test_predictions_are_called_by_their_file_and_by_their_folder_where_every_file_is_called_alike(
    tmp_path: Path,
) -> None:
    first = write_rows(tmp_path / "base" / "predictions.jsonl", ROWS["toolbench"])
    second = write_rows(tmp_path / "sft" / "predictions.jsonl", ROWS["toolbench"])
    third = write_rows(tmp_path / "mine.jsonl", ROWS["qa"])
    run = score(scoring(tmp_path / "out", first, second, third, name=None))
    datasets = {name: list(entry.datasets) for name, entry in run.summary.variants.items()}
    assert datasets == {"base": ["predictions"], "sft": ["predictions"], "mine": ["mine"]}
    assert run.name.startswith("base+sft+mine-")


def test_a_folder_of_subjects(tmp_path: Path) -> None:
    for subject in ("algebra", "law"):
        write_rows(tmp_path / "data" / "val" / f"{subject}_val.jsonl", ROWS["mcq"])
    (tmp_path / "data" / "dev").mkdir()
    (tmp_path / "data" / "dev" / "law_dev.jsonl").write_text("not json\n")
    run = score(scoring(tmp_path / "out", tmp_path / "data"))
    assert run.metric("accuracy", subset="law") == 1.0
    assert run.metric("accuracy_macro") == 1.0


def test_scoring_again_scores_nothing_again_and_a_changed_file_is_scored_anew(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", ROWS["gsm8k"])
    first = score(scoring(tmp_path / "out", path))
    journal = (first.path / "samples.jsonl").read_bytes()
    again = score(scoring(tmp_path / "out", path))
    assert (again.path / "samples.jsonl").read_bytes() == journal
    assert again.summary.variants == first.summary.variants
    assert (again.summary.totals.reused, again.summary.finished) == (2, first.summary.finished)
    write_rows(path, [row | {"prediction": "7"} for row in ROWS["gsm8k"]])
    changed = score(scoring(tmp_path / "out", path))
    assert changed.metric("accuracy") == 0.0
    assert len(lines_of(changed.path)) == 2


def test_an_interrupted_scoring_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = [ROWS["gsm8k"][0] | {"prediction": str(number)} for number in (2, 3, 2, 2)]
    path = write_rows(tmp_path / "p.jsonl", rows)
    whole = score(scoring(tmp_path / "out", path))
    journal = whole.path / "samples.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    run = score(scoring(tmp_path / "out", path))
    assert run.metric("accuracy") == 0.75
    assert [line["reply"]["text"] for line in lines_of(run.path)] == ["2", "3", "2", "2"]


def test_equal_questions_keep_their_own_replies(tmp_path: Path) -> None:
    row = ROWS["qa"][0]
    path = write_rows(tmp_path / "p.jsonl", [row, row | {"prediction": "else"}])
    score(scoring(tmp_path / "out", path))
    run = score(scoring(tmp_path / "out", path, limit=2))
    texts = {line["index"]: line["reply"]["text"] for line in lines_of(run.path)}
    assert texts == {0: row["prediction"], 1: "else"}


def test_the_run_of_a_model_is_not_pushed_aside(server: MockServer, data: Path, tmp_path: Path) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    path = write_rows(tmp_path / "p.jsonl", ROWS["qa"])
    with pytest.raises(InputError, match="holds the run of a model"):
        score(scoring(tmp_path / "out", path, name="run"))
    assert len(lines_of(run.path)) == 12


def test_gates_hold_and_fail_as_in_a_run(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", [ROWS["mcq"][0] | {"prediction": "A"}])
    with pytest.raises(GateFailed, match=r"scored on p: accuracy is 0, under 0\.5"):
        score(scoring(tmp_path / "out", path, fail_under=["accuracy=50%"]))
    with pytest.raises(ConfigError, match="no dataset of this run has that metric"):
        score(scoring(tmp_path / "out", path, fail_under=["acuracy=50%"]))


def test_what_a_model_would_be_asked_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--max-tokens --shots: predictions are scored as they are"):
        build_score_config({"datasets": ["x"], "shots": 0, "max-tokens": 9})


# ---------------------------------------------------------------- what other tools write


def swift(row: dict[str, object], gold: str) -> dict[str, object]:
    reply = row.get("prediction") or row.get("predictions")
    asked = row.get("messages") or [{"role": "user", "content": row.get("query") or row.get("question")}]
    turns = [*asked, {"role": "assistant", "content": reply}]  # type: ignore[misc]
    return {"response": reply, "labels": gold, "logprobs": None, "messages": turns}


def test_ms_swift_infer_results(tmp_path: Path) -> None:
    rows = [swift(row, row["response"]) for row in ROWS["qa"]]
    run = score(scoring(tmp_path / "out", write_rows(tmp_path / "result.jsonl", rows)))
    assert run.metric("rouge_l") == 1.0
    assert run.info.datasets[0].layout == "ms-swift"
    first = lines_of(run.path)[0]
    assert first["messages"] == [{"role": "user", "content": "Say something."}]


def test_ms_swift_results_without_the_question_with_numbers_and_with_tools(tmp_path: Path) -> None:
    bare = write_rows(tmp_path / "bare.jsonl", [{"response": "a b", "labels": "a b"}])
    queried = write_rows(
        tmp_path / "queried.jsonl",
        [{"query": "q", "system": "s", "history": [["a", "b"]], "response": "a b", "labels": "a b"}],
    )
    numbers = write_rows(tmp_path / "n.jsonl", [swift(row, row["answer"]) for row in ROWS["gsm8k"]])
    agent = [swift(row, row["target"]) | {"tools": row["tools"]} for row in ROWS["toolbench"]]
    tools = write_rows(tmp_path / "t.jsonl", agent)
    run = score(scoring(tmp_path / "out", bare, queried, numbers, tools))
    found = run.summary.variants["scored"].datasets
    assert {name: entry.kind for name, entry in found.items()} == {
        "bare": "qa",
        "queried": "qa",
        "n": "gsm8k",
        "t": "toolbench",
    }
    assert run.metric("accuracy") == run.metric("strict/plan_em") == run.metric("paper/plan_em") == 1.0


def test_llamafactory_predictions_are_free_answers_unless_the_label_has_a_number_mark(
    tmp_path: Path,
) -> None:
    free = [{"prompt": "<user>hi", "label": "good day", "predict": "good day"}]
    solved = [{"prompt": "<user>1+1", "label": "so\n#### 2", "predict": "2"}]
    first = write_rows(tmp_path / "a" / "generated_predictions.jsonl", free)
    second = write_rows(tmp_path / "b" / "generated_predictions.jsonl", solved)
    run = score(scoring(tmp_path / "out", first, second, name=None))
    kinds = {
        variant: next(iter(entry.datasets.values())).kind for variant, entry in run.summary.variants.items()
    }
    assert kinds == {"a": "qa", "b": "gsm8k"}
    assert run.metric("rouge_l", variant="a") == run.metric("accuracy", variant="b") == 1.0


def test_toolbench_static_predictions_are_an_array_of_records(tmp_path: Path) -> None:
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps(ROWS["toolbench"]))
    run = score(scoring(tmp_path / "out", f"toolbench:{path}"))
    assert run.metric("paper/plan_em") == run.metric("paper/act_em") == 1.0


# ---------------------------------------------------------------- judgements and measurements


JUDGE = "mock-judge"
ANSWERED = [{"question": f"Why {n}?", "rubric": "", "prediction": f"Because of {n}."} for n in range(4)]


def nine(asked: Asked) -> Answer:
    return reply(json.dumps({"score": 9, "verdict": "tie"}))


@pytest.mark.parametrize(
    ("kind", "metric", "value"),
    [
        ("judge", "judge_points", 10.0),
        ("perplexity", "perplexity", 3.2112705431535),
        ("preference", "margin", 1.0),
    ],
)
def test_what_other_kinds_hold_in_a_predictions_place_is_scored(
    tmp_path: Path, kind: str, metric: str, value: float
) -> None:
    path = write_rows(tmp_path / "p.jsonl", MEASURED_ROWS[kind])
    run = score(scoring(tmp_path / "out", path))
    assert run.info.datasets[0].kind == kind
    assert run.metric(metric) == pytest.approx(value)
    again = score(scoring(tmp_path / "out", path))
    assert again.summary.totals.reused == 2
    assert rescore(run.path).summary.variants == run.summary.variants == again.summary.variants


def test_recorded_rewards_have_no_tokens_to_divide_by(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "chosen": "a", "rejected": "b", "chosen_score": 2, "rejected_score": 1.5}]
    run = score(scoring(tmp_path / "out", write_rows(tmp_path / "p.jsonl", rows)))
    metrics = run.summary.variants["scored"].datasets["p"].subsets["all"].metrics
    assert list(metrics) == ["accuracy", "accuracy_macro", "margin"]
    assert "by:reward" in metrics["margin"].signature


def test_bad_judgements_and_measurements_are_refused_by_line(tmp_path: Path) -> None:
    rows = [
        {"question": "q", "prediction": "a", "prediction_b": "b", "judgement": "A", "judgement_swapped": "B"},
        {"question": "q", "prediction": "a", "prediction_b": "b", "judgement": "A"},
    ]
    with pytest.raises(DataError, match=r"p\.jsonl:2: a pair with one judgement"):
        score(scoring(tmp_path / "out", f"judge:{write_rows(tmp_path / 'p.jsonl', rows)}"))
    texts: list[dict[str, Any]] = [{"text": "a b", "logprobs": [None, -1]}, {"text": "a b", "logprobs": [1]}]
    with pytest.raises(DataError, match=r"t\.jsonl:2: 'logprobs' is not a list of log-probabilities"):
        score(scoring(tmp_path / "out", write_rows(tmp_path / "t.jsonl", texts)))


def test_answers_without_a_judgement_want_a_judge(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", ANSWERED)
    with pytest.raises(ConfigError, match="4 answers have no 'judgement': a judge has to read the replies"):
        score(scoring(tmp_path / "out", path))
    with pytest.raises(ConfigError, match="no model is asked here; name a judge"):
        scoring(tmp_path / "out", path, judge_model="self")
    with pytest.raises(ConfigError, match="--temperature: predictions are scored as they are"):
        scoring(
            tmp_path / "out", path, judge_model="m", judge_base_url="http://j", temperature=1, concurrency=3
        )


def test_a_judge_is_wanted_only_for_answers_that_say_something(tmp_path: Path) -> None:
    rows = [*MEASURED_ROWS["judge"], {"question": "Empty?", "rubric": "", "prediction": " "}]
    run = score(scoring(tmp_path / "out", write_rows(tmp_path / "p.jsonl", rows)))
    assert run.metric("judge_points") == pytest.approx((10 + 10 + 1) / 3)


def test_answers_of_a_file_are_judged_and_never_twice(tmp_path: Path) -> None:
    rows = [
        *ANSWERED,
        {"question": "No answer?", "rubric": ""},
        {"question": "Empty?", "rubric": "", "prediction": ""},
    ]
    path = write_rows(tmp_path / "p.jsonl", rows)
    with MockServer(nine, models=[JUDGE]) as judge:
        options = {"judge_base_url": judge.url, "judge_model": JUDGE, "concurrency": 2, "on_error": "skip"}
        run = score(scoring(tmp_path / "out", path, **options))
        assert judge.total == 4
        judge.forget()
        again = score(scoring(tmp_path / "out", path, **options))
        assert judge.requests == []
    assert again.summary.variants == run.summary.variants
    assert run.metric("judge_points") == pytest.approx((9 * 4 + 1) / 5)
    errors = [line["error"]["class"] for line in lines_of(run.path) if line["outcome"] == "error"]
    assert errors == [MISSING]
    metrics = run.summary.variants["scored"].datasets["p"].subsets["all"].metrics
    assert f"|predictions|judge:{JUDGE}|" in metrics["judge_score"].signature
    assert rescore(run.path).summary.variants == run.summary.variants


def test_a_judge_that_failed_is_asked_for_the_missing_verdicts_alone(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", [row | {"prediction_b": "Well."} for row in ANSWERED])
    with MockServer(nine, models=[JUDGE]) as judge:
        judge.behave = lambda asked: (
            failing(400) if "Why 2" in asked.prompt and judge.total % 2 else nine(asked)
        )
        options = {"judge_base_url": judge.url, "judge_model": JUDGE, "concurrency": 1}
        with pytest.raises(RunIncomplete, match="the judge: HTTP 400"):
            score(scoring(tmp_path / "out", path, **options))
        missing = sum(2 - len(line.get("further", ())) for line in lines_of(tmp_path / "out" / "scored"))
        assert 1 <= missing <= 2
        judge.forget()
        judge.behave = nine
        run = score(scoring(tmp_path / "out", path, **options))
        assert judge.total == missing
    assert run.metric("win_rate") == 0.5


def test_a_command_line_judges_a_file(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", ANSWERED)
    with MockServer(nine, models=[JUDGE]) as judge:
        words = [
            "score",
            f"judge:{path}",
            "--out",
            str(tmp_path),
            "--name",
            "s",
            "--judge-base-url",
            judge.url,
        ]
        done = call([*words, "--judge-model", JUDGE, "--concurrency", "2", "--json"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["judge_prompt_tokens"] == 28
