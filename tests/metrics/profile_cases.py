"""Records for the comparison profiles: hand-picked ones, whose scores are pinned, and generated ones."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from step_cases import any_batch

VECTORS = Path(__file__).parent / "vectors"
Record = dict[str, Any]


def pinned(profile: str) -> list[tuple[Record, dict[str, Any]]]:
    """Records with the scores that the profile's own source gave them (`oracles/pin.py`)."""
    name = profile.replace("/", "_")
    vectors = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return [(vector["record"], vector["expected"]) for vector in vectors["vectors"]]


def generated(profile: str, count: int) -> Iterator[Record]:
    """As many different-looking records, always the same ones."""
    chance = random.Random(profile)
    make = MAKERS[profile.partition("/")[0]]
    return (make(chance) for _ in range(count))


def mcq(
    reply: str, gold: str = "C", options: int = 4, *, chinese: bool = False, multiple: bool = False
) -> Record:
    return {
        "reply": reply,
        "labels": list(string.ascii_uppercase[:options]),
        "gold": list(gold),
        "chinese": chinese,
        "multiple": multiple,
    }


PICKED_MCQ = [
    mcq(""),
    mcq("C"),
    mcq("c"),
    mcq("The answer is C"),
    mcq("The answer is C."),
    mcq("Answer: C"),
    mcq("ANSWER: **C**, because D is dry"),
    mcq("ANSWER: A … no wait. ANSWER: C"),
    mcq("ANSWER: C\nANSWER: [LETTER]"),
    mcq(r"ANSWER: $\boxed{\text{C}}$"),
    mcq("ANSWER: (C)"),
    mcq("ANSWER: CD"),
    mcq("C. Paris"),
    mcq("I think it is C, not DNA"),
    mcq("The correct answer is \\boxed{C}"),
    mcq("the correct option is, after all of this,\n\\boxed{C}"),
    mcq("1. water\n2. C"),
    mcq("ANSWER: K", "K", 12),
    mcq("ANSWER: J", "J", 12),
    mcq("ÄC"),
    mcq("答案：C", chinese=True),
    mcq("答案:**C**", chinese=True),
    mcq("答案：C，不是A", chinese=True),
    mcq("我选择C。因为A不对", chinese=True),
    mcq("DNA … 答案是C", chinese=True),
    mcq("答案是 B 或 C", chinese=True),
    mcq("答案是甲C乙B。完", "B", chinese=True),
    mcq("答案应该是选项C", chinese=True),
    mcq("故选C只有选项C是对", chinese=True),
    mcq("所以C.", chinese=True),
    mcq("Answer: C", chinese=True),
    mcq("ANSWER: A and C", "AC", multiple=True),
    mcq("ANSWER: A, C", "AC", multiple=True),
    mcq("ANSWER: AB,CD", "ABCD", multiple=True),
    mcq("ANSWER: A", "AC", multiple=True),
    mcq("ANSWER: A, B, C", "AC", multiple=True),
    mcq("答案：A、C", "AC", chinese=True, multiple=True),
    mcq("答案：AC", "AC", chinese=True, multiple=True),
    mcq("答案：A and C", "AC", chinese=True, multiple=True),
    mcq("答案：(A/C)", "AC", chinese=True, multiple=True),
]

MCQ_MARKERS = (
    "ANSWER:", "Answer :", "answer:**", "答案：", "答案:", "答案 ： **", "答案是", "答案为", "答案应该是", "答案应选", "答案选项是", "答案选项为 (**",
    "故选", "选择", "选", "只有选项", "只有", "说法正确的是", "说法错误选项的是", "所以答", "所以", "所有", "因此", "显然", "，故",
    "The answer is", "the answer is:", "The answer is option", "The correct answer is", "the correct answer is option:",
    "The correct option is", "The correct answer option is", "The answer to the question is", "选项", "1.", "1", "是", "。",
)  # fmt: skip
MCQ_AROUND = (
    " ", "  ", "\n", "", "", "", "(", ")", "**", "[", "]", "$", "\\boxed{", "\\(", "}", "（", "）", "，", ",", "。", ".", ":", "：", "、", "/",
    " and ", " or ", "正确", "是正确的", "是正确答案", "是对", "错误", "项", "不对", "DNA", "Paris is", "[LETTER]", "water", "é", "É", "boxed{", "²", "٣",
)  # fmt: skip


