r"""Mathematical word problems (gsm8k): the number that a reply gives, and whether two numbers are equal.

`metrics.number_grammar` says what a number is. A cleaned reply is read in stages; in each the last place that holds a
number counts, and a place without any digits hands over to the next stage:

`boxed`        `\boxed{}`, braces nested. Read after its last "=" if it has any.
`hashes`       `####` and a number at once; a unit, remark or reason may follow ("#### 18 (9 eggs * 2 dollars)"). A heading
               ("#### 4. Compute", "#### 2 ways to see it. First", "#### 1st step") is no answer, nor are several numbers.
`answer_tag`   `<answer>…</answer>`: its only number, or the first one of its sentence.
`json`         the value under "answer" of a JSON object that is, ends, or stands fenced in the reply.
`answer_is`    "the answer is", "answer:", and the same in the languages of `metrics.answer_words`: the first number of that
               sentence, or the first after its last "="; and "A:" at the start of a line, with the number at once.
`last_number`  the last number of the text.

An explicit answer that is not one number ends the search: the last box, a final `####`, the last `<answer>`, JSON answer
or answer sentence that holds digits, such as "18 or 19", "3:00" or "20-30". No later stage reads a fragment of it.

Numbers compare as decimals.

Sources: GSM8K (Cobbe et al., arXiv 2110.14168) for `####`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from evalsuite.metrics.answer_words import LANGUAGES, json_answer
from evalsuite.metrics.number_grammar import Number, clean, clean_box, fold, scan

VERSION = "2"

STRICT_STAGES = ("boxed", "hashes", "answer_tag", "json")
"""In these the reply marked its answer."""
_BOX_LIMIT = 1000
_PLACES = 200
"""Places that a stage looks at, from the end: only a looping model writes more."""
_TAIL = 20_000
"""Characters, from the end, in which the last number is looked for."""


@dataclass(frozen=True, slots=True)
class NumberExtraction:
    """The number a reply gives, in plain digits ("1000", "-0.5"), and the stage that found it; None and "" if none."""

    value: str | None
    stage: str

    @property
    def strict(self) -> bool:
        """Whether the reply marked its answer: in a box, after `####`, in an answer tag, in JSON."""
        return self.stage in STRICT_STAGES


NOTHING = NumberExtraction(None, "")
"""No number, or no single one."""

_LEADING_MINUS = re.compile(r"^[\s{]*-\s+(?=\.?[0-9])")
_FORMULA_BEFORE = re.compile(r"\S\s*\+|[*/^×÷√\\<>-]")  # "x + 4" and "> 4" are no numbers
_FORMULA_AFTER = re.compile(r"\s*[+*^×÷\\]")
_RESULT = re.compile(r"[=≈](?=[^=≈]*\Z)|\\approx(?![a-z])(?=(?:(?!\\approx).)*\Z)", re.DOTALL)

_BRACE = re.compile(r"\\boxed\s*\{|[{}]")
_HASHES = re.compile(r"####[ \t:]*\n?(?P<line>[^\n#]{0,1000})")
_HEADING = re.compile(
    r"[.:)、]\s*[^\W\d_]|(?:st|nd|rd|th)(?![a-z])|[\ufe0f\u20e3]"  # "4. Compute", "1st step", a keycap
    r"|[^.!?。0-9(]*[.!?。]\s+[^\W\d_][^.!?。0-9]*$"  # "2 ways to see it. First"
)
_GOES_ON = re.compile(
    r"\s*(?:[+*×÷^]\s*[\w(\\]|x\s?[0-9]|\\(?:times|cdot|div)(?![a-z])|[-/:]\s?[0-9(]"  # a formula, a time
    r"|(?:[,;&~]|or\b|and\b|to\b|[或和至到])\s*-?[0-9])|\s+-?[0-9]"  # several numbers
)
_PARENTHESIS = re.compile(r"\([^()]*\)")
_ANSWER_TAG = re.compile(
    r"<\s?answer(?:\s[^<>]{0,100})?>(?P<content>(?:(?!<\s?answer\b).)*?)(?:<\s?/\s?answer\s?>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_SHORT = r"^[ \t>*_]*(?P<short>A\s?[:：])"
_OF_WHAT = r"(?:\s(?:to|for)\s[^\n.!?:=0-9]{1,60}?(?=\s(?:is|are)\b|:))?"
"""In "the answer to the question is"."""
_SHORT_MARKS = ("A:", "A：", "A :", "A ：", "a:", "a：", "a :", "a ：")
_NEGATED = r"(?!\s*(?:not\b|不))"
_HINTS = (
    ("answer", "en"), ("答", "zh"), ("respuesta", "es"), ("solución", "es"), ("réponse", "fr"), ("antwort", "de"),
    ("lösung", "de"), ("resposta", "pt"), ("risposta", "it"), ("ответ", "ru"), ("جواب", "ar"), ("جابة", "ar"), ("答", "ja"),
    ("正解", "ja"), ("답", "ko"), ("đáp", "vi"), ("câu trả lời", "vi"), ("kết quả", "vi"), ("คำตอบ", "th"),
)  # fmt: skip
"""One of them is in every text that says "the answer is" in that language: a cheap test."""
_ASCII_HINTS = tuple((word, name) for word, name in _HINTS if word.isascii())
_SENTENCE = re.compile(r"[\s*_:]*(?P<sentence>(?:[^\n.!?。！？]|[.!?](?=\S)){0,1000})")


def extract(text: str) -> NumberExtraction:
    r"""Return the number that a cleaned reply gives; stages in the module's docstring.

    >>> extract(r"so she pays \$18. #### 18 dollars")
    NumberExtraction(value='18', stage='hashes')
    >>> extract("The answer is 18 or 19.")
    NumberExtraction(value=None, stage='')
    """
    folded = fold(text)
    boxes = _closed_boxes(folded)
    for start, end in reversed(boxes):
        if (value := _stated(folded[start:end], clean_box)) is not None:
            return NumberExtraction(_plain(value), "boxed")
    unboxed = _without(folded, boxes)
    for stage, read in _STAGES:
        found = read(text if stage == "json" else unboxed)
        if found is not None:
            return NOTHING if found.value is None else NumberExtraction(_plain(found.value), stage)
    value = None if _ends_unread(folded, boxes) else _last_number(unboxed)
    return NOTHING if value is None else NumberExtraction(_plain(value), "last_number")


def gold(answer: str) -> str:
    r"""Return the number after the last `####` of a gsm8k answer, in plain digits.

    Raises ValueError, with what was expected, when there is no `####` or no number after it.

    >>> gold("She pays 2 * 500 = <<2*500=1000>>1,000 dollars.\n#### 1,000")
    '1000'
    """
    _, hashes, after = answer.rpartition("####")
    value = normalize(after) if hashes else None
    if value is None:
        found = repr(after.strip()[:60]) if hashes else "no ####"
        raise ValueError(
            f"the answer has {found} where its result should be; expected it to end in '#### ' and a number"
        )
    return _plain(value)


def normalize(text: str) -> Decimal | None:
    r"""Return the one number that a short text states, after its last "=" if it has any; None if it is not one.

    >>> normalize(r"\$1,000.00"), normalize("x = 5 1/2 apples"), normalize("3 or 4")
    (Decimal('1000.00'), Decimal('5.5'), None)
    """
    return _stated(fold(text[:_BOX_LIMIT]), clean)


def equal(first: str | None, second: str | None) -> bool:
    """Whether both texts state a number and the two are equal as decimals; None never is.

    >>> equal("1,000.0", "$1000"), equal("1/2", "0.5"), equal("18 or 19", "18")
    (True, True, False)
    """
    if first is None or second is None:
        return False
    one, other = normalize(first), normalize(second)
    return one is not None and one == other


# ---------------------------------------------------------------- stages


def _last_hashes(text: str) -> Number | None:
    """Return the number at the start of the last `####` line that has one there."""
    lines = list(_HASHES.finditer(text)) if "####" in text else []
    for match in reversed(lines[-_PLACES:]):
        if (number := _number_at_once(clean(match["line"]).strip())) is not None:
            return number
    return None


def _last_answer_tag(text: str) -> Number | None:
    """Return the number of the last `<answer>`; one without a value where that holds digits and no single number."""
    tags = list(_ANSWER_TAG.finditer(text)) if "answer" in text.lower() and "<" in text else []
    if not tags:
        return None
    content = tags[-1]["content"][:_BOX_LIMIT]
    if (value := _stated(content, clean)) is not None:
        return Number(0, 0, value)
    lines = [line for line in content.splitlines() if line.strip()]
    return _number_of_sentence(clean(lines[-1])) if lines else None


def _json_number(text: str) -> Number | None:
    """Return the number under the answer's key of a JSON object; one without a value where that is another one."""
    answer = json_answer(text) if "{" in text else None
    if isinstance(answer, bool) or not isinstance(answer, int | float | str):
        return None
    written = fold(str(answer)[:_BOX_LIMIT])
    cleaned = clean(written)
    return Number(0, 0, _stated(written, clean)) if scan(cleaned) else None


