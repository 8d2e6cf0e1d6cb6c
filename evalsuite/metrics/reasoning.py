"""The marks that models put around their reasoning, and gpt-oss' channels.

A mark is an opening and a closing text. Known marks, in any case, with white space or attributes inside XML-like ones:

    <think> <thinking> <thought> <thoughts> <reasoning> <思考> <seed:think>      … </think> and so on
    [THINK]                        … [/THINK]                        Mistral
    ◁think▷                        … ◁/think▷                        Kimi
    <|begin_of_thought|>           … <|end_of_thought|>              OpenThinker, Sky-T1
    <|START_THINKING|>             … <|END_THINKING|>                Cohere
    <|think|>                      … <|/think|>
    <|channel>thought              … <channel|>                      Gemma
    <unused94>thought              … <unused95>                      MedGemma

gpt-oss writes messages in channels: `analysis` is reasoning, `final` is the answer, `commentary` with a recipient is a
tool call. A server that drops special tokens leaves `analysis…assistantfinal…`.

Sources: the models' chat templates; OpenAI's harmony response format (github.com/openai/harmony).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["open", "close", "turn", "end", "wrapper"]

_NAMES = "think|thinking|thoughts?|reasoning|思考|seed:think"
_XML = rf"<\s{{0,3}}(?P<slash>/?)\s{{0,3}}(?P<name>{_NAMES})(?:\s[^<>]{{0,200}})?/?>"
_PAIRS = (
    (r"\[\s?THINK\s?\]", r"\[\s?/\s?THINK\s?\]"),
    (r"◁\s?think\s?▷", r"◁\s?/\s?think\s?▷"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    (r"<\|think\|>", r"<\|/think\|>"),
    (r"<\|channel>\s?thought", r"<channel\|>"),
    (r"<unused94>\s?(?:thought)?", r"<unused95>"),
)
_WRAPPERS = r"<\|(?:(?:begin|end)_of_solution|(?:START|END)_RESPONSE|(?:START|END)_TEXT)\|>"
"""Around the answer, beside the reasoning's own marks: dropped."""

_CHANNEL = re.compile(
    r"(?:<\|start\|>\s*[\w.-]{0,40}[^<]{0,100})?<\|channel\|>\s*(?P<channel>analysis|commentary|final)"
    r"(?P<recipient>[^<]{0,200})(?:<\|constrain\|>[^<]{0,40})?<\|message\|>",
    re.IGNORECASE,
)
_MESSAGE_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
_CHANNEL_NAME = re.compile(r"\s*(?:assistant)?analysis")
_CUT_CHANNEL = re.compile(r"\s*(?:assistant)?analysis(?=[^\sa-z.,:;!?()'-])")
_FINAL_NAME = "assistantfinal"
HARMONY_MARK = "<|channel|>"
POSSIBLE_MARK = r"<[\s/|｜A-Za-z思]|<<SYS|\[[\s/A-Za-z]|◁"
"""What every known mark begins with: searched first, since "<" and "[" alone are common."""


@dataclass(frozen=True, slots=True)
class Token:
    """A mark in a text: what it does, to which family it belongs, and where it is."""

    kind: Kind
    family: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Channels:
    """A gpt-oss reply taken apart. `answer` is None when no channel holds one; `rest` follows the answer."""

    answer: str | None
    reasoning: str
    rest: str = ""


def tokens(text: str, tags: Sequence[tuple[str, str]], turn: str, ends: Sequence[str]) -> list[Token]:
    """Return every mark in a text, in order; `turn` is a pattern of further tokens to report, `ends` are texts.

    A mark between quotes or backticks is a mention, not a mark.
    """
    starts, marks = _patterns(tuple(tags), turn, tuple(ends))
    found: list[Token] = []
    position = 0
    for start in starts.finditer(text):
        if start.start() < position:
            continue
        match = marks.match(text, start.start())
        if match is not None and not _is_mention(text, match):
            found.append(_token(match))
            position = match.end()
    return found


def split_channels(text: str) -> Channels | None:
    """Take a gpt-oss reply apart, with its special tokens or without; None if it is not one."""
    if HARMONY_MARK in text:
        return _split_messages(text)
    start = text.find(_FINAL_NAME)
    if start >= 0:
        name = _CHANNEL_NAME.match(text)
        thoughts = text[name.end() if name else 0 : start]
        return Channels(text[start + len(_FINAL_NAME) :], thoughts)
    if cut := _CUT_CHANNEL.match(text):
        return Channels(None, text[cut.end() :])
    return None


def _split_messages(text: str) -> Channels | None:
    headers = [header for header in _CHANNEL.finditer(text) if not _is_mention(text, header)]
    if not headers:
        return None
    reasoning = [text[: headers[0].start()]]
    answer: str | None = None
    for header in headers:
        ending = _MESSAGE_END.search(text, header.end())
        stop = ending.start() if ending else len(text)
        message, channel = text[header.end() : stop], header["channel"].lower()
        if channel == "final":
            return Channels(message, _joined([*reasoning, answer or ""]), text[stop:])
        if channel == "commentary" and answer is None:
            answer = text[header.start() : stop] if "to=" in header["recipient"] else message
        else:
            reasoning.append(message)
    return Channels(answer, _joined(reasoning))


def _joined(pieces: Sequence[str]) -> str:
    return "\n".join(stripped for piece in pieces if (stripped := piece.strip()))


@functools.lru_cache(maxsize=8)
def _patterns(
    tags: tuple[tuple[str, str], ...], turn: str, ends: tuple[str, ...]
) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return a pattern of the characters that marks begin with, which is searched fast, and one of all marks."""
    pairs = [*_PAIRS, *((re.escape(opening), re.escape(closing)) for opening, closing in tags)]
    firsts = "".join(
        sorted({re.escape(mark[0]) for mark in (*chain(*tags), *ends) if mark and mark[0] not in "<["})
    )
    end = "|".join(re.escape(token) for token in ends)
    families = "|".join(
        rf"(?P<open{number}>{opening})|(?P<close{number}>{closing})"
        for number, (opening, closing) in reversed([*enumerate(pairs)])  # a user's own marks first
    )
    marks = rf"{families}|{_XML}|(?P<wrapper>{_WRAPPERS})|(?P<turn>{turn})|(?P<end>{end})"
    starts = rf"{POSSIBLE_MARK}|[{firsts}]" if firsts else POSSIBLE_MARK
    return re.compile(starts, re.IGNORECASE), re.compile(marks, re.IGNORECASE)


def _token(match: re.Match[str]) -> Token:
    group, found = match.lastgroup or "", match[0]
    if group == "name":
        name = match["name"].casefold()
        if found.endswith("/>"):  # an empty block
            return Token("wrapper", name, found, *match.span())
        return Token("close" if match["slash"] else "open", name, found, *match.span())
    if group.startswith("open"):
        return Token("open", group.removeprefix("open"), found, *match.span())
    if group.startswith("close"):
        return Token("close", group.removeprefix("close"), found, *match.span())
    kind: Kind = "turn" if group == "turn" else "end" if group == "end" else "wrapper"
    return Token(kind, group, found, *match.span())


def _is_mention(text: str, match: re.Match[str]) -> bool:
    """Whether a mark is between quotes or backticks: the text speaks about it."""
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    return before in ("`", "'", '"', "“", "‘", "「", "『") and after in ("`", "'", '"', "”", "’", "」", "』")
