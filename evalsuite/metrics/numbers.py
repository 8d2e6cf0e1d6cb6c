r"""Mathematical word problems (gsm8k): the number a reply ends on, and whether two numbers are equal.

A reply (already without reasoning) is read in four stages; in each, the last place that holds a number counts,
and a place that holds none hands over to the next:

`boxed`        `\boxed{}`, braces nested.
`hashes`       `####` and a number, its unit and nothing else on the line (a Markdown heading is no answer).
`answer_is`    "answer is", "answer:", 答案是, 答案为, 答案: the first number of that sentence, or the first after its
               last "="; and "A:" opening a line, with the number at once.
`last_number`  the last number of the text.

A number is an optional sign, digits with or without thousands commas, and decimals; or one such divided by
another ("3/4", `\frac{3}{4}`), whose value is the quotient. Currency signs, %, units, a trailing period, LaTeX
spacing and `\text{}` around it are dropped: "50%" is 50. A box or a `####` line with "=" is read after the
last one. Several numbers in one box, mixed fractions ("1 1/2"), powers and scientific notation are no
number; nor are more than 100 digits, which only a looping model writes. Numbers compare as decimals.

Sources: the project's metrics definition, section 3; GSM8K (Cobbe et al., arXiv 2110.14168) for `####`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext

from evalsuite.metrics.text import ASCII_WIDTH, braced

VERSION = "1"

_MOST_DIGITS = 100
_BOX_LIMIT = 1000
_ARITHMETIC = Context(prec=50, Emax=999, Emin=-999)


@dataclass(frozen=True, slots=True)
class Extraction:
    """The number a reply gives, in plain digits ("1000", "-0.5"), and the stage that found it; None and "" if none."""

    value: str | None
    stage: str

    @property
    def strict(self) -> bool:
        """Whether the reply marked its answer as asked: in a box or after `####`."""
        return self.stage in ("boxed", "hashes")


# All minus signs and dashes become "-" beside the folding of full-width characters.
_FOLD = ASCII_WIDTH | dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63), 0x2D)

_SIMPLE_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(-?[0-9.,]{1,100})\s*\}\s*\{\s*(-?[0-9.,]{1,100})\s*\}")
_DROPPED = re.compile(
    r"\\?[$€£¥￥₹%]|\\[,;:!]|\\(?:left|right|displaystyle)(?![a-z])"  # currency, percent, spacing
    r"|\\(?:text|textbf|mathrm|mathbf|mbox|boldsymbol)\s*(?=\{)|\\[()\[\]]|\*\*|(?<![0-9A-Za-z])__|__(?![0-9A-Za-z])"
    r"|\s?\^?\s?\{?\\(?:circ|degree)(?![a-z])\}?|\\q?quad(?![a-z])"
    r"|(?<=[A-Za-z}])\s?\^\s?\{?-?[0-9]{1,2}\}?"  # a unit's exponent: cm^2
)
_BRACED_COMMA = re.compile(r"(?<=[0-9])\{,\}(?=[0-9])")
_THIN_SPACE = re.compile("(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")

_UNSIGNED = r"(?:[0-9]{1,3}(?:,[0-9]{2,3}){0,12},[0-9]{3}(?![0-9])|[0-9]+)(?:\.[0-9]+)?|(?<![0-9])\.[0-9]+"
_NUMBER = re.compile(
    rf"(?<![0-9.^_])(?<![\^_]\{{)(?P<sign>(?:(?<![\w).}}])-)?)(?P<top>{_UNSIGNED})"
    rf"(?:\s?/\s?(?P<bottom>-?(?:{_UNSIGNED}))(?!\s?/\s?[0-9]))?"
)
_SCIENTIFIC = re.compile(r"(?:[eE][+-]?[0-9]|\s?(?:\\times|\\cdot|[×·*x])\s?10\s?\^|\s?\^)")

_FORMULA_BEFORE = re.compile(r"\S\s*\+|[*/^×÷√\\<>-]")  # "x + 4" and "> 4" are no numbers
_FORMULA_AFTER = re.compile(r"\s*[+*^×÷\\]")

_BOX = re.compile(r"\\boxed\s*\{")
_HASHES = re.compile(r"####[ \t:]*\n?(?P<line>[^\n#]{0,1000})")
_UNIT_ONLY = re.compile(r"[\s{}]*(?:[A-Za-z°²³/'’\u4e00-\u9fff-]+[\s{}]*){0,6}[.!。]?\s*")
_ANSWER_IS = re.compile(
    r"(?:\banswer(?![a-z])[\s*_]*(?:(?:is|are|=)(?![a-z'’])[\s*_]*:?|:)|答案[*_]*\s*(?:[是为][:：]?|[:：])"
    r"|^[ \t>*_]*(?P<short>A\s?[:：]))(?!\s*(?:not\b|不))",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE = re.compile(r"[\s*_:]*(?P<sentence>(?:[^\n.!?。！？]|[.!?](?=\S)){0,1000})")


def extract(text: str) -> Extraction:
    r"""Return the number a reply (without reasoning) gives; stages in the module's docstring.

    >>> extract(r"so she pays \$18. #### 18 dollars")
    Extraction(value='18', stage='hashes')
    """
    folded = text.translate(_FOLD)
    for stage, candidates in (
        ("boxed", _boxes(folded)),
        ("hashes", _hash_lines(folded)),
        ("answer_is", _answer_sentences(folded)),
    ):
        if candidates:
            return Extraction(_plain(candidates[-1]), stage)
    for match in reversed(list(_NUMBER.finditer(_clean(folded)))):
        if (value := _value(match)) is not None:
            return Extraction(_plain(value), "last_number")
    return Extraction(None, "")


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
            f"the answer has {found} where its result should stand; expected it to end in '#### ' and a number"
        )
    return _plain(value)


def normalize(text: str) -> Decimal | None:
    r"""Return the one number that a short text states, after its last "=" if it has any; None if it is not one.

    >>> normalize(r"\$1,000.00"), normalize("x = 7 apples"), normalize("3 or 4")
    (Decimal('1000.00'), Decimal('7'), None)
    """
    cleaned = _clean(text.translate(_FOLD)[:_BOX_LIMIT])
    for candidate in (cleaned, cleaned.rpartition("=")[2]):
        numbers = list(_NUMBER.finditer(candidate))
        if len(numbers) == 1:
            around = _FORMULA_BEFORE.search(candidate[: numbers[0].start()])
            return None if around or _FORMULA_AFTER.match(candidate, numbers[0].end()) else _value(numbers[0])
    return None


def equal(first: str | None, second: str | None) -> bool:
    """Whether both texts state a number and the two are equal as decimals; None never is."""
    if first is None or second is None:
        return False
    one, other = normalize(first), normalize(second)
    return one is not None and one == other


def _boxes(text: str) -> list[Decimal]:
    contents = (braced(text, box.end(), _BOX_LIMIT) for box in _BOX.finditer(text))
    return [
        value for content in contents if content is not None and (value := normalize(content)) is not None
    ]


def _hash_lines(text: str) -> list[Decimal]:
    lines = (_clean(match["line"]).rpartition("=")[2].strip() for match in _HASHES.finditer(text))
    return [value for line in lines if (value := _number_with_unit(line)) is not None]


def _number_with_unit(line: str) -> Decimal | None:
    number = _NUMBER.match(line)
    return _value(number) if number and _UNIT_ONLY.fullmatch(line, number.end()) else None


def _answer_sentences(text: str) -> list[Decimal]:
    markers = list(_ANSWER_IS.finditer(text))
    ends = [*(marker.start() for marker in markers[1:]), len(text)]
    found = []
    for marker, end in zip(markers, ends, strict=False):
        match = _SENTENCE.match(text, marker.end(), end)
        sentence = _clean(match["sentence"]).strip() if match else ""
        result = sentence.rpartition("=")[2].strip()
        number = (
            _NUMBER.match(sentence) if marker["short"] else _NUMBER.search(result) or _NUMBER.search(sentence)
        )
        if number and (value := _value(number)) is not None:
            found.append(value)
    return found


def _clean(text: str) -> str:
    """Drop currency, percent and LaTeX around numbers. `text` is folded."""
    text = _BRACED_COMMA.sub(",", _THIN_SPACE.sub("", text))
    return _DROPPED.sub("", _SIMPLE_FRACTION.sub(r"\1/\2", text))


def _value(number: re.Match[str]) -> Decimal | None:
    """Return a matched number's value; None if it has too many digits, a power behind it, or divides by zero."""
    if len(number[0]) > _MOST_DIGITS or _SCIENTIFIC.match(number.string, number.end()):
        return None
    with localcontext(_ARITHMETIC):
        try:
            value = Decimal(number["top"].replace(",", ""))
            if number["bottom"]:
                value /= Decimal(number["bottom"].replace(",", ""))
        except (InvalidOperation, DivisionByZero, Overflow):
            return None
    return -value if "-" in number["sign"] and value else value


def _plain(value: Decimal) -> str:
    """Write a number without exponent, trailing zeros or a bare point."""
    digits = format(value, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
