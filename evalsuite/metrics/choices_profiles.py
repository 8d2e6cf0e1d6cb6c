r"""Multiple choice as other harnesses read it, quirks included, so that our numbers can stand beside theirs.

Nothing here is how we would read a reply (that is `choices`); each profile does what its source does:

`evalscope`         EvalScope 1.14.1, `general_mcq`: `utils/multi_choices.py` (`parse_answers_zh` where the prompt is
                    Chinese, `parse_answers` where it is English), then `acc`, or `multi_choice_acc` where rows may
                    have several right answers. It knows ten options, A to J.
`oc_first_capital`  OpenCompass 0.5.4, `first_capital_postprocess`: the first upper-case character, then equality.
`oc_first_option`   OpenCompass 0.5.4, `first_option_postprocess(text, options)`: the first of some fifty patterns
                    that gives a label of the row, at last the first label letter anywhere; then equality.

Scores lie in 0 to 1. Cost is linear in the reply's length, where the sources' is not.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

VERSION = "1"
PROFILES = ("evalscope", "oc_first_capital", "oc_first_option")

_Finder: TypeAlias = Callable[[str], "str | None"]

_EVALSCOPE_MAX_OPTIONS = 10
_MARKER_ENGLISH = re.compile(r"ANSWER\s*:\s*\**\s*", re.IGNORECASE)
_MARKER_CHINESE = re.compile(r"答案\s*[:：]\s*\**\s*")
_LATEX_OPENING = re.compile(r"(?:(?:\$+|\\\(|\\(?:boxed|fbox|text|textbf|mathbf|mathrm)\s*\{)\s*)*")
_BRACKETED = re.compile(r"[\(\[（【]\s*([A-Za-z\d](?:\s*[,，/、]\s*[A-Za-z\d])*)\s*[\)\]）】]")
_PLAIN_ENGLISH = re.compile(r"([A-Za-z\d][A-Za-z\d ,，/、]*)")
_PLAIN_CHINESE = re.compile(r"([A-Za-z0-9][A-Za-z0-9 ,，/、]*)")
_WORD = re.compile(r"[A-Za-z\d]+")
_CONNECTOR = re.compile(r"\s+(?:and|or)\s+", re.IGNORECASE)
_SEPARATORS_AS_COMMAS = str.maketrans({"，": ",", "、": ",", "/": ",", " ": None})


def accuracy(
    profile: str, reply: str, labels: Sequence[str], gold: Sequence[str], *, chinese: bool, multiple: bool
) -> float:
    """Score a reply (without reasoning) by one of `PROFILES`; `labels` are the row's options in order.

    `chinese` tells the language of the prompt, `multiple` that rows of the dataset may have several right answers.
    """
    right = "".join(gold)
    if profile == "evalscope":
        found = evalscope_answer(reply, labels, chinese=chinese, multiple=multiple)
        return _partial_accuracy(found, right) if multiple else float(found == right)
    found = first_capital(reply) if profile == "oc_first_capital" else first_option(reply, labels)
    return float(found == right)


def evalscope_answer(reply: str, labels: Sequence[str], *, chinese: bool, multiple: bool = False) -> str:
    """Return the labels EvalScope reads, sorted, such as "C" or "AC"; "" for none.

    The last marker ("ANSWER:", "答案：") that labels follow; without one the last upper-case letter of the reply,
    if it is a label.

    >>> evalscope_answer("ANSWER: B, not C", "ABCD", chinese=False)
    'B'
    >>> evalscope_answer("The answer is C", "ABCD", chinese=False)
    'C'
    >>> evalscope_answer("C. Paris", "ABCD", chinese=False)
    ''
    """
    allowed = frozenset(labels[:_EVALSCOPE_MAX_OPTIONS])
    written = _last_marked_labels(reply, allowed, chinese=chinese)
    if written is None:
        capital = next((letter for letter in reversed(reply) if letter.isupper()), "")
        return capital if capital in allowed else ""
    if not multiple:
        return written if written in allowed else ""
    return "".join(sorted(_parse_label_list(written, allowed, chinese=chinese)))


def first_capital(reply: str) -> str:
    """Return the first upper-case character, label or not, as OpenCompass does; "" for none.

    >>> first_capital("The answer is C")
    'T'
    """
    return next((letter for letter in reply if letter.isupper()), "")


def first_option(reply: str, labels: Sequence[str]) -> str:
    """Return the label that OpenCompass' patterns find first; "" for none.

    Where a pattern matched several labels, the earliest of the alphabet counts, not of the text.

    >>> first_option("答案是 B 或 A", "ABCD"), first_option("A good question: D", "ABCD")
    ('B', 'D')
    """
    text = reply.strip()
    for find in _option_finders("".join(labels)):
        found = find(text)
        if found is not None and (label := next((one for one in labels if one in found), "")):
            return label
    return ""


def _partial_accuracy(found: str, right: str) -> float:
    """EvalScope's `multi_choice_acc`: 0 for any wrong label, else the share of right ones that is there."""
    if not set(found) <= set(right):
        return 0.0
    return len(set(found)) / len(set(right)) if right else 0.0


