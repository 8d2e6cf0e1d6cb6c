"""Which option a reply chose: ugly replies first."""

from __future__ import annotations

import csv
import io
import string
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import SHARED_DATA

from evalsuite.metrics import choice_reader, choices
from evalsuite.metrics.choices import Extraction, extract, parse_gold
from evalsuite.metrics.text import normalize_text

FOUR = {"A": "水", "B": "火", "C": "土", "D": "金"}
WORDS = {"A": "good question", "B": "C reactive protein", "C": "A tale of two", "D": "37.8°C"}
CMMLU = SHARED_DATA / "cmmlu"


def chosen(reply: str, options: Any = FOUR, *, multiple: bool = False) -> str | None:
    labels = extract(reply, options, multiple=multiple).labels
    return None if labels is None else "".join(labels)


NEGATIONS = (
    "不", "不是", "不应当", "不应", "不太应该", "不会", "不能", "不能再", "不可能", "不太可能", "不再", "并非", "绝不", "并不能", "未必", "无法",
)  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("答案：C，不是A", "C"),
        ("答案：C 不是A", "C"),
        ("ANSWER: A … no wait. ANSWER: D", "D"),
        ("The answer is C", "C"),
        ("DNA … 答案是B", "B"),
        ("我选择C。因为A不对", "C"),
        ("**Answer:** (B)", "B"),
        ("**答案**：B", "B"),
        ("**答案：** B", "B"),
        (r"\boxed{\text{C}}", "C"),
        (r"so $\boxed{B}$.", "B"),
        (r"Final answer: $\boxed{\mathbf{C}}$", "C"),
        (r"答案：$\mathrm{D}$", "D"),
        (r"答案：\(B\)", "B"),
        (r"\boxed{A. 水}", "A"),
        (r"\boxed{(A)}", "A"),
        ("答案是：**B**", "B"),
        ("答案：Ｃ", "C"),
        ("答案【B】", "B"),
        ("答案为「D」", "D"),
        ("因此，答案是 “C”。", "C"),
        ("The correct option is (b).", "B"),
        ("The answer is option C.", "C"),
        ("the answer is d", "D"),
        ("The answer is A because it is wet", "A"),
        ("The answer is **A** since", "A"),
        ("The answer is a.", "A"),
        ("Answer: A\nIt is wet", "A"),
        ("Answer: B) 火", "B"),
        ("The correct answer is: **C. 土**", "C"),
        ("The answer is C, not A", "C"),
        ("答案是A，B是错的", "A"),
        ("答案是C非常明确", "C"),
        ("答案：C\n错误选项分析：A", "C"),
        ("答案：C 不选A的原因是", "C"),
        ("答案是B不是A", "B"),
        ("答案：A（水）", "A"),
        ("The answer is A - 水", "A"),
        ("The answer is a) 水", "A"),
        ("The answer is:\n\nC. 土\n\nExplanation: A. is wet", "C"),
        ("Final Answer: The final answer is $\\boxed{B}$. I hope it is correct.", "B"),
        ("\\\\boxed{B}", "B"),
        ("Answer: __B__", "B"),
        ("My answer: The correct choice is B", "B"),
        ("A. 水\nB. 火\n… 答案：B. 火", "B"),
        ("答案是选项A", "A"),
        ("选A项", "A"),
        ("答案应为B", "B"),
        ("答案选B", "B"),
        ("正确选项是B", "B"),
        ("故选：\n\nB", "B"),
        ("不应选B，应选C", "C"),
        ("因为A选项正确，所以选A。", "A"),
        ("答案是“A”吗？不，答案是“D”", "D"),
        ("答案：B … 答案：E", "B"),
        ("答案：B，模板是“答案：[LETTER]”", "B"),
        ("【答案】B", "B"),
        ("[答案] B", "B"),
        ("（答案）B", "B"),
        ("【正确答案】：B", "B"),
        ("【参考答案】B. 火\n【解析】A项错误", "B"),
        ("“答案”是B", "B"),
        ("**Answer** B", "B"),
        ("**Final Answer**\n\n(B)", "B"),
        ("<answer>B</answer>", "B"),
        ("<answer>\nb. 火\n</answer>", "B"),
        *((f"答案：B\n解析：这里{no}选D", "B") for no in NEGATIONS),
        ("答案：B，不得不选C", "C"),
        ("答案：B。不应该是A，所以选C", "C"),
        ("答案：B。有的同学会选A，这是错误的。", "B"),
        ("答案：B。也有同学认为答案是A，其实不对。", "B"),
        ("正确答案：B\n\n这题很多人会选A", "B"),
        ("答案：B。有人选A", "B"),
        ("答案：B。很容易选A", "B"),
        ("答案：B。选A的同学是错误的。", "B"),
        ("答案：B。起初选A. 水，但这是不对的。", "B"),
        ("答案：B。选A就错了", "B"),
        ("答案：B … 不对，我选C", "C"),
        ("答案：B。所有的证据都支持选C", "C"),
        ("答案：B。有些物质导电，故选C", "C"),
        ("我选C，A错误", "C"),
        ("我选C，错误的是A", "C"),
        ("故选C，其他选项都是错误的。", "C"),
        ("故选C，因为该说法错误。", "C"),
        ("选A。不对，应选D", "D"),
    ],
)
def test_the_last_marker_with_a_valid_label_counts(reply: str, label: str) -> None:
    assert extract(reply, FOUR) == Extraction((label,), "marker")


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "《》",
        "\ud800",
        "答案：[LETTER]",
        "答案：[A/B/C/D]",
        "答案：AC",
        "正确答案为 A、C",
        "答案：E",
        "答案: B12",
        "答案不是A",
        "不选A",
        "误选A",
        "如果选A，那么",
        "选C不对",
        "错误答案是A",
        "The incorrect answer is A",
        "The incorrect option is A",
        "选 C 不是正确答案",
        "说答案是A是错误的",
        "The best answer among A, B, C, D is unclear",
        "选择题A",
        "选项A不对",
        "请选择A、B、C、D中的一个",
        "answer is: A good question",
        "The answer is a matter of taste",
        "The answer is I think unclear",
        "The answer is not B",
        "The answer isn't B",
        "The answer is A or B",
        "answer is C++",
        "answer is B-cells",
        "ANSWER: Apple",
        "Answer:\nA. 水\nB. 火",
        "水和火",
        "不是水",
        "【错误答案】B",
        "【答案】解析：A项描述的是水",
        "答案：B。还是不对，以上都不对。答案：以上都不是",
        "(answer) A lot of it",
        "很多人选A",
        "选A。不对。",
        "不是正确答案：B",
        "This isn't the right answer: B",
        "A B",
        r"\boxed{",
        r"\boxed{B",
    ],
)
def test_no_answer_is_made_up(reply: str) -> None:
    assert extract(reply, FOUR) == Extraction(None, "")


