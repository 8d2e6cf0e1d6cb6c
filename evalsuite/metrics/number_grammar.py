r"""What a number looks like in a text, and its value: whole or not at all.

`scan` splits a text into maximal runs of digits and of whatever joins digits ("1,000", "3/4", "1:30", "20-30", "1.2.3").
A run that is one number as a whole has a value; any other run has none, and no part of it counts.

A number is an optional sign and one of

    1234   1,000   1,00,000   1'500   1_000_000   1 500   each with decimals: 1,000.50   .5
    3/4   5 1/2   \frac{3}{4}   2\frac{1}{2}   2½           a fraction's value is the quotient, a mixed one's the sum
    1.5e3   1.2E+06   10^3   2 \times 10^{5}   10³
    1.5 million   3万   $10k                               a number and the word or letter for its scale

with digits of any script. Currency signs, %, units, LaTeX spacing, emphasis and `\approx` around it are dropped: "50%" is
50. No numbers are times (1:30), ranges (20-30), versions (1.2.3), dates (5/12/2020, 2024-05-01, "May 5, 2020"), powers
other than of ten, products, numbers of more than 100 digits, and digits behind a letter ("cm2", "x_1", "H2O").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext

from evalsuite.metrics.text import ASCII_WIDTH

MAX_DIGITS = 100
PLUS = "\u2064"
"""Unicode's invisible plus joins a whole number to its fraction; on any other side of a number it spoils it."""
UNREADABLE = "0:0"
"""Written in place of a date in words: a run without a value."""
_ARITHMETIC = Context(prec=50, Emax=999, Emin=-999)


@dataclass(frozen=True, slots=True)
class Number:
    """A run of digits in a text. `value` is None when the run is not one number."""

    start: int
    end: int
    value: Decimal | None


# Minus signs and dashes become "-", "½" becomes a LaTeX fraction, beside the folding of full-width characters.
_FOLD: dict[int, int | str] = {
    **ASCII_WIDTH,
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63), 0x2D),
    **{
        ord(fraction): r"\frac{{{}}}{{{}}}".format(*unicodedata.normalize("NFKC", fraction).split("\u2044"))
        for fraction in "¼½¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
    },
    0x066B: ".",
    0x066C: ",",
    **dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF), ""),
}
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_FROM_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

# ---------------------------------------------------------------- cleaning

_ARGUMENT = r"\s*(?:\{{\s*(?P<{0}>-?[0-9.,]{{1,100}})\s*\}}|(?P<{0}_digit>[0-9]))"
_FRACTION = re.compile(
    rf"(?P<joined>(?<=[0-9])(?:\s|\\[,;:!\ ]|~|\{{\}}){{0,6}})?\\[cdt]?frac{_ARGUMENT.format('top')}{_ARGUMENT.format('bottom')}"
    r"(?P<product>(?=[0-9]|\s{0,6}\\[cdt]?frac))?"
)
_SPACED_MIXED = re.compile(
    r"(?<![0-9.,/^_:'-])(?P<whole>[0-9][0-9,]{0,15})(?P<gap>[ ]|\\[,;:\ ])(?P<fraction>[0-9]{1,3}\s?/\s?[0-9]{1,3})(?!\s?/|[0-9]|\.[0-9])"
)
_CURRENCY_WORD = r"(?<![A-Za-z])(?:US|HK|NT|CA|AU|S)?\$|(?<![A-Za-z])(?:USD|EUR|GBP|CAD|AUD|RMB|CNY|JPY|INR|CHF|Rs\.?)\s?(?=[0-9])"
_DROPPED = re.compile(
    rf"\\?[$€£¥￥₹₽₩₫฿%٪‰]|{_CURRENCY_WORD}|\\!|\\(?:left|right|displaystyle|approx|simeq|sim|cong)(?![a-z])|≈"
    r"|\\(?:text|textbf|mathrm|mathbf|mbox|boldsymbol)\s*(?=\{)|\\[()\[\]]|\*\*|(?<![0-9A-Za-z_])__?|__?(?![0-9A-Za-z_])"
    r"|\s?\^?\s?\{?\\(?:circ|degree)(?![a-z])\}?|\\q?quad(?![a-z])"
    r"|(?<=[A-Za-z}])\s?\^\s?\{?-?[0-9]{1,2}\}?"  # a unit's exponent: cm^2
    r"|(?<=[0-9])\s?(?:mm|cm|dm|km|m|in|ft|yd|mi)[23](?![0-9A-Za-z])|(?<![0-9])\.{2,}(?=[0-9])"
)
_BRACED_COMMA = re.compile(r"(?<=[0-9])\{,\}(?=[0-9])")
_THIN_SPACE = re.compile(r"(?<=[0-9])(?:[\u00a0\u2009\u202f]|\\[,;:\ ])(?=[0-9]{3}(?![0-9]))")
_LATEX_SPACE = re.compile(r"(?<!\\)\\[,;:\ ]")
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)[a-z]*\.?"
_DATE = re.compile(
    rf"\b{_MONTH}\s(?:[0-9]{{1,2}}(?:st|nd|rd|th)?,?\s)?[0-9]{{4}}\b|\b[0-9]{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH},?\s[0-9]{{4}}\b"
)

