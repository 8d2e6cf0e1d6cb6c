r"""Scores gsm8k as other harnesses do, quirks included, so that our numbers can be compared with theirs.

`lm_eval_strict`    lm-eval 0.4.13, task `gsm8k`, filter `strict-match`: the first number after "#### ".
`lm_eval_flexible`  the same task, filter `flexible-extract`: the last thing that looks like a number; a trailing
                    period or comma is part of it, and runs of "$", "." and "," without a digit look like one too.
                    Both then compare texts (`exact_match`): in the answer and in the whole gold solution every "," and
                    "$", everything up to the last "#### ", and a final "." are dropped, case is ignored.
`opencompass`       OpenCompass 0.5.4, `gsm8k_postprocess`: the last number before the first "Question:", commas ending
                    a number; `Gsm8kEvaluator`: equal as texts, or closer than 1e-6 to the gold as a whole number.

`answer` is the gold column as it stands, its number after "#### ". Scores are 0 or 1.
"""

from __future__ import annotations

import re

VERSION = "1"
PROFILES = ("lm_eval_strict", "lm_eval_flexible", "opencompass")
NO_ANSWER = "[invalid]"
"""lm-eval's answer for a reply that has none."""

_STRICT = re.compile(r"#### (-?[0-9.,]+)")
_FLEXIBLE = re.compile(r"-?[$0-9.,]{2,}|-?[0-9]+")
_FINAL_PERIOD = re.compile(r"\.$")
_OPENCOMPASS_NUMBER = re.compile(r"-?\d+\.\d+|-?\d+")
_CLOSE = 1e-6


def accuracy(profile: str, reply: str, answer: str) -> float | None:
    """Score a reply (without reasoning) by one of `PROFILES`; None if the source has no score for such a gold."""
    if profile == "opencompass":
        return opencompass_accuracy(opencompass_answer(reply), answer)
    found = lm_eval_strict(reply) if profile == "lm_eval_strict" else lm_eval_flexible(reply)
    return float(_lm_eval_normal(found) == _lm_eval_normal(answer))


def lm_eval_strict(reply: str) -> str:
    """Return the first number after "#### ", as it is written; `NO_ANSWER` without one.

    >>> lm_eval_strict("#### 1,000. Or #### 7?")
    '1,000.'
    """
    match = _STRICT.search(reply)
    return match[1] if match else NO_ANSWER


def lm_eval_flexible(reply: str) -> str:
    """Return the last thing that looks like a number, as it is written; `NO_ANSWER` without one.

    >>> lm_eval_flexible("She pays $18."), lm_eval_flexible("18 ...")
    ('$18.', '...')
    """
    found = NO_ANSWER
    for match in _FLEXIBLE.finditer(reply):
        found = match[0]
    return found


def opencompass_answer(reply: str) -> str:
    """Return the last number before the first "Question:", as it is written; "NULL" without one.

    >>> opencompass_answer("1,000"), opencompass_answer("$18. Question: 20?")
    ('000', '18')
    """
    found = "NULL"
    for match in _OPENCOMPASS_NUMBER.finditer(reply.partition("Question:")[0]):
        found = match[0]
    return found


def opencompass_accuracy(found: str, answer: str) -> float | None:
    """Compare with the text between the first "#### " of the gold and the next; None where it has none (a crash there).

    A gold that is no whole number is only ever equal as a text.
    """
    pieces = answer.split("#### ")
    if len(pieces) < 2:
        return None
    right = pieces[1].replace(",", "")
    if found == right:
        return 1.0
    try:
        return float(abs(float(found) - int(right)) < _CLOSE)
    except (ValueError, OverflowError):
        return 0.0


def _lm_eval_normal(text: str) -> str:
    """Drop what the task's `regexes_to_ignore` match, in their order, and the case.

    Each step also loses NULs at the end: the source keeps the texts in NumPy arrays.
    """
    text = text.replace(",", "").rstrip("\0").replace("$", "").rstrip("\0")
    text = text.rpartition("#### ")[2].rstrip("\0")
    return _FINAL_PERIOD.sub("", text).rstrip("\0").lower()
