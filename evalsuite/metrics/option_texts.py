"""Find options by their full text: the last stage of `choice_reader`, and what follows a label."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence

from evalsuite.metrics.choice_words import CHINESE_NOT, NOTHING_FITS
from evalsuite.metrics.text import normalize_text

SHORT_REPLY = 160
"""Characters beside the option's text that a reply may have to be searched as a whole."""

LONGEST_SENTENCE = 1000
"""Characters at the end of a reply in which its last sentence is looked for."""
_WHOLE_SENTENCE = re.compile(r"[.!。][\"'”’)\]*$}」』]*\Z")
_SAID_TO_BE = re.compile(
    r"(?:\b(?:is|are|was|were|be|es|est|ist|é|è)\b(?:\s+(?:called|known\s+as|the|an?|la|le|el|der|die|das|likely|therefore))*|[:=]|—|это"
    r"|应?[是为选]|即|称为|叫|は|은|는|là|คือ|هي|هو)\s*[\"'“‘「『*(\[$]{0,4}\Z"
)
_NEGATED_BEFORE = re.compile(
    rf"{CHINESE_NOT}(?:使|让|变得?|变?成|叫|作)?为?是?\s*[\"'“‘「(]?$"
    r"|(?:\b(?:not|no|never|neither|nor|cannot|without|than|instead\ of|unlikely)|n['’]t)\s+"
    r"(?:(?:be|been|being|become|have|has|likely|possibly|probably|really|actually|necessarily|longer|to|any|an?|the)\s+){0,5}[\"'“‘(]?$"
)
_EXPRESSION_GOES_ON = re.compile(r"\s?[•×·*/+^=<>≈]\s?[\w\\($]")
_SPACES = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"[.!?]+[\"'”’)\]*]*\s+(?=\S)|[。!?]+[”」』)\]*]*(?=\S)|\n\s*(?=\S)")


def read_option_text(folded: str, options: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the one label whose text stands in a short reply, or in the last sentence of a longer one.

    None where several options' texts stand there, where the text is negated, and where the reply says that no option
    fits or that the answer is not known. `options` maps labels to normalized texts.
    """
    text = normalize_text(folded)
    is_short = len(text) <= SHORT_REPLY
    said = text if is_short else normalize_text(last_sentence(folded))
    found = None if said.endswith("?") else _only_option(said, options)
    if found is None or _says_nothing_fits(text, options):
        return None
    label, start = found
    is_plain = is_short or (len(options[label]) > 1 and _is_conclusion(said, start))
    return (label,) if is_plain else None


def last_sentence(text: str) -> str:
    """The text after the last sentence end that more text follows."""
    text = text.rstrip()
    start = max(0, len(text) - LONGEST_SENTENCE)
    for match in _SENTENCE_END.finditer(text, start):
        start = match.end()
    return text[start:]


def _is_conclusion(sentence: str, start: int) -> bool:
    """Whether a whole sentence says that something is the option whose text stands at `start`.

    Reasoning that ran into its token limit ends in half a sentence.
    """
    return _WHOLE_SENTENCE.search(sentence) is not None and _SAID_TO_BE.search(sentence[:start]) is not None


@functools.lru_cache(maxsize=512)
def option_pattern(option: str) -> re.Pattern[str]:
    """Match a normalized option text as a reply may write it, ending at a word's end."""
    words = r"\s+".join(map(re.escape, option.split()))
    return re.compile(words + ("(?![a-z0-9])" if _is_ascii_word(option[-1]) else ""), re.IGNORECASE)


def end_of_option(text: str, start: int, option: str) -> int | None:
    """Position after the option's text if it stands at `start` of a folded text, in any case and spacing."""
    position = start
    for number, word in enumerate(option.split(" ")):
        if number:
            space = _SPACES.match(text, position)
            if space is None:
                return None
            position = space.end()
        if text[position : position + len(word)].casefold() != word:
            return None
        position += len(word)
    is_glued = _is_ascii_word(option[-1]) and _is_ascii_word(text[position : position + 1])
    return None if is_glued else position


def starts_with_option(text: str, option: str) -> bool:
    """Whether `text` begins with the option's text, ending at a word's end. Both are normalized."""
    return bool(option) and text.startswith(option) and not _is_part_of_word(text, 0, len(option))


def _only_option(text: str, options: Mapping[str, str]) -> tuple[str, int] | None:
    """The one label whose text stands in `text`, and where; the longest text wins where texts overlap."""
    spans = [
        (start, start + len(option), label)
        for label, option in options.items()
        for start in _find_all(text, option)
    ]
    outermost = _without_nested(spans)
    labels = {label for _, _, label in outermost}
    if len(labels) != 1 or any(
        _NEGATED_BEFORE.search(text[max(0, start - 48) : start]) for start, _, _ in outermost
    ):
        return None
    return outermost[-1][2], outermost[-1][0]


def _says_nothing_fits(text: str, options: Mapping[str, str]) -> bool:
    """Whether the reply, without the options' own texts, says that none of them is the answer."""
    if NOTHING_FITS.search(text) is None:
        return False
    for option in sorted(options.values(), key=len, reverse=True):
        if option and NOTHING_FITS.search(option):
            text = text.replace(option, " ")
    return NOTHING_FITS.search(text) is not None


def _find_all(text: str, option: str) -> Iterator[int]:
    """Where an option's text stands in the reply as words of its own."""
    start = text.find(option) if option else -1
    while start >= 0:
        if not _is_part_of_word(text, start, start + len(option)):
            yield start
        start = text.find(option, start + 1)


def _is_part_of_word(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is only a part of a longer word or number ("10头" in "110头", "7" in "7.5")."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    first, last = text[start], text[end - 1]
    if end - start == 1 and not first.isascii():
        return before[-1:].isalnum() or after[:1].isalnum()  # "是" stands in nearly every Chinese sentence
    if last.isdigit() and _EXPRESSION_GOES_ON.match(text, end):
        return True
    if _is_ascii_word(first) and (
        _is_ascii_word(before[-1:]) or (first.isdigit() and _continues_number(before[::-1]))
    ):
        return True
    return _is_ascii_word(last) and (
        _is_ascii_word(after[:1]) or (last.isdigit() and _continues_number(after))
    )


def _is_ascii_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _continues_number(adjacent: str) -> bool:
    """Whether the nearest character joins the digits beyond it to the number at hand; a minus joins by itself."""
    return adjacent[:1] in ("-", "−") or (
        adjacent[:1] in (".", ",", "/", ":", "^") and adjacent[1:2].isdigit()
    )


def _without_nested(spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Spans that lie in no longer span, in one sweep from left to right, longer first."""
    outermost: list[tuple[int, int, str]] = []
    reach, reach_start = -1, -1
    for start, end, label in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
        same_as_longest = (start, end) == (reach_start, reach)
        if end > reach or same_as_longest:
            outermost.append((start, end, label))
        if end > reach:
            reach, reach_start = end, start
    return outermost