# ---------------------------------------------------------------- runs and numbers

_SCALES: Mapping[str, int] = {
    "hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "lakh": 5, "crore": 7,
    "millones": 6, "millón": 6, "millionen": 6, "milliarden": 9, "milhões": 6, "milioni": 6, "млн": 6, "тыс": 3,
    "k": 3, "百": 2, "千": 3, "万": 4, "萬": 4, "百万": 6, "百萬": 6, "千万": 7, "千萬": 7, "亿": 8, "億": 8,
}  # fmt: skip
"""Power of ten of the word behind a number. A letter other than k is a unit more often than a scale."""
_SCALE = (
    r"\s?(?:hundred|thousand|[mb]illion|trillion|lakh|crore)s?(?![A-Za-z])|\s?(?:millones|millón|millionen|milliarden|milhões|milioni)\b"
    r"|\s?(?:млн|тыс)\b|[kK](?![0-9A-Za-z])|\s?(?:百万|百萬|千万|千萬|[万萬亿億]|千(?![米克瓦卡焦赫帕])|百(?!分))"
)
_TIMES = r"\s?(?:\\times|\\cdot|[×·*x])\s?"
_RUN = re.compile(
    rf"\.?[0-9](?:[0-9]|[.,:'’_]{{1,2}}(?=[0-9])|\s?/\s?-?\.?(?=[0-9])|-(?=[0-9])|{PLUS}"
    r"|(?<![0-9]{4})(?<=[0-9])[ ](?=[0-9]{3}(?![0-9A-Za-z]))"  # 1 500
    r"|[eE][+-]?(?=[0-9])|[A-Za-z]{1,4}(?=[0-9])|[年月](?=[0-9])|[点點时時](?=[0-9]{1,2}分)"
    rf"|{_TIMES}(?=10\s?\^)|\s?\^\s?\{{?\s?[+-]?[0-9]+\s?\}}?|\s?\^)*(?:{_SCALE})?",
    re.IGNORECASE,
)


def _unsigned(separator: str) -> str:
    """Pattern of digits with or without thousands separators, and decimals."""
    return (
        r"(?:[0-9]{1,3}(?:,[0-9]{2,3}){0,12},[0-9]{3}"
        rf"|[0-9]{{1,3}}(?P<{separator}>['’_ ])[0-9]{{3}}(?:(?P={separator})[0-9]{{3}}){{0,12}}|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
    )


_EXPONENT = r"\s?\^\s?\{{?\s?(?P<{}>[+-]?[0-9]{{1,3}})\s?\}}?"
_NUMBER = re.compile(
    rf"(?:(?P<whole>[0-9][0-9,]{{0,15}}){PLUS})?(?P<top>{_unsigned('gap')})(?:\s?/\s?(?P<bottom>-?(?:{_unsigned('lower_gap')})))?"
    rf"(?:[eE](?P<exponent>[+-]?[0-9]{{1,3}}))?(?:{_TIMES}10{_EXPONENT.format('power')})?(?P<scale>{_SCALE})?"
    rf"|10{_EXPONENT.format('ten')}(?P<ten_scale>{_SCALE})?",
    re.IGNORECASE,
)
_LIST = re.compile(r"[0-9]+(?:,[0-9]+)*,[0-9](?:,[0-9]+)+")
"""Several numbers: no way of writing thousands has a single digit between two commas."""
_SEPARATORS = str.maketrans("", "", ",'’_ ")


def fold(text: str) -> str:
    """Write every digit, sign and separator in ASCII, superscripts as `^{…}`, "½" as a LaTeX fraction."""
    if text.isascii():
        return text
    folded = _SUPERSCRIPT.sub(
        lambda found: f"^{{{found[0].translate(_FROM_SUPERSCRIPT)}}}", text.translate(_FOLD)
    )
    return _OTHER_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), folded)


