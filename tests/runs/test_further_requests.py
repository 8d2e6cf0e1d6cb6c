"""Samples that take more than one request: every reply is kept, and only what is missing is ever asked."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known import known
from mock_server import (
    MODEL,
    PROBE,
    Answer,
    Asked,
    MockServer,
    failing,
    hanging,
    logprob_of,
    measuring,
    ordinary,
    reply,
    rewarding,
    templated,
    tokens_of,
)
from run_helpers import KEY, call, lines_of, start, summary_of, write_qa
from scoring_helpers import write_rows

from evalsuite.config import RunConfig, build_config
from evalsuite.errors import ConfigError, EndpointError, RunIncomplete
from evalsuite.evaluation.evaluate import evaluate
from evalsuite.evaluation.rescore import rescore

JUDGE = "mock-judge"
ROWS = [{"question": f"question {number}", "rubric": "Be strict."} for number in range(6)]
PAIRS = [{"question": f"question {number}", "prediction_b": "another answer"} for number in range(4)]


def about(asked: Asked) -> str:
    """Which question a judge is asked about."""
    found = re.search(r"question \d+", asked.prompt)
    return found.group() if found else ""


def strict(asked: Asked) -> Answer:
    """A judge: the question's number is the score, and the reply that repeats the question is the better one."""
    if asked.prompt == PROBE:
        return ordinary(asked)
    if "verdict" not in asked.prompt:
        return reply(json.dumps({"reason": "counted", "score": int(about(asked)[-1]) + 1}))
    first = asked.prompt.index("another answer") > asked.prompt.rindex(about(asked))
    return reply(json.dumps({"reason": "it repeats", "verdict": "A" if first else "B"}))


@pytest.fixture
def judge() -> Iterator[MockServer]:
    with MockServer(strict, models=[JUDGE]) as running:
        yield running


def config(server: MockServer, out: Path, *specs: str, **options: Any) -> RunConfig:
    given = {"base_url": server.url, "model": MODEL, "out": out, "name": "run", "concurrency": 2}
    return build_config(given | {"datasets": list(specs)} | options)


def judging(server: MockServer, judge: MockServer, out: Path, path: Path, **options: Any) -> RunConfig:
    return config(
        server, out, f"judge:{path}", **{"judge_base_url": judge.url, "judge_model": JUDGE} | options
    )


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.jsonl", ROWS)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "pairs.jsonl", PAIRS)


# ---------------------------------------------------------------- a judge


def test_a_judge_that_is_not_named_is_asked_for_before_anything_is_sent(
    server: MockServer, rows: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError, match=r"--judge-base-url URL --judge-model NAME .* or --judge-model self"
    ):
        evaluate(config(server, tmp_path / "out", f"judge:{rows}"))
    assert server.requests == []


def test_replies_and_verdicts_stand_in_the_journal(
    server: MockServer, judge: MockServer, rows: Path, tmp_path: Path
) -> None:
    run = evaluate(judging(server, judge, tmp_path / "out", rows))
    assert (server.total, judge.total) == (6, 6)
    for line in lines_of(run.path):
        assert line["reply"]["text"] == line["messages"][-1]["content"]
        (verdict,) = line["further"]
        assert json.loads(verdict["reply"]["text"])["score"] == line["scores"]["judge_points"]
        assert verdict["of"] == "judge"
        assert verdict["attempts"] == 1
    assert run.metric("judge_points") == pytest.approx(3.5)
    assert run.metric("judge_score") == pytest.approx(2.5 / 9)
    totals = run.summary.totals
    assert (totals.prompt_tokens, totals.judge_prompt_tokens, totals.requests) == (42, 42, 12)
    signature = run.summary.variants[MODEL].datasets["rows"].subsets["all"].metrics["judge_score"].signature
    assert f"|judge:{JUDGE}|" in signature


def test_a_finished_run_asks_nobody(
    server: MockServer, judge: MockServer, pairs: Path, tmp_path: Path
) -> None:
    first = evaluate(judging(server, judge, tmp_path / "out", pairs))
    assert first.metric("win_rate") == 1.0
    assert judge.total == 8
    server.forget()
    judge.forget()
    again = evaluate(judging(server, judge, tmp_path / "out", pairs))
    assert (server.requests, judge.requests) == ([], [])
    assert again.summary.variants == first.summary.variants
    assert again.summary.totals.requests == 12


