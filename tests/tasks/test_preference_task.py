"""Pairs in the layouts of published data, and which of two answers counts as preferred."""

from __future__ import annotations

from typing import Any

import pytest

from evalsuite.data.row_parser import RowError
from evalsuite.tasks.preference import PreferenceTask
from evalsuite.tasks.style import Style
from evalsuite.types import FollowUpReply, Measurement, Prompt, Reply

TASK = PreferenceTask()
CHAT = Style("en", 0)
FLAT = Style("en", 0, completions=True)
REWARD = Style("en", 0, reward=True)
ASKED = {"role": "user", "content": "Which tea?"}
GREEN = {"role": "assistant", "content": "Green."}
BLACK = {"role": "assistant", "content": "Black."}
SYSTEM = {"role": "system", "content": "Be brief."}


def measured(*replies: Measurement) -> Reply:
    first, *others = replies
    return Reply(
        "",
        measured=first,
        further=tuple(FollowUpReply("model", "k", Reply("", measured=one)) for one in others),
    )


def logprobs(tokens: list[str], values: list[float]) -> Measurement:
    return Measurement(tuple(tokens), (None, *values))


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "Which tea?", "chosen": "Green.", "rejected": "Black."},
        {"question": "Which tea?", "chosen": "Green.", "rejected": "Black."},
        {"prompt": [ASKED], "chosen": [GREEN], "rejected": [BLACK]},
        {"prompt": "Which tea?", "chosen": [ASKED, GREEN], "rejected": [ASKED, BLACK]},
        {"chosen": [ASKED, GREEN], "rejected": [ASKED, BLACK]},
        {"prompt": '[{"role": "user", "content": "Which tea?"}]', "chosen": [GREEN | {"weight": 1}], "rejected": "Black."},
    ],
    ids=["texts", "question", "TRL", "UltraFeedback", "implicit prompt", "JSON in a cell"],
)  # fmt: skip
def test_parse_published_layouts_give_the_same_row(values: dict[str, Any]) -> None:
    row = TASK.parse(values)
    assert (row.messages, row.chosen, row.rejected) == ((ASKED,), "Green.", "Black.")


def test_parse_answers_may_lack_the_system_turn_of_the_prompt() -> None:
    row = TASK.parse(
        {"prompt": "Which tea?", "system": "Be brief.", "chosen": [ASKED, GREEN], "rejected": [ASKED, BLACK]}
    )
    assert row.messages == (SYSTEM, ASKED)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"prompt": "", "chosen": "a", "rejected": "b"}, "there is no prompt"),
        ({"prompt": "q", "chosen": "", "rejected": "b"}, "the chosen answer is empty"),
        ({"prompt": "q", "chosen": "a", "rejected": None}, "the rejected answer is empty"),
        ({"prompt": "q", "chosen": "same", "rejected": "same"}, "both answers are the same"),
        ({"prompt": [ASKED, GREEN], "chosen": "a", "rejected": "b"}, "there is no prompt"),
        ({"prompt": "q", "chosen": [ASKED], "rejected": "b"}, "'chosen' does not continue the prompt"),
        (
            {"prompt": "other", "chosen": "a", "rejected": [ASKED, BLACK]},
            "'rejected' does not continue the prompt",
        ),
        ({"chosen": [ASKED, GREEN], "rejected": [SYSTEM, ASKED, BLACK]}, "there is no prompt"),
        (
            {"prompt": "q", "chosen": ["a"], "rejected": "b"},
            "message 1 of 'chosen' is not an object with 'role' and 'content'",
        ),
    ],
)
def test_parse_faults(values: dict[str, Any], what: str) -> None:
    with pytest.raises(RowError, match=what):
        TASK.parse(values)


def test_parse_answer_that_looks_like_json_is_a_text() -> None:
    assert TASK.parse({"prompt": "q", "chosen": "[{not json", "rejected": "b"}).chosen == "[{not json"


# ---------------------------------------------------------------- what is asked


def asks(style: Style, **values: Any) -> list[Prompt]:
    row = TASK.parse({"prompt": "Which tea?", "chosen": "Green.", "rejected": "Black."} | values)
    return [
        TASK.prompt(row, (), style, ""),
        *(ask.prompt for ask in TASK.follow_up_requests(row, Reply(""), style)),
    ]


def test_prompts_chat_measure_three_conversations() -> None:
    assert asks(CHAT) == [
        Prompt(messages=turns, measure="logprobs") for turns in ([ASKED, GREEN], [ASKED, BLACK], [ASKED])
    ]


def test_prompts_completions_measure_three_texts() -> None:
    texts = ["Which tea? Green.", "Which tea? Black.", "Which tea?"]
    assert asks(FLAT) == [Prompt(text=text, measure="logprobs") for text in texts]