def any_mcq(chance: random.Random) -> Record:
    options = chance.choice((2, 3, 4, 4, 4, 5, 12))
    labels = string.ascii_uppercase[:options]
    pools: tuple[Callable[[], str], ...] = (
        lambda: chance.choice(MCQ_MARKERS),
        lambda: chance.choice(MCQ_AROUND),
        lambda: chance.choice(labels),
        lambda: chance.choice(labels) if chance.random() < 0.8 else chance.choice("EFKTabc19"),
    )
    reply = "".join(chance.choice(pools)() for _ in range(chance.randint(0, 14)))
    multiple = chance.random() < 0.3
    gold = "".join(sorted(chance.sample(labels, chance.randint(1, min(3, options)) if multiple else 1)))
    return mcq(reply, gold, options, chinese=chance.random() < 0.5, multiple=multiple)


def word_problem(reply: str, answer: str = "She has 9 + 9 = <<9+9=18>>18.\n#### 18") -> Record:
    return {"reply": reply, "answer": answer}


PICKED_GSM8K = [
    word_problem(""),
    word_problem("18"),
    word_problem("#### 18"),
    word_problem("#### 18."),
    word_problem("####18"),
    word_problem("#### 18\n#### 20"),
    word_problem("The answer is $18.00"),
    word_problem("The answer is 18.0"),
    word_problem("The answer is 18."),
    word_problem("It is 18. Question: how about 20?"),
    word_problem("She pays $18."),
    word_problem(r"\boxed{18}"),
    word_problem("18 apples, that is 1.5 dozen"),
    word_problem("no number, just a dot ...."),
    word_problem("-18", "#### -18"),
    word_problem("- 18", "#### -18"),
    word_problem("1,000", "#### 1,000"),
    word_problem("#### 1,000.", "#### 1,000"),
    word_problem("$1,000", "#### 1,000"),
    word_problem("1000", "#### 1,000"),
    word_problem("1000.0000001", "#### 1,000"),
    word_problem("0.5", "#### 0.5"),
    word_problem("0.50", "#### 0.5"),
    word_problem("18", "####18"),
    word_problem("18", "#### $18"),
    word_problem("18", "18"),
    word_problem("１８"),
    word_problem("18", "#### 18\n"),
    word_problem("18", "#### 18.\n"),
]

NUMBERS = (
    "18",
    "18.0",
    "1,000",
    "-18",
    "0.5",
    "$18",
    "18.",
    "1000",
    "007",
    "1e3",
    "1/2",
    "18%",
    "٣",
    "１８",
    "9" * 400,
    "18.0000001",
)
NUMBERS_AROUND = (
    " ", "\n", "####", "#### ", "The answer is ", "=", "$", "Question:", ".", ",", "-", "\\boxed{", "}", "apples", "....", "$,.", "−", "\x00",
)  # fmt: skip


def any_word_problem(chance: random.Random) -> Record:
    """A gold, and a reply that often ends on it, in some form."""
    gold = chance.choice((*NUMBERS, "18", "18"))
    pools = (NUMBERS, NUMBERS_AROUND)
    reply = "".join(chance.choice(chance.choice(pools)) for _ in range(chance.randint(0, 6)))
    if chance.random() < 0.6:
        opening = chance.choice(("#### ", "#### ", "\n", " ", "$"))
        reply += opening + gold + chance.choice(("", "", ".", "0", " apples", ".0", " Question: 7"))
    mark = chance.choice(("#### ", "#### ", "#### ", "####", "#### 5 #### ", ""))
    ending = chance.choice(("", "", ".", "\n"))
    return word_problem(reply, f"so {chance.choice(NUMBERS)}\n{mark}{gold}{ending}")


def answered(reply: str, reference: str) -> Record:
    return {"reply": reply, "reference": reference}


