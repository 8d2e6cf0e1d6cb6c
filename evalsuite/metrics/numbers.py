r"""Mathematical word problems (gsm8k): the number a reply ends on, and whether two numbers are equal.

A reply (already without reasoning) is read in four stages; in each, the last place that holds a number counts,
and a place that holds none hands over to the next:

`boxed`        `\boxed{}`, braces nested.
`hashes`       `####` and a number at once; a unit, remark or reason may follow ("#### 18 (9 eggs * 2 dollars)"). Not
               a heading (letters before the number, "4. Words", "2 ways. Words", "1st"), nor a number
               that goes on ("18 or 19", "20 - 5", "3:00"), but after its last "=" ("5 + 3 = 8").
`answer_is`    "answer is", "answer:", 答案是, 答案为, 答案: the first number of that sentence, or the first after its
               last "="; and "A:" opening a line, with the number at once.
`last_number`  the last number of the text, unless the reply's last box, or a `####` that ends it, holds
               digits that are not exactly one number ("18 or 19", "3:00"): that is an answer, but none we can read.
               What a box holds is read by the first stage alone.

A number is an optional sign, digits with or without thousands separators ("1,000", `1\,000`, `1\ 000`), and
decimals; or one such divided by another ("3/4", `\frac{3}{4}`, `\frac34`, "¾"), whose value is the quotient; or a
mixed fraction, whose value is the sum: `2\frac{1}{2}`, "2½", and "2 1/2" too, but not in a box, where LaTeX sets a
plain space as nothing ("21/2"). Currency signs, %, units, a trailing period, LaTeX spacing and `\text{}` around it
are dropped: "50%" is 50; so is the space in a leading "- 4" of a box or `####`. A box with "=" is read after the last
one. Several numbers in one box, products of fractions, powers and scientific notation are no number; nor are more
than 100 digits, which only a looping model writes. Numbers compare as decimals.

Sources: the project's metrics definition, section 3; GSM8K (Cobbe et al., arXiv 2110.14168) for `####`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext

from evalsuite.metrics.text import ASCII_WIDTH

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


# Minus signs and dashes become "-", "½" becomes a LaTeX fraction, beside the folding of full-width characters.
_FOLD: dict[int, int | str] = {
    **ASCII_WIDTH,
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63), 0x2D),
    **{
        ord(fraction): r"\frac{{{}}}{{{}}}".format(*unicodedata.normalize("NFKC", fraction).split("\u2044"))
        for fraction in "¼½¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
    },
}

# Unicode's invisible plus joins a whole number to its fraction; on any other side of a number it spoils it.
_PLUS = "\u2064"
_ARGUMENT = r"\s*(?:\{{\s*(?P<{0}>-?[0-9.,]{{1,100}})\s*\}}|(?P<{0}_digit>[0-9]))"
_FRACTION = re.compile(
    rf"(?P<joined>(?<=[0-9])(?:\s|\\[,;:!\ ]|~|\{{\}}){{0,6}})?\\[cdt]?frac{_ARGUMENT.format('top')}{_ARGUMENT.format('bottom')}"
    r"(?P<product>(?=[0-9]|\s{0,6}\\[cdt]?frac))?"
)
_SPACED_MIXED = re.compile(
    r"(?<![0-9.,/^_])(?P<whole>[0-9][0-9,]{0,15})(?P<gap>[ ]|\\[,;:\ ])(?P<fraction>[0-9]{1,3}\s?/\s?[0-9]{1,3})(?!\s?/|[0-9]|\.[0-9])"
)
_LEADING_MINUS = re.compile(r"^[\s{]*-\s+(?=\.?[0-9])")
_DROPPED = re.compile(
    r"\\?[$€£¥￥₹%]|\\!|\\(?:left|right|displaystyle)(?![a-z])"  # currency, percent, spacing
    r"|\\(?:text|textbf|mathrm|mathbf|mbox|boldsymbol)\s*(?=\{)|\\[()\[\]]|\*\*|(?<![0-9A-Za-z])__|__(?![0-9A-Za-z])"
    r"|\s?\^?\s?\{?\\(?:circ|degree)(?![a-z])\}?|\\q?quad(?![a-z])"
    r"|(?<=[A-Za-z}])\s?\^\s?\{?-?[0-9]{1,2}\}?"  # a unit's exponent: cm^2
)
_BRACED_COMMA = re.compile(r"(?<=[0-9])\{,\}(?=[0-9])")
_THIN_SPACE = re.compile(r"(?<=[0-9])(?:[\u00a0\u2009\u202f]|\\[,;:\ ])(?=[0-9]{3}(?![0-9]))")
_LATEX_SPACE = re.compile(r"(?<!\\)\\[,;:\ ]")

_UNSIGNED = r"(?:[0-9]{1,3}(?:,[0-9]{2,3}){0,12},[0-9]{3}(?![0-9])|[0-9]+)(?:\.[0-9]+)?|(?<![0-9])\.[0-9]+"
_NUMBER = re.compile(
    rf"(?<![0-9.^_{_PLUS}])(?<![\^_]\{{)(?P<sign>(?:(?<![\w).}}])-)?)"
    rf"(?:(?P<whole>[0-9][0-9,]{{0,15}}){_PLUS})?(?P<top>{_UNSIGNED})"
    rf"(?:\s?/\s?(?P<bottom>-?(?:{_UNSIGNED}))(?!\s?/\s?[0-9]))?"
)
_SCIENTIFIC = re.compile(r"(?:[eE][+-]?[0-9]|\s?(?:\\times|\\cdot|[×·*x])\s?10\s?\^|\s?\^)")

_FORMULA_BEFORE = re.compile(r"\S\s*\+|[*/^×÷√\\<>-]")  # "x + 4" and "> 4" are no numbers
_FORMULA_AFTER = re.compile(r"\s*[+*^×÷\\]")

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
    boxes = _closed_boxes(folded)
    if values := [
        value for start, end in boxes if (value := _stated(_clean_box(folded[start:end]))) is not None
    ]:
        return Extraction(_plain(values[-1]), "boxed")
    unboxed = _without(folded, boxes)
    if values := _hash_lines(unboxed):
        return Extraction(_plain(values[-1]), "hashes")
    if values := _answer_sentences(unboxed):
        return Extraction(_plain(values[-1]), "answer_is")
    if not _ends_unread(folded, boxes):
        for match in reversed(list(_NUMBER.finditer(_clean(unboxed)))):
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

    >>> normalize(r"\$1,000.00"), normalize("x = 5 1/2 apples"), normalize("3 or 4")
    (Decimal('1000.00'), Decimal('5.5'), None)
    """
    return _stated(_clean(text[:_BOX_LIMIT].translate(_FOLD)))


