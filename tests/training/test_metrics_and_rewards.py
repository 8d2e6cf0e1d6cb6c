"""Metrics of evaluations, rewards and process rewards: the same numbers as a run's."""

from __future__ import annotations

import doctest
import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mock_server import MockServer, rewarding

from evalsuite.errors import ConfigError
from evalsuite.metrics import qa_profiles
from evalsuite.training import StepRewards, compute_metrics, rewards, split_steps, step_rewards

pytestmark = pytest.mark.filterwarnings("default")


def predictions(found: Any, labels: Any) -> Any:
    return SimpleNamespace(predictions=np.array(found), label_ids=np.array(labels))


class TestAccuracy:
    def test_a_decoder_predicts_the_next_token(self) -> None:
        found = [[5, 6, 7, 0], [1, 2, 0, 0]]
        labels = [[-100, 5, 6, 9], [4, 1, 2, -100]]
        assert compute_metrics("acc")(predictions(found, labels)) == {"token_acc": 0.8, "seq_acc": 0.5}

    def test_an_encoder_decoder_does_not_shift(self) -> None:
        metric = compute_metrics("acc", encoder_decoder=True)
        assert metric(predictions([[1, 2]], [[1, 3]])) == {"token_acc": 0.5, "seq_acc": 0.0}

    def test_logits_and_tuples_are_taken(self) -> None:
        logits = np.zeros((1, 3, 4))
        logits[0, 0, 2] = logits[0, 1, 3] = 1
        found = compute_metrics("acc")(
            SimpleNamespace(predictions=(logits, None), label_ids=np.array([[0, 2, 3]]))
        )
        assert found == {"token_acc": 1.0, "seq_acc": 1.0}

    def test_nothing_to_count_is_no_number(self) -> None:
        assert compute_metrics("acc")(predictions([[1, 2]], [[-100, -100]])) == {}

    def test_rows_without_a_label_are_no_right_rows(self) -> None:
        found = compute_metrics("acc")(predictions([[1, 2], [3, 4]], [[-100, -100], [0, 9]]))
        assert found == {"token_acc": 0.0, "seq_acc": 0.0}


class Letters:
    pad_token_id, eos_token_id = 0, 1

    def batch_decode(self, rows: Any, *, skip_special_tokens: Any) -> Any:
        return ["".join(chr(int(one)) for one in row if one > 1) for row in rows]


class TestTexts:
    def test_they_are_the_profile_swift(self) -> Any:
        def ids(text: Any) -> Any:
            return [ord(letter) for letter in text.ljust(12, "\0")]

        pairs = [("the cat sat", "the cat ran"), ("a dog", "a dog")]
        found = compute_metrics("nlg", Letters())(
            SimpleNamespace(
                predictions=np.array([ids(reply) for _, reply in pairs]),
                label_ids=np.array([[one or -100 for one in ids(reference)] for reference, _ in pairs]),
            )
        )
        scores = [qa_profiles.swift(*pair) for pair in pairs]
        assert found == {
            name: pytest.approx(np.mean([score[name] for score in scores])) for name in qa_profiles.SWIFT
        }

    def test_it_needs_a_tokenizer_and_a_known_name(self) -> None:
        with pytest.raises(ConfigError, match="tokenizer"):
            compute_metrics("nlg")
        with pytest.raises(ConfigError, match="'acc' or 'nlg'"):
            compute_metrics("rouge")  # type: ignore[call-overload]  # no such name


