"""Reasoning is removed once, and both sides of a pair are tokenised by one rule."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics import text
from evalsuite.metrics.segmentation import segment

REPLIES = st.lists(
    st.sampled_from(["<think>", "</think>", "<THINK>", "a", "答案", "\n", "<", ">", " "]), max_size=12
).map("".join)


@pytest.mark.parametrize(
    ("reply", "answer", "reasoning"),
    [
        ("<think>B or C</think>C", "C", "B or C"),
        ("<think>\n\n</think>\n\nC", "C", ""),
        ("B or C</think>\nC", "C", "B or C"),
        ("<think>B or C", None, "B or C"),
        ("<think>", None, ""),
        ("", "", None),
        ("  no tags, left as it is\n", "  no tags, left as it is\n", None),
        ("Well. <think>x</think> C", "Well.  C", "x"),
        ("<THINK>x</Think>C", "C", "x"),
        ("<think>a</think>b<think>c</think>d", "bd", "a\nc"),
        ("<think>a</think>b</think>c", "c", "a\nb"),
        ("<think>the <think> tag</think>c", "c", "the <think> tag"),
        ("<think>a</think>b<think>never closed", None, "a\nnever closed"),
        ("<thinking>a</thinking>b", "<thinking>a</thinking>b", None),
    ],
)
def test_reasoning_is_split_from_the_answer(reply: str, answer: str | None, reasoning: str | None) -> None:
    assert text.split_reasoning(reply) == (answer, reasoning)


def test_tags_are_configurable_and_must_match() -> None:
    assert text.split_reasoning("<r>a</r>b", tags=("r",)) == ("b", "a")
    assert text.split_reasoning("<r>a</think>b</r>c", tags=("think", "r")) == ("c", "a</think>b")
    assert text.split_reasoning("<think>a</think>", tags=()) == ("<think>a</think>", None)
    assert text.split_reasoning("<a.b>x</a.b>y", tags=("a.b",)) == ("y", "x")


@settings(deadline=None)
@given(REPLIES)
def test_an_answer_holds_no_reasoning_tag_unless_pieces_form_one(reply: str) -> None:
    answer, _ = text.split_reasoning(reply)
    assert answer is None or text.split_reasoning(reply + "x")[0] is not None
    if answer is not None and "<" not in answer:
        assert text.split_reasoning(answer) == (answer, None)


@pytest.mark.parametrize("sample", ["中", "a中", "𠀀", "かな", "カ", "한", "々", "〇", "\uf900"])
def test_cjk_is_seen(sample: str) -> None:
    assert text.has_cjk(sample)


@pytest.mark.parametrize("sample", ["", "abc", "é", "，。", "ＡＢ", "жук", "\ud800"])
def test_other_scripts_and_punctuation_are_not_cjk(sample: str) -> None:
    assert not text.has_cjk(sample)


def test_one_chinese_side_makes_both_sides_jieba() -> None:
    assert text.tokenize_pair("The Cat", "我来到北京清华大学") == (
        ["The", "Cat"],
        ["我", "来到", "北京", "清华大学"],
    )
    assert text.tokenize_pair("我", "The  Cat\n")[1] == ["The", "Cat"]


def test_english_sides_follow_rouge_score() -> None:
    assert text.tokenize_pair("It's 3.5%!", "") == (["it", "s", "3", "5"], [])


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_english_tokens_equal_rouge_score(sample: str) -> None:
    from rouge_score.tokenize import tokenize

    if not text.has_cjk(sample):
        assert text.tokenize_pair(sample, "")[0] == tokenize(sample, None)


@settings(deadline=None)
@given(st.text(alphabet="我来到北京清华大学， \n\u3000a1.-%\ud800", max_size=40))
def test_segmenting_loses_nothing_but_white_space(sample: str) -> None:
    assert "".join("".join(segment(sample)).split()) == "".join(sample.split())


def test_words_equal_jiebas_own() -> None:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    sample = "小明硕士毕业于中国科学院计算所，后在日本京都大学深造 200-300% of GPT-4。"
    assert segment(sample) == [word for word in jieba.lcut(sample) if word.strip()]


def test_a_users_words_do_not_change_the_tokens() -> None:
    import jieba

    before = segment("今天天气不错啊")
    jieba.setLogLevel(logging.WARNING)
    jieba.add_word("今天天气不错啊", freq=10**9)
    try:
        assert segment("今天天气不错啊") == before
    finally:
        jieba.del_word("今天天气不错啊")


def test_loading_jieba_from_many_threads_is_quiet() -> None:
    code = (
        "import threading\n"
        "from evalsuite.metrics import text\n"
        "out = []\n"
        "threads = [threading.Thread(target=lambda: out.append(text.segment('北京大学'))) for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "assert out == [['北京大学']] * 8, out\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_segmenting_from_threads_agrees() -> None:
    sample, found = "我来到北京清华大学" * 20, []
    threads = [threading.Thread(target=lambda: found.append(segment(sample))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [segment(sample)] * 4


def test_length_ratio_needs_a_reference() -> None:
    assert text.length_ratio(["a", "b"], ["a"]) == 0.5
    assert text.length_ratio([], ["a"]) is None


def test_braces_are_matched_within_a_limit() -> None:
    assert text.text_in_braces("{a{b}c}d", 1, 100) == "a{b}c"
    assert text.text_in_braces("{a{b}c", 1, 100) is None
    assert text.text_in_braces("{" + "a" * 50 + "}", 1, 10) is None


@pytest.mark.parametrize("module", ["text", "choices", "numbers", "rouge", "bleu", "tool_steps", "stats"])
def test_importing_stays_light(module: str) -> None:
    heavy = "{'numpy', 'scipy', 'sacrebleu', 'jieba', 'rapidfuzz'}"
    code = f"import sys, evalsuite.metrics.{module}; sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