def test_each_is_sent_its_own_key(
    judge: MockServer, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("JUDGE_KEY", "judge-key-9876543210")
    judge.key = "judge-key-9876543210"
    with MockServer(key=KEY) as server:
        run = evaluate(judging(server, judge, tmp_path / "out", rows, judge_api_key_env="JUDGE_KEY"))
    assert run.complete
    written = b"".join(file.read_bytes() for file in run.path.iterdir())
    assert KEY.encode() not in written
    assert b"judge-key-9876543210" not in written


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"models": ["other"]}, "does not serve the model 'mock-judge'. It serves: other. Give one of them with --judge-model."),
        ({"models": [JUDGE], "key": "wanted"}, "or name another one with --judge-api-key-env."),
        ({"models": [JUDGE], "behave": lambda _: failing(404)}, "Check --judge-model 'mock-judge' and the path of --judge-base-url."),
    ],
)  # fmt: skip
def test_a_judge_that_cannot_be_used_is_told_before_the_model_is_asked(
    server: MockServer, rows: Path, tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with MockServer(**options) as judge, pytest.raises(EndpointError) as caught:
        evaluate(judging(server, judge, tmp_path / "out", rows))
    assert says in str(caught.value)
    assert server.requests == []
    assert not (tmp_path / "out" / "run").exists()


def test_a_judge_that_takes_no_temperature_but_its_own_is_sent_none(
    server: MockServer, rows: Path, tmp_path: Path
) -> None:
    def reasoning(asked: Asked) -> Answer:
        for refused in ("max_tokens", "temperature"):
            if refused in asked.body:
                return failing(400, f"'{refused}' is not supported. max_completion_tokens is.")
        return strict(asked)

    with MockServer(reasoning, models=[JUDGE]) as judge:
        run = evaluate(judging(server, judge, tmp_path / "out", rows))
        assert judge.requests[-1].body["max_completion_tokens"] == 2048
    assert [line["outcome"] for line in lines_of(run.path)] == ["scored"] * len(ROWS)
    assert {request.body["temperature"] for request in server.requests} == {0}


def test_a_model_that_takes_no_temperature_but_its_own_is_the_users_to_decide(
    judge: MockServer, rows: Path, tmp_path: Path
) -> None:
    with (
        MockServer(lambda asked: failing(400, "'temperature' does not support 0")) as server,
        pytest.raises(EndpointError, match="many reasoning models want --temperature 1"),
    ):
        evaluate(judging(server, judge, tmp_path / "out", rows))


def test_the_model_may_judge_itself_when_told_to_and_the_results_say_so(rows: Path, tmp_path: Path) -> None:
    def both(asked: Asked) -> Answer:
        return strict(asked) if "You judge answers" in asked.prompt else ordinary(asked)

    with MockServer(both) as server:
        run = evaluate(config(server, tmp_path / "out", f"judge:{rows}", judge_model="self"))
        assert server.total == 12
        assert server.most_in_flight <= 2
        named = evaluate(judging(server, server, tmp_path / "named", rows, judge_model=MODEL))
        only = evaluate(judging(server, server, tmp_path / "only", rows, judge_model=MODEL, model=None))
    for each in (run, named, only):
        assert each.metric("judge_points") == pytest.approx(3.5)
        assert "the model judged its own replies" in each.summary.warnings[0]


def test_unreadable_verdicts_are_left_out_counted_and_told(
    server: MockServer, judge: MockServer, rows: Path, tmp_path: Path
) -> None:
    judge.behave = lambda asked: reply("I like it.") if about(asked).endswith(("0", "1")) else strict(asked)
    run = evaluate(judging(server, judge, tmp_path / "out", rows))
    found = run.summary.variants[MODEL].datasets["rows"].subsets["all"].metrics
    assert (
        found["judge_points"].value,
        found["judge_points"].n,
        found["judge_points"].n_skipped,
    ) == (4.5, 4, 2)
    assert found["unreadable_rate"].value == pytest.approx(1 / 3)
    assert "2 of 6 verdicts could not be read and are left out" in run.summary.warnings[0]
    assert run.complete


def test_neither_endpoint_gets_more_requests_at_a_time_than_allowed(rows: Path, tmp_path: Path) -> None:
    slow: Callable[[Asked], Answer] = lambda asked: Answer(reply(asked.prompt).body, latency=0.02)  # noqa: E731
    with (
        MockServer(slow) as server,
        MockServer(lambda asked: Answer(strict(asked).body, latency=0.05), models=[JUDGE]) as judge,
    ):
        plain = write_qa(tmp_path / "qa.jsonl", [(f"q {number}", "a") for number in range(12)])
        options = judging(server, judge, tmp_path / "out", rows, datasets=[f"judge:{rows}", f"qa:{plain}"])
        evaluate(options)
    assert (server.most_in_flight, judge.most_in_flight) == (2, 2)


def test_a_judge_is_reached_before_a_model_server_is_started(tmp_path: Path) -> None:
    with MockServer(models=["other"]) as judge:
        weights = tmp_path / "m.gguf"
        weights.write_bytes(b"GGUF" + bytes(64))
        words = ["run", "--ckpt", str(weights), "-d", "judge_style", "--out", str(tmp_path), "--name", "run"]
        done = call([*words, "--judge-base-url", judge.url, "--judge-model", JUDGE])
    assert done.returncode == 2
    assert "Give one of them with --judge-model." in done.stderr
    assert "starting" not in done.stderr


def test_scores_by_category(server: MockServer, judge: MockServer, tmp_path: Path) -> None:
    rows = [row | {"category": f"c{number % 2}"} for number, row in enumerate(ROWS)]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    run = evaluate(judging(server, judge, tmp_path / "out", path))
    assert run.metric("judge_points", subset="c0") == pytest.approx(3.0)
    assert run.metric("judge_points", subset="c1") == pytest.approx(4.0)


# ---------------------------------------------------------------- resuming


def test_a_verdict_that_could_not_be_had_is_asked_for_alone(
    server: MockServer, judge: MockServer, rows: Path, tmp_path: Path
) -> None:
    judge.behave = lambda asked: failing(400, "no luck") if about(asked).endswith("3") else strict(asked)
    with pytest.raises(RunIncomplete, match=r"1 of 6 samples failed \(1 × the judge: HTTP 400: no luck\)"):
        evaluate(judging(server, judge, tmp_path / "out", rows))
    (failed,) = (line for line in lines_of(tmp_path / "out" / "run") if line["outcome"] == "error")
    assert failed["reply"]["text"] == "question 3"
    server.forget()
    judge.forget()
    judge.behave = strict
    run = evaluate(judging(server, judge, tmp_path / "out", rows))
    assert server.total == 0
    assert [about(asked) for asked in judge.requests if asked.prompt != PROBE] == ["question 3"]
    assert run.metric("judge_points") == pytest.approx(3.5)
    assert len(lines_of(run.path)) == 6
    assert run.summary.totals.prompt_tokens == 42


def test_of_a_pair_only_the_missing_verdict_is_asked_for(
    server: MockServer, judge: MockServer, pairs: Path, tmp_path: Path
) -> None:
    judge.behave = lambda asked: (
        failing(400) if '"B"' in strict(asked).body.decode().replace("\\", "") else strict(asked)
    )
    with pytest.raises(RunIncomplete):
        evaluate(judging(server, judge, tmp_path / "out", pairs))
    server.forget()
    judge.forget()
    judge.behave = strict
    run = evaluate(judging(server, judge, tmp_path / "out", pairs))
    assert (server.total, judge.total) == (0, 4)
    assert run.metric("win_rate") == 1.0
    assert all(len(line["further"]) == 2 for line in lines_of(run.path))


def test_another_judge_reads_the_same_replies_and_the_first_ones_verdicts_are_kept(
    server: MockServer, judge: MockServer, rows: Path, tmp_path: Path
) -> None:
    first = evaluate(judging(server, judge, tmp_path / "out", rows))
    server.forget()
    with MockServer(lambda _: reply('{"score": 10}'), models=["kinder"]) as kinder:
        kind = {"judge_base_url": kinder.url, "judge_model": "kinder"}
        second = evaluate(judging(server, judge, tmp_path / "out", rows, **kind))
    assert second.metric("judge_points") == 10.0
    judge.forget()
    back = evaluate(judging(server, judge, tmp_path / "out", rows))
    assert back.metric("judge_points") == first.metric("judge_points")
    assert (server.total, judge.requests) == (0, [])


def test_another_rubric_has_its_row_judged_again_and_nothing_else_asked(
    server: MockServer, judge: MockServer, rows: Path, tmp_path: Path
) -> None:
    evaluate(judging(server, judge, tmp_path / "out", rows))
    write_rows(
        rows, [row | ({"rubric": "Be kind."} if row["question"].endswith("4") else {}) for row in ROWS]
    )
    server.forget()
    judge.forget()
    evaluate(judging(server, judge, tmp_path / "out", rows))
    assert server.total == 0
    assert [about(asked) for asked in judge.requests if asked.prompt != PROBE] == ["question 4"]


def test_equal_questions_with_different_rubrics_find_their_own_verdicts(
    server: MockServer, judge: MockServer, tmp_path: Path
) -> None:
    same = [{"question": "question 1", "rubric": f"rubric {number % 4}"} for number in range(8)]
    path = write_rows(tmp_path / "same.jsonl", same)
    judge.behave = lambda asked: reply(
        json.dumps({"score": 1 + int([*asked.prompt.split("rubric "), "0"][1][0])})
    )
    first = evaluate(judging(server, judge, tmp_path / "out", path, concurrency=4))
    server.forget()
    judge.forget()
    again = evaluate(judging(server, judge, tmp_path / "out", path, concurrency=4))
    assert (server.requests, judge.requests) == ([], [])
    assert again.summary.variants == first.summary.variants
    assert sorted(line["scores"]["judge_points"] for line in lines_of(again.path)) == [1, 1, 2, 2, 3, 3, 4, 4]


def test_failed_verdicts_can_be_left_out_for_good(
    server: MockServer, judge: MockServer, rows: Path, tmp_path: Path
) -> None:
    judge.behave = lambda asked: failing(400) if about(asked).endswith("3") else strict(asked)
    run = evaluate(judging(server, judge, tmp_path / "out", rows, on_error="skip"))
    assert run.complete
    assert run.metric("judge_points") == pytest.approx(17 / 5)
    judge.forget()
    evaluate(judging(server, judge, tmp_path / "out", rows, on_error="skip"))
    assert judge.requests == []
    wrong = evaluate(judging(server, judge, tmp_path / "out", rows, on_error="wrong"))
    assert wrong.metric("judge_score") == pytest.approx((0 + 1 + 2 + 0 + 4 + 5) / 9 / 6)


def test_a_judge_that_is_gone_ends_the_run_and_loses_no_reply(server: MockServer, tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "many.jsonl", [{"question": f"question {n}", "rubric": ""} for n in range(40)]
    )
    with MockServer(strict, models=[JUDGE]) as judge:
        judge.behave = lambda asked: strict(asked) if judge.total <= 5 else failing(503)
        options = judging(server, judge, tmp_path / "out", path, timeout=0.4)
        with pytest.raises(RunIncomplete, match=r"samples failed in a row .the last: the judge: HTTP 503"):
            evaluate(options)
        kept = [line for line in lines_of(tmp_path / "out" / "run") if line["reply"]]
        assert 5 < len(kept) < 40
        server.forget()
        judge.behave = strict
        run = evaluate(options)
        assert server.total == 40 - len(kept)
    assert run.complete


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_replies_that_wait_for_the_judge_survive_an_interrupt(
    server: MockServer, judge: MockServer, rows: Path, tmp_path: Path, number: signal.Signals
) -> None:
    judge.behave = lambda asked: strict(asked) if asked.prompt == PROBE else hanging()
    words = [
        "run",
        "--base-url",
        server.url,
        "--model",
        MODEL,
        "-d",
        f"judge:{rows}",
        "--out",
        str(tmp_path / "out"),
    ]
    words += ["--name", "run", "--judge-base-url", judge.url, "--judge-model", JUDGE, "--concurrency", "2"]
    process = start(words)
    judge.wait_for(lambda: judge.total >= 2)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    waiting = [line for line in lines_of(tmp_path / "out" / "run") if line["outcome"] == "error"]
    assert {line["error"]["class"] for line in waiting} == {"interrupted"}
    assert len(waiting) >= 2
    server.forget()
    judge.behave = strict
    done = call(words)
    assert done.returncode == 0, done.stderr
    assert server.total == 6 - len(waiting)
    assert summary_of(tmp_path / "out" / "run")["complete"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1))
