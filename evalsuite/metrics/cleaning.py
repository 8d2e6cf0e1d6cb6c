r"""From a raw text to the text that is judged: the same for replies and references, whatever the dataset.

Three things are dropped, in this order of reading from left to right:

- **Reasoning** (`metrics.reasoning` lists the marks). A closing mark alone means that the chat template opened the block
  in the prompt, so all text before it is reasoning. A block that never closes means that there is no answer.
- **End-of-turn tokens** at the end (`</s>`, `<|im_end|>`, any other `<|name|>`).
- **Turns that the model invents**: all text from a role token (`<|im_start|>`, `[INST]`), from text after an end-of-turn
  token, or from a line that opens another question or turn (`Question:`, `用户：`), once an answer was given.

A text without any of these comes back untouched, white space included; else it is stripped.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.metrics import reasoning
from evalsuite.metrics.reasoning import Token

VERSION = "1"

RUNS_ON, END_TOKEN, REASONING, UNKNOWN_BLOCK = "runs_on", "end_token", "reasoning", "unknown_block:"
"""What `CleanedText.labels` holds; the last one is followed by the block's marks."""

END_TOKENS = (
    "</s>", "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|end|>",
    "<|return|>", "<|call|>", "<end_of_turn>", "<turn|>", "<eos>", "<eoa>", "<|endofturn|>", "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>", "<|assistant_end|>", "<｜end▁of▁sentence｜>", "[EOS]",
)  # fmt: skip
"""End of a turn or of a text. After one of them anything but another is a turn that the model invents."""
_PADDING = r"<pad>|\[PAD\]|<unk>|<\|(?!\w*tool)[\w▁-]{1,40}\|>|<｜(?!\w*tool)[^｜<>]{1,40}｜>"
"""At the end of a text any such token is special to some tokenizer; `tool` tokens close a call that may be read."""
_ROLE_TOKENS = (
    r"<\|im_start\|>|<\|start_header_id\|>|\[INST\]|<\|start\|>|<start_of_turn>|<\|turn>|<\|start_of_role\|>"
    r"|<\|START_OF_TURN_TOKEN\|>|<\|(?:user|human|assistant|system|observation)\|>|<｜(?:User|Assistant)｜>"
    r"|<\|(?:begin_of_text|startoftext|bos)\|>|<bos>|<<SYS>>|<eoh>"
)
_ROLE_TOKEN = re.compile(_ROLE_TOKENS, re.IGNORECASE)
_LEADING_PADDING = re.compile(
    rf"\s*(?P<token>{'|'.join(map(re.escape, END_TOKENS))}|{_PADDING})", re.IGNORECASE
)
"""Padding and end-of-turn tokens in any order: `</s><pad></s>` opens no turn."""
_ROLE_NAME = re.compile(
    r"\s{0,3}(?:assistant|model|<\|CHATBOT_TOKEN\|>)\s{0,3}(?:<\|end_header_id\|>|<\|end_of_role\|>|<\|message\|>)?\s*",
    re.IGNORECASE,
)
_LEADING_TEXT_TOKEN = re.compile(r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|startoftext\|>)\s*", re.IGNORECASE)
_TURN_LINE = re.compile(
    r"^[ \t>*_#]{0,8}(?:(?:Question|QUESTION|Q|Human|HUMAN|User|USER|Instruction)(?:[ \t]?\d{1,4})?"
    r"|(?:问题|用户|题目|問題)[ \t]?\d{0,4})[ \t*_]{0,4}[:：][ \t*_]{0,4}(?P<line>[^\n]*)$",
    re.MULTILINE,
)
_TURN_WORDS = ("Q", "uman", "UMAN", "ser", "SER", "nstruction", "问题", "用户", "题目", "問題")
"""One of them is in every such line: a cheap test."""
_POSSIBLE_MARK = re.compile(reasoning.POSSIBLE_MARK)
_LEAD_IN = re.compile(
    r"[:：][\s*_]*\Z|\b(?:question|problem|task|restat\w*|rephras\w*|re-?read\w*|let(?:'s|’s|\sus|\sme))\b|题|问题|復述|复述",
    re.IGNORECASE,
)
_LEAD_IN_LENGTH = 200
_STATED = re.compile(r"\banswer(?:\s+is\b|\W{0,4}:)|\\boxed|####|答案|答え|정답", re.IGNORECASE)
_COUNT = re.compile(r"[\s*_]*[$€£¥]?[\d.,]+\s?%?[\s*_.]*")
"""Of "User: 3", which counts something."""
_MARKUP = " \t\r\n>*_#-`"

