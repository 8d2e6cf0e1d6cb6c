"""Base and adapter are told apart by what a server gives: log-probabilities, or else greedy text."""

from __future__ import annotations

import asyncio
import json

import pytest
from mock_server import Answer, MockServer, failing, reply

from evalsuite.endpoint.adapter_probe import RequestTarget, compare
from evalsuite.errors import ServerError
from evalsuite.types import Prompt

CHAT = [Prompt(messages=[{"role": "user", "content": text}]) for text in ("one", "two")]


def told(text: str, logprob: float) -> Answer:
    first = {"token": text[:1], "logprob": logprob, "top_logprobs": [{"token": "z", "logprob": -3.0}]}
    choice = {"message": {"content": text}, "logprobs": {"content": [first]}, "finish_reason": "stop"}
    return Answer(json.dumps({"choices": [choice]}).encode())


def compared(server, behave, prompts=CHAT):
    server.behave = behave
    return asyncio.run(
        compare(RequestTarget(server.url, "sft", {}), RequestTarget(server.url, "base", {"x": 1}), prompts)
    )


@pytest.fixture
def server():
    with MockServer() as running:
        yield running


def test_log_probabilities_differ_although_the_text_is_the_same(server):
    found = compared(server, lambda asked: told("same", -1.0 if asked.body["model"] == "base" else -1.01))
    assert (found.identical, found.by, found.prompts) == (False, "log-probabilities", 2)
    assert found.difference == pytest.approx(0.01)


def test_equal_log_probabilities_are_identical(server):
    assert compared(server, lambda asked: told("same", -1.0)).identical


def test_what_the_base_differs_from_itself_by_is_no_difference(server):
    found = compared(server, lambda asked: told("same", -1.0 - 0.01 * asked.nth))
    assert found.identical


def test_other_candidates_altogether_differ(server):
    def behave(asked):
        choice = {
            "message": {"content": "x"},
            "logprobs": {"content": [{"token": asked.body["model"], "logprob": -1, "top_logprobs": []}]},
        }
        return Answer(json.dumps({"choices": [choice]}).encode())

    assert not compared(server, behave).identical


@pytest.mark.parametrize(("text", "identical"), [("same", True), ("other", False)])
def test_without_log_probabilities_greedy_texts_are_compared(server, text, identical):
    found = compared(server, lambda asked: reply("same" if asked.body["model"] == "base" else text))
    assert (found.identical, found.by, found.difference) == (identical, "greedy text", None)


def test_a_server_that_refuses_the_field_is_asked_without_it(server):
    found = compared(
        server, lambda asked: failing(400) if "logprobs" in asked.body else reply(asked.body["model"])
    )
    assert (found.identical, found.by) == (False, "greedy text")


def test_the_fields_of_each_voice_go_with_its_requests(server):
    compared(server, lambda asked: reply("x"))
    assert {(asked.body["model"], asked.body.get("x")) for asked in server.requests} == {
        ("base", 1),
        ("sft", None),
    }
    assert {asked.body["temperature"] for asked in server.requests} == {0}


def test_flat_prompts_for_base_models(server):
    compared(server, lambda asked: reply("x"), [Prompt(text="one")])
    assert {asked.path for asked in server.requests} == {"/v1/completions"}


def test_a_server_that_fails_is_a_server_error(server):
    with pytest.raises(ServerError, match="'base' did not answer when base and adapter were compared"):
        compared(server, lambda asked: failing(500))
