"""Whole runs through the Python call, against a server that fails in every way."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest
from mock_server import (
    MODEL,
    PROBE,
    Answer,
    Asked,
    MockServer,
    cut_off,
    dropped,
    failing,
    hanging,
    html,
    ordinary,
    reply,
    truncated_json,
)
from run_helpers import KEY, config, lines_of, numbered, summary_of, write_qa

from evalsuite import evaluate, load_run
from evalsuite.config import build_config
from evalsuite.errors import (
    ConfigError,
    DataError,
    EndpointError,
    GateFailed,
    RunDirectoryError,
    RunIncomplete,
    ServerError,
)
from evalsuite.evaluation.evaluate import prepare
from evalsuite.runs.directory import lock_run_directory


def every_row_once(run: Path, rows: int) -> bool:
    return sorted(line["index"] for line in lines_of(run)) == list(range(rows))


# ---------------------------------------------------------------- the ordinary run


def test_a_run_asks_judges_and_reports(
    server: MockServer, data: Path, tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    assert run.complete
    assert run.metric("rouge_l", dataset="qa") == 1.0
    assert every_row_once(run.path, 12)
    assert server.total == 12
    assert server.asked[PROBE] == 1
    assert logged.messages == []
    files = {path.name for path in run.path.iterdir()}
    assert files == {".lock", "run.json", "samples.jsonl", "summary.csv", "summary.json", "report.html"}
    assert load_run(run.path) == run


def test_a_journal_line_has_the_fields_of_the_design(server: MockServer, data: Path, tmp_path: Path) -> None:
    evaluate(config(server, tmp_path / "out", data, limit=1, stream=True))
    (line,) = lines_of(tmp_path / "out" / "run")
    assert set(line) == {
        "key", "variant", "dataset", "subset", "id", "index", "messages", "reply", "outcome", "extracted", "stage",
        "gold", "scores", "labels", "usage", "latency_s", "ttft_s", "attempts", "error", "statistics",
    }  # fmt: skip
    assert line["messages"] == [{"role": "user", "content": "question 0"}]
    assert line["reply"] == {
        "text": "question 0",
        "reasoning": None,
        "tool_calls": None,
        "finish_reason": "stop",
    }
    assert line["usage"] == {"prompt_tokens": 7, "completion_tokens": 3}
    assert 0 < line["ttft_s"] <= line["latency_s"]
    assert (line["attempts"], line["error"], line["outcome"]) == (1, None, "scored")


def test_base_models_are_asked_with_flat_prompts(server: MockServer, data: Path, tmp_path: Path) -> None:
    evaluate(config(server, tmp_path / "out", data, limit=2, completions=True))
    assert {asked.path for asked in server.requests} == {"/v1/completions"}
    assert all(
        "messages" not in line and "question" in line["prompt"] for line in lines_of(tmp_path / "out" / "run")
    )


@pytest.mark.parametrize("concurrency", [1, 3])
def test_never_more_requests_at_a_time_than_allowed_and_never_fewer_while_there_is_work(
    server: MockServer, data: Path, tmp_path: Path, concurrency: int
) -> None:
    server.behave = lambda asked: Answer(reply(asked.prompt).body, latency=0.03)
    evaluate(config(server, tmp_path / "out", data, concurrency=concurrency))
    assert server.most_in_flight == concurrency


def test_it_runs_inside_a_running_loop_as_notebooks_have(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    async def cell() -> bool:
        return evaluate(config(server, tmp_path / "out", data)).complete

    assert asyncio.run(cell())


def test_the_only_served_model_is_found(server: MockServer, data: Path, tmp_path: Path) -> None:
    run = evaluate(config(server, tmp_path / "out", data, model=None))
    assert list(run.summary.variants) == [MODEL]


# ---------------------------------------------------------------- a server that fails


def test_every_passing_fault_costs_a_retry_and_no_sample(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    faults = [failing(429), failing(500), dropped(), cut_off(), truncated_json(), html(), reply("")]
    first = {f"question {number}": fault for number, fault in enumerate(faults)}
    server.behave = lambda asked: (
        first.get(asked.prompt, ordinary(asked)) if asked.nth == 1 else ordinary(asked)
    )
    run = evaluate(config(server, tmp_path / "out", data))
    assert every_row_once(run.path, 12)
    attempts = {line["gold"]: line["attempts"] for line in lines_of(run.path)}
    assert [attempts[f"question {number}"] for number in range(8)] == [2, 2, 2, 2, 2, 2, 1, 1]
    assert (run.summary.totals.requests, run.summary.totals.retries) == (18, 6)
    assert run.summary.variants[MODEL].datasets["qa"].subsets["all"].n_unparsed == 1


@pytest.mark.parametrize(("on_error", "n", "value"), [("skip", 10, 1.0), ("wrong", 12, 10 / 12)])
def test_samples_that_cannot_be_had(
    server: MockServer, data: Path, tmp_path: Path, on_error: str, n: int, value: float
) -> None:
    bad = {"question 3": failing(400, "too long"), "question 4": hanging()}
    server.behave = lambda asked: bad.get(asked.prompt, ordinary(asked))
    run = evaluate(config(server, tmp_path / "out", data, on_error=on_error, timeout=0.5))
    assert run.complete
    metric = run.summary.variants[MODEL].datasets["qa"].subsets["all"].metrics["rouge_l"]
    assert (metric.n, metric.n_error) == (n, 2)
    assert metric.value == pytest.approx(value)
    errors = {line["gold"]: line["error"] for line in lines_of(run.path) if line["error"]}
    assert errors["question 3"] == {"class": "rejected", "message": "HTTP 400: too long", "status": 400}
    assert errors["question 4"] == {"class": "timeout", "message": "no answer within 0.5 s", "status": None}
    assert {error.kind: error.count for error in run.summary.errors} == {
        "rejected": 1,
        "timeout": 1,
    }


def test_under_fail_the_run_is_incomplete_and_says_what_to_do(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    server.behave = lambda asked: (
        failing(400, "too long") if asked.prompt == "question 3" else ordinary(asked)
    )
    with pytest.raises(
        RunIncomplete, match=r"1 of 12 .*HTTP 400: too long.*same command again.*--on-error skip"
    ) as caught:
        evaluate(config(server, tmp_path / "out", data))
    assert caught.value.run_directory == tmp_path / "out" / "run"
    summary = summary_of(tmp_path / "out" / "run")
    assert (summary["complete"], summary["totals"]["owed"]) == (False, 1)
    assert "1 of 12" in summary["problem"]
    assert "samples failed" in (tmp_path / "out" / "run" / "report.html").read_text()


def test_a_server_that_goes_away_ends_the_run_early_and_nothing_finished_is_lost(
    server: MockServer, tmp_path: Path
) -> None:
    rows = write_qa(tmp_path / "many.jsonl", numbered(300))

    def store_server_facts(asked: Asked) -> Answer:
        return ordinary(asked) if asked.prompt == PROBE or server.total <= 20 else dropped()

    server.behave = store_server_facts
    with pytest.raises(RunIncomplete, match=r"samples failed in a row.*it resumes"):
        evaluate(config(server, tmp_path / "out", rows, timeout=0.6))
    lines = lines_of(tmp_path / "out" / "run")
    finished = [line["gold"] for line in lines if line["outcome"] == "scored"]
    assert len(finished) == 20
    assert len(lines) < 60
    server.behave = ordinary
    server.forget()
    assert evaluate(config(server, tmp_path / "out", rows)).complete
    assert server.total == 280
    assert not set(finished) & set(server.asked)


def test_many_rejected_samples_are_no_reason_to_end_early(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    server.behave = lambda asked: ordinary(asked) if asked.prompt == PROBE else failing(400, "too long")
    with pytest.raises(RunIncomplete, match="12 of 12"):
        evaluate(config(server, tmp_path / "out", data, concurrency=1))
    assert server.total == 12


def test_a_key_that_expires_during_the_run_ends_it_and_keeps_what_is_finished(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    server.behave = lambda asked: ordinary(asked) if server.total <= 5 else failing(401, "expired")
    with pytest.raises(RunIncomplete, match=r"expired.*--api-key-env.*resumes") as caught:
        evaluate(config(server, tmp_path / "out", data, concurrency=1))
    assert caught.value.run_directory
    assert len(lines_of(tmp_path / "out" / "run")) == 5
    server.behave = ordinary
    server.forget()
    assert evaluate(config(server, tmp_path / "out", data)).complete
    assert server.total == 7


def test_a_sample_that_a_moderation_layer_refuses_is_lost_alone(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    server.behave = lambda asked: failing(403, "flagged") if asked.prompt == "question 3" else ordinary(asked)
    run = evaluate(config(server, tmp_path / "out", data, on_error="skip"))
    assert run.complete
    assert [line["id"] for line in lines_of(run.path) if line["outcome"] == "error"] == ["3"]


@pytest.mark.parametrize("key", ["0", "none", "question"])
def test_a_placeholder_for_a_key_leaves_replies_as_they_are(
    server: MockServer, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert evaluate(config(server, tmp_path / "out", data)).metric("rouge_l") == 1.0


def test_an_endpoint_that_cannot_be_used_is_found_out_with_one_request(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(EndpointError, match=f"It serves: {MODEL}"):
        evaluate(config(server, tmp_path / "out", data, model="other"))
    server.behave = lambda _: failing(400, "no chat template")
    with pytest.raises(EndpointError, match="no chat template"):
        evaluate(config(server, tmp_path / "out", data))
    assert server.total == 0
    server.stop()
    with pytest.raises(ServerError, match=r"cannot reach .*Is the server running"):
        evaluate(config(server, tmp_path / "out", data))


def test_bad_data_is_told_before_anything_is_sent(server: MockServer, tmp_path: Path) -> None:
    bad = write_qa(tmp_path / "bad.jsonl", [("q", "a"), ("", "a"), ("q", "")])
    with pytest.raises(DataError) as caught:
        evaluate(config(server, tmp_path / "out", bad))
    assert [problem.line for problem in caught.value.problems] == [2, 3]
    assert (server.total, server.model_lists) == (0, 0)
    assert not (tmp_path / "out").exists()


def test_a_run_in_use_is_refused(server: MockServer, data: Path, tmp_path: Path) -> None:
    given = config(server, tmp_path / "out", data)
    with (
        lock_run_directory(tmp_path / "out" / "run", fresh=False),
        pytest.raises(RunDirectoryError, match="another evalsuite"),
    ):
        evaluate(given)
    assert server.total == 0


# ---------------------------------------------------------------- gates


@pytest.mark.parametrize("gate", ["rouge_l=0.9", "qa:rouge_l=90%"])
def test_a_gate_fails_with_the_results_written(
    server: MockServer, data: Path, tmp_path: Path, gate: str
) -> None:
    server.behave = lambda _: reply("nothing alike")
    with pytest.raises(GateFailed, match=f"{MODEL} on qa: rouge_l is 0, under 0.9") as caught:
        evaluate(config(server, tmp_path / "out", data, fail_under=[gate]))
    assert caught.value.run_directory
    assert summary_of(tmp_path / "out" / "run")["complete"]


def test_a_gate_that_holds_passes_and_one_that_cannot_be_judged_is_refused(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    evaluate(config(server, tmp_path / "out", data, fail_under=["rouge_l=1"]))
    for gate in ("acuracy=0.5", "other:rouge_l=0.5"):
        with pytest.raises(ConfigError, match="--fail-under"):
            prepare(config(server, tmp_path / "out", data, fail_under=[gate]))


def test_an_incomplete_run_does_not_pass_its_gate(server: MockServer, data: Path, tmp_path: Path) -> None:
    server.behave = lambda asked: failing(400) if asked.prompt == "question 0" else ordinary(asked)
    with pytest.raises(RunIncomplete):
        evaluate(config(server, tmp_path / "out", data, fail_under=["rouge_l=0.1"]))


# ---------------------------------------------------------------- the key


def leaked(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and b"secret-" in path.read_bytes()]


def test_the_key_is_sent_and_written_nowhere(
    server: MockServer, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    server.key = KEY

    def repeat(asked: Asked) -> Answer:
        key = asked.headers["authorization"].removeprefix("Bearer ")
        if asked.prompt == "question 1":
            return failing(400, f"bad request with {key}")
        return reply(f"your key is {key}", reasoning_content=key)

    server.behave = repeat
    with pytest.raises(RunIncomplete) as caught:
        evaluate(config(server, tmp_path / "out", data, api_key_env="MY_KEY"))
    assert KEY not in str(caught.value)
    assert leaked(tmp_path / "out") == []
    assert any(
        (line["reply"] or {}).get("text") == "your key is [key]"
        for line in lines_of(tmp_path / "out" / "run")
    )
    assert (
        json.loads((tmp_path / "out" / "run" / "run.json").read_bytes())["config"]["api_key_env"] == "MY_KEY"
    )


def test_a_wrong_or_missing_key_is_told_without_the_key(
    server: MockServer, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "another"
    for value in (KEY, ""):
        monkeypatch.setenv("OPENAI_API_KEY", value)
        with pytest.raises(
            EndpointError, match=r"HTTP 401: Incorrect API key provided.*--api-key-env"
        ) as caught:
            evaluate(config(server, tmp_path / "out", data))
        assert KEY not in str(caught.value)
    assert leaked(tmp_path / "out") == []


@pytest.mark.parametrize("value", ["two\nlines", "schlüssel", "a\x07b"])
def test_a_key_that_cannot_be_sent_is_refused_by_the_variables_name(
    server: MockServer, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as caught:
        evaluate(config(server, tmp_path / "out", data))
    assert value not in str(caught.value)


# ---------------------------------------------------------------- identity


def test_a_run_without_a_name_gets_the_same_one_again_and_another_for_another_question(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    def path(**options: object) -> Path:
        return prepare(config(server, tmp_path, data, name=None, **options)).path

    assert path() == path(concurrency=9, timeout=5.0, on_error="skip")
    assert len({path(), path(temperature=0.5), path(limit=3), path(seed=1)}) == 4
    assert path().name.startswith(f"{MODEL}-")


def test_one_file_given_twice_gets_two_names(server: MockServer, data: Path, tmp_path: Path) -> None:
    run = evaluate(config(server, tmp_path / "out", data, data, limit=2))
    assert list(run.summary.variants[MODEL].datasets) == ["qa", "qa-2"]
    assert Counter(line["dataset"] for line in lines_of(run.path)) == {"qa": 2, "qa-2": 2}


def test_checkpoints_of_one_name_are_refused(tmp_path: Path, data: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.gguf").write_bytes(b"GGUF" + folder.encode())
    paths = [str(tmp_path / folder / "m.gguf") for folder in ("one", "two")]
    with pytest.raises(ConfigError, match="two checkpoints are called 'm'"):
        prepare(build_config({"ckpt": paths, "datasets": [f"qa:{data}"]}))
