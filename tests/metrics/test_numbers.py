"""The number a reply ends on: ugly replies first."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import SHARED_DATA

from evalsuite.metrics import numbers
from evalsuite.metrics.numbers import NumberExtraction, extract

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
        "²",
        "the answer is",
        "- , .",
    ],
)
def test_no_number_is_made_up(reply: str) -> None:
    assert extract(reply) == NumberExtraction(None, "")


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
def test_the_last_box_with_a_number_counts(reply: str, value: str) -> None:
    assert extract(reply) == NumberExtraction(value, "boxed")
    assert extract(reply).strict


@pytest.mark.parametrize(
    "content", [r"\frac{x}{4}", "10, 12", "1 1/2", "x + 4", r"2\sqrt{3}", "2^{5}", "3 or 4"]
)
def test_a_box_without_one_plain_number_hands_over(content: str) -> None:
    assert extract(rf"The answer is 7. \boxed{{{content}}}") == NumberExtraction("7", "answer_is")


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
def test_a_box_reads_mixed_fractions_as_sums_and_latex_spaces_as_nothing(content: str, value: str) -> None:
    assert extract(rf"\boxed{{{content}}}") == NumberExtraction(value, "boxed")


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
def test_no_fragment_of_an_unreadable_box_counts(reply: str, content: str) -> None:
    assert extract(reply % content) == NumberExtraction(None, "")


def test_a_stage_before_an_unreadable_box_still_counts() -> None:
    assert extract("#### 7\n\\boxed{3:00}") == NumberExtraction("7", "hashes")
    assert extract(r"\boxed{18} and \boxed{3:00}") == NumberExtraction("18", "boxed")
    assert extract(r"It is 5, the answer to \boxed{x}") == NumberExtraction("5", "last_number")


@pytest.mark.parametrize("reply", ["9 eggs #### 18 or 19", "#### 20 - 5", "#### 3:00", "#### 3, 4"])
def test_no_fragment_of_several_numbers_after_hashes_counts(reply: str) -> None:
    assert extract(reply) == NumberExtraction(None, "")


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
def test_hashes_count_before_words(reply: str, value: str) -> None:
    assert extract(reply) == NumberExtraction(value, "hashes")
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
def test_a_markdown_heading_is_no_answer(heading: str) -> None:
    assert extract(f"{heading}\nThe answer is 9.") == NumberExtraction("9", "answer_is")


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
        ("The answer to the question is 18 for 3 days", "18"),
        ("La respuesta final es 18 en 3 días.", "18"),
        ("La réponse est 18 pour 3 jours.", "18"),
        ("Die Antwort lautet 18 für 3 Tage.", "18"),
        ("A resposta é 18 em 3 dias.", "18"),
        ("La risposta è 18 in 3 giorni.", "18"),
        ("Ответ: 18 за 3 дня", "18"),
        ("Ответ — 18 за 3 дня", "18"),
        ("الإجابة هي ١٨ في ٣ أيام", "18"),
        ("答えは18です。3人", "18"),
        ("정답은 18입니다. 3일", "18"),
        ("Đáp án là 18 cho 3 ngày", "18"),
        ("คำตอบคือ 18 บาท 3 วัน", "18"),
        ("Ａ：１８", "18"),
        ("答案是 18 元，共 3 天", "18"),
        ("答案：18", "18"),
    ],
)
def test_an_answer_in_words_counts_before_the_last_number(reply: str, value: str) -> None:
    assert extract(reply) == NumberExtraction(value, "answer_is")
    assert not extract(reply).strict


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("the answer is not 5 but 6", "6"),
        ("A: She has 3+4=7 eggs. So 9 more", "9"),
        ("10-5 = 5", "5"),
        ("it is 10 - 5", "5"),
        ("it is -5", "-5"),
        ("-$18", "-18"),
        ("$-18", "-18"),
        ("1,000", "1000"),
        ("1000.", "1000"),
        ("1,2,3", "3"),
        ("1,00,000", "100000"),
        ("it is 5 1/2 cups", "5.5"),
        ("on 3 5/12/2020", "3"),
        ("She has 42 at 1:30", "42"),
        ("42 cm2", "42"),
        ("42 cm²", "42"),
        ("$10k", "10000"),
        ("...18", "18"),
        ("_18_", "18"),
        ("3千米", "3"),
        ("In 2020 500 people", "500"),
        ("18%", "18"),
        (".5", "0.5"),
        ("2.50", "2.5"),
        ("USD18", "18"),
        ("1\u202f000", "1000"),
        ("100000000", "100000000"),
        ("007", "7"),
        ("-0", "0"),
    ],
)
def test_else_the_last_number_counts(reply: str, value: str) -> None:
    assert extract(reply) == NumberExtraction(value, "last_number")


@settings(deadline=None)
@given(st.text())
def test_extraction_never_raises(reply: str) -> None:
    found = extract(reply)
    assert (found.value is None) == (found.stage == "")
    assert found.value is None or numbers.normalize(found.value) is not None


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("<answer>42</answer>\n\nChecked in 3 steps.", "42"),
        ("<ANSWER>\nThe total is 42 for 3 people\n</ANSWER>", "42"),
        ("<answer>3</answer> No: <answer>$42.00</answer> in 3 steps", "42"),
        ("The answer is 3. <answer>x = 42", "42"),
    ],
)
def test_extract_answer_tag_counts_before_words(reply: str, value: str) -> None:
    assert extract(reply) == NumberExtraction(value, "answer_tag")
    assert extract(reply).strict


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('{"answer": 42, "confidence": 0.9}', "42"),
        ('```json\n{"answer": "42 dollars", "unit": "cm2"}\n```', "42"),
        ('So 3.\n{"steps": 3, "answer": "1,000"}', "1000"),
        ('{"答案": 42}', "42"),
    ],
)
def test_extract_json_answer_counts_before_words(reply: str, value: str) -> None:
    assert extract(reply) == NumberExtraction(value, "json")
    assert extract(reply).strict


def test_extract_json_answer_in_words_hands_over() -> None:
    assert extract('So it is 7. {"answer": "as above"}') == NumberExtraction("7", "last_number")
    assert extract('So it is 7. {"answer": true}') == NumberExtraction("7", "last_number")


# ---------------------------------------------------------------- whole or not at all

STAGES = {
    "boxed": r"5 steps, so \boxed{%s}",
    "hashes": "5 steps\n#### %s",
    "answer_tag": "5 steps <answer>%s</answer>",
    "json": '5 steps {"answer": "%s"}',
    "answer_is": "5 steps, so the answer is %s",
    "last_number": "steps: %s",
}
NUMBERS = {
    "18": "18", "-18": "-18", "1.5": "1.5", "0.125": "0.125", "1,000": "1000", "1,234,567.89": "1234567.89", "1'500": "1500",
    "1_000_000": "1000000", "1\u202f500": "1500", "3/4": "0.75", "1.5e3": "1500", "1.2E+06": "1200000", "2e-3": "0.002",
    "10^3": "1000", "10^{3}": "1000", "10³": "1000", "2 × 10^5": "200000", "2*10^5": "200000", "1.5 million": "1500000",
    "2 billion": "2000000000", "3 thousand": "3000", "1.5万": "15000", "٣٤": "34", "४२": "42", "１８": "18", "๔๒": "42", "½": "0.5",
    "2½": "2.5", "١٬٠٠٠": "1000", "10k": "10000",
}  # fmt: skip
NO_NUMBERS = [
    "1:30", "12:05:59", "20-30", "20–30", "1.2.3", "10.0.0.1", "2024-05-01", "5/12/2020", "May 5, 2020", "5 May 2020", "1,00",
    "1,0000", "1.000.000", "1'50", "5'10", "1__000", "2^{5}", "5²", "3/4/5", "1/0", "2024年5月1日", "3点30分", "5x10", "2x4", "1e400",
    "1,000,00", "1_00", "1.5e3.2", "1.5e3e2",
    "5..10", "1,,000",
]  # fmt: skip
DECORATIONS = [
    "{}",
    "{}.",
    "${}",
    "{}%",
    "**{}**",
    "{} dollars",
    "{} apples.",
    "_{}_",
    "≈ {}",
    "€{}",
    "({})",
]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("written", "value"), NUMBERS.items())
def test_extract_number_in_any_form_is_read_whole_in_every_stage(
    stage: str, written: str, value: str
) -> None:
    found = extract(STAGES[stage] % written)
    assert found == NumberExtraction(value, stage)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("written", NO_NUMBERS)
def test_extract_no_number_is_never_read_as_its_fragment(stage: str, written: str) -> None:
    assert extract(STAGES[stage] % written) == NumberExtraction(None, "")


@settings(deadline=None)
@given(st.sampled_from([*NUMBERS]), st.sampled_from(DECORATIONS), st.sampled_from([*STAGES]))
def test_extract_decoration_keeps_the_value(written: str, decoration: str, stage: str) -> None:
    if stage == "boxed" and "_" in decoration:
        return  # an index in LaTeX
    found = extract(STAGES[stage] % decoration.format(written))
    assert found == NumberExtraction(NUMBERS[written], stage)


@settings(deadline=None)
@given(
    st.integers(1, 10**9),
    st.integers(0, 99),
    st.sampled_from([",", "'", "_", "\u202f"]),
    st.sampled_from([*STAGES]),
    st.sampled_from([str, lambda text: text.translate({48 + digit: 0x0660 + digit for digit in range(10)})]),
)
def test_extract_thousands_in_any_form_never_give_a_part(
    number: int, cents: int, separator: str, stage: str, script: Callable[..., Any] | type[Any]
) -> None:
    written = script(f"{number:,}".replace(",", separator) + f".{cents:02}")
    assert numbers.equal(extract(STAGES[stage] % written).value, f"{number}.{cents:02}")


@settings(deadline=None)
@given(st.text("0123456789.,:/-' _e", min_size=1, max_size=12), st.sampled_from([*STAGES]))
def test_extract_any_run_of_digits_and_joiners_gives_the_same_in_every_stage_or_nothing(
    run: str, stage: str
) -> None:
    found = extract(STAGES[stage] % run.strip())
    alone = numbers.normalize(run)
    assert (
        found.value is None
        or stage == "last_number"
        or alone is None
        or numbers.equal(found.value, str(alone))
    )


@pytest.mark.parametrize(
    "reply", ["2^{5} = 32", "It is 10-5 = 5", "x_1 + x_2 = 9", "H2O has 3", "at 1:30 it has 7"]
)
def test_extract_index_power_or_range_beside_a_number_is_passed_over(reply: str) -> None:
    assert extract(reply).value in {"32", "5", "9", "3", "7"}
    assert extract(reply).value == reply[-len(extract(reply).value or "") :]


def test_extract_explicit_answer_that_is_no_number_ends_the_search() -> None:
    for answer in (
        "The answer is 18 or 19.",
        "The answer is 20 to 30.",
        "<answer>18 or 19</answer>",
        '{"answer": "3, 4"}',
    ):
        assert extract(f"She has 7 eggs. {answer}") == NumberExtraction(None, ""), answer


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
def test_extraction_invents_no_digit(reply: str) -> None:
    found = extract(reply)
    if found.value is not None and "/" not in reply and "frac" not in reply and "^" not in reply:
        assert numbers.equal(found.value, found.value)
        assert set(found.value) - set("-.0") <= set(reply)


@settings(deadline=None)
@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=2),
    st.sampled_from([r"so \boxed{{{}}}", "#### {}", "The answer is {}.", "it makes {}"]),
)
def test_any_decimal_is_read_back_with_commas_and_currency(number: Any, template: str) -> None:
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
def test_degenerate_replies_take_no_time(reply: str) -> None:
    start = time.process_time()
    extract(reply)
    numbers.normalize(reply)
    assert time.process_time() - start < 5


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
def test_equal_compares_as_decimals(first: str, second: str) -> None:
    assert numbers.equal(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("a", "a"), (None, None), (None, "1"), ("1", "1.001"), ("1", "-1"), ("9" * 200, "9" * 200)],
)
def test_what_is_no_number_is_never_equal(first: str | None, second: str | None) -> None:
    assert not numbers.equal(first, second)


def test_decimals_are_exact_where_floats_are_not() -> None:
    assert numbers.normalize("0.1") == Decimal("0.1")
    assert not numbers.equal("10000000000000001", "10000000000000000")


@pytest.mark.parametrize(
    ("answer", "value"),
    [("x\n#### 18", "18"), ("#### 3\n#### 1,000", "1000"), ("#### -2", "-2"), ("#### $5.50", "5.5")],
)
def test_gold_stands_after_the_last_hashes(answer: str, value: str) -> None:
    assert numbers.gold(answer) == value


@pytest.mark.parametrize("answer", ["", "18", "####", "#### x", "#### 3 or 4"])
def test_a_bad_gold_is_an_error_that_says_what_was_expected(answer: str) -> None:
    with pytest.raises(ValueError, match="expected it to end in '#### ' and a number"):
        numbers.gold(answer)


@pytest.mark.skipif(not GSM8K.is_file(), reason="the shared gsm8k data is not on this machine")
def test_every_real_gold_is_read_from_its_own_solution() -> None:
    answers = [json.loads(line)["answer"] for line in GSM8K.read_text(encoding="utf-8").splitlines()]
    assert len(answers) == 1319
    for answer in answers:
        assert extract(answer) == NumberExtraction(numbers.gold(answer), "hashes")