def _last_answer_sentence(text: str) -> Number | None:
    """Return the number of the last sentence that gives an answer in words and holds digits."""
    languages = _languages_in(text)
    if not languages and not any(mark in text for mark in _SHORT_MARKS):
        return None
    markers = list(_answer_pattern(languages).finditer(text))
    end = len(text)
    for marker in reversed(markers[-_PLACES:]):
        match = _SENTENCE.match(text, marker.end(), end)
        sentence = clean(match["sentence"]).strip() if match else ""
        number = _number_at_once(sentence, whole=False) if marker["short"] else _number_of_sentence(sentence)
        if number is not None:
            return number
        end = marker.start()
    return None


def _last_number(text: str) -> Decimal | None:
    """Return the last number of a text; one that begins where a long text is cut might be a fragment."""
    first = 0
    if len(text) > _TAIL:
        text, first = text[-_TAIL:], 1
    values = (number.value for number in reversed(scan(clean(text))[first:]))
    return next((value for value in values if value is not None), None)


_STAGES: Sequence[tuple[str, Callable[[str], Number | None]]] = (
    ("hashes", _last_hashes),
    ("answer_tag", _last_answer_tag),
    ("json", _json_number),
    ("answer_is", _last_answer_sentence),
)


# ---------------------------------------------------------------- places