@pytest.mark.parametrize(
    "reply",
    ["c", "C", "(C)", "**C**", " C.\n", "C、", "C. 土", "C 土", "（Ｃ）", "C选项", "Option C", "「C」"],
)
def test_a_reply_that_is_only_a_label_is_bare(reply: str) -> None:
    assert extract(reply, FOUR) == Extraction(("C",), "bare")


@pytest.mark.parametrize(
    ("reply", "label", "stage"),
    [
        ("answer is: A good question", "A", "marker"),
        ("The answer is C reactive protein", "B", "option_text"),
        ("The answer is A tale of two", "C", "option_text"),
        ("A good question", "A", "bare"),
        ("D. 37.8°C", "D", "bare"),
        ("最适温度是３７.８°C。", "D", "option_text"),
        ("It is GOOD\nQuestion", "A", "option_text"),
        ("It is 137.8°C", None, ""),
        ("It is 7.8°C", None, ""),
        ("a good questionnaire", None, ""),
        ("not good question", None, ""),
        ("37.8°C and a good question", None, ""),
    ],
)
def test_an_options_own_text_is_told_from_a_label(reply: str, label: str | None, stage: str) -> None:
    assert extract(reply, WORDS) == Extraction(None if label is None else (label,), stage)


@pytest.mark.parametrize(
    ("reply", "label", "stage"),
    [
        ("答案：C. 选择A方案", "C", "marker"),
        ("答案是C：选择A方案。", "C", "marker"),
        ("答案：C（选择Ａ方案）", "C", "marker"),
        ("The answer is E. The answer is B", "E", "marker"),
        (r"\boxed{C. 选择A方案}", "C", "marker"),
        ("C. 选择A方案", "C", "bare"),
        ("D. 选B", "D", "bare"),
        ("选择A方案", "C", "option_text"),
        ("C. 选择A方案，因为成本低", "C", "leading"),
        ("答案：D. 选B", "D", "marker"),
        ("选B", "B", "marker"),
        ("不选C，选择A", "A", "marker"),
        ("选择A方案不好，答案：B", "B", "marker"),
    ],
)
def test_an_option_that_reads_like_an_answer_is_only_quoted(reply: str, label: str, stage: str) -> None:
    options = {"A": "增加广告", "B": "降价", "C": "选择A方案", "D": "选B", "E": "the answer is B"}
    assert extract(reply, options) == Extraction((label,), stage)