def equal(first: str | None, second: str | None) -> bool:
    """Whether both texts state a number and the two are equal as decimals; None never is.

    >>> equal("1,000.0", "$1000"), equal("1/2", "0.5"), equal("18 or 19", "18")
    (True, True, False)
    """
    if first is None or second is None:
        return False
    one, other = normalize(first), normalize(second)
    return one is not None and one == other


def _stated(cleaned: str) -> Decimal | None:
    """Return the one number that a cleaned short text states; see `normalize`."""
    for part in (cleaned, cleaned.rpartition("=")[2]):
        candidate = _LEADING_MINUS.sub("-", part)
        numbers = list(_NUMBER.finditer(candidate))
        if (
            len(numbers) == 1
            and not _FORMULA_BEFORE.search(candidate[: numbers[0].start()])
            and not _FORMULA_AFTER.match(candidate, numbers[0].end())
        ):
            return _value(numbers[0])
    return None


def _closed_boxes(text: str) -> list[tuple[int, int]]:
    r"""Where the content of each `\boxed{}` starts and ends; a box within a box is a box too."""
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
    """Whether the last box, or a `####` line that ends the text, holds digits (that no stage could read)."""
    if boxes and any(character in "0123456789" for character in text[slice(*boxes[-1])]):
        return True
    last = next(reversed(list(_HASHES.finditer(text))), None)
    if last is None or text[last.end() :].strip():
        return False
    line = _clean(last["line"]).strip()
    number = _NUMBER.match(line)
    return number is not None and _GOES_ON.match(line, number.end()) is not None


def _hash_lines(text: str) -> list[Decimal]:
    lines = (_clean(match["line"]).strip() for match in _HASHES.finditer(text))
    return [value for line in lines if (value := _number_at_once(line)) is not None]


def _number_at_once(line: str) -> Decimal | None:
    """Return the number a line opens with; after the line's last "=" if one stands outside parentheses."""
    result = line.rpartition("=")[2].strip() if "=" in _PARENTHESIS.sub("", line) else line
    result = _LEADING_MINUS.sub("-", result)
    number = _NUMBER.match(result)
    if number is None or _HEADING.match(result, number.end()) or _GOES_ON.match(result, number.end()):
        return None
    return _value(number)


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
    """Drop currency, percent and LaTeX around numbers, and join mixed fractions. `text` is folded."""
    return _clean_box(_SPACED_MIXED.sub(rf"\g<whole>{_PLUS}\g<fraction>", text))


def _clean_box(text: str) -> str:
    """Clean the content of a box, where "2 1/2" is not joined: LaTeX sets it as "21/2"."""
    text = _SPACED_MIXED.sub(_join_latex_space, _BRACED_COMMA.sub(",", _THIN_SPACE.sub("", text)))
    return _DROPPED.sub("", _LATEX_SPACE.sub(" ", _FRACTION.sub(_write_fraction, text)))


def _join_latex_space(mixed: re.Match[str]) -> str:
    return mixed[0] if mixed["gap"] == " " else f"{mixed['whole']}{_PLUS}{mixed['fraction']}"


def _write_fraction(fraction: re.Match[str]) -> str:
    """Write a LaTeX fraction with a slash, joined to a whole number before it; a factor beside it spoils it."""
    before = "" if fraction["joined"] is None else _PLUS
    after = "" if fraction["product"] is None else _PLUS
    top, bottom = (fraction[name] or fraction[f"{name}_digit"] for name in ("top", "bottom"))
    return f"{before}{top}/{bottom}{after}"


def _value(number: re.Match[str]) -> Decimal | None:
    """Return a matched number's value; None if it has too many digits, a factor or power behind it, or divides by zero.

    A whole number goes with a proper fraction of whole numbers only: in 2 3/2 or 2 (1/2)(3/4) something else is meant.
    """
    if len(number[0]) > _MOST_DIGITS or _SCIENTIFIC.match(number.string, number.end()):
        return None
    if number.string.startswith(_PLUS, number.end()):
        return None
    with localcontext(_ARITHMETIC):
        try:
            value = Decimal(number["top"].replace(",", ""))
            if number["bottom"]:
                value /= Decimal(number["bottom"].replace(",", ""))
            if number["whole"]:
                if not (number["bottom"] and 0 < value < 1):
                    return None
                value += Decimal(number["whole"].replace(",", ""))
        except (InvalidOperation, DivisionByZero, Overflow):
            return None
    return -value if "-" in number["sign"] and value else value


def _plain(value: Decimal) -> str:
    """Write a number without exponent, trailing zeros or a bare point."""
    digits = format(value, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