class TestRewards:
    def test_the_examples_of_the_docstrings(self) -> None:
        for module in (rewards, step_rewards):
            assert doctest.testmod(module).failed == 0

    def test_trl_calls_them_by_name_with_messages(self) -> None:
        found = rewards.math(
            prompts=[[{"role": "user", "content": "?"}]] * 3,
            completions=[[{"role": "assistant", "content": text}] for text in ("\\boxed{4}", "5", "")],
            completion_ids=[[1], [2], []],
            answer=["2+2\n#### 4", "#### 4", "#### 4"],
            trainer_state=None,
        )
        assert found == [1.0, 0.0, 0.0]

    def test_a_gold_that_cannot_be_read_is_no_wrong_answer(self) -> None:
        assert rewards.math(["4"], solution=["four"]) == [None]
        assert rewards.choice(["A"], answer=["maybe"]) == [None]
        assert rewards.tool_call(["x"], target=[""]) == [None]
        assert rewards.as_orm(rewards.math)()(["4"], solution=["four"]) == [0.0]

    def test_thinking_is_not_read(self) -> None:
        replies = ["<think>it may be 7</think>\\boxed{4}", "<think>it may be 4"]
        assert rewards.math(replies, solution=["4", "4"]) == [1.0, 0.0]

    def test_options_come_from_columns(self) -> None:
        assert rewards.choice(["the sun"], A=["the moon"], B=["the sun"], answer=["B"]) == [1.0]
        assert rewards.choice(["I take fire."], options=[["water", "fire"]], answer=["B"]) == [1.0]

    def test_native_tool_calls(self) -> None:
        gold = 'Action: search\nAction Input: {"q": "tea"}'
        call = {"type": "function", "function": {"name": "search", "arguments": '{"q": "tea"}'}}
        message = [{"role": "assistant", "content": None, "tool_calls": [call]}]
        assert rewards.tool_call([message], target=[gold], tools=['[{"name": "search"}]']) == [1.0]

    def test_a_tool_that_is_not_offered_is_not_rewarded_in_full(self) -> None:
        gold = "Action: search\nAction Input: {}"
        made_up = "Action: imagine\nAction Input: {}"
        found = rewards.tool_call([made_up], target=[gold], tools=[[{"name": "search"}]])
        assert found[0] is not None
        assert found[0] < 1

    def test_a_pattern_of_ones_own(self) -> None:
        assert rewards.format(["Answer: 4", "4"], pattern=r"^Answer: \d+$") == [1.0, 0.0]

    @pytest.mark.parametrize("columns", [{}, {"solution": ["1", "2"]}, {"answer": "1"}])
    def test_gold_answers_must_be_there(self, columns: Any) -> None:
        with pytest.raises(ConfigError, match="gold answer"):
            rewards.math(["1"], **columns)

    @pytest.mark.parametrize("reward", [rewards.math, rewards.choice, rewards.tool_call, rewards.format])
    def test_ms_swift_makes_them_with_and_without_arguments(self, reward: Any) -> None:
        orm = rewards.as_orm(reward)
        assert orm.__name__.startswith("Evalsuite")
        for made in (orm(), orm(args=None)):
            assert made(["x"], solution=["A"], prompt_id=["p"]) in ([0.0], [1.0])
        assert "completions" in inspect.signature(reward).parameters

    @given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
    def test_any_text_has_a_reward(self, texts: Any) -> None:
        for reward in (rewards.math, rewards.choice, rewards.tool_call, rewards.format):
            found = reward(texts, solution=["A"] * len(texts))
            assert len(found) == len(texts)
            assert all(value is None or 0 <= value <= 1 for value in found)


class TestSteps:
    @given(st.text(alphabet="ab \n1.Step:Thought", max_size=80))
    def test_joined_they_are_the_reply(self, reply: Any) -> None:
        steps = split_steps(reply)
        assert "".join(steps) == (reply if reply.strip() else "")
        assert all(step.strip() for step in steps)

    def test_react_turns(self) -> None:
        reply = "Thought: a\nAction: x\nAction Input: {}\nThought: b\nAction: Finish"
        assert [step.split("\n")[0] for step in split_steps(reply)] == ["Thought: a", "Thought: b"]

    def test_each_is_rated_with_what_stands_before_it(self) -> None:
        reply = "one\n\ntwo\n\nthree"
        with MockServer(rewarding(lambda text: float(text.count("\n\n")))) as server:
            rate = StepRewards(server.url, "mock-model", batch_size=2)
            asked = [{"role": "user", "content": "?"}, {"role": "assistant", "content": reply}]
            found = rate(
                [{"messages": asked}, SimpleNamespace(messages=[*asked[:1], {**asked[1], "content": ""}])]
            )
        assert len(found) == 2
        assert len(found[0]) == 3
        assert found[1] == [0.0], "ms-swift takes the least reward of each reply"
        assert found[0] == sorted(found[0])
        assert found[0][0] < found[0][2]