@pytest.mark.parametrize("option", ["答案", "选择", "answer", "The answer is"])
def test_an_option_that_is_only_a_marker_takes_nothing_from_the_reply(option: str) -> None:
    for reply in ("答案：B", "选择B", "The answer is B"):
        assert chosen(reply, {"A": option, "B": "水"}) == "B"


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("有110头", "B"),
        ("有10头牛", "A"),
        ("是-5", "D"),
        ("是 5 个", "C"),
        ("2.5", None),
        ("1/5", None),
        ("15", None),
        ("5,000", None),
    ],
)
def test_short_texts_need_boundaries_and_the_longest_stands(reply: str, label: str | None) -> None:
    assert chosen(reply, {"A": "10头", "B": "110头", "C": "5", "D": "-5"}) == label


def test_one_chinese_character_must_stand_alone() -> None:
    yes_no = {"A": "是", "B": "否"}
    assert chosen("这是一个问题", yes_no) is None
    assert chosen("我认为：否。", yes_no) == "B"


@pytest.mark.parametrize(
    "negation",
    [
        "It can't be {}", "it cannot be {}", "It isn't {}", "it won’t be {}", "It can't possibly be the {}", "unlikely to be {}",
        "It will never be a {}", "no longer {}", *(f"它{no}{{}}" for no in NEGATIONS), "不会变成{}", "不太可能是{}", "并非“{}”",
    ],
)  # fmt: skip
@pytest.mark.parametrize("option", ["变大", "fire"])
def test_a_negated_text_is_no_choice(negation: str, option: str) -> None:
    options = {"A": option, "B": "变小", "C": "water"}
    assert chosen(negation.format(option), options) is None
    assert chosen(f"不，是{option}", options) == chosen(f"no: it is {option}", options) == "A"


def test_options_with_the_same_text_are_ambiguous() -> None:
    assert chosen("water", {"A": "water", "B": "water"}) is None


@pytest.mark.parametrize(
    ("reply", "labels"),
    [
        ("正确答案为 A、C", "AC"),
        ("选ACD", "ACD"),
        ("答案：CA", "AC"),
        ("答案：A，C。", "AC"),
        ("答案：A和B都对", "AB"),
        ("答案：A B D", "ABD"),
        ("The answers are A, B and D.", "ABD"),
        ("Answers: A, C, because", "AC"),
        ("Answer: (A), (C)", "AC"),
        ("**A**, **C**", "AC"),
        ("A、C", "AC"),
        ("acd", "ACD"),
        (r"\boxed{A, C}", "AC"),
        (r"\boxed{AC}", "AC"),
        ("答案：A. 水、C. 土", "AC"),
        ("答案：A. 水，C. 土。", "AC"),
        ("答案：A（水）和C（土）", "AC"),
        ("答案：A. 水\nC. 土\n\n解析：B. 火", "AC"),
        ("答案：A、选项C", "AC"),
        ("答案：A、选项C错误", "A"),
        ("答案：A和选项C都不对", None),
        ("The answers are option A and option C.", "AC"),
        (r"\boxed{A}, \boxed{C}", "AC"),
        (r"\boxed{A}和\boxed{C}", "AC"),
        (r"$\boxed{A}$ and $\boxed{C}$", "AC"),
        (r"\boxed{A}? no, \boxed{C}", "C"),
        (r"\boxed{A. 水, C. 土}", "AC"),
        ("A. 水\nC. 土", "AC"),
        ("- A. 水\n- C. 土", "AC"),
        ("**A. 水**\n**C. 土**", "AC"),
        ("(A)(C)", "AC"),
        ("A not C", None),
        ("答案：B", "B"),
        ("答案：C，A不对", "C"),
        ("bad", None),
        ("答案：ABE", None),
        ("答案：[A/B/C/D]", None),
        ("The answer is A or B", None),
    ],
)
def test_several_labels_are_one_answer_when_asked_for(reply: str, labels: str | None) -> None:
    assert chosen(reply, multiple=True) == labels