def _stated(text: str, cleaned_by: Callable[[str], str]) -> Decimal | None:
    """Return the one number that a folded short text states; see `normalize`."""
    parts = [text] + ([text[result.end() :]] if (result := _RESULT.search(text)) else [])
    for part in parts:
        candidate = _LEADING_MINUS.sub("-", cleaned_by(part))
        numbers = scan(candidate)
        if (
            len(numbers) == 1
            and not _FORMULA_BEFORE.search(candidate[: numbers[0].start])
            and not _FORMULA_AFTER.match(candidate, numbers[0].end)
        ):
            return numbers[0].value
    return None


def _number_at_once(line: str, *, whole: bool = True) -> Number | None:
    """Return the number a cleaned line opens with; after the line's last "=" if one stands outside parentheses.

    With `whole`, a heading or one of several numbers is None.
    """
    result = line
    if whole and "=" in _PARENTHESIS.sub("", line):
        result = line.rpartition("=")[2].strip()
    result = _LEADING_MINUS.sub("-", result.lstrip("([{"))
    number = next(iter(scan(result)), None)
    if number is None or number.start > (result[:1] == "+"):
        return None
    if whole and (
        number.value is None or _HEADING.match(result, number.end) or _GOES_ON.match(result, number.end)
    ):
        return None
    return number


def _number_of_sentence(sentence: str) -> Number | None:
    """Return the first number of a cleaned sentence, or of what follows its last "="; one without value for several."""
    result = sentence.rpartition("=")[2].strip()
    for part in dict.fromkeys((result, sentence)):
        candidate = _LEADING_MINUS.sub("-", part)
        if numbers := scan(candidate):
            first = numbers[0]
            return Number(0, 0, None) if _GOES_ON.match(candidate, first.end) else first
    return None


def _languages_in(text: str) -> tuple[str, ...]:
    """Return the languages whose word for "answer" is in a text."""
    lowered = text.lower()
    hints = _ASCII_HINTS if text.isascii() else _HINTS
    return tuple([name for word, name in hints if word in lowered])


@functools.lru_cache(maxsize=32)
def _answer_pattern(languages: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of the words before an answer, in some languages."""
    forms = []
    for name in languages:
        words = LANGUAGES[name]
        start, end = (r"\b", r"(?![\w'’])") if words.spaced else ("", "")
        linked = rf"(?:{words.links}|=){end}[\s*_]*[:：]?" if name != "zh" else rf"(?:{words.links})[:：]?"
        of_what = _OF_WHAT if name == "en" else ""
        forms.append(rf"{start}(?:{words.nouns}){end}{of_what}[\s*_]*(?:{linked}|[:：])")
    return re.compile(rf"(?:{'|'.join([*forms, _SHORT])}){_NEGATED}", re.IGNORECASE | re.MULTILINE)


def _closed_boxes(text: str) -> list[tuple[int, int]]:
    r"""Where the content of each `\boxed{}` starts and ends; a box within a box is a box too."""
    if r"\boxed" not in text:
        return []
    found = []
    open_braces: list[re.Match[str]] = []
    for brace in _BRACE.finditer(text):
        if brace[0] != "}":
            open_braces.append(brace)
        elif open_braces and (opening := open_braces.pop())[0] != "{":
            found.append((opening.end(), brace.start()))
    return sorted((start, end) for start, end in found if end - start < _BOX_LIMIT)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    kept, position = [], 0
    for start, end in spans:
        if start >= position:
            kept.append(text[position:start])
            position = end
    return "".join((*kept, text[position:]))


def _ends_unread(text: str, boxes: Sequence[tuple[int, int]]) -> bool:
    """Whether the last box, or a `####` line that ends the text, holds digits that no stage could read."""
    if boxes and any(character in "0123456789" for character in text[slice(*boxes[-1])]):
        return True
    last = _HASHES.match(text, text.rfind("####")) if "####" in text else None
    if last is None or text[last.end() :].strip():
        return False
    line = clean(last["line"]).strip()
    number = next(iter(scan(line)), None)
    if number is None or number.start:
        return False
    return number.value is None or _GOES_ON.match(line, number.end) is not None


def _plain(value: Decimal) -> str:
    """Write a number without exponent, trailing zeros or a bare point."""
    digits = format(value, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