PICKED_QA = [
    answered("the cat sat on the mat", "the cat sat on the mat"),
    answered("the cat", "the cat sat"),
    answered("The cat.", "the cat"),
    answered("", "the cat"),
    answered(" \n ", "the cat"),
    answered("...", "the cat"),
    answered(". .", ". ."),
    answered("dog", "cat"),
    answered("the the the the", "the cat the mat"),
    answered("mat the on sat cat the", "the cat sat on the mat"),
    answered(
        "Dr. Hu can't come. He's in the U.S. until Jan. 5.",
        "Dr. Hu cannot come; he is in the U.S. until Jan. 5.",
    ),
    answered('She said "No." Then she left.', 'She said: "No". She left.'),
    answered("It costs $3.50, i.e. 12 % more.", "It costs $3.50."),
    answered("line one\nline two", "line one line two"),
    answered("\n\nan answer\n", "an answer"),
    answered("word", "a reference of many more words than that"),
    answered("I like tea. I like coffee. I like tea.", "I like coffee. I like tea."),
    answered("我爱天安门", "我爱北京天安门"),
    answered("北京是中国的首都。", "中国的首都是北京。"),
    answered("今天天气很好！你好吗？我很好。", "今天天气很好。我很好。"),
    answered("他说：“好。”然后走了。", "他说“好”，然后走了。"),
    answered("Beijing is the capital", "北京是中国的首都"),
    answered("北京 is the capital of 中国.", "北京是中国的首都"),
    answered("圆周率是3.14159", "圆周率约为3.14"),
    answered("……好……吧……", "好吧"),
    answered("東京は日本の首都です", "東京は日本の首都である"),
    answered("ひらがな", "ひらがな"),
    answered("𠀀𠀁 rare", "𠀀𠀁 rare"),
]

ENGLISH = (
    "the", "cat", "sat", "on", "a", "mat", "The", "It", "is", "Dr.", "U.S.", "e.g.", "can't", "he's", "cannot", "3.14", "$5", "1,000", "No. 5",
    "p.m.", "Mr. Smith", "etc.)", "'quoted'", "“curly”", "well-known", "--", "(so)", "[1]", "Yes", "J. R.", "...", "wanna", "a;b", "50%", "ice-cream",
)  # fmt: skip
CHINESE = (
    "我爱", "北京", "天安门", "中国", "的", "首都", "是", "今天", "天气", "很好", "他说", "“好”", "3.14", "ABC", "因此", "研究生命起源", "（注）", "《书》", "龥", "々", "𠀀",
)  # fmt: skip
ENDS_ENGLISH = (" ", " ", " ", " ", ". ", ".", ", ", "? ", "! ", "\n", "\n\n", " \t", "......", '." ')
ENDS_CHINESE = ("", "", "", "，", "。", "。", "！", "？", "……", "\n", " ", "。”", "、", "\u3000", "?")


def any_answer(chance: random.Random) -> Record:
    """A reference, and a reply that has much of it in common: pieces dropped, doubled, moved, replaced."""
    chinese = chance.random() < 0.5
    words, ends = (CHINESE, ENDS_CHINESE) if chinese else (ENGLISH, ENDS_ENGLISH)

    def piece() -> str:
        other = chance.random() < 0.05
        return chance.choice(ENGLISH if other else words) + chance.choice(ends)

    reference = [piece() for _ in range(chance.randint(1, 30))]
    reply: list[str] = []
    for one in reference:
        reply += chance.choice(([one], [one], [one], [], [one, one], [piece()]))
    if chance.random() < 0.2:
        chance.shuffle(reply)
    if chance.random() < 0.05:
        reply = [chance.choice(("", " ", ".", "\n", ". .", "。"))]
    return answered("".join(reply), "".join(reference))


MAKERS: dict[str, Callable[[random.Random], Record]] = {
    "mcq": any_mcq,
    "gsm8k": any_word_problem,
    "qa": any_answer,
    "toolbench": any_batch,
}
PICKED: dict[str, list[Record]] = {"mcq": PICKED_MCQ, "gsm8k": PICKED_GSM8K, "qa": PICKED_QA}
