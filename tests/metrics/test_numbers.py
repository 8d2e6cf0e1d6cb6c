"""The number a reply ends on: ugly replies first."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import SHARED_DATA

from evalsuite.metrics import numbers
from evalsuite.metrics.numbers import Extraction, extract

GSM8K = SHARED_DATA / "gsm8k/test.jsonl"


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "none",
        "\ud800",
        r"\boxed{}",
        r"\boxed{x}",
        "####",
        "1/0",
        "9" * 5000,
        r"2 \times 10^{5}",
        "٣",
        "²",
        "the answer is",
        "- , .",
    ],
)
def test_no_number_is_made_up(reply):
    assert extract(reply) == Extraction(None, "")


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        (r"\boxed{18}", "18"),
        (r"\boxed{3} or \boxed{18}", "18"),
        (r"\boxed{18} \boxed{\text{dollars}}", "18"),
        (r"\boxed{\text{18 dollars}}", "18"),
        (r"\boxed{\$1{,}000.00}", "1000"),
        (r"\boxed{1\,000}", "1000"),
        (r"\boxed{\frac{3}{4}}", "0.75"),
        (r"\boxed{3/4}", "0.75"),
        (r"$\boxed{x = 18}$", "18"),
        (r"\boxed{5 + 3 = 8}", "8"),
        (r"\boxed{50\%}", "50"),
        (r"\boxed{−5}", "-5"),
        (r"\boxed{+5}", "5"),
        (r"\boxed{18 \text{ cm}^2}", "18"),
        (r"\boxed{45^\circ}", "45"),
        (r"\boxed{$18/hour}", "18"),
        (r"#### 3 \boxed{18}", "18"),
    ],
)
def test_the_last_box_with_a_number_counts(reply, value):
    assert extract(reply) == Extraction(value, "boxed")
    assert extract(reply).strict


@pytest.mark.parametrize(
    "content", [r"\frac{x}{4}", "10, 12", "1 1/2", "x + 4", r"2\sqrt{3}", "2^{5}", "3 or 4"]
)
def test_a_box_without_one_plain_number_hands_over(content):
    assert extract(rf"The answer is 7. \boxed{{{content}}}") == Extraction("7", "answer_is")


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (r"2\frac{1}{2}", "2.5"),
        (r"1\frac{3}{4}\text{ cups}", "1.75"),
        (r"-2\dfrac12", "-2.5"),
        (r"x = 10\,\tfrac{1}{2}", "10.5"),
        (r"2\ 1/2", "2.5"),
        ("2½", "2.5"),
        (r"\frac12", "0.5"),
        (r"\frac1{20}", "0.05"),
        ("¾", "0.75"),
        (r"1\ 234", "1234"),
        (r"1,\!234", "1234"),
        ("- 4", "-4"),
        (r"x = -\,4", "-4"),
    ],
)
def test_a_box_reads_mixed_fractions_as_sums_and_latex_spaces_as_nothing(content, value):
    assert extract(rf"\boxed{{{content}}}") == Extraction(value, "boxed")


@pytest.mark.parametrize(
    "content",
    [
        "18 or 19", "3:00", r"2\frac{3}{2}", r"2.5\frac{1}{2}", r"\frac{1}{2}\frac{3}{4}", r"\frac{1}{2}3", r"2\frac{x}{4}",
        r"x_2\frac12", r"100,\,200", "5 1/2", r"2\cdot\frac12",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "reply", [r"\boxed{%s}", r"She has 9 eggs, so the answer is \boxed{%s}.", r"#### \boxed{%s}"]
)
def test_no_fragment_of_an_unreadable_box_counts(reply, content):
    assert extract(reply % content) == Extraction(None, "")


def test_a_stage_before_an_unreadable_box_still_counts():
    assert extract("#### 7\n\\boxed{3:00}") == Extraction("7", "hashes")
    assert extract(r"\boxed{18} and \boxed{3:00}") == Extraction("18", "boxed")
    assert extract(r"It is 5, the answer to \boxed{x}") == Extraction("5", "last_number")


@pytest.mark.parametrize("reply", ["9 eggs #### 18 or 19", "#### 20 - 5", "#### 3:00", "#### 3, 4"])
def test_no_fragment_of_several_numbers_after_hashes_counts(reply):
    assert extract(reply) == Extraction(None, "")


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("#### 18", "18"),
        ("#### 18 (9 eggs * 2 dollars)", "18"),
        ("#### 18 dollars for 9 eggs", "18"),
        ("#### 15 (since 20-5)", "15"),
        ("#### 18 (9 * 2 = 18, and 18 / 2 = 9)", "18"),
        ("#### 18 dollars. (9 eggs)", "18"),
        ("#### 2x = 18", "18"),
        ("#### 5 1/2", "5.5"),
        ("#### - 4", "-4"),
        (r"#### \frac12", "0.5"),
        ("####18 dollars", "18"),
        ("#### $1,000.", "1000"),
        ("#### -3", "-3"),
        ("####\n18", "18"),
        ("**#### 18**", "18"),
        ("#### 5+3=8", "8"),
        ("#### 3\n#### 18", "18"),
        ("#### 18\nThe answer is 3", "18"),
    ],
)
def test_hashes_count_before_words(reply, value):
    assert extract(reply) == Extraction(value, "hashes")
    assert extract(reply).strict


@pytest.mark.parametrize(
    "heading",
    [
        "#### 4. Compute the total",
        "#### Step 4: add",
        "#### 2 ways to see it. First",
        "#### 1st step",
        "#### 1️⃣ Add",
        "#### 4) Add",
    ],
)
def test_a_markdown_heading_is_no_answer(heading):
    assert extract(f"{heading}\nThe answer is 9.") == Extraction("9", "answer_is")


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("The answer is 18 dollars for 3 days.", "18"),
        ("The answer is $18.", "18"),
        ("The answer is: **18**", "18"),
        ("Answer:\n\n18", "18"),
        ("the answer is 5 + 3 = 8. Then 7", "8"),
        ("the answer is 1.5. Also 7", "1.5"),
        ("The final answer is $\\frac{1}{2}$", "0.5"),
        ("A: 18", "18"),
        ("Ａ：１８", "18"),
        ("答案是 18 元，共 3 天", "18"),
        ("答案：18", "18"),
    ],
)
def test_an_answer_in_words_counts_before_the_last_number(reply, value):
    assert extract(reply) == Extraction(value, "answer_is")
    assert not extract(reply).strict


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("the answer is not 5 but 6", "6"),
        ("A: She has 3+4=7 eggs. So 9 more", "9"),
        ("10-5 = 5", "5"),
        ("it is 10-5", "5"),
        ("it is 10 - 5", "5"),
        ("it is -5", "-5"),
        ("-$18", "-18"),
        ("$-18", "-18"),
        ("1,000", "1000"),
        ("1000.", "1000"),
        ("1,2,3", "3"),
        ("1,00,000", "100000"),
        ("it is 5 1/2 cups", "5.5"),
        ("on 3 5/12/2020", "2020"),
        ("18%", "18"),
        (".5", "0.5"),
        ("2.50", "2.5"),
        ("USD18", "18"),
        ("1\u202f000", "1000"),
        ("on 5/12/2020", "2020"),
        ("100000000", "100000000"),
        ("007", "7"),
        ("-0", "0"),
    ],
)
def test_else_the_last_number_counts(reply, value):
    assert extract(reply) == Extraction(value, "last_number")


@settings(deadline=None)
@given(st.text())
def test_extraction_never_raises(reply):
    found = extract(reply)
    assert (found.value is None) == (found.stage == "")
    assert found.value is None or numbers.normalize(found.value) is not None


PIECES = st.lists(
    st.sampled_from(
        [
            r"\boxed{",
            "}",
            "{",
            "####",
            " ",
            "\n",
            "answer is ",
            "A:",
            "1",
            "9",
            ",",
            ".",
            "/",
            "-",
            "=",
            "$",
            r"\frac",
            "^",
            "x",
            "0",
            "答案",
        ]
    ),
    max_size=16,
).map("".join)


@settings(deadline=None)
@given(PIECES)
def test_extraction_invents_no_digit(reply):
    found = extract(reply)
    if found.value is not None and "/" not in reply and "frac" not in reply:
        assert numbers.equal(found.value, found.value)
        assert set(found.value) - set("-.0") <= set(reply)


@settings(deadline=None)
@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=2),
    st.sampled_from([r"so \boxed{{{}}}", "#### {}", "The answer is {}.", "it makes {}"]),
)
def test_any_decimal_is_read_back_with_commas_and_currency(number, template):
    written = f"{number:,}"
    for form in (str(number), written, f"${written}" if number >= 0 else f"-${written[1:]}"):
        assert numbers.equal(extract(template.format(form)).value, str(number))


@pytest.mark.parametrize(
    "reply",
    [
        "9" * 100_000,
        "1,22" * 30_000,
        r"\boxed{" * 8_000,
        "####" * 30_000,
        "#### 1" + " a" * 50_000,
        "answer is " * 20_000,
        "1/" * 50_000,
        "-" * 50_000,
        r"\frac{1}{" * 10_000,
        "\n> " * 30_000,
        r"\boxed{" * 140_000,
        r"2\frac12" * 100_000,
        "1 1/2 " * 160_000,
        "#### (" * 160_000,
        "#### 1 a. " * 100_000,
    ],
    ids=lambda reply: f"{reply[:8]}-{len(reply)}",
)
def test_degenerate_replies_take_no_time(reply):
    start = time.perf_counter()
    extract(reply)
    numbers.normalize(reply)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1,000", "1000"),
        ("$1,000.00", "1000.0"),
        ("3", "3.0"),
        ("-0", "0"),
        ("1/3", r"\frac{1}{3}"),
        ("50%", "50"),
        ("18 dollars", "18"),
        ("5 1/2", "5.5"),
    ],
)
def test_equal_compares_as_decimals(first, second):
    assert numbers.equal(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("a", "a"), (None, None), (None, "1"), ("1", "1.001"), ("1", "-1"), ("9" * 200, "9" * 200)],
)
def test_what_is_no_number_is_never_equal(first, second):
    assert not numbers.equal(first, second)


def test_decimals_are_exact_where_floats_are_not():
    assert numbers.normalize("0.1") == Decimal("0.1")
    assert not numbers.equal("10000000000000001", "10000000000000000")


@pytest.mark.parametrize(
    ("answer", "value"),
    [("x\n#### 18", "18"), ("#### 3\n#### 1,000", "1000"), ("#### -2", "-2"), ("#### $5.50", "5.5")],
)
def test_gold_stands_after_the_last_hashes(answer, value):
    assert numbers.gold(answer) == value


@pytest.mark.parametrize("answer", ["", "18", "####", "#### x", "#### 3 or 4"])
def test_a_bad_gold_is_an_error_that_says_what_was_expected(answer):
    with pytest.raises(ValueError, match="expected it to end in '#### ' and a number"):
        numbers.gold(answer)


@pytest.mark.skipif(not GSM8K.is_file(), reason="the shared gsm8k data is not on this machine")
def test_every_real_gold_is_read_from_its_own_solution():
    answers = [json.loads(line)["answer"] for line in GSM8K.read_text(encoding="utf-8").splitlines()]
    assert len(answers) == 1319
    for answer in answers:
        assert extract(answer) == Extraction(numbers.gold(answer), "hashes")