def _last_marked_labels(reply: str, allowed: frozenset[str], *, chinese: bool) -> str | None:
    marker = _MARKER_CHINESE if chinese else _MARKER_ENGLISH
    plain = _PLAIN_CHINESE if chinese else _PLAIN_ENGLISH
    for end in reversed([match.end() for match in marker.finditer(reply)]):
        opening = _LATEX_OPENING.match(reply, end)
        start = opening.end() if opening else end
        for pattern in (_BRACKETED, plain):
            match = pattern.match(reply, start)
            if match and (written := _leading_labels(match[1], allowed)):
                return written
    return None


def _leading_labels(written: str, allowed: frozenset[str]) -> str:
    """Cut off at the first word that is no label; "and" and "or" may stand between two labels."""
    end = 0
    words = list(_WORD.finditer(written))
    for number, word in enumerate(words):
        if allowed.issuperset(word[0]):
            end = word.end()
        elif not (
            end
            and word[0].lower() in ("and", "or")
            and number + 1 < len(words)
            and allowed.issuperset(words[number + 1][0])
        ):
            break
    return written[:end]


def _parse_label_list(written: str, allowed: frozenset[str], *, chinese: bool) -> frozenset[str]:
    """Read a list of labels; only the English reading knows "A and B" and forgives "AB,CD"."""
    listed = (written if chinese else _CONNECTOR.sub(",", written)).translate(_SEPARATORS_AS_COMMAS)
    if chinese:
        readings = [listed.split(",") if "," in listed else list(listed)]
    else:
        readings = [listed.split(","), list(listed.replace(",", ""))]
    return next((frozenset(labels) for labels in readings if allowed.issuperset(labels)), frozenset())


