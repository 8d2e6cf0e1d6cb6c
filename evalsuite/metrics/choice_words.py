"""Patterns for replies that name an option, made of the words in `choice_languages`; Chinese and English in full.

What counts as an answer is said in `choice_reader`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

from evalsuite.metrics.choice_languages import (
    ALTERNATIVES,
    ALTERNATIVES_UNSPACED,
    ARTICLES,
    DECORATION,
    JOINERS,
    JOINERS_UNSPACED,
    LANGUAGES,
    NO_ANSWER,
    OPTION_WORDS,
    OPTION_WORDS_UNSPACED,
    REASONS,
    REASONS_UNSPACED,
)
from evalsuite.metrics.text import ASCII_WIDTH

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
_TRADITIONAL = str.maketrans(
    "選擇項應確對錯誤無為該這個們與還並說為當屬於決沒來題應論會顯終於達點種從時間開關總結綜據證實",
    "选择项应确对错误无为该这个们与还并说为当属于决没来题应论会显终于达点种从时间开关总结综据证实",
)


def _fold_table() -> dict[int, int | str | None]:
    table: dict[int, int | str | None] = {**_TRADITIONAL, **ASCII_WIDTH}
    table |= {
        ord(character): None
        for start, end in re.findall("(.)(?:-(.))?", _INVISIBLE)
        for character in map(chr, range(ord(start), ord(end or start) + 1))
    }
    for first in (0x24B6, 0x1F110, 0x1F130, 0x1F150, 0x1F170):  # circled, bracketed, squared; negative ones
        table |= {first + offset: f"({letter})" for offset, letter in enumerate(_LETTERS)}
    for first in (0x249C, 0x24D0):
        table |= {first + offset: f"({letter.lower()})" for offset, letter in enumerate(_LETTERS)}
    for start in range(0x1D400, 0x1D6A4, 52):  # bold, italic, sans-serif … letters of mathematics
        for offset, letter in enumerate(_LETTERS + _LETTERS.lower()):
            table[start + offset] = letter
    return table | {0xA0: " ", 0x202F: " ", 0x2007: " ", 0x060C: ",", 0x061B: ";", 0x061F: "?", 0xFF61: "。"}


_FOLD = _fold_table()


def fold(text: str) -> str:
    """One way of writing: full width, circled and mathematical letters, traditional Chinese, invisible characters.

    >>> fold("答案：\u200bⒸ，正確")
    '答案:(C),正确'
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text).translate(_FOLD)


CHINESE_NOT = (
    "(?:(?<!不得|不能)不(?:是|应当?|应该|该|当|能够?|可能?|可以|会|要|宜|得|太|再|必|用|需要?|建议|推荐|一定|至于|属于|等于)*"
    "|没有?|别|勿|莫|未必?|并非|绝非|而非|非|无法|难以)(?:再|去|会|能|可能|应该?|直接|轻易|盲目)*"
)
_SUPPOSED = r"\b(?:if|whether|suppos(?:e|ing)|assum(?:e|ing)|unless|why|were|could|might|may|si|wenn|ob|se|если|nếu|ถ้า)\s+(?:that\s+)?(?:(?:the|an?|my|option|choice|la|die)\s+)?$"
NOT_A_MARKER_BEFORE = re.compile(
    rf"(?:{CHINESE_NOT}"  # negated
    r"|请|若|如果|假如|假设|要是|倘若|为什么|为何"  # asked or supposed
    r"|误|错|漏|多|单|备|筛|待|候|落|入|竞|评|普)\s*$"  # the tail of another word
    rf"|(?:\bnot|n['’]t|\bnever)(?:\s+\w+)?\s*$|{_SUPPOSED}",
    re.IGNORECASE,
)
NOT_THE_ANSWER_BEFORE = re.compile(
    r"(?:错误的?|(?:不是?|并?非)(?:正确的?|最终|标准|最佳)?|如果|假如|假设|若|wrong|incorrect|false"
    r"|(?:\bnot|n['’]t(?:\s+be)?)(?:\s+(?:the|an?|my))?(?:\s+(?:correct|right|final|best))?"
    r"|\bfalsche[nrs]?|\bfausse|\bmauvaise|неправильный|неверный|不正な|誤った|間違った|잘못된|틀린)\s*$"
    rf"|{_SUPPOSED}",
    re.IGNORECASE,
)
SOMEBODY_ELSE_BEFORE = re.compile(  # "很多人会选A"
    r"(?:(?:(?<![所没只具含拥])有的|有些|有|一些|很多|许多|不少|多数|部分|少数|其他|别的)(?:的?(?:人|同学|学生|考生|读者|朋友|孩子))们?"
    r"|(?<![所没只具含拥])有的|有些|很?容易)"
    r"(?:[也都还就]|可能|也许|或许|往往|经常|常常?|一般|通常|总|容易|倾向于?|因此|因而|错误地|直接|认为|觉得|以为|说|想|[误错]|会|要|应该?|把|的)*\s*$"
)

