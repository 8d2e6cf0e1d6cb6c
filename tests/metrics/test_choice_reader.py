"""Letters in replies, by kind: any label in any documented form is read right, and never as another label."""

from __future__ import annotations

import json

import pytest
from choice_cases import AFTER, BEFORE, CAPITALS, CIRCLED, DECORATIONS, EXPLANATIONS, TEN, WIDE
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evalsuite.metrics.choices import Extraction, extract

LABELS = st.sampled_from(sorted(CAPITALS))
MARKERS = st.sampled_from([marker for markers in BEFORE.values() for marker in markers])
PHRASES = st.sampled_from([phrase for phrases in AFTER.values() for phrase in phrases])
ROWS = st.sampled_from([CAPITALS, TEN])
JOINED = (
    "A, C",
    "A,C",
    "(A)(C)",
    "(A), (C)",
    "A and C",
    "A、C",
    "A和C",
    "AC",
    "**A** and **C**",
    "A & C",
    "C, A",
    "Ａ，Ｃ",
    "ⒶⒸ",
)
ENDINGS = ("", ".", "</x>", " (both are metals)", " because both are metals", "\nExplanation: B is wood", " — both", " 正确")  # fmt: skip


@settings(deadline=None)
@given(MARKERS, LABELS, st.sampled_from(DECORATIONS))
def test_marker_with_any_decoration_gives_the_label(marker: str, label: str, decoration: str) -> None:
    if "boxed" in marker and "boxed" in decoration:
        decoration = "{}"
    found = extract(marker.format(decoration.format(label)), CAPITALS)
    assert found == Extraction((label,), "marker")


@settings(deadline=None)
@given(MARKERS, LABELS, st.sampled_from(["lower", "wide", "circled"]))
def test_marker_with_any_script_gives_the_label(marker: str, label: str, script: str) -> None:
    written = {"lower": label.lower(), "wide": WIDE[label], "circled": CIRCLED[label]}[script]
    assert extract(marker.format(written), CAPITALS).labels == (label,)


@settings(deadline=None)
@given(MARKERS, LABELS, st.sampled_from(EXPLANATIONS), ROWS)
def test_marker_with_any_explanation_gives_the_label(
    marker: str, label: str, explanation: str, options: dict[str, str]
) -> None:
    assert extract(marker.format(label) + explanation, options).labels == (label,)


@settings(deadline=None)
@given(PHRASES, LABELS, st.sampled_from(EXPLANATIONS), ROWS)
def test_phrase_after_the_label_gives_the_label(
    phrase: str, label: str, explanation: str, options: dict[str, str]
) -> None:
    assert extract(phrase.format(label) + explanation, options).labels == (label,)


@settings(deadline=None)
@given(MARKERS, LABELS, LABELS)
def test_last_of_two_markers_decides(marker: str, first: str, last: str) -> None:
    reply = f"{marker.format(first)}.\n\nOn reflection:\n{marker.format(last)}"
    assert extract(reply, CAPITALS).labels == (last,)


@settings(deadline=None)
@given(MARKERS, st.sampled_from(JOINED), st.sampled_from(ENDINGS))
def test_joined_labels_are_one_list_whatever_follows(marker: str, joined: str, ending: str) -> None:
    reply = marker.format(joined) + ending
    assert extract(reply, CAPITALS, multiple=True).labels == ("A", "C")
    assert extract(reply, CAPITALS) == Extraction(None, "")


@settings(deadline=None)
@given(
    MARKERS,
    st.sampled_from(
        ["none of the above", "None of these options", "cannot be determined", "以上都不对", "无法确定", "A or B", "A/B/C/D",
         "A. Rome B. Bern C. Paris D. Oslo"]
    ),
)  # fmt: skip
def test_unusable_answer_ends_the_search(marker: str, unusable: str) -> None:
    assume(not marker.startswith("ตอบ"))  # the verb "answer": it is a marker before a label only
    reply = f"The answer is B. Paris is far.\n{marker.format(unusable)}"
    assert extract(reply, CAPITALS) == Extraction(None, "")


@settings(deadline=None)
@given(LABELS, st.sampled_from(DECORATIONS), st.sampled_from(EXPLANATIONS))
def test_reply_that_opens_with_a_label_gives_the_label(label: str, decoration: str, explanation: str) -> None:
    if explanation.startswith((" -", " —", " (", ", not")):
        explanation = ""
    assert extract(decoration.format(label) + explanation, CAPITALS).labels == (label,)


@settings(deadline=None)
@given(
    LABELS,
    st.sampled_from(["answer", "choice", "option", "Answer", "答案", "选项"]),
    st.booleans(),
    st.booleans(),
)
def test_json_object_gives_the_label(label: str, key: str, fenced: bool, with_text: bool) -> None:
    value = f"{label}. {CAPITALS[label]}" if with_text else label
    reply = json.dumps({"reason": "A is in Italy, so not B", key: value}, ensure_ascii=False)
    reply = f"Here it is:\n```json\n{reply}\n```\nA and B are wrong." if fenced else reply
    assert extract(reply, CAPITALS) == Extraction((label,), "json")


