"""An option told from its full text standing in a reply: the last stage of `choice_reader`."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence

from evalsuite.metrics.choice_words import CHINESE_NOT
from evalsuite.metrics.text import normalize_text

_NEGATED_BEFORE = re.compile(
    rf"{CHINESE_NOT}(?:使|让|变得?|变?成|叫|作)?为?是?\s*[\"'“‘「(]?$"
    r"|(?:\b(?:not|no|never|neither|nor|cannot|without|than|instead\ of|unlikely)|n['’]t)\s+"
    r"(?:(?:be|been|being|become|have|has|likely|possibly|probably|really|actually|necessarily|longer|to|any|an?|the)\s+){0,5}[\"'“‘(]?$"
)


def chosen_by_text(text: str, options: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the one label whose text stands in the reply; the longest text wins where texts overlap."""
    folded = normalize_text(text)
    spans = [
        (start, start + len(option), label)
        for label, option in options.items()
        for start in _places(folded, option)
    ]
    standing = _not_inside_longer(spans)
    labels = {label for _, _, label in standing}
    if len(labels) != 1 or any(
        _NEGATED_BEFORE.search(folded[max(0, start - 48) : start]) for start, _, _ in standing
    ):
        return None
    return tuple(labels)


@functools.lru_cache(maxsize=512)
def own_text(option: str) -> re.Pattern[str]:
    """Match a plain option's text as a reply may write it, ending at a word's end."""
    words = r"\s+".join(map(re.escape, option.split()))
    return re.compile(words + ("(?![a-z0-9])" if _is_ascii_word(option[-1]) else ""), re.IGNORECASE)


def opens(text: str, option: str) -> bool:
    """Whether `text` begins with the option's text, ending at a word's end. Both plain."""
    return bool(option) and text.startswith(option) and not _glued(text, 0, len(option))


def _places(text: str, option: str) -> Iterator[int]:
    """Where an option's text stands in the reply as words of its own."""
    start = text.find(option) if option else -1
    while start >= 0:
        if not _glued(text, start, start + len(option)):
            yield start
        start = text.find(option, start + 1)


def _glued(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is only a part of a longer word or number ("10头" in "110头", "7" in "7.5")."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    first, last = text[start], text[end - 1]
    if end - start == 1 and not first.isascii():
        return before[-1:].isalnum() or after[:1].isalnum()  # "是" stands in nearly every Chinese sentence
    if _is_ascii_word(first) and (
        _is_ascii_word(before[-1:]) or (first.isdigit() and _continues_number(before[::-1]))
    ):
        return True
    return _is_ascii_word(last) and (
        _is_ascii_word(after[:1]) or (last.isdigit() and _continues_number(after))
    )


def _is_ascii_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _continues_number(neighbours: str) -> bool:
    """Whether the nearest neighbour joins the digits beyond it to the number at hand; a minus joins by itself."""
    return neighbours[:1] in ("-", "−") or (
        neighbours[:1] in (".", ",", "/", ":", "^") and neighbours[1:2].isdigit()
    )


def _not_inside_longer(spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Spans that lie in no longer span, in one sweep from left to right, longer first."""
    standing: list[tuple[int, int, str]] = []
    reach, reach_start = -1, -1
    for start, end, label in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
        same_as_longest = (start, end) == (reach_start, reach)
        if end > reach or same_as_longest:
            standing.append((start, end, label))
        if end > reach:
            reach, reach_start = end, start
    return standing