_ADVERB = r"(?:应该|应当|应|显然|就|只能|可能|最终|最可能|也|便|即|则|选项)?"
_CHINESE_BEFORE = (
    rf"(?:答案|正确的?(?:选项|说法|答案|结论)?(?=[是为有:])|正确的?选项)(?:\s?[*\"】\])}}>」』”]{{1,4}})?{_ADVERB}\s*(?:选择|选|是|为|有)?(?!\s?[在从中])"
    r"|选项(?=\s?:)"
    r"|(?P<choose>选择|选)(?:的?(?:答案|选项)|的|了|定)?(?:应该|应|就)?(?:是|为)?"
)
_RIGHT = r"(?:most\s+)?(?:correct|right|best|final|proper|appropriate|closest|accurate|suitable|likely|plausible|logical|only\s+correct)"
_CERTAINTY = r"(?:definitely|clearly|therefore|thus|hence|probably|likely|most\s+likely|simply|indeed|obviously|actually|still|also|then|only)"
_IS = r"(?:is|are|was|(?:should|must|would|will|has\s+to|ought\s+to|can\s+only)\s+be|seems\s+to\s+be|appears\s+to\s+be)(?![a-z'’])"
_ENGLISH_WORDS = (
    rf"(?:answers?|ans|{_RIGHT}\s+(?:option|choice|letter|alternative|statement|response)s?)(?![a-z])"
    r"(?:\s+(?:option|choice|letter)(?![a-z]))?(?:\s+(?:to|for)\s+(?:the|this|that|your)\s+(?:[a-z]+\s+)?(?:question|problem)(?![a-z]))?"
    rf"(?:,?\s+{_CERTAINTY},?(?![a-z]))?{DECORATION}"
    rf"(?:,?\s*{_IS}(?:[\s,]+{_CERTAINTY}(?![a-z]),?)*\s*:?|\s*[:=]|\s*[-–—]{{1,2}}>?\s*(?![a-z]{{2}})|\s*[→⇒]|(?<=ans)\.)"
    rf"|(?:choice|selection|option)(?![a-z]){DECORATION}\s*(?::|is(?=\s*(?::|[(*\[]*[A-Z](?![A-Za-z]))))"
    r"|(?:is|are|be|matches|corresponds\s+to|i\.e\.,?|namely)\s+(?:the\s+)?(?:option|choice)(?=\s+[(\[*\"]*[A-Z](?![A-Za-z]))"
    r"|(?:closest|nearest)\s+is(?=\s+[(*])|(?:is|be)(?=\s+[*]{0,2}\([A-Z]\)[*]{0,2}(?:[:,\s][^.\n]{0,200})?\.?\s*\Z)"
    r"|(?P<pick>(?:I|we)(?:['’](?:d|ll|ve))?\s+(?:(?:would|will|must|can|therefore|thus|finally|have\s+to|have)\s+){0,2}"
    r"(?:choose|chose|chosen|select|selected|pick|picked|go\s+with|went\s+with|opt\s+for|answer)(?![a-z]))"
)
_ENGLISH_SIGNS = (
    rf"(?m:^[ \t#>*_]*(?:(?:the|my)\s+)?(?:{_RIGHT}\s+)?answer[ \t*_:.]*\n)"
    rf"|(?m:^[ \t#>*_]*(?:{_RIGHT}\s+)?answer[ \t]+(?=[(\[*]*[A-Z][)\]*]*[ \t.]*$))"
    r"|(?-i:(?<=[a-z0-9]))(?:\.\s+|,\s+or\s+)(?:option|answer)?(?=\s*\([A-Z]\)\.?\s*\Z)|\((?=option\s+[A-Z]\)\.?\s*\Z)"
    r"|(?:\*\*|__|[\[【<(])\s?(?:(?:the|my)\s)?(?:(?:final|correct|right|best)[\s_])?answer\s?(?:\*\*|__|[\]】>)])"
)
_ENGLISH_AFTER = (
    rf"(?:\b{_IS}|['’]s\b)(?:\s+{_CERTAINTY}(?![a-z]))*\s+(?:the|my)\s+(?:(?:single|one|only)\s+)?(?:{_RIGHT}\s+(?:and\s+{_RIGHT}\s+)?)?(?:(?:multiple[-\s])?answer|(?<=t\s)(?:option|choice|alternative)|(?<=l\s)(?:option|choice)|(?<=e\s)(?:option|choice))(?:\s+(?:choice|option))?(?![a-z])"
    rf"|\b(?:{_IS})\s+(?:the\s+)?(?:correct|right|best)\s+(?:one)(?![a-z])"
)
_CHINESE_AFTER = r"(?:选?项)?(?:才)?(?:应该)?(?:是|为)(?:本题的?)?(?:唯一)?(?:(?:最)?(?:正确|恰当|合适|佳)的?)?(?:答案|选项(?!之一))"
_ENGLISH_AFTER_WEAK = rf"\b{_IS}(?:\s+{_CERTAINTY}(?![a-z]))*\s+(?:the\s+)?(?:correct|right)(?![a-z])(?!\s+(?:that|to|in\s+(?:stating|saying)|about|but|however|,?\s+but))"
_CHINESE_AFTER_WEAK = r"(?:选?项)?(?:的?(?:说法|描述|表述|叙述|结论))?(?:[是也都均才就应]|应该)?(?:是|为)?(?:完全|最)?(?:正确|符合题意|当选|对的)(?!吗|的?(?:原因|理由)|答案|选项)"


