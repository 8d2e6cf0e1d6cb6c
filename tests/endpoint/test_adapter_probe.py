"""Base and adapter are told apart by what a server gives: log-probabilities, or else greedy text."""

from __future__ import annotations

import asyncio
import json
from typing import Any

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


def compared(server: Any, behave: Any, prompts: Any = CHAT) -> Any:
    server.behave = behave
    return asyncio.run(
        compare(RequestTarget(server.url, "sft", {}), RequestTarget(server.url, "base", {"x": 1}), prompts)
    )


@pytest.fixture
def server() -> Any:
    with MockServer() as running:
        yield running


def test_compare_logprobs_differ_with_equal_text(server: Any) -> None:
    found = compared(server, lambda asked: told("same", -1.0 if asked.body["model"] == "base" else -1.01))
    assert (found.identical, found.by, found.prompts) == (False, "log-probabilities", 2)
    assert found.difference == pytest.approx(0.01)


def test_compare_equal_logprobs_are_identical(server: Any) -> None:
    assert compared(server, lambda asked: told("same", -1.0)).identical


def test_compare_ignores_the_bases_own_noise(server: Any) -> None:
    found = compared(server, lambda asked: told("same", -1.0 - 0.01 * asked.nth))
    assert found.identical


def test_compare_disjoint_candidates_differ(server: Any) -> Any:
    def behave(asked: Any) -> Any:
        choice = {
            "message": {"content": "x"},
            "logprobs": {"content": [{"token": asked.body["model"], "logprob": -1, "top_logprobs": []}]},
        }
        return Answer(json.dumps({"choices": [choice]}).encode())

    assert not compared(server, behave).identical


@pytest.mark.parametrize(("text", "identical"), [("same", True), ("other", False)])
def test_compare_without_logprobs_uses_greedy_texts(server: Any, text: str, identical: bool) -> None:
    found = compared(server, lambda asked: reply("same" if asked.body["model"] == "base" else text))
    assert (found.identical, found.by, found.difference) == (identical, "greedy text", None)


def test_compare_server_refusing_logprobs_is_asked_without(server: Any) -> None:
    found = compared(
        server, lambda asked: failing(400) if "logprobs" in asked.body else reply(asked.body["model"])
    )
    assert (found.identical, found.by) == (False, "greedy text")


def test_compare_sends_each_targets_fields(server: Any) -> None:
    compared(server, lambda asked: reply("x"))
    assert {(asked.body["model"], asked.body.get("x")) for asked in server.requests} == {
        ("base", 1),
        ("sft", None),
    }
    assert {asked.body["temperature"] for asked in server.requests} == {0}


def test_compare_flat_prompts_use_completions(server: Any) -> None:
    compared(server, lambda asked: reply("x"), [Prompt(text="one")])
    assert {asked.path for asked in server.requests} == {"/v1/completions"}


def test_compare_failing_server_is_a_server_error(server: Any) -> None:
    with pytest.raises(ServerError, match="'base' did not answer when base and adapter were compared"):
        compared(server, lambda asked: failing(500))