def test_labels_beyond_d_count_if_the_row_has_them() -> None:
    ten = dict(zip(string.ascii_uppercase[:10], "甲乙丙丁戊己庚辛壬癸", strict=True))
    assert chosen("The answer is J", ten) == "J"
    assert chosen("The answer is I", ten) == "I"
    assert chosen("The answer is I think H", ten) is None
    assert chosen("答案：K", ten) is None


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "答案",
                "是",
                "：",
                "选",
                "不",
                "A",
                "B",
                "c",
                "E",
                "AC",
                "、",
                "，",
                "answer is ",
                "Answer:",
                r"\boxed{",
                "}",
                "**",
                "(",
                ")",
                "\n",
                "水",
                " ",
                "or",
                "not ",
            ]
        ),
        st.text(max_size=3),
    ),
    max_size=14,
).map("".join)


@settings(deadline=None)
@given(PIECES, st.booleans())
def test_extraction_never_raises_and_invents_no_label(reply: str, multiple: bool) -> None:
    found = extract(reply, FOUR, multiple=multiple)
    assert (found.labels is None) == (found.stage == "")
    for label in found.labels or ():
        assert label in FOUR
        wide = chr(ord(label) + 0xFEE0)
        spelled = {label, label.lower(), wide, chr(ord(wide) + 0x20)}
        assert (
            FOUR[label] in reply if found.stage == "option_text" else any(form in reply for form in spelled)
        )
    assert multiple or found.labels is None or len(found.labels) == 1


REALISTIC = st.sampled_from(
    ["水", "good question", "none of the above", "both A and B", "A和B", "以上都对", "以上都不对", "选择A方案", "the answer is B",
     "C++", "B-cell", "37°C", "12", "-5", "1.5", r"\frac{1}{2}", "$x$", "不是", "错误", "A lot", "I think", "a", "not water"]
)  # fmt: skip
OPTIONS = st.lists(REALISTIC | st.text(max_size=6), min_size=2, max_size=6).map(
    lambda texts: choices.option_labels(dict(zip(string.ascii_lowercase, texts, strict=False)))
)


@settings(deadline=None)
@given(PIECES | REALISTIC, OPTIONS, st.booleans())
def test_whatever_the_options_are_no_label_is_invented(
    reply: str, options: dict[str, str], multiple: bool
) -> None:
    folded = normalize_text(reply)
    for label in extract(reply, options, multiple=multiple).labels or ():
        assert label.lower() in folded or normalize_text(options[label]) in folded


@settings(deadline=None)
@given(
    st.lists(REALISTIC, min_size=2, max_size=6, unique=True),
    st.data(),
    st.sampled_from(["答案：{}", "Answer: {}", "答案是{}。", "The answer is {}.", "故选{}。", r"\boxed{{{}}}", "{}", "（{}）", "**{}**"]),
)  # fmt: skip
def test_the_gold_as_reply_scores_full_marks_whatever_the_options_are(
    texts: list[Any], data: Any, template: str
) -> None:
    options = choices.option_labels(dict(zip(string.ascii_lowercase, texts, strict=False)))
    multiple = data.draw(st.booleans())
    right = data.draw(st.sets(st.sampled_from(sorted(options)), min_size=1, max_size=4 if multiple else 1))
    gold = parse_gold(sorted(right), options)
    found = extract(template.format("".join(gold)), options, multiple=multiple).labels
    assert choices.accuracy(found, gold) == choices.partial_credit(found, gold) == 1.0


