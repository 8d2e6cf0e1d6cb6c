"""Word problems: the gold number, both prompt forms in full, and what counts as strict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shared_data import SHARED_DATA

from evalsuite.data.row_parser import RowError
from evalsuite.metrics import numbers
from evalsuite.tasks.gsm8k import EXAMPLES, Gsm8kTask
from evalsuite.tasks.style import Style
from evalsuite.types import Reply

TASK = Gsm8kTask()
ROW = {"question": " 2 hats of $500 each? ", "answer": "2*500=<<2*500=1000>>1,000 dollars.\n#### 1,000"}
EN = Style("en", 0)
SHARED = SHARED_DATA / "gsm8k"


class TestRows:
    def test_parse_row_has_question_solution_and_number(self) -> None:
        row = TASK.parse(ROW)
        assert (row.question, row.solution, row.answer) == (
            "2 hats of $500 each?",
            "2*500=1,000 dollars.",
            "1000",
        )

    @pytest.mark.parametrize(
        ("answer", "what"),
        [
            ("1000", "the answer has no '####'"),
            (1000, "the answer has no '####'"),
            ("", "the answer has no '####'"),
            ("so #### many", "the answer has 'many' for its number"),
            ("#### 5\n####", "the answer has '' for its number"),
        ],
    )
    def test_parse_answer_without_a_gold_number_is_refused(self, answer: int | str, what: str) -> None:
        with pytest.raises(RowError) as caught:
            TASK.parse(ROW | {"answer": answer})
        assert caught.value.faults == (
            (what, "a solution in the column 'answer' that ends in '#### NUMBER'"),
        )

    def test_parse_lists_every_fault(self) -> None:
        with pytest.raises(RowError) as caught:
            TASK.parse({"question": "", "answer": "x"})
        assert len(caught.value.faults) == 2


class TestPrompts:
    def test_prompt_chat(self) -> None:
        prompt = TASK.prompt(TASK.parse(ROW), EXAMPLES[:1], Style("en", 1), "x")
        ask = "\nPlease reason step by step, and put your final answer within \\boxed{}."
        assert prompt.messages == [
            {"role": "user", "content": EXAMPLES[0].question + ask},
            {
                "role": "assistant",
                "content": "There are 6 * 12 = 72 rolls.\nAfter noon 72 - 45 = 27 rolls are left.\nThe final answer is \\boxed{27}.",
            },
            {"role": "user", "content": "2 hats of $500 each?" + ask},
        ]
        assert prompt.stop == ()

    def test_prompt_chinese_wording(self) -> None:
        messages = TASK.prompt(TASK.parse(ROW), EXAMPLES[:1], Style("zh", 1), "x").messages or ()
        assert messages[-1]["content"].endswith("\n请一步一步推理，并把最终答案写在 \\boxed{} 中。")
        assert messages[1]["content"].endswith("\n最终答案是 \\boxed{27}。")

    def test_prompt_completions_has_the_classic_form(self) -> None:
        prompt = TASK.prompt(TASK.parse(ROW), EXAMPLES[:1], Style("en", 1, completions=True), "x")
        assert prompt.text == (
            f"Question: {EXAMPLES[0].question}\nAnswer: {EXAMPLES[0].solution}\n#### 27\n\n"
            "Question: 2 hats of $500 each?\nAnswer:"
        )
        assert "Question:" in prompt.stop

    def test_builtin_examples_are_right_and_the_default(self) -> None:
        assert TASK.capabilities.few_shot is not None
        assert len(EXAMPLES) == TASK.capabilities.few_shot.default == 4
        assert TASK.capabilities.few_shot.builtin == EXAMPLES
        for example in EXAMPLES:
            last = numbers.extract(example.solution)
            assert last is not None
            assert last.value is not None
            assert numbers.equal(last.value, example.answer)
            assert "<<" not in example.solution

    @pytest.mark.parametrize("style", [Style("en", 4), Style("zh", 4), Style("en", 4, completions=True)])
    def test_prompt_examples_follow_the_instruction(self, style: Any) -> None:
        prompt = TASK.prompt(TASK.parse(ROW), EXAMPLES, style, "x")
        shown = prompt.text.split("\n\n")[0] if prompt.text else (prompt.messages or ())[1]["content"]
        score = TASK.score(TASK.parse(ROW | {"answer": "#### 27"}), Reply(shown, finish_reason="stop"), style)
        assert score.values == {"accuracy": 1.0, "strict": 1.0, "truncated_rate": 0.0}

    def test_score_truncated_rate_without_a_finish_reason_is_null(self) -> None:
        assert TASK.score(TASK.parse(ROW), Reply("1"), Style("en", 0)).values["truncated_rate"] is None


@pytest.mark.parametrize(
    ("reply", "outcome", "accuracy", "strict"),
    [
        (Reply(r"so \boxed{1,000}"), "scored", 1.0, 1.0),
        (Reply("#### $1,000.00"), "scored", 1.0, 1.0),
        (Reply("The answer is 1000."), "scored", 1.0, 0.0),
        (Reply("that makes 1000"), "scored", 1.0, 0.0),
        (Reply(r"\boxed{999}"), "scored", 0.0, 0.0),
        (Reply("I do not know"), "unparsed", 0.0, 0.0),
        (Reply(""), "unparsed", 0.0, 0.0),
        (Reply("Let us", finish_reason="length"), "truncated", 0.0, 0.0),
        (Reply(r"<think>\boxed{1000}", finish_reason="length"), "truncated", 0.0, 0.0),
        (Reply(r"<think>\boxed{1}</think>\boxed{1000}"), "scored", 1.0, 1.0),
        (Reply(r"\boxed{1000} and on and", finish_reason="length"), "scored", 1.0, 1.0),
    ],
)
def test_score_replies(reply: Any, outcome: str, accuracy: float, strict: float) -> None:
    score = TASK.score(TASK.parse(ROW), reply, EN)
    assert score.outcome == outcome
    assert score.values == {
        "accuracy": accuracy,
        "strict": strict,
        "truncated_rate": 1.0 if reply.finish_reason == "length" else None,
    }


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not on this machine")
def test_published_problems_parse_and_their_solutions_are_right() -> None:
    rows = [json.loads(line) for line in (SHARED / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 1319
    for values in rows:
        row = TASK.parse(values)
        assert "<<" not in row.solution
        assert TASK.score(row, Reply(values["answer"]), EN).values["strict"] == 1.0
    shown = {example.question for example in EXAMPLES}
    assert shown.isdisjoint(values["question"] for values in rows)


def test_score_profiles_read_the_gold_from_the_raw_column() -> None:
    style = Style("en", 0, profiles=("lm_eval_strict", "lm_eval_flexible", "opencompass"))
    row = TASK.parse({"question": "How many?", "answer": "2 * 500 = <<2*500=1000>>1000\n#### 1,000"})
    values = TASK.score(row, Reply("<think>#### 7</think>#### 1,000"), style).values
    assert (
        values["lm_eval_strict/accuracy"] == values["lm_eval_flexible/accuracy"] == values["accuracy"] == 1.0
    )
    assert values["opencompass/accuracy"] == 0.0
    unfinished = TASK.score(row, Reply("<think>#### 1,000"), style).values
    assert not any(unfinished.values())


class TestContext:
    """Text in columns of its own is asked before the question."""

    ROW = ROW | {"passage": "A hat shop opens at nine."}

    def test_chat_prompt_with_a_passage_asks_it_before_the_question(self) -> None:
        plain, asked = (TASK.prompt(TASK.parse(row), (), EN, "x").messages for row in (ROW, self.ROW))
        assert plain is not None
        assert asked == [
            {"role": "user", "content": f"A hat shop opens at nine.\n\n{plain[0]['content']}"},
        ]

    def test_flat_prompt_with_a_passage_asks_it_before_the_question(self) -> None:
        style = Style("en", 1, completions=True)
        prompt = TASK.prompt(TASK.parse(self.ROW), [TASK.parse(self.ROW)], style, "x")
        block = "A hat shop opens at nine.\n\nQuestion: 2 hats of $500 each?\nAnswer:"
        assert prompt.text == f"{block} 2*500=1,000 dollars.\n#### 1000\n\n{block}"

    def test_traits_of_a_row_with_a_passage(self) -> None:
        assert tuple(TASK.traits(TASK.parse(self.ROW))) == ("context",)
        assert tuple(TASK.traits(TASK.parse(ROW))) == ()
