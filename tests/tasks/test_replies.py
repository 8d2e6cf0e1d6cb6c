"""What kinds read from a reply: the cleaned text, labels of what was dropped, notes that count them."""

from __future__ import annotations

from typing import Any

import pytest

from evalsuite.tasks import task_class
from evalsuite.tasks.replies import (
    answer_text,
    cleaning_notes,
    harness_text,
    holds_turn_lines,
    reference_text,
    verdict_text,
)
from evalsuite.tasks.style import Style, keeps_turn_lines
from evalsuite.types import Reply

EN = Style("en", 0)
TAGS = Style("en", 0, reasoning_tags=("<hm>, </hm>",))
OPTIONS = {"question": "Capital?", "a": "Rome", "b": "Bern", "c": "Paris", "d": "Oslo", "answer": "C"}


def test_answer_text_drops_what_the_user_named() -> None:
    assert answer_text(Reply("<hm>A?</hm>C"), TAGS) == "C"
    assert answer_text(Reply("<hm>A?</hm>C"), EN) == "<hm>A?</hm>C"
    assert answer_text(Reply("<hm>A?"), TAGS) is None


def test_harness_text_drops_think_blocks_only() -> None:
    assert harness_text(Reply("<think>x</think>C</s>")) == "C</s>"
    assert harness_text(Reply("<thinking>x</thinking>C")) == "<thinking>x</thinking>C"
    assert harness_text(Reply("<think>x")) is None


def test_reference_text_with_a_block_that_never_closes_is_untouched() -> None:
    assert reference_text("<think>x</think>C</s>") == "C"
    assert reference_text("<think> opens a block") == "<think> opens a block"


def test_verdict_text_keeps_a_quoted_dialogue() -> None:
    text = 'The reply says\nQ: Why so?\nA: Because.\n{"score": 3}'
    assert verdict_text(Reply(f"<think>x</think>{text}<|im_end|>")) == text


def test_holds_turn_lines_and_their_share() -> None:
    assert holds_turn_lines("Paris.\nQ: And Spain?\nA: Madrid.")
    assert not holds_turn_lines("Paris.")
    assert keeps_turn_lines({"turn_lines": 1}, 20)
    assert not keeps_turn_lines({"turn_lines": 1}, 21)
    assert not keeps_turn_lines({}, 0)


@pytest.mark.parametrize(
    ("reply", "labels"),
    [
        ("C", ()),
        ("<think>A?</think>C", ("reasoning",)),
        ("C</s>", ("end_token",)),
        ("C<|im_end|>\n<|im_start|>user\nNext?", ("runs_on", "end_token")),
        ("<hm>A?</hm>\nAnswer: C", ("unknown_block:<hm>,</hm>",)),
    ],
)
def test_score_and_label_labels_what_was_dropped(reply: str, labels: tuple[Any, ...]) -> None:
    task = task_class("mcq")()
    score = task.score_and_label(task.parse(OPTIONS), Reply(reply), EN)
    assert (score.extracted, score.labels) == (["C"], labels)


def test_cleaning_notes_count_what_was_dropped() -> None:
    (note,) = cleaning_notes({"reasoning": 3, "runs_on": 1, "wrong_plan": 2}, 4)
    assert (
        note
        == "of 4 replies, 3 contained reasoning, 1 went on with an invented turn after the answer; that text is not scored."
    )
    assert not list(cleaning_notes({"wrong_plan": 2}, 4))


def test_cleaning_notes_name_the_option_where_many_blocks_are_unknown() -> None:
    (note,) = cleaning_notes({"unknown_block:<hm>,</hm>": 2}, 30)
    assert note.endswith("add --reasoning-tags '<hm>,</hm>'.")
    assert not list(cleaning_notes({"unknown_block:<hm>,</hm>": 1}, 30))