@pytest.mark.parametrize(
    ("reply", "multiple", "labels"),
    [
        ('{"answer": ["A", "C"]}', True, ("A", "C")),
        ('{"answer": "A, C"}', True, ("A", "C")),
        ('{"answer": "Paris"}', False, ("C",)),
        ('{"answer": "A, C"}', False, None),
        ('{"answer": "none of the above", "reason": "The answer is B"}', False, None),
        ('{"answer": "A", "choice": "B"}', False, None),
        ("{'answer': 'C'}", False, ("C",)),
        ('```json\n{"answer": "A"}\n```\nNo:\n```json\n{"answer": "D"}\n```', False, ("D",)),
    ],
)
def test_json_values_are_read_like_answers(
    reply: str, multiple: bool, labels: tuple[str, ...] | None
) -> None:
    assert extract(reply, CAPITALS, multiple=multiple).labels == labels


@pytest.mark.parametrize(
    "reply",
    [
        "None of the options is right. Paris was the capital before.",
        "I cannot give a definitive answer; 3,000 km lie between here and Paris.",
        "The answer is (C) and (D). Paris lies on the Seine.",
        "【答案】无法从给出的选项中选择正确答案。分析：罗马(Rome)是意大利首都。",
        "I am not sure. Paris, perhaps.",
        "No sé. Paris está lejos.",
        "It could be Paris. The answer is E.",
        "Answer: E. Paris",
        "E. Paris",
        "The answer is:\nA. Rome\nB. Bern\nC. Paris\nD. Oslo",
        "A dog chased a cat through the streets.",
        "A. Rome\nB. Bern\nC. Paris\nD. Oslo",
        "A and B are not in France.",
        "Is the answer B?  I do not know.",
        "Let me think. " * 30 + "The train from Paris to Rome takes ten hours.",
        "Let me think. " * 30 + "One of the towns on the river is Paris, and the distance between the",
    ],
)
def test_reply_without_an_answer_is_unparsed(reply: str) -> None:
    assert extract(reply, CAPITALS) == Extraction(None, "")


@pytest.mark.parametrize(
    ("reply", "label", "stage"),
    [
        ("The answer is (A).\nThe answer is Paris.", "A", "marker"),
        ("The answer is (A).\n\nAll the answers:\nA. blue\nB. red\nC. green", "A", "marker"),
        ("The answer is (A).\n\nFinal answer to the other question: the answer is (F).", "A", "marker"),
        ("The answer is ... C", "C", "marker"),
        ("The answer is (A). Wait, the answer is Paris.", "C", "option_text"),
        ("The answer is Paris, on the Seine. " + "It is a large town. " * 20, "C", "option_text"),
        ("The answer is (A) or (B). The answer is Paris.", "C", "option_text"),
    ],
)
def test_label_outweighs_texts_and_other_questions_after_it(reply: str, label: str, stage: str) -> None:
    assert extract(reply, CAPITALS) == Extraction((label,), stage)


def test_option_text_counts_in_the_last_sentence_of_a_whole_reply_only() -> None:
    reply = "Let me think about rivers and towns. " * 10 + "The capital of France is Paris."
    assert extract(reply, CAPITALS) == Extraction(("C",), "option_text")
    assert extract(reply, CAPITALS, cut_off=True) == Extraction(None, "")
    assert extract("It is Paris", CAPITALS, cut_off=True) == Extraction(None, "")
    assert extract("The answer is C, and", CAPITALS, cut_off=True).labels == ("C",)


@pytest.mark.parametrize(
    ("options", "reply", "label"),
    [
        ({"A": "was not simple", "B": "came from abroad"}, "First: the answer is B. But the answer is (A) was not simple.", "A"),
        ({"A": "is a gas", "B": "is not magnetic"}, "The answer is A? On reflection, the answer is B is not magnetic.", "B"),
        ({"A": "对", "B": "不对"}, "初看答案是A。再想，答案：B 不对", "B"),
        ({"A": "is wrong", "B": "is right"}, "The answer is A is wrong.", "A"),
        ({"A": "true", "B": "false"}, "The answer is B. false", "B"),
        ({"A": "water", "B": "fire", "C": "both", "D": "A and B"}, "The answer is A and B", "D"),
        ({"A": "water", "B": "fire", "C": "both", "D": "None of the above"}, "The answer is none of the above.", "D"),
    ],
)  # fmt: skip
def test_own_text_of_an_option_is_set_aside_first(options: dict[str, str], reply: str, label: str) -> None:
    assert extract(reply, options).labels == (label,)


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("The answer is B. So option C is correct, not B.", "C"),
        ("答案：C。解析：A选项正确描述了意大利，B选项错误。", "C"),
        ("The answer is C. Explanation: option A is correct in its date only.", "C"),
        ("Option A is correct. Option B is correct. Option C is wrong. The answer is C.", "C"),
    ],
)
def test_judgement_of_single_options_is_weaker_than_an_answer(reply: str, label: str) -> None:
    assert extract(reply, CAPITALS).labels == (label,)