def clean(text: str) -> str:
    """Drop currency, percent and LaTeX around numbers, and join mixed fractions. `text` is folded."""
    return clean_box(_SPACED_MIXED.sub(rf"\g<whole>{PLUS}\g<fraction>", _DATE.sub(UNREADABLE, text)))


def clean_box(text: str) -> str:
    """Clean the content of a box, where "2 1/2" is not joined: LaTeX sets it as "21/2"."""
    text = _SPACED_MIXED.sub(_join_latex_space, _BRACED_COMMA.sub(",", _THIN_SPACE.sub("", text)))
    return _DROPPED.sub(_drop, _LATEX_SPACE.sub(" ", _FRACTION.sub(_write_fraction, text)))


def scan(text: str) -> list[Number]:
    r"""Return the runs of digits in a cleaned text, in order, without those that belong to a word or an index.

    >>> [str(number.value) for number in scan("1,000 at 1:30, 3/4 and -5")]
    ['1000', 'None', '0.75', '-5']
    """
    numbers: list[Number] = []
    for run in _RUN.finditer(text):
        if _LIST.fullmatch(run[0]):
            ends = [run.start() + comma.start() for comma in re.finditer(r",|\Z", run[0])]
            starts = [run.start(), *(end + 1 for end in ends)]
            parts = zip(starts, ends, strict=False)
            numbers += [Number(start, end, _value(text[start:end])) for start, end in parts]
        elif (number := _read(text, run)) is not None:
            numbers.append(number)
    return numbers


def _read(text: str, run: re.Match[str]) -> Number | None:
    """Read a run; None for digits behind a letter, an index or a power."""
    start = run.start()
    before = text[start - 1 : start]
    if (before.isascii() and (before.isalpha() or before in ("_", "^", "."))) or before == PLUS:
        return None
    if before == "{" and text[start - 2 : start] in ("^{", "_{"):
        return None
    if before == "-" and not _ends_operand(text[start - 2 : start - 1] if start > 1 else ""):
        value = _value(run[0])
        return Number(start - 1, run.end(), -value if value else value)
    return Number(start, run.end(), _value(run[0]))


def _ends_operand(character: str) -> bool:
    """Whether a minus behind a character subtracts: it is no sign then."""
    return bool(character) and (character.isalnum() or character in "_).}]")


def _value(run: str) -> Decimal | None:
    """Return the value of a run that is one number as a whole; None for any other."""
    if len(run) > MAX_DIGITS:
        return None
    number = _NUMBER.fullmatch(run)
    if number is None:
        return None
    with localcontext(_ARITHMETIC):
        try:
            if number["ten"]:
                return _scaled(Decimal(1), int(number["ten"]), number["ten_scale"])
            value = Decimal(number["top"].translate(_SEPARATORS))
            if number["bottom"]:
                value /= Decimal(number["bottom"].translate(_SEPARATORS))
            if number["whole"]:
                if not (number["bottom"] and 0 < value < 1):  # in 2 3/2 something else is meant
                    return None
                value += Decimal(number["whole"].replace(",", ""))
            powers = sum(int(number[group] or 0) for group in ("exponent", "power"))
            return _scaled(value, powers, number["scale"])
        except (InvalidOperation, DivisionByZero, Overflow):
            return None


def _scaled(value: Decimal, power: int, scale: str | None) -> Decimal | None:
    """Multiply by a power of ten and a scale; None when the result has more digits than a number may have."""
    if scale:
        word = scale.strip().lower()
        power += _SCALES[word if word in _SCALES else word.removesuffix("s")]
    if abs(power) > MAX_DIGITS:
        return None
    return value.scaleb(power) if power else value


def _drop(mark: re.Match[str]) -> str:
    """Drop a mark, but never join the digits on both sides of it."""
    before, after = mark.string[mark.start() - 1 : mark.start()], mark.string[mark.end() : mark.end() + 1]
    return " " if before.isdigit() and after.isdigit() else ""


def _join_latex_space(mixed: re.Match[str]) -> str:
    return mixed[0] if mixed["gap"] == " " else f"{mixed['whole']}{PLUS}{mixed['fraction']}"


def _write_fraction(fraction: re.Match[str]) -> str:
    """Write a LaTeX fraction with a slash, joined to a whole number before it; a factor beside it spoils it."""
    before = "" if fraction["joined"] is None else PLUS
    after = "" if fraction["product"] is None else PLUS
    top, bottom = (fraction[name] or fraction[f"{name}_digit"] for name in ("top", "bottom"))
    return f"{before}{top}/{bottom}{after}"