def test_wherever_a_journal_is_cut_the_same_lines_come_back(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = write_rows(folder / "pairs.jsonl", PAIRS)
    with MockServer() as server, MockServer(strict, models=[JUDGE]) as judge:
        run = evaluate(judging(server, judge, folder / "out", path))
        whole = (run.path / "samples.jsonl").read_bytes()
        kept = round(share * len(whole))
        (run.path / "samples.jsonl").write_bytes(whole[:kept])
        server.forget()
        judge.forget()
        again = evaluate(judging(server, judge, folder / "out", path))
        lost = 4 - whole[:kept].count(b"\n")
        assert (server.total, judge.total) == (lost, 2 * lost)
    assert sorted(line["id"] for line in lines_of(again.path)) == ["0", "1", "2", "3"]
    assert again.metric("win_rate") == 1.0


def test_a_run_is_judged_again_by_todays_reader_without_a_request(
    server: MockServer, judge: MockServer, rows: Path, pairs: Path, tmp_path: Path
) -> None:
    options = judging(server, judge, tmp_path / "out", rows, datasets=[f"judge:{rows}", f"judge:{pairs}"])
    run = evaluate(options)
    server.forget()
    judge.forget()
    again = rescore(run.path)
    assert (server.requests, judge.requests) == ([], [])
    assert again.summary.variants == run.summary.variants
    assert known(again.summary.rescored).scores_changed == 0
    assert again.summary.totals.judge_prompt_tokens == run.summary.totals.judge_prompt_tokens


# ---------------------------------------------------------------- measuring


TEXTS = [{"id": str(number), "text": f"Once upon a time there were {number} bears."} for number in range(5)]
ANSWERS = [
    {"prompt": "Which tea?", "chosen": "Green tea, please.", "rejected": "Black."},
    {"prompt": "Which cup?", "chosen": "The blue one.", "rejected": "None at all, thank you."},
    {"prompt": "Why?", "chosen": "Because it is warm.", "rejected": "So."},
]


def test_perplexity_of_texts_of_one_token_says_that_nothing_was_measured(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "one.jsonl", [{"text": "Hi"}, {"text": "Ho"}])
    with MockServer(measuring) as server:
        run = evaluate(
            build_config({"base_url": server.url, "model": MODEL, "datasets": [str(data)], "out": tmp_path})
        )
    assert run.metric("perplexity") is None
    (warning,) = run.summary.warnings
    assert "perplexity has no value, since none of 2 replies could be counted (a text of one token" in warning


def test_perplexity_is_of_the_sums_over_all_texts(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "texts.jsonl", TEXTS)
    with MockServer(measuring) as server:
        run = evaluate(config(server, tmp_path / "out", str(path)))
        again = evaluate(config(server, tmp_path / "out", str(path)))
    values = [logprob_of(token) for row in TEXTS for token in tokens_of(row["text"])[1:]]
    size = sum(len(row["text"].encode()) - len("Once") for row in TEXTS)
    assert run.metric("perplexity") == pytest.approx(2.718281828459045 ** (-sum(values) / len(values)))
    assert run.metric("bits_per_byte") == pytest.approx(-sum(values) / size / 0.6931471805599453)
    assert run.metric("word_perplexity") == pytest.approx(2.718281828459045 ** (-sum(values) / (5 * 8)))
    assert again.summary.variants == run.summary.variants
    assert again.summary.totals.reused == 5
    described = run.info.datasets[0]
    assert (described.kind, described.generation) == (
        "perplexity",
        {"temperature": 0.0, "max_tokens": 1},
    )


def test_an_edited_text_is_measured_again_and_no_other(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "texts.jsonl", TEXTS)
    with MockServer(measuring) as server:
        evaluate(config(server, tmp_path / "out", str(path)))
        write_rows(path, [*TEXTS[:4], {"id": "4", "text": "Another text altogether."}])
        server.forget()
        evaluate(config(server, tmp_path / "out", str(path)))
        assert [asked.prompt for asked in server.requests[1:]] == ["Another text altogether."]


@pytest.mark.parametrize("options", [{}, {"completions": True}])
def test_which_answer_is_likelier(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write_rows(tmp_path / "answers.jsonl", ANSWERS)
    with MockServer(measuring) as server:
        run = evaluate(config(server, tmp_path / "out", str(path), **options))
        server.forget()
        evaluate(config(server, tmp_path / "out", str(path), **options))
        assert server.requests == []

    def likelihood(row: dict[str, str], name: str) -> float:
        turns = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row[name]}]
        if options:
            return sum(
                map(logprob_of, tokens_of(f"{row['prompt']} {row[name]}")[len(tokens_of(row["prompt"])) :])
            )
        start_at = len(templated(turns[:1], add_generation_prompt=True))
        return sum(map(logprob_of, templated(turns, add_generation_prompt=False)[start_at:]))

    margins = [likelihood(row, "chosen") - likelihood(row, "rejected") for row in ANSWERS]
    assert run.metric("margin") == pytest.approx(sum(margins) / 3)
    assert run.metric("accuracy") == pytest.approx(sum(margin > 0 for margin in margins) / 3)
    assert all(len(line["further"]) == 2 for line in lines_of(run.path))