_BLOCK = re.compile(
    r"\s*(?P<opening><(?P<xml>[^\W\d][\w:.-]{0,40})(?:\s[^<>]{0,200})?>|\[(?P<square>[A-Z_]{3,40})\]"
    r"|<\|(?P<pipe>\w{2,40})\|>|◁(?P<kimi>\w{2,40})▷|【(?P<lens>\w{2,40})】)"
)
_NO_REASONING = re.compile(
    "(?:final_?)?answer|final|response|output|result|solution|code|json|xml|html|body|head|p|div|span|table|t[rdh]|[uo]l|li"
    "|[bius]|em|strong|su[bp]|[bh]r|h[1-6]|pre|blockquote|a|img|svg|math|details|summary|section|article|header|footer|main"
    "|nav|form|input|button|label|style|script|tool\\w*|function\\w*|python_tag|invoke|parameter|inst|sys|user|assistant"
    "|system|human|text|document|root|q|question|options?|choice|box(?:ed)?|title|name|poem|letter|email|答案|回答",
    re.IGNORECASE,
)
"""Names of blocks that hold an answer, markup or a call."""


@dataclass(frozen=True, slots=True)
class CleanedText:
    """A text as it is judged, and what was dropped from it."""

    text: str | None
    """None when a reasoning block never closes: there is no answer."""
    reasoning: str | None = None
    """The dropped reasoning; None when there was no block, "" when it was empty."""
    reasoning_marks: tuple[str, ...] = ()
    """The marks of the dropped blocks, as they were written."""
    end_tokens: tuple[str, ...] = ()
    runs_on: bool = False
    """A turn that the model invented was dropped."""
    unknown_block: str | None = None
    """The marks of a first block that looks like reasoning and is none of the known ones, as `--reasoning-tags` takes them
    ("<scratchpad>,</scratchpad>"). The block is kept."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What was found, as labels of a sample; that of an unknown block names its marks."""
        found = {RUNS_ON: self.runs_on, END_TOKEN: self.end_tokens, REASONING: self.reasoning is not None}
        labels = [label for label, present in found.items() if present]
        return (*labels, *([UNKNOWN_BLOCK + self.unknown_block] if self.unknown_block else []))


def clean_text(
    text: str,
    reasoning_tags: Sequence[tuple[str, str]] = (),
    end_tokens: Sequence[str] = (),
    *,
    cut_lines: bool = True,
) -> CleanedText:
    r"""Return the text that is judged. Never raises.

    `reasoning_tags` are further pairs of an opening and a closing mark, `end_tokens` further end-of-turn tokens (of the
    served tokenizer). Without `cut_lines`, lines such as "Question:" do not end the text.

    >>> clean_text("<think>2 + 2</think>\n\n4<|im_end|>").text
    '4'
    >>> clean_text("analysisCould be A.assistantfinalC").text
    'C'
    >>> clean_text("C\n\nQuestion: What is next?\nAnswer: A").labels
    ('runs_on',)
    >>> clean_text("<think>2 + ").text is None
    True
    """
    if not _needs_cleaning(text, reasoning_tags, end_tokens):
        return CleanedText(text)
    channels = reasoning.split_channels(text)
    if channels is not None and channels.answer is None:
        return CleanedText(None, channels.reasoning.strip(), (reasoning.HARMONY_MARK,))
    body = text if channels is None else (channels.answer or "") + channels.rest
    ends = (*END_TOKENS, *filter(None, end_tokens))
    reader = _Reader(body, reasoning.tokens(body, reasoning_tags, _ROLE_TOKENS, ends))
    answer, dropped = _without_end(reader.read(), ends)
    if cut_lines and (cut := _invented_line(answer)) is not None:
        answer, reader.runs_on, reader.unclosed, reader.changed = answer[:cut], True, False, True
    if reader.changed or dropped or channels is not None:
        answer = answer.strip()
    thoughts = [channels.reasoning, *reader.reasoning] if channels is not None else reader.reasoning
    marks = [reasoning.HARMONY_MARK, *reader.marks] if channels is not None else reader.marks
    return CleanedText(
        None if reader.unclosed else answer,
        "\n".join(piece for raw in thoughts if (piece := raw.strip())) if marks else None,
        tuple(dict.fromkeys(marks)),
        tuple(dict.fromkeys((*reader.ends, *dropped))),
        reader.runs_on,
        None if reader.unclosed else _unknown_block(answer),
    )