@dataclass(frozen=True, slots=True)
class MarkerPatterns:
    """Markers of the languages that a reply may hold, to be searched for."""

    languages: tuple[str, ...]
    before: re.Pattern[str]
    after: re.Pattern[str]
    after_weak: re.Pattern[str]


def marker_patterns(folded: str) -> MarkerPatterns:
    """Patterns for the languages of a reply: a language without any of its words in it costs nothing."""
    lowered = folded.casefold()
    is_ascii = folded.isascii()
    names = {name for stem, name in (_ASCII_STEMS if is_ascii else _STEMS) if stem in lowered}
    return compile_markers(tuple(sorted(names)), wide=not is_ascii)


_STEMS = tuple((fold(stem).casefold(), name) for name, phrases in LANGUAGES.items() for stem in phrases.stems)
_ASCII_STEMS = tuple((stem, name) for stem, name in _STEMS if stem.isascii())
_WORD_START = r"(?<![A-Za-z0-9_\u00aa-\u024f\u0370-\u052f\u0600-\u06ff\u1ea0-\u1eff])"
"""As a word's beginning, but also right after a Chinese, Japanese or Korean character."""


@functools.lru_cache(maxsize=64)
def compile_markers(names: tuple[str, ...], *, wide: bool) -> MarkerPatterns:
    """English and the named languages; Chinese too in a `wide` text, one that is not ASCII."""
    phrases = [LANGUAGES[name] for name in names]
    boxes = [r"(?P<box>\\(?:boxed|fbox|framebox)\s*\{)", r"(?P<tag><\s*(?:answer|choice|option)\s*>)"]

    def either(*fragments: str) -> re.Pattern[str]:
        return re.compile("|".join(map(fold, fragments)), re.IGNORECASE)

    chinese = (_CHINESE_BEFORE, _CHINESE_AFTER, _CHINESE_AFTER_WEAK) if wide else None
    spaced = [one for one in phrases if one.spaced]
    words = "|".join([_ENGLISH_WORDS, *(one.before for one in spaced)])
    return MarkerPatterns(
        languages=names,
        before=either(
            *boxes,
            rf"{_WORD_START}(?:{words})",  # one test of a word's beginning for all of them: most places fail it
            _ENGLISH_SIGNS,
            *(one.heading for one in spaced),
            *(chinese[:1] if chinese else ()),
            *(one.before for one in phrases if not one.spaced),
        ),
        after=either(_ENGLISH_AFTER, *(chinese[1:2] if chinese else ()), *(one.after for one in phrases)),
        after_weak=either(
            _ENGLISH_AFTER_WEAK, *(chinese[2:] if chinese else ()), *(one.after_weak for one in phrases)
        ),
    )


