"""Replies and references are cleaned once: reasoning, end-of-turn tokens and invented turns are dropped, nothing else."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalsuite.metrics.answer_words import json_answer
from evalsuite.metrics.cleaning import END_TOKENS, CleanedText, clean_text

MARKS = [
    ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>"), ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"), ("<思考>", "</思考>"), ("<seed:think>", "</seed:think>"), ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"), ("<|begin_of_thought|>", "<|end_of_thought|>"), ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|think|>", "<|/think|>"), ("<|channel>thought", "<channel|>"), ("<unused94>thought", "<unused95>"),
]  # fmt: skip
SPELLINGS = [str, str.upper, str.lower]
ROLE_TOKENS = [
    "<|im_start|>user\n", "<|start_header_id|>user<|end_header_id|>\n\n", "[INST] ", "<start_of_turn>user\n", "<|user|>\n",
    "<|im_start|>assistant\n", "<｜User｜>",
]  # fmt: skip
TURN_LINES = [
    "Question: ", "Q: ", "Human: ", "User: ", "问题：", "用户：", "**Question:** ", "### Question: ", "Question 2: ", "题目：",
]  # fmt: skip
ANSWERS = st.sampled_from(
    ["C", "Paris is the capital.", "答案：C", r"\boxed{42}", "a < b and [1] > 0", "x\ny: z", "Answer: 18"]
)
THOUGHTS = st.text(alphabet="ab C答案：:.?\n", max_size=30)
SPACE = st.sampled_from(["", " ", "\n", "\n\n"])


def text_of(reply: str, **options: object) -> str | None:
    return clean_text(reply, **options).text  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.sampled_from(MARKS), st.sampled_from(SPELLINGS), THOUGHTS, SPACE, ANSWERS)
def test_clean_text_reasoning_in_any_mark_and_case_is_dropped(
    mark: tuple[Any, ...], spelling: Any, thoughts: str, space: str, answer: str
) -> None:
    opening, closing = map(spelling, mark)
    cleaned = clean_text(f"{opening}{thoughts}{closing}{space}{answer}")
    assert cleaned.text == answer
    assert cleaned.labels == ("reasoning",)
    assert cleaned.reasoning == thoughts.strip()


@settings(deadline=None)
@given(st.sampled_from(MARKS), THOUGHTS, SPACE, ANSWERS)
def test_clean_text_closing_mark_alone_drops_what_stands_before_it(
    mark: tuple[Any, ...], thoughts: str, space: str, answer: str
) -> None:
    assert text_of(f"{thoughts}{mark[1]}{space}{answer}") == answer


@settings(deadline=None)
@given(st.sampled_from(MARKS), THOUGHTS)
def test_clean_text_block_that_never_closes_leaves_no_answer(mark: tuple[Any, ...], thoughts: str) -> None:
    assert text_of(f"{mark[0]}{thoughts}") is None
    assert text_of(f"Well. {mark[0]}{thoughts}") is None


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<think>a<think>b</think>c</think>d", "d"),
        ("<thinking>a<think>b</think>c</thinking>d", "d"),
        ("<think>the <think> tag</think>c", "c"),
        ("<think>a</think>b<think>c</think>d", "bd"),
        ("<think>a</thinking>C", "C"),
        ("< think >a</ think >C", "C"),
        ("<think duration='3s'>a</think>C", "C"),
        ("<think/>C", "C"),
        ("<think>\n\n</think>\n\nC", "C"),
        ("<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>C<|end_of_solution|>", "C"),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>C<|END_RESPONSE|>", "C"),
        ("[think] about it: C", "[think] about it: C"),
        ("The `<think>` tag opens it.", "The `<think>` tag opens it."),
    ],
)
def test_clean_text_blocks_nested_mismatched_or_mentioned(reply: str, answer: str) -> None:
    assert text_of(reply) == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<|channel|>analysis<|message|>A? no.<|end|><|start|>assistant<|channel|>final<|message|>C<|return|>", "C"),
        ("<|start|>assistant<|channel|>final<|message|>C", "C"),
        ("A? no.<|end|><|start|>assistant<|channel|>final<|message|>C", "C"),
        (("<|channel|>analysis<|message|>A?<|end|><|start|>assistant<|channel|>commentary<|message|>Let me see.<|end|>"
         "<|start|>assistant<|channel|>final <|constrain|>json<|message|>{}<|return|>"), "{}"),
        ("<|channel|>analysis<|message|>A? Need to", None),
        ("<|channel|>analysis<|message|>A?<|end|>", None),
        ("analysisCould be A? No.assistantfinalC", "C"),
        ("analysisCould be A? No.assistantfinalAnswer: C", "Answer: C"),
        ("Could be A? No.assistantfinalC", "C"),
        ("analysisWe need to", None),
        ("analysis of variance", "analysis of variance"),
        ("<|channel|>final<|message|>C<|return|><|start|>user<|message|>Next?", "C"),
        ("The `<|channel|>` token names a channel.", "The `<|channel|>` token names a channel."),
    ],
)  # fmt: skip
def test_clean_text_gpt_oss_channels(reply: str, answer: str | None) -> None:
    assert text_of(reply) == answer


def test_clean_text_gpt_oss_call_is_kept_for_the_reader_of_calls() -> None:
    call = '<|channel|>commentary to=functions.forecast <|constrain|>json<|message|>{"city": "Porto"}'
    assert text_of(f"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant{call}<|call|>") == call


@settings(deadline=None)
@example("C", ["</s>", "<pad>", "</s>"], "")
@given(
    ANSWERS, st.lists(st.sampled_from([*END_TOKENS, "<pad>", "<|fim_pad|>"]), min_size=1, max_size=3), SPACE
)
def test_clean_text_end_tokens_at_the_end_are_dropped(answer: str, tokens: list[Any], space: str) -> None:
    cleaned = clean_text(answer + space + space.join(tokens) + space)
    assert cleaned.text == answer
    assert cleaned.labels == ("end_token",)


@pytest.mark.parametrize(
    "text",
    [
        "", "  white space as it is\n", "The `<|endoftext|>` token ends a text.", "Price: <s>5</s>", "The <s>old</s> new one",
        "a < b > c", "[1] and [2]", "There are two roles.\nUser: 3\nAdmin: 4", "Thought: x\nAction: f\nAction Input: {}",
        "Let me restate the question.\nQuestion: what is 2+2?\nAnswer: 4", "Question: what is 2+2?\nAnswer: 4",
        "Here is the problem:\n\nQuestion: what is it?\nAnswer: 4", "The user: me", "a question: why",
    ],
)  # fmt: skip
def test_clean_text_without_anything_to_drop_is_untouched(text: str) -> None:
    assert clean_text(text) == CleanedText(text)


@settings(deadline=None)
@given(
    ANSWERS,
    st.sampled_from(["", "<|im_end|>\n", "</s>"]),
    st.sampled_from(ROLE_TOKENS),
    st.text("ab? \nA:", max_size=20),
)
def test_clean_text_role_token_after_an_answer_ends_the_reply(
    answer: str, end: str, role: str, rest: str
) -> None:
    cleaned = clean_text(answer + end + role + rest + "x")
    assert cleaned.text == answer
    assert cleaned.runs_on
    assert "runs_on" in cleaned.labels


@settings(deadline=None)
@given(ANSWERS, st.sampled_from(["\n", "\n\n", "<|im_end|>\n"]), st.sampled_from(TURN_LINES))
def test_clean_text_line_that_opens_another_turn_ends_the_reply(answer: str, space: str, line: str) -> None:
    cleaned = clean_text(f"{answer}{space}{line}What is next?\nAnswer: A")
    assert cleaned.text == answer
    assert cleaned.runs_on


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("C<|im_end|>\n<|im_start|>user\nNext?<|im_end|>\n<|im_start|>assistant\n<think>x</think>A", "C"),
        ("r</think>C<|im_end|>\n<|im_start|>user\nNext?<|im_end|>\n<|im_start|>assistant\nr</think>D", "C"),
        ("C<|im_end|>\n<|im_start|>assistant\n<think>never closed", "C"),
        ("C\nQuestion: next?\n<think>never closed", "C"),
        ("42<|endoftext|>Human: next", "42"),
        ("<|im_start|>assistant\nC<|im_end|>", "C"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nC<|eot_id|>", "C"),
        ("<s> C</s>", "C"),
        (
            "Question: what is 2+2?\nAnswer: 4\n\nQuestion: What now?\nAnswer: 6",
            "Question: what is 2+2?\nAnswer: 4",
        ),
    ],
)
def test_clean_text_invented_turns_with_headers_and_reasoning(reply: str, answer: str) -> None:
    assert text_of(reply) == answer


def test_clean_text_cut_lines_off_keeps_lines_that_open_turns() -> None:
    text = "Paris.\nQ: And Spain?\nA: Madrid."
    assert text_of(text) == "Paris."
    assert clean_text(text, cut_lines=False) == CleanedText(text)


def test_clean_text_further_marks_and_tokens_are_dropped() -> None:
    tags = [("<scratchpad>", "</scratchpad>"), ("((", "))")]
    assert text_of("<SCRATCHPAD>A?</scratchpad>C", reasoning_tags=tags) == "C"
    assert text_of("((A?)) C", reasoning_tags=tags) == "C"
    assert text_of("((A?", reasoning_tags=tags) is None
    assert text_of("C~stop~", end_tokens=["~stop~"]) == "C"


@pytest.mark.parametrize(
    ("reply", "marks"),
    [
        ("<scratchpad>A?</scratchpad>\nC", "<scratchpad>,</scratchpad>"),
        ("<scratchpad id='1'>A?</scratchpad>\nC", "<scratchpad>,</scratchpad>"),
        ("<inner_monologue>A?</inner_monologue>C", "<inner_monologue>,</inner_monologue>"),
        ("[REFLECT]A?[/REFLECT]C", "[REFLECT],[/REFLECT]"),
        ("<|begin_of_plan|>A?<|end_of_plan|>C", "<|begin_of_plan|>,<|end_of_plan|>"),
        ("◁plan▷A?◁/plan▷C", "◁plan▷,◁/plan▷"),
        ("<answer>C</answer> since", None),
        ("<b>C</b> since", None),
        ("<tool_call>{}</tool_call> x", None),
        ("<scratchpad>C</scratchpad>", None),
        ("C <scratchpad>x</scratchpad> y", None),
    ],
)
def test_clean_text_unknown_block_that_looks_like_reasoning_is_named_and_kept(
    reply: str, marks: str | None
) -> None:
    cleaned = clean_text(reply)
    assert (cleaned.text, cleaned.unknown_block) == (reply, marks)
    assert cleaned.labels == ((f"unknown_block:{marks}",) if marks else ())


PIECES = st.lists(
    st.sampled_from(
        [*(mark for pair in MARKS[:9] for mark in pair), "</s>", "<|im_end|>", "<|im_start|>", "assistant", "analysis",
         "assistantfinal", "<|channel|>", "final", "<|message|>", "\nQ: ", "Question:", "a", " ", "\n", "<", ">", "["]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@settings(deadline=None)
@given(PIECES | st.text())
def test_clean_text_never_raises_and_adds_nothing(reply: Any) -> None:
    cleaned = clean_text(reply)
    assert cleaned.text is None or set(cleaned.text) <= set(reply)
    if not cleaned.labels:
        assert cleaned.text is not None


@pytest.mark.parametrize(
    "piece",
    ["<", "<think>", "</think>", "</s>", "<|im_end|> ", "Question: a\n", "[THINK]x", "`<think>`", "</s>x", "x\nQ: 1",
     "<|channel|>analysis", "<|channel|>analysis<|message|>", "<think", "<a>", "analysis", "Q:"],
)  # fmt: skip
def test_clean_text_degenerate_replies_take_no_time(piece: str) -> None:
    start = time.process_time()
    clean_text(piece * 20_000)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"answer": 42, "confidence": 0.9}', 42),
        ('```json\n{"answer": "C"}\n```', "C"),
        ('So:\n{"Answer": {"x": 1}}', {"x": 1}),
        ('{"final_answer": 3}', 3),
        ('{"答案": "C"}', "C"),
        (r'\frac{1}{2} {"answer": 1}', 1),
        ('{"answer": 1} or so', None),
        ('{"other": 1}', None),
        ('{"answer": ', None),
        ("[1]", None),
        ("", None),
        ("{" * 50_000 + "}", None),
    ],
)
def test_json_answer_reads_the_object_that_is_fenced_or_ends_the_text(
    text: str, value: dict[str, Any] | int | str | None
) -> None:
    assert json_answer(text) == value