def _needs_cleaning(text: str, tags: Sequence[tuple[str, str]], end_tokens: Sequence[str]) -> bool:
    """Whether a text holds anything that could be dropped; most texts do not, and this costs next to nothing."""
    if ("<" in text or "[" in text) and _POSSIBLE_MARK.search(text):
        return True
    if (
        "◁" in text
        or "【" in text
        or "analysis" in text
        or "assistantfinal" in text
        or _may_hold_turn_line(text)
    ):
        return True
    return any(mark in text for pair in tags for mark in pair) or any(token in text for token in end_tokens)


def _may_hold_turn_line(text: str) -> bool:
    return (":" in text or "：" in text) and any(word in text for word in _TURN_WORDS)


class _Reader:
    """Reads a text from left to right, up to where a turn that the model invents begins."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text, self._tokens = text, tokens
        self._index = self._position = 0
        self._answer: list[str] = []
        self._has_answer = self._done = False
        self.reasoning: list[str] = []
        self.marks: list[str] = []
        self.ends: list[str] = []
        self.runs_on = self.unclosed = self.changed = False

    def read(self) -> str:
        """Return what is left of the text."""
        if start := _LEADING_TEXT_TOKEN.match(self._text):
            self._position, self.changed = start.end(), True
        while self._index < len(self._tokens) and not self._done:
            token = self._tokens[self._index]
            self._index += 1
            if token.start >= self._position:
                self._take(token)
        if not self._done:
            self._add_answer(self._text[self._position :])
        return "".join(self._answer) if self.changed else self._text

    def _take(self, token: Token) -> None:
        if token.kind == "open":
            self._open(token)
            return
        self._add_answer(self._text[self._position : token.start])
        self._position = token.start
        if token.kind == "close":
            self._add_reasoning("".join(self._answer), token)
            self._answer.clear()
            self._has_answer = False
        elif token.kind != "wrapper" and self._has_answer:
            if token.kind == "turn" or not self._is_inside(token):
                self.changed = self._done = True
                self._end_turn()
            return
        elif token.kind == "end":
            self.ends.append(token.text)
        self.changed, self._position = True, token.end
        if token.kind == "turn" and (name := _ROLE_NAME.match(self._text, token.end)):
            self._position = name.end()  # the header of the reply itself

    def _open(self, token: Token) -> None:
        """Put a block of reasoning aside."""
        closing = _closing(self._tokens, self._index, token.family)
        if closing is None and token.text.startswith("[") and not token.text.isupper():
            return  # "[think]" in prose
        self._add_answer(self._text[self._position : token.start])
        stop = len(self._text) if closing is None else self._tokens[closing].start
        self._add_reasoning(self._text[token.end : stop], token)
        self._position, self._index = stop, len(self._tokens)
        if closing is None:
            self.unclosed = True
        else:
            self._position, self._index = self._tokens[closing].end, closing + 1

    def _add_answer(self, text: str) -> None:
        self._answer.append(text)
        self._has_answer = self._has_answer or not (not text or text.isspace())

    def _add_reasoning(self, text: str, token: Token) -> None:
        self.reasoning.append(text)
        self.marks.append(token.text)
        self.changed = True

    def _is_inside(self, token: Token) -> bool:
        """Whether an end-of-turn token ends nothing: it closes HTML's `<s>`, or reasoning goes on behind it."""
        strikes = token.text == "</s>" and self._text.rfind("<s>", 0, token.start) > self._text.rfind(
            "</s>", 0, token.start
        )
        kinds = (self._tokens[number].kind for number in range(self._index, len(self._tokens)))
        return strikes or next((kind for kind in kinds if kind in ("open", "close", "turn")), "") == "close"

    def _end_turn(self) -> None:
        """Note what stands after an answer: end-of-turn tokens, or a turn that the model invents."""
        for token in self._tokens[self._index - 1 :]:
            if token.kind != "end" or self._text[self._position : token.start].strip():
                break
            self.ends.append(token.text)
            self._position = token.end
        rest = self._text[self._position :]
        while (found := _LEADING_PADDING.match(rest)) and not _ROLE_TOKEN.fullmatch(found["token"]):
            rest = rest[found.end() :]
        self.runs_on = bool(rest.strip())


