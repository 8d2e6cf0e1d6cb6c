"""`--mcq-mode logprob`: whole runs against servers that give log-probabilities, and against those that do not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from known import known
from mock_server import MODEL, Answer, Asked, MockServer, delta, events, failing, reply, with_logprobs
from run_helpers import call, lines_of, numbered, summary_of, write_qa
from scoring_helpers import write_rows

from evalsuite.config import RunConfig, build_config
from evalsuite.endpoint.logprob_probe import FLAT_PROMPT, WORD_TO_REPEAT
from evalsuite.errors import ConfigError, EndpointError, InputError, RunIncomplete
from evalsuite.evaluation.evaluate import evaluate, prepare
from evalsuite.evaluation.rescore import rescore

SURE: dict[str, float | None] = {" B": -0.1, " A": -3.0, "The": -6.0}
"""Of the tokens after a question that begins with `sure`; the rest of `MOODS` likewise."""
MOODS: Mapping[str, dict[str, float | None]] = {
    "sure": SURE,
    "split": {" A": -0.7, "B": -0.9, " B": -0.9, "Ｂ": -5.0},
    "silent": {"I": -0.2, "The": -1.7},
}
RIGHT = "B"


def quiz(path: Path, *questions: str) -> Path:
    rows = [{"question": text, "A": "no", "B": "yes", "C": "perhaps", "answer": RIGHT} for text in questions]
    return write_rows(path, rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return quiz(tmp_path / "quiz.jsonl", "sure?", "split?", "silent?", "sure again?")


def is_trial(asked: Asked) -> bool:
    return asked.prompt in (WORD_TO_REPEAT["content"], FLAT_PROMPT.text)


def is_begun(asked: Asked) -> bool:
    return bool(asked.body.get("messages")) and asked.body["messages"][-1]["role"] == "assistant"


def continuing(asked: Asked) -> Answer:
    """A server that goes on with begun turns."""
    if "logprobs" not in asked.body:
        return reply("hi")
    if is_trial(asked):
        return with_logprobs(
            asked, {"artz": -0.01, "ash": -9.0} if is_begun(asked) else {"X": -0.1, "The": -3.0}
        )
    question = asked.prompt.rsplit("\n\n", 1)[-1]
    return with_logprobs(asked, next(tokens for mood, tokens in MOODS.items() if question.startswith(mood)))


def answering_anew(asked: Asked) -> Answer:
    """One that begins a turn of its own after any message."""
    if is_trial(asked):
        return with_logprobs(asked, {"X": -0.1, "The": -3.0})
    return continuing(asked)


def refusing_begun_turns(asked: Asked) -> Answer:
    """One that knows no such fields."""
    if "continue_final_message" in asked.body:
        return failing(400, "Unrecognized request argument supplied: continue_final_message")
    return answering_anew(asked)


def silent_about_logprobs(asked: Asked) -> Answer:
    return reply("Answer: B")


def refusing_logprobs(asked: Asked) -> Answer:
    return (
        failing(400, "logprobs is not supported by this model") if "logprobs" in asked.body else reply("hi")
    )


def naming_only_its_token(asked: Asked) -> Answer:
    found = json.loads(reply("B").body)
    found["choices"][0]["logprobs"] = {"content": [{"token": "B", "logprob": -0.1, "top_logprobs": []}]}
    return Answer(json.dumps(found).encode())


def config(server: MockServer, out: Path, *datasets: str | Path, **options: Any) -> RunConfig:
    given = {"base_url": server.url, "model": MODEL, "out": out, "name": "run", "mcq_mode": "logprob"}
    return build_config(given | {"datasets": [str(dataset) for dataset in datasets]} | options)


def questions(server: MockServer) -> list[Asked]:
    """The requests that asked the data."""
    return [asked for asked in server.requests if "logprobs" in asked.body and not is_trial(asked)]


def forms(run: Path) -> set[str]:
    metrics = summary_of(run)["variants"][MODEL]["datasets"]["quiz"]["subsets"]["all"]["metrics"]
    signatures = [metric["signature"].split("|") for metric in metrics.values()]
    return {part for signature in signatures for part in signature if part.startswith("logprob:")}


# ---------------------------------------------------------------- a server that gives them


def test_the_letter_after_the_begun_marker_is_the_answer(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    server.behave = continuing
    run = evaluate(config(server, tmp_path, data))
    assert run.complete
    assert run.metric("accuracy") == 0.75
    lines = {
        line["messages"][0]["content"].rsplit("\n\n", 1)[1].partition("?")[0]: line
        for line in lines_of(run.path)
    }
    assert lines["sure"]["logprobs"] == {"labels": {"A": -3.0, "B": -0.1, "C": None}, "floor": -6.0}
    assert (lines["sure"]["extracted"], lines["sure"]["stage"]) == (["B"], "logprob")
    assert lines["split"]["extracted"] == ["B"], (
        "its variants together outweigh the single most probable token"
    )
    assert lines["split"]["reply"]["alternatives"][0] == [" A", -0.7]
    silent = lines["silent"]
    assert (silent["outcome"], silent["extracted"], silent["stage"]) == ("unparsed", None, "")
    assert silent["logprobs"] == {"labels": {"A": None, "B": None, "C": None}, "floor": -1.7}


def test_one_request_of_one_token_a_row_whatever_max_tokens_says(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    server.behave = continuing
    evaluate(config(server, tmp_path, data, max_tokens=500, stop=["\n"]))
    assert len(questions(server)) == 4
    body = questions(server)[0].body
    assert body["messages"][-1] == {"role": "assistant", "content": "Answer:"}
    assert 'Reply only in the form "Answer: X"' in body["messages"][0]["content"]
    del body["messages"]
    assert body == {
        "model": MODEL, "temperature": 0.0, "max_tokens": 1, "logprobs": True, "top_logprobs": 20,
        "continue_final_message": True, "add_generation_prompt": False,
    }  # fmt: skip
    assert forms(tmp_path / "run") == {"logprob:marker"}


def test_base_models_are_asked_after_the_marker_of_a_flat_prompt(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    server.behave = continuing
    run = evaluate(config(server, tmp_path, data, completions=True))
    assert run.metric("accuracy") == 0.75
    body = questions(server)[-1].body
    assert body["prompt"].endswith("C. perhaps\nAnswer:")
    assert (body["logprobs"], body["max_tokens"]) == (20, 1)
    assert not {"top_logprobs", "stop"} & set(body)


def test_streams_carry_them_too(server: MockServer, data: Path, tmp_path: Path) -> None:
    def streaming(asked: Asked) -> Answer:
        whole = json.loads(continuing(asked).body)["choices"][0]
        piece = delta("stop", content="x")
        piece["choices"][0]["logprobs"] = whole.get("logprobs")
        return events(piece)

    server.behave = streaming
    assert evaluate(config(server, tmp_path, data, stream=True)).metric("accuracy") == 0.75


def test_a_server_that_wants_the_newer_token_limit_is_asked_with_it(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    def newer(asked: Asked) -> Answer:
        if "max_tokens" in asked.body:
            return failing(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return continuing(asked)

    server.behave = newer
    assert evaluate(config(server, tmp_path, data)).metric("accuracy") == 0.75
    assert questions(server)[-1].body["max_completion_tokens"] == 1


def test_other_kinds_of_the_same_run_are_asked_in_words(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    server.behave = continuing
    other = write_qa(tmp_path / "qa.jsonl", numbered(2))
    run = evaluate(config(server, tmp_path, f"mcq:{data}", f"qa:{other}"))
    assert {line["dataset"] for line in lines_of(run.path) if "logprobs" in line} == {"quiz"}
    assert sum("logprobs" not in asked.body for asked in server.requests) == 2 + 1, "two rows and the probe"


@pytest.mark.parametrize("behave", [continuing, answering_anew])
def test_a_finished_run_is_read_again_without_a_request_and_rescored_from_its_journal(
    server: MockServer, data: Path, tmp_path: Path, behave: Any
) -> None:
    server.behave = behave
    evaluate(config(server, tmp_path, data))
    before = lines_of(tmp_path / "run")
    server.forget()
    assert evaluate(config(server, tmp_path, data)).complete
    assert (server.total, server.model_lists) == (0, 0)
    assert known(rescore(tmp_path / "run").summary.rescored).metrics == ()
    assert sorted(lines_of(tmp_path / "run"), key=str) == sorted(before, key=str)


def test_an_extended_file_is_asked_in_the_form_it_was_asked_in(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    server.behave = answering_anew
    evaluate(config(server, tmp_path, data))
    quiz(data, "sure?", "split?", "silent?", "sure again?", "sure too?")
    server.behave = continuing
    server.forget()
    assert evaluate(config(server, tmp_path, data)).complete
    assert len(questions(server)) == 1
    assert forms(tmp_path / "run") == {"logprob:letter"}


# ---------------------------------------------------------------- a server that cannot go on with a turn


@pytest.mark.parametrize("behave", [answering_anew, refusing_begun_turns])
def test_where_turns_cannot_be_begun_the_letter_alone_is_asked_for(
    server: MockServer, data: Path, tmp_path: Path, behave: Any, logged: pytest.LogCaptureFixture
) -> None:
    server.behave = behave
    run = evaluate(config(server, tmp_path, data))
    assert run.metric("accuracy") == 0.75
    messages = questions(server)[0].body["messages"]
    assert [message["role"] for message in messages] == ["user"]
    assert "Reply only with the letter of the correct option" in messages[0]["content"]
    assert messages[0]["content"].endswith("C. perhaps\nAnswer:")
    assert forms(run.path) == {"logprob:letter"}
    assert any("does not go on with a turn" in sentence for sentence in logged.messages)
    assert run.summary.totals.samples == 4


def test_what_other_kinds_had_finished_stays_finished_when_the_form_changes(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    other = write_qa(tmp_path / "qa.jsonl", numbered(3))
    server.behave = answering_anew
    evaluate(config(server, tmp_path, f"qa:{other}"))
    server.forget()
    run = evaluate(config(server, tmp_path, f"qa:{other}", f"mcq:{data}"))
    assert run.complete
    assert sum("logprobs" not in asked.body for asked in server.requests) == 1, "the probe"
    totals = run.summary.totals
    assert (totals.samples, totals.reused, totals.completion_tokens) == (7, 3, 7 * 3)


def test_examples_answer_as_the_question_asks(server: MockServer, tmp_path: Path) -> None:
    folder = tmp_path / "quiz"
    quiz(folder / "quiz_val.jsonl", "sure?")
    quiz(folder / "quiz_dev.jsonl", "an example?")
    for behave, shown in ((continuing, "Answer: B"), (answering_anew, "B")):
        server.behave = behave
        server.forget()
        evaluate(config(server, tmp_path, folder, name=shown[0]))
        assert questions(server)[0].body["messages"][1] == {"role": "assistant", "content": shown}


# ---------------------------------------------------------------- a server that gives none


@pytest.mark.parametrize("completions", [False, True])
@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (silent_about_logprobs, "no log-probabilities of tokens"),
        (refusing_logprobs, "logprobs is not supported by this model"),
        (naming_only_its_token, "no log-probabilities of tokens"),
    ],
)
def test_it_is_refused_before_any_question_is_asked(
    server: MockServer, data: Path, tmp_path: Path, behave: Any, why: str, completions: bool
) -> None:
    server.behave = behave
    with pytest.raises(EndpointError, match=why) as caught:
        evaluate(config(server, tmp_path, data, completions=completions))
    message = str(caught.value)
    assert server.url in message
    assert "vLLM, SGLang, LMDeploy, llama.cpp" in message
    assert "--mcq-mode generate" in message
    assert questions(server) == []
    assert not (tmp_path / "run" / "samples.jsonl").exists()


def test_the_command_ends_with_2(server: MockServer, data: Path, tmp_path: Path) -> None:
    server.behave = silent_about_logprobs
    words = ["run", "--base-url", server.url, "--model", MODEL, "-d", f"mcq:{data}", "--out", str(tmp_path)]
    done = call([*words, "--mcq-mode", "logprob"])
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert "--mcq-mode generate" in done.stderr


def test_a_single_reply_without_them_is_an_error_not_a_wrong_answer(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    def mostly(asked: Asked) -> Answer:
        return reply("B") if asked.prompt.rsplit("\n\n", 1)[-1].startswith("split") else continuing(asked)

    server.behave = mostly
    with pytest.raises(RunIncomplete, match=r"1 of 4 .*no log-probabilities"):
        evaluate(config(server, tmp_path, data))
    (failed,) = (line for line in lines_of(tmp_path / "run") if line["outcome"] == "error")
    assert failed["error"]["class"] == "no_logprobs"


# ---------------------------------------------------------------- what one token cannot answer


def test_rows_with_several_right_answers_are_refused_before_any_request(
    server: MockServer, tmp_path: Path
) -> None:
    rows = [{"question": "q", "A": "x", "B": "y", "answer": answer} for answer in ("A", "AB", "B", "BA")]
    data = write_rows(tmp_path / "quiz.jsonl", rows)
    with pytest.raises(
        InputError, match=rf"2 of the rows of quiz.*{data}:2 .*several right answers, AB"
    ) as caught:
        prepare(config(server, tmp_path, data))
    assert "--mcq-mode generate" in str(caught.value)
    assert server.requests == []


def test_thinking_first_and_reading_the_first_token_exclude_each_other(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"--mcq-mode logprob.*--cot"):
        prepare(config(server, tmp_path, data, cot=True))


def test_profiles_that_read_words_are_for_the_other_kinds(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError, match=r"--profile evalscope.*reads the text of replies.*--mcq-mode logprob"
    ):
        prepare(config(server, tmp_path, data, profile=["evalscope"]))
    other = write_qa(tmp_path / "qa.jsonl", numbered(1))
    plans = prepare(config(server, tmp_path, f"mcq:{data}", f"qa:{other}", profile=["swift"])).plans
    assert [plan.style.profiles for plan in plans] == [(), ("swift",)]


def test_predictions_have_no_mode(tmp_path: Path, data: Path) -> None:
    done = call(["score", f"mcq:{data}", "--mcq-mode", "logprob"])
    assert done.returncode == 2
    file = tmp_path / "score.yaml"
    file.write_text("mcq_mode: logprob\n", encoding="utf-8")
    done = call(["score", f"mcq:{data}", "--config", str(file)])
    assert done.returncode == 2
    assert "--mcq-mode" in done.stderr


def test_a_run_in_words_is_asked_as_before(server: MockServer, data: Path, tmp_path: Path) -> None:
    server.behave = lambda asked: reply("Answer: B")
    run = evaluate(config(server, tmp_path, data, mcq_mode="generate"))
    assert run.metric("accuracy") == 1.0
    assert all(
        not {"logprobs", "top_logprobs", "continue_final_message"} & set(asked.body)
        for asked in server.requests
    )
    assert all("logprobs" not in line and "alternatives" not in line["reply"] for line in lines_of(run.path))