# What may stand between a marker and its label, and what may close the label again.
OPENING = (
    r"(?:[\s*_`~\"'“”‘’「『【《〈«„\[({$:>#→⇒➡✅✔👉]|<(?!/?[a-z]+\s*/?>)"
    r"|</?(?:b|strong|i|em|u|span|p|code|answer|choice|option|br)\s*/?>"
    r"|\\(?:boxed|fbox|text|textbf|textit|textrm|textsf|mathrm|mathbf|mathsf|mathit|mathtt|boldsymbol|bf|rm|bold|displaystyle|Large|large)(?![a-z])"
    r"|\.{2,3}|…|\\[(\[,;:!\ ]|\\\\){0,24}"
)
_DECORATED = r"(?:</?[a-z]+>|[^\w\n]|_|\\[a-z]+\{){0,8}"
NAMING = (
    rf"(?:(?:(?-i:(?:{ARTICLES})\s+)|l['’])(?={_DECORATED}(?:(?-i:[A-Z]{{1,10}}|[a-z](?=\W|\Z))(?![A-Za-z])|(?:{OPTION_WORDS})(?!\w)))"
    rf"|(?-i:an?)\s+(?={_DECORATED}(?:(?-i:[A-Z]{{1,10}}|[a-z](?=\W|\Z))(?![A-Za-z])(?![ \t]+(?!(?:{REASONS}|and|e|y)(?!\w))(?-i:[a-z]))|(?:{OPTION_WORDS})(?!\w))))?"
    rf"(?:(?:{OPTION_WORDS})(?!\w)\s*|(?:{fold(OPTION_WORDS_UNSPACED)})\s*)?"
)
GAP = re.compile(rf"{OPENING}(?i:{NAMING}){OPENING}")
CLOSING = (
    r"(?:[*_`~\"'“”‘’」』】》〉»\])}>$]|</(?:b|strong|i|em|u|span|p|code|answer|choice|option)\s*>|\\[)\]])"
)
_GLUED = r"(?![0-9°℃%+#=^\u2070-\u209f\u00b2\u00b3\u00b9]|\s[=<>≈]\s|[-‐‑–'’][A-Za-z0-9]|[A-Za-z\u00aa-\u024f\u0300-\u036f\u0370-\u052f\u1e00-\u1eff])"
LABEL = re.compile(rf"(?P<run>[A-Za-z]+){_GLUED}(?P<close>{CLOSING}{{0,12}})")
FOREIGN_LABEL = re.compile(
    rf"(?P<label>[A-WYZ])(?:{CLOSING}{{1,12}}|(?=\s*(?:[.,;:。、!?)\n]|$|です|입니다|だ|である|번|选?项)))"
)
"""A letter that stands like a label; X is what templates write for any of them."""
REFUTED = re.compile(
    r"(?:[.:)]\s?)? ?(?:选?项)? ?(?:是|显然|明显|都|均|也|并|肯定|应该?|可以)*"
    r"(?:不(?:对|正确|准确|成立|符合|合适|合理|行|可选|能选|可能|是(?! ?[A-Z]))|错(?!误(?:的?选项|答案|原因|分析))|有误|排除)"
    r"|,? (?:is|are|was|were|isn['’]t|aren['’]t|wasn['’]t)(?: (?:both|all|clearly|also|obviously))* ?(?:wrong|incorrect|false|not|ruled out|excluded|eliminated|n['’]t)\b"
    r"|,? (?:isn|aren|wasn|weren)['’]t\b"
    r"| (?:es|est|ist|é|è|sind|son|sont) (?:falsch|incorrect[ao]?s?|fauss?e?|errad[ao]|sbagliat[ao]|fals[ao])\b|\s*(?:неверн|неправильн)|(?:は|が)(?:誤り|間違い|不正解)|(?:는|은|이|가) (?:틀|오답)",
    re.IGNORECASE,
)
REFUTED_AFTER_NOT = re.compile(
    r"\s*(?:the\s+|an?\s+)?(?:correct|right|true|valid|answer)|正确|对的|答案", re.IGNORECASE
)
WRONG = (
    r"(?:[也都均就其实显然明当并可能肯定应该是会]|做法|选法|想法|理解|看法|选择|答案)*"
    r"(?:(?:大错特)?错误?|不对|不正确|不准确|不成立|不行|不然|有误)(?:的?(?:做法|选法|想法|理解|看法|选择|答案))?[的了]?"
    r"\s*(?:$|[,。.;!?)\n]|因为|由于)"
)
REFUTED_CHOICE = re.compile(  # "选A的同学是错的", "选A. 水，这是错误的"
    rf"(?:选?项)?(?:的(?:人|同学|学生|考生|话|理由|原因))?们?{WRONG}"
    rf"|(?:[.、:)]\s?)?[^,。.;!?\nA-Z]{{0,40}}[,。.;!?\n]\s{{0,4}}(?:[但可而却]|但是|可是|然而|不过|其实|结果)?(?:[这那此该]|这样|那样|这种|这个)?{WRONG}"
)
QUESTIONED = re.compile(r"\s*(?:项|选项)?(?:吗|呢|么)?\s?\?\s*(?=\S)|\s*(?:项|选项)?(?:吗|么)\b")
_NEXT_IS_LABEL = r"(?=[\[(*_\"'“「【]*[A-Za-z](?![A-Za-z]))"
ALTERNATIVE = re.compile(
    rf"\s*(?:[/|~]|{ALTERNATIVES_UNSPACED})\s*{_NEXT_IS_LABEL}"
    rf"|\s*,?\s+(?:{ALTERNATIVES})\s+(?:(?:option|choice)\s+)?{_NEXT_IS_LABEL}|\s?\(or\s+{_NEXT_IS_LABEL}"
    r"|[-–~至到](?=[A-Z](?![A-Za-z]))"
)
STRONG_SEPARATOR = re.compile(
    rf"\s*(?:、|&|\+|,\s*(?:{JOINERS})\s|\s(?:{JOINERS})\s|,?\s*(?:{JOINERS_UNSPACED}))\s*"
)
WEAK_SEPARATOR = re.compile(
    r"[ \t]*[,;][ \t]*|[ \t]+(?=[\[(*_\"'“「【]*[A-Z](?![A-Za-z]))|(?<=[)\]】」*}])(?=[(\[【「*])"
)
JOINERS_BEFORE = re.compile(
    rf"(?<![A-Za-z0-9'’\-])(?P<list>{OPENING[:-6]}{{0,3}}(?:[A-Z]|(?<=\()[a-z](?=\))){CLOSING}{{0,4}}"
    rf"(?:\s*(?:[,、;&]|{JOINERS_UNSPACED}|\s(?:{JOINERS})\s)\s*[*_(\[\"'“「【$]{{0,4}}[A-Z]{CLOSING}{{0,4}}){{0,25}}\s?(?:选?项)?[.:,)]?)[\s,]*\Z"
)
"""Labels, joined or not, right before a phrase such as "is the answer"."""
LIST_OPENING = re.compile(
    r"[*_\[(\"'“‘「【$`]{0,6}(?P<naming>(?:选项|(?:options?|choices?)(?![a-z]))\s?[*_\[(\"'“‘$]{0,6})?",
    re.IGNORECASE,
)
CLAUSE_AFTER = re.compile(
    r" (?:is|was|has|does|did|can|could|would|will|may|might|refers|describes|means|represents|seems|only)\b(?! (?:both |also )?(?:correct|right|true)\b)"
    r"|选?项(?:的|是|为|说|描述|指|中|虽|属|表|[^\s,。.;!?、:]{2})(?!正确|对)"
)
"""After "C, A": the letter is the subject of a clause of its own, not a further label."""
GENUS = re.compile(r"\.\s?[a-z]")
NEXT_LINE = re.compile(r"[ \t]*[.。;,、]?[ \t]*\n[ \t]*")
BEFORE_OWN_TEXT = re.compile(r"\s?(?:选?项)?[.、:)(\-–—]{0,2}\s?[*_\"'“「]{0,3}")
AFTER_OWN_TEXT = re.compile(r"[)*_`\"'”’」』】\]]{0,6}")
LINE_END = re.compile(r"[ \t]*[.。;,、]?[ \t]*(?:\n|$)")
BETWEEN_BARE = re.compile(rf"(?:[\s,、;&|/+.。•·-]|{JOINERS_UNSPACED}|(?<=[\s)*])(?:{JOINERS})(?=\s))*")
BETWEEN_BOXES = re.compile(r"\}(?:[\s$*,、;&和与及]|以及|\\[,;:!\ ()\[\]]|\band\b)*", re.IGNORECASE)
WORD_AFTER = re.compile(r"[ \t]+(?P<word>[^\W\d_][\w'’-]*)")
NEXT_LINE_LABEL = re.compile(r"[^\n]*\n\s*[*_\[(]*(?P<label>[A-Z])[*_\])]*\s*[.、:)\]]")
LISTED_OPTION = re.compile(r"(?<![A-Za-z])(?P<label>[A-Z])[)\]*]*\s?[.、:)]")