def _closing(tokens: Sequence[Token], start: int, family: str) -> int | None:
    """Return the index of the mark that closes a block: its own, or else the last one of another family."""
    closing = [number for number in range(start, len(tokens)) if tokens[number].kind == "close"]
    own = next((number for number in closing if tokens[number].family == family), None)
    return own if own is not None or not closing else closing[-1]


def _without_end(text: str, ends: Sequence[str]) -> tuple[str, list[str]]:
    """Drop special tokens at the end of a text; return the rest and the dropped ones."""
    dropped: list[str] = []
    stripped = text.rstrip()
    last = (*tuple(token[-1] for token in ends), ">", "]")
    while stripped.endswith(last):
        start = max(0, len(stripped) - 64)
        match = _end_pattern(tuple(ends)).search(stripped, start)
        if match is None or (match[0] == "</s>" and stripped.rfind("<s>", 0, match.start()) > 0):
            break
        dropped.insert(0, match[0])
        stripped = stripped[: match.start()].rstrip()
    return (stripped, dropped) if dropped else (text, dropped)


@functools.lru_cache(maxsize=8)
def _end_pattern(ends: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join(map(re.escape, ends))}|{_PADDING})\Z", re.IGNORECASE)


def _invented_line(text: str) -> int | None:
    """Return where a line begins that opens another question or turn after an answer; None without one."""
    if not _may_hold_turn_line(text):
        return None
    given, position = "", 0
    for line in _TURN_LINE.finditer(text):
        given, position = (given + text[position : line.start()]).strip(_MARKUP), line.end()
        if not given or _COUNT.fullmatch(line["line"]):
            continue
        lead_in = len(given) <= _LEAD_IN_LENGTH and _LEAD_IN.search(given) and not _STATED.search(given)
        if not lead_in:
            return line.start()
    return None


def _unknown_block(text: str) -> str | None:
    """Return the marks of a block that opens a text, closes, and is followed by more text; None without one."""
    block = _BLOCK.match(text)
    if block is None:
        return None
    name = next(block[key] for key in ("xml", "square", "pipe", "kimi", "lens") if block[key])
    if _NO_REASONING.fullmatch(name):
        return None
    closings = {
        "xml": [f"</{name}>"], "square": [f"[/{name}]"], "kimi": [f"◁/{name}▷"], "lens": [f"【/{name}】"],
        "pipe": [f"<|/{name}|>", f"<|end_{name}|>", _ending_of(name)],
    }  # fmt: skip
    kind = next(key for key in closings if block[key])
    opening = f"<{name}>" if kind == "xml" else block["opening"]
    for closing in filter(None, closings[kind]):
        start = text.find(closing, block.end())
        if start >= 0 and text[start + len(closing) :].strip():
            return f"{opening},{closing}"
    return None


def _ending_of(name: str) -> str:
    """Return the closing mark of `<|begin_of_x|>`, `<|START_X|>` or `<|x_start|>`; "" for other names."""
    for begins, ends in (("begin", "end"), ("START", "END"), ("start", "end"), ("BEGIN", "END")):
        if name.startswith(begins) or name.endswith(begins):
            return f"<|{name.replace(begins, ends)}|>"
    return ""