@settings(deadline=None)
@given(st.lists(REALISTIC, min_size=2, max_size=6, unique=True), st.data())
def test_a_label_with_its_own_text_is_that_label(texts: list[Any], data: Any) -> None:
    options = choices.option_labels(dict(zip(string.ascii_lowercase, texts, strict=False)))
    label = data.draw(st.sampled_from(sorted(options)))
    template = data.draw(
        st.sampled_from(["{}. {}", "答案：{}. {}", "Answer: {}. {}", "The answer is {}: {}"])
    )
    assert extract(template.format(label, options[label]), options).labels == (label,)


@settings(deadline=None)
@given(
    st.sampled_from("ABCD"),
    st.sampled_from(["答案：{}", "答案是{}。", "The answer is ({}).", r"\boxed{{{}}}", "{}", "选{}"]),
)
def test_a_plain_answer_scores_full_marks(label: str, template: str) -> None:
    gold = parse_gold(label, FOUR)
    found = extract(template.format(label), FOUR).labels
    assert choices.accuracy(found, gold) == choices.partial_credit(found, gold) == 1.0


@pytest.mark.parametrize(
    "reply",
    [
        "选" * 50_000,
        r"\boxed{" * 8_000,
        "答案：A," * 10_000,
        "A," * 50_000,
        "A、" * 50_000,
        "答案：" + "A, " * 30_000,
        "*" * 50_000,
        "A" * 100_000,
        "水" * 50_000,
        r"\boxed{A}" * 50_000,
        "(A)" * 100_000,
        "A. 水\n" * 50_000,
        "答案：A. 水\n" * 30_000,
        "有的同学会选A," * 30_000,
        "选A" + "是" * 300_000,
        "不太" * 100_000,
        "not the " * 50_000,
    ],
    ids=lambda reply: reply[:6],
)
def test_degenerate_replies_take_no_time(reply: str) -> None:
    start = time.process_time()
    extract(reply, FOUR)
    extract(reply, FOUR, multiple=True)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("b", "B"), (" B ", "B"), ("Ｂ", "B"), ("AC", "AC"), ("c,a", "AC"), ("A、C", "AC"), ("A，C", "AC"), ("A C", "AC"),
        ("A.", "A"), ("(A)", "A"), ("A)", "A"), ("A、", "A"), ("A. 水", "A"), ("选A", "A"), ("答案：A", "A"), ("Option A", "A"),
        ("A\u200b", "A"), (r"\boxed{A}", "A"), ("A|C", "AC"), ("A and C", "AC"), ("A和C", "AC"), ("Ⓑ", "B"), ("**D**", "D"),
        ("The answer is C", "C"), ("<answer>A, C</answer>", "AC"), ("（C）土", "C"), (["(A)", "C."], "AC"), ("Respuesta: B", "B"),
        (["A", "C"], "AC"), (("C",), "C"), ('["A","C"]', "AC"), ("火", "B"), (["火", "a"], "AB"), ("A;D", "AD"),
    ],
)  # fmt: skip
def test_gold_is_read_in_every_documented_form(
    answer: list[Any] | str | tuple[Any, ...], labels: str
) -> None:
    assert parse_gold(answer, FOUR) == tuple(labels)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        None,
        "E",
        "AE",
        "AA",
        "水火",
        [],
        ["A", "A"],
        ["E"],
        '["A"',
        "[1]",
        1,
        float("nan"),
        {"A": 1},
        "A or B",
        "A. 火",
        "not A",
        "A because",
        "The answer is unknown",
        "选A或B",
        "none of the above",
    ],
)
def test_any_other_gold_is_an_error_that_says_what_was_expected(
    answer: dict[str, Any] | float | list[Any] | str | None,
) -> None:
    with pytest.raises(ValueError, match=r"expected one of its labels \(A, B, C, D\)"):
        parse_gold(answer, FOUR)