# In the patterns below `<L>` stands for the class of the row's labels. Their order, their oddities (the missing
# comma after 故选 in the source, "1." matching any character after a 1) and their first groups are the source's.
_CHINESE_PATTERNS = (
    r"答案是?\s*(<L>)",
    r"答案是?\s*：\s*(<L>)",
    r"答案是?\s*:\s*(<L>)",
    r"答案选项应?该?是\s*(<L>)",
    r"答案选项应?该?为\s*(<L>)",
    r"答案应该?是\s*(<L>)",
    r"答案应该?选\s*(<L>)",
    r"答案选项为?\s*：\s*(<L>)",
    r"答案选项为?\s+\(?\*?\*?(<L>)\*?\*?\)?",
    r"答案选项是?\s*:\s*(<L>)",
    r"答案为\s*(<L>)",
    r"答案选\s*(<L>)",
    r"选择?\s*(<L>)",
    r"故选?\s*(<L>)只有选?项?\s?(<L>)\s?是?对",
    r"只有选?项?\s?(<L>)\s?是?错",
    r"只有选?项?\s?(<L>)\s?不?正确",
    r"只有选?项?\s?(<L>)\s?错误",
    r"说法不?对选?项?的?是\s?(<L>)",
    r"说法不?正确选?项?的?是\s?(<L>)",
    r"说法错误选?项?的?是\s?(<L>)",
    r"(<L>)\s?是正确的",
    r"(<L>)\s?是正确答案",
    r"选项\s?(<L>)\s?正确",
    r"所以答\s?(<L>)",
    r"所以\s?(<L>[.。$]?$)",
    r"所有\s?(<L>[.。$]?$)",
    r"[\s，：:,](<L>)[。，,\.]?$",
    r"[\s，,：:][故即](<L>)[。\.]?$",
    r"[\s，,：:]因此(<L>)[。\.]?$",
    r"[是为。]\s?(<L>)[。\.]?$",
    r"因此\s?(<L>)[。\.]?$",
    r"显然\s?(<L>)[。\.]?$",
)
_WORD_MARKERS = ("答案是", "答案应该是", "答案为")
_ENGLISH_PATTERNS = (
    r"(?i)ANSWER\s*:\s*(<L>)",
    r"[Tt]he answer is:?\s+\(?(<L>)\)?",
    r"[Tt]he answer is:?\s+\(?\*?\*?(<L>)\*?\*?\)?",
    r"[Tt]he answer is option:?\s+\(?(<L>)\)?",
    r"[Tt]he correct answer is:?\s+\(?(<L>)\)?",
    r"[Tt]he correct answer is option:?\s+\(?(<L>)\)?",
)
_BOX_MARKERS = ("[Tt]he correct answer is", "[Tt]he correct option is", "[Tt]he correct answer option is")
_LAST_PATTERNS = (
    r"[Tt]he answer to the question is:?\s+\(?(<L>)\)?",
    r"^选项\s?(<L>)",
    r"^(<L>)\s?选?项",
    r"(\s|^)<L>[\s。，,：:\.$]",
    r"1.\s?(.*?)$",
    r"1.\s?(<L>)[.。$]?$",
    r"(<L>):",
    r"(<L>)",
)


@functools.lru_cache(maxsize=32)
def _option_finders(labels: str) -> tuple[_Finder, ...]:
    def patterns(texts: Sequence[str]) -> Iterator[_Finder]:
        for text in texts:
            yield _pattern_finder(text.replace("<L>", f"[{labels}]"))

    return (
        *patterns(_CHINESE_PATTERNS),
        *(functools.partial(_word_after, marker) for marker in _WORD_MARKERS),
        *patterns(_ENGLISH_PATTERNS),
        *(_box_finder(marker, labels) for marker in _BOX_MARKERS),
        *patterns(_LAST_PATTERNS),
    )


def _pattern_finder(pattern: str) -> _Finder:
    compiled = re.compile(pattern, re.DOTALL)

    def find(text: str) -> str | None:
        match = compiled.search(text)
        return (match[1] or match[0]) if match else None

    return find


def _box_finder(marker: str, labels: str) -> _Finder:
    r"""Stand for the source's `marker:?.*?boxed{([labels])}`, which takes quadratic time on markers without a box."""
    opening, box = re.compile(marker), re.compile(rf"boxed{{([{labels}])}}")

    def find(text: str) -> str | None:
        start = opening.search(text)
        match = box.search(text, start.end()) if start else None
        return match[1] if match else None

    return find


def _word_after(marker: str, text: str) -> str | None:
    r"""Stand for the source's `marker\s?(\S+)(?:。|$)`, which takes quadratic time where markers repeat.

    The rest of the word after a marker, up to its last 。; all of it where the text ends with that word.
    """
    end, stop = 0, -1
    for found in _find_all(text, marker):
        start = found + len(marker)
        start += text[start : start + 1].isspace()
        if start >= end:
            end = _end_of_word(text, start)
            stop = text.rfind("。", start, end)
        if start < len(text) == end:
            return text[start:end]
        if start < stop:
            return text[start:stop]
    return None


def _find_all(text: str, marker: str) -> Iterator[int]:
    place = text.find(marker)
    while place >= 0:
        yield place
        place = text.find(marker, place + 1)


_SPACE = re.compile(r"\s")


def _end_of_word(text: str, start: int) -> int:
    space = _SPACE.search(text, start)
    return space.start() if space else len(text)