FURTHER_OPTION = re.compile(r"[、,;]\s*[*]{0,2}(?P<label>[A-Z])[*]{0,2}[.、:]\s?\w")

# Words that can follow a label but never an article: "A because …" is option A, "A dog" is not.
NEVER_AFTER_AN_ARTICLE = re.compile(
    rf"(?:{REASONS}|{JOINERS}|{ALTERNATIVES}|but|nor|is|are|was|were|which|that|who|in|on|at|by|from|for|to|with|so|if|when|where"
    "|while|the|this|these|it|they|we|you|i|has|have|can|will|would|should|does|did|therefore|thus|hence|not|option|answer"
    "|es|est|ist|é|è|da|das|que|qui|pero|mais|aber|ma|но|là|يكون|correct|right)",
    re.IGNORECASE,
)

LEADING = re.compile(
    rf"(?P<end>[ \t]*(?:\n|$))|[ \t]*(?P<mark>[.):。、:,;])|[ \t]*[-–—(]*[ \t]*(?:(?:{REASONS})(?!\w)|{REASONS_UNSPACED})",
    re.IGNORECASE,
)
REASON = re.compile(rf"[\s*_#\-–—(]*(?:(?:{REASONS})(?!\w)|{REASONS_UNSPACED})", re.IGNORECASE)
NOTHING_FITS = re.compile(fold(NO_ANSWER), re.IGNORECASE)
BARE = re.compile(rf"{OPENING}(?i:{NAMING}){OPENING}(?P<body>.*)", re.DOTALL)
LOWER_CASE_RUN = re.compile(r"[a-z]{2,26}(?![A-Za-z])")
TRAILING = re.compile(rf"(?:{CLOSING}|选?项|번|です|입니다|[\s.。,，:;；!！?？、])*")
TURN = re.compile(
    r"\b(?:so|therefore|thus|hence|actually|wait|no|reflection|correction|instead|conclu\w+|finally|overall|sorry|rather|but|however)\b"
    r"|所以|因此|故|综上|其实|不对|应该|总之|最终|更正|然而|但"
)
"""A conclusion or a change of mind shortly before "option C is correct"."""