def test_gold_prefers_a_letter_then_a_text_then_letters() -> None:
    options = {"A": "C", "B": "AC", "C": "x", "D": "12"}
    assert parse_gold("C", options) == ("C",)
    assert parse_gold("AC", options) == ("B",)
    assert parse_gold("CB", options) == ("B", "C")
    assert parse_gold(12, options) == ("D",)


def test_a_gold_text_of_two_options_is_an_error_unless_case_tells() -> None:
    with pytest.raises(ValueError, match="exactly one option"):
        parse_gold("same text", {"A": "same text", "B": "same text"})
    assert parse_gold("KB", {"A": "kb", "B": "KB"}) == ("B",)


def test_options_are_the_longest_run_with_a_value() -> None:
    row = {"question": "?", "a": " yes ", "b": 2, "c": 0.5, "d": float("nan"), "e": "lost"}
    assert choices.option_labels(row) == {"A": "yes", "B": "2", "C": "0.5"}
    assert choices.option_labels({}) == {}
    assert choices.option_labels({"a": "", "b": "x"}) == {}
    assert len(choices.option_labels(dict.fromkeys(string.ascii_lowercase, "x"))) == 26


@pytest.mark.parametrize(
    ("predicted", "gold", "exact", "partial"),
    [
        (None, "A", 0, 0), ((), "A", 0, 0), ("A", "A", 1, 1), ("A", "AC", 0, 0.5), ("ACD", "AC", 0, 0), ("CA", "AC", 1, 1), ("A", "", 0, 0),
    ],
)  # fmt: skip
def test_partial_credit_is_lost_with_a_wrong_label(
    predicted: str | tuple[Any, ...] | None, gold: str, exact: int, partial: float
) -> None:
    assert choices.accuracy(predicted, gold) == exact
    assert choices.partial_credit(predicted, gold) == partial


@settings(deadline=None)
@given(st.sets(st.sampled_from("ABCDE")), st.sets(st.sampled_from("ABCDE"), min_size=1))
def test_credit_stays_between_accuracy_and_one(predicted: Any, gold: Any) -> None:
    assert 0 <= choices.accuracy(predicted, gold) <= choices.partial_credit(predicted, gold) <= 1


@pytest.mark.skipif(not CMMLU.is_dir(), reason="the shared CMMLU data is not on this machine")
def test_real_options_are_read_back_from_label_and_text() -> None:
    files = [file.read_text(encoding="utf-8-sig") for file in sorted(CMMLU.glob("test/*.csv"))]
    rows = [row for file in files for row in csv.DictReader(io.StringIO(file))]
    templates = ("答案：{0}. {1}", "{0}. {1}", "The answer is {0}. {1}")
    unread = []
    for row in rows:
        options = choices.option_labels({name.lower(): value for name, value in row.items() if name})
        label = row["Answer"]
        replies = [template.format(label, options[label]) for template in templates]
        unread += [(reply, options) for reply in replies if extract(reply, options).labels != (label,)]
    assert len(rows) > 500
    assert not unread


@settings(deadline=None)
@given(
    st.sampled_from(["", "It is A.\n", "A and B are wet. ", "选A。\n\n", "Is it B? ", "{", "not ", "I doubt that ", "```\n", "\\boxed{B}\n"]),
    st.sampled_from(
        ["Answer: ", "Answer:", "答案：", "答案： ", "ANSWER: ", "The answer is ", "So the answer is (", "The correct answer is: ",
         "Therefore, the final answer is ", "", "(", "**"]
    ),
    st.sampled_from("ABCDEZ"),
    st.sampled_from(["", ".", "。", "\n", " x", ". B", ")", ").\n\n", "?", "**", "**."]),
    OPTIONS,
    st.booleans(),
)  # fmt: skip
def test_reply_in_the_requested_form_is_read_as_by_the_stages(
    before: str, marker: str, label: str, end: str, options: dict[str, str], multiple: bool
) -> None:
    reply = f"{before}{marker}{label}{end}"
    labels, stage = choice_reader.read(reply, options, multiple=multiple)
    assert choices.extract(reply, options, multiple=multiple) == Extraction(labels, stage)