def test_which_answer_a_reward_model_prefers(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "answers.jsonl", ANSWERS)
    with MockServer(rewarding(lambda answer: float(len(answer)))) as server:
        run = evaluate(config(server, tmp_path / "out", str(path), preference_mode="reward"))
        assert {asked.path for asked in server.requests} == {"/classify"}
        assert len(server.requests) == 1 + 2 * 3
    assert run.metric("accuracy") == pytest.approx(2 / 3)
    assert run.metric("margin") == pytest.approx((12 - 10 + 16) / 3)
    assert (
        "by:reward"
        in summary_of(run.path)["variants"][MODEL]["datasets"]["answers"]["subsets"]["all"]["metrics"][
            "margin"
        ]["signature"]
    )


def test_a_margin_may_be_negative_and_so_may_its_interval(tmp_path: Path) -> None:
    rows = [row | {"chosen": row["rejected"], "rejected": row["chosen"]} for row in ANSWERS]
    path = write_rows(tmp_path / "answers.jsonl", rows)
    with MockServer(rewarding(lambda answer: float(len(answer)))) as server:
        run = evaluate(config(server, tmp_path / "out", str(path), preference_mode="reward"))
    found = run.summary.variants[MODEL].datasets["answers"].subsets["all"].metrics["margin"]
    assert found.value == pytest.approx(-6.0)
    assert known(found.ci_low) < known(found.value) < known(found.ci_high)


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("perplexity", {}, "come from vLLM, and from servers that take /completions with 'echo'"),
        (
            "preference",
            {"completions": True},
            "come from vLLM, and from servers that take /completions with 'echo'",
        ),
        ("preference", {}, "or compare flat texts with --completions"),
        ("preference", {"preference_mode": "reward"}, "vllm serve REWARD_MODEL --runner pooling"),
    ],
)
def test_a_server_that_cannot_measure_is_refused_before_any_data_is_sent(
    server: MockServer, tmp_path: Path, kind: str, options: dict[str, Any], says: str
) -> None:
    path = write_rows(tmp_path / "rows.jsonl", TEXTS if kind == "perplexity" else ANSWERS)
    with pytest.raises(EndpointError) as caught:
        evaluate(config(server, tmp_path / "out", f"{kind}:{path}", **options))
    assert says in str(caught.value)
    assert caught.value.exit_code == 2
    assert len(server.requests) == 1


def test_kinds_that_are_answered_and_measured_share_a_run(
    judge: MockServer, rows: Path, tmp_path: Path
) -> None:
    texts = write_rows(tmp_path / "texts.jsonl", TEXTS)
    answers = write_rows(tmp_path / "answers.jsonl", ANSWERS)
    with MockServer(measuring) as server:
        datasets = [
            f"judge:{rows}",
            str(texts),
            str(answers),
            f"qa:{write_qa(tmp_path / 'qa.jsonl', [('a b', 'a b')])}",
        ]
        run = evaluate(
            judging(server, judge, tmp_path / "out", rows, datasets=datasets, seed=3, temperature=0.7)
        )
    assert run.complete
    assert run.metric("rouge_l") == 1.0
    again = rescore(run.path)
    assert again.summary.variants == run.summary.variants