@pytest.mark.parametrize(
    ("prompt", "chosen", "text"),
    [
        ("Tea: ", "Green.", "Tea: Green."),
        ("Tea:", "\nGreen.", "Tea:\nGreen."),
        ("哪种茶？", "绿茶。", "哪种茶？绿茶。"),
    ],
)
def test_prompts_completions_add_no_space_before_white_space_or_chinese(
    prompt: str, chosen: str, text: str
) -> None:
    assert asks(FLAT, prompt=prompt, chosen=chosen)[0].text == text


def test_prompts_reward_measure_two_conversations() -> None:
    assert asks(REWARD) == [
        Prompt(messages=turns, measure="reward") for turns in ([ASKED, GREEN], [ASKED, BLACK])
    ]


# ---------------------------------------------------------------- scores


def score_of(reply: Reply) -> Any:
    row = TASK.parse({"prompt": "Which tea?", "chosen": "Green.", "rejected": "Black."})
    return TASK.score(row, reply, CHAT)


def test_score_compares_the_answers_alone() -> None:
    prompt = logprobs(["q", ":"], [-9.0])
    chosen, rejected = (
        logprobs(["q", ":", "a", "b"], [-9.0, -1.0, -2.0]),
        logprobs(["q", ":", "c"], [-9.0, -2.5]),
    )
    score = score_of(measured(chosen, rejected, prompt))
    assert score.values["margin"] == pytest.approx(-0.5)
    assert score.values["accuracy"] == 0.0
    assert score.values["margin_per_token"] == pytest.approx(1.0)
    assert score.values["accuracy_per_token"] == 1.0
    assert score.extracted["preferred"] == "rejected"


def test_score_prompt_tokenized_differently_uses_the_common_prefix() -> None:
    prompt = logprobs(["q", ":"], [-9.0])
    chosen, rejected = logprobs(["q", ":a"], [-1.0]), logprobs(["q", ":", "b"], [-0.5, -1.0])
    assert score_of(measured(chosen, rejected, prompt)).values["margin"] == pytest.approx(-1.0 - -1.5)


def test_score_tie_is_wrong() -> None:
    same = logprobs(["q", "a"], [-1.0]), logprobs(["q", "b"], [-1.0])
    score = score_of(measured(*same, logprobs(["q"], [])))
    assert (score.values["accuracy"], score.values["accuracy_per_token"], score.labels) == (
        0.0,
        0.0,
        ("tie",),
    )
    assert score_of(measured(Measurement(reward=0.3), Measurement(reward=0.3))).values["accuracy"] == 0.0


def test_score_rewards_have_no_values_per_token() -> None:
    score = score_of(measured(Measurement(reward=1.5), Measurement(reward=-1.0)))
    assert (score.values["accuracy"], score.values["margin"], score.stage) == (1.0, 2.5, "reward")
    assert score.values["margin_per_token"] is None
    assert [metric.name for metric in TASK.metrics(REWARD)] == ["accuracy", "accuracy_macro", "margin"]


@pytest.mark.parametrize("reply", [Reply("x"), measured(Measurement(reward=1.0))])
def test_score_reply_without_both_measurements_is_unparsed(reply: Any) -> None:
    score = score_of(reply)
    assert (score.outcome, score.values["accuracy"], score.values["margin"]) == ("unparsed", 0.0, None)


# ---------------------------------------------------------------- numbers that are there already


def test_recorded_reply_log_probabilities_are_of_the_answers_alone() -> None:
    reply = TASK.recorded_reply({"chosen_logprobs": [-1.0, -1.0], "rejected_logprobs": "[-5.0]"})
    assert reply is not None
    values = score_of(reply).values
    assert (values["margin"], values["margin_per_token"]) == (3.0, 4.0)


def test_recorded_reply_scores() -> None:
    reply = TASK.recorded_reply({"chosen_score": "2.5", "rejected_score": 1})
    assert reply is not None
    assert score_of(reply).values["margin"] == 1.5
    row = TASK.parse({"prompt": "q", "chosen": "a", "rejected": "b"})
    assert tuple(TASK.traits(row, reply)) == ("reward",)


@pytest.mark.parametrize("values", [{}, {"chosen_score": 1}, {"chosen_score": 1, "rejected_score": ""}])
def test_recorded_reply_of_one_answer_is_none(values: dict[str, Any]) -> None:
    assert TASK.recorded_reply(values) is None


@pytest.mark.parametrize("value", ["x", True, "inf", [1]])
def test_recorded_reply_score_that_is_no_number_is_refused(value: bool | list[Any] | str) -> None:
    with pytest.raises(RowError, match="'chosen_score' is"):
        TASK.recorded_reply({"chosen_score": value, "rejected_score": 1})
