r"""Which option a reply in any words chose: the reader behind `choices.extract`.

A reply (already without reasoning, see `text.split_reasoning`) is read in three stages; the first that
gives labels wins:

`marker`       the **last** explicit marker that a valid label follows: 答案, 正确答案, 答案是, 答案为, 故选, 应选, 选,
               选择, 正确选项, "answer is", "answer:", "correct option is", `\boxed{}`; 答案 or "answer" alone in
               brackets, bold or a tag ("【答案】B", "**Answer** B", "<answer>B</answer>"). The label may be
               bracketed, quoted, bold, in LaTeX, full width or lower-case.
`bare`         the whole reply is a label, with or without punctuation or that option's text.
`option_text`  exactly one option's full text stands in the reply, and is not negated before it ("不会变大",
               "can't be fire").

Otherwise the reply is unparsed. Never the last capital letter, never the nearest string. A marker counts
for nothing when it is negated ("不应当选A", "the wrong answer is B"), tells somebody else's choice ("很多人会选A"; but
"不对，我选C" counts), asks or supposes ("请选择", "如果选A"), belongs to another word ("选项", "误选"), or when what
follows it is
- not one of this row's labels ("[LETTER]", "E" of four), or part of a longer word ("Apple", "B12", "C++");
- an article or pronoun: an undecorated A or I before another word ("a matter of taste"), unless that word
  cannot follow an article ("A because") or the words are that option's text ("A good question");
- the beginning of another option's text ("C reactive protein" as option B);
- itself a part of an option's text ("答案：C. 选择A方案");
- refuted at once ("A不对") or, after 选, in the same or the next clause ("选A，这是错误的");
- offered as an alternative ("A or B", "A/B/C/D"), or the head of a list of options;
- several labels where one is expected ("AC").

Where several are expected, labels may carry their options' texts, on one line or on a line each ("A. 水、C. 土"),
"选项", brackets ("(A)(C)") or boxes of their own (`\boxed{A}, \boxed{C}`).

Source: the project's metrics definition, section 1.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalsuite.metrics.text import ASCII_WIDTH, braced, plain

# Long enough for any label list or option's text; a bound keeps unclosed boxes linear.
_BOX_LIMIT = 400

_CHINESE_NOT = (
    "(?:(?<!不得|不能)不(?:是|应当?|应该|该|当|能够?|可能?|可以|会|要|宜|得|太|再|必|用|需要?|建议|推荐|一定|至于|属于|等于)*"
    "|没有?|别|勿|莫|未必?|并非|绝非|而非|非|无法|难以)(?:再|去|会|能|可能|应该?|直接|轻易|盲目)*"
)
_NOT_A_MARKER_BEFORE = re.compile(
    rf"(?:{_CHINESE_NOT}"  # negated
    r"|请|若|如果|假如|假设|要是|倘若"  # asked or supposed
    r"|误|错|漏|多|单|备|筛|待|候|落|入|竞|评|普)\s*$"  # the tail of another word
)
_NOT_THE_ANSWER_BEFORE = re.compile(
    r"(?:错误的?|(?:不是?|并?非)(?:正确的?|最终|标准|最佳)?|wrong|incorrect|false|(?:\bnot|n['’]t(?:\s+be)?)(?:\s+(?:the|an?|my))?(?:\s+(?:correct|right|final|best))?)\s*$",
    re.IGNORECASE,
)
_SOMEBODY_ELSE_BEFORE = re.compile(  # "很多人会选A"
    r"(?:(?:(?<![所没只具含拥])有的|有些|有|一些|很多|许多|不少|多数|部分|少数|其他|别的)(?:的?(?:人|同学|学生|考生|读者|朋友|孩子))们?"
    r"|(?<![所没只具含拥])有的|有些|很?容易)"
    r"(?:[也都还就]|可能|也许|或许|往往|经常|常常?|一般|通常|总|容易|倾向于?|因此|因而|错误地|直接|认为|觉得|以为|说|想|[误错]|会|要|应该?|把|的)*\s*$"
)
_ADVERB = r"(?:应该|应当|应|显然|就|只能|可能|最终|最可能|也|便|即|则)?"
_CHINESE_MARKER = (
    rf"(?:答案|正确的?选项)(?:\s?[】\])}}>」』”])?{_ADVERB}\s*(?:选择|选|是|为)?"
    r"|(?P<choose>选择|选)(?:的?答案|的|了|定)?(?:应该|应|就)?(?:是|为)?"
)
_CERTAINTY = r"(?:definitely|clearly|therefore|thus|probably|likely|most\ likely|simply|indeed|obviously|actually|still)"
_ENGLISH_MARKER = (
    r"\b(?:answers?|(?:correct|right|best|final|proper)\s+(?:option|choice|letter)s?)(?![a-z])[\s*_]*"
    rf"(?:(?:is|are|(?:should|must|would)\s+be)(?![a-z'’])(?:\s+{_CERTAINTY}(?![a-z]))?|:)"
)
_ENGLISH_LABEL = (  # "**Answer** B", "<answer>B</answer>"
    r"(?:\*\*|__|[\[【<(])\s?(?:(?:the|my)\s)?(?:(?:final|correct|right|best)[\s_])?answer\s?(?:\*\*|__|[\]】>)])"
)
_MARKER = re.compile(
    rf"(?P<box>\\boxed\s*\{{)|{_CHINESE_MARKER}|{_ENGLISH_MARKER}|{_ENGLISH_LABEL}", re.IGNORECASE
)

# What may stand between a marker and its label, and what may close the label again.
_OPENING = (
    r"(?:[\s*_`~\"'“”‘’「『【\[({<$:>#]"
    r"|\\(?:text|textbf|textit|mathrm|mathbf|mathsf|boldsymbol|rm|bf|displaystyle)(?![a-z])|\\[(\[,;!\ ]){0,24}"
)
_NAMING = r"(?:(?:the\s+)?(?:options?|choices?|letters?)\s*|the\s+|选项\s*)?"
_GAP = re.compile(rf"{_OPENING}{_NAMING}{_OPENING}", re.IGNORECASE)
_CLOSING = r"(?:[*_`~\"'“”‘’」』】\])}>$]|\\[)\]])"
_LABEL = re.compile(
    rf"(?P<run>[A-Za-z]+)(?![0-9°℃%+#=^]|\s=|[-'’][A-Za-z0-9]|[A-Za-z])(?P<close>{_CLOSING}{{0,12}})"
)
_REFUTED = re.compile(
    r" ?(?:选?项)? ?(?:是|显然|明显|都|均|也|并|肯定|应该?|可以)*"
    r"(?:不(?:对|正确|准确|成立|符合|合适|合理|行|可选|能选|可能|是(?! ?[A-Z]))|错(?!误(?:的?选项|答案|原因|分析))|有误|排除)"
    r"| (?:is|are|was) (?:wrong|incorrect|false|not)\b"
)
_WRONG = (
    r"(?:[也都均就其实显然明当并可能肯定应该是会]|做法|选法|想法|理解|看法|选择|答案)*"
    r"(?:(?:大错特)?错误?|不对|不正确|不准确|不成立|不行|不然|有误)(?:的?(?:做法|选法|想法|理解|看法|选择|答案))?[的了]?"
    r"\s*(?:$|[,。.;!?)\n]|因为|由于)"
)
_REFUTED_CHOICE = re.compile(  # "选A的同学是错的", "选A. 水，这是错误的"
    rf"(?:选?项)?(?:的(?:人|同学|学生|考生|话|理由|原因))?们?{_WRONG}"
    rf"|(?:[.、:)]\s?)?[^,。.;!?\nA-Z]{{0,40}}[,。.;!?\n]\s{{0,4}}(?:[但可而却]|但是|可是|然而|不过|其实|结果)?(?:[这那此该]|这样|那样|这种|这个)?{_WRONG}"
)
_ALTERNATIVE = re.compile(
    r"\s*(?:[/|~]|或者?|还是)\s*(?=[\[(*]*[A-Za-z](?![A-Za-z]))|\s+or\s+(?=[\[(*]*[A-Za-z](?![A-Za-z]))"
)
_STRONG_SEPARATOR = re.compile(r"\s*(?:、|&|和|与|及|以及|,\s*and\s|\sand\s)\s*", re.IGNORECASE)
_WEAK_SEPARATOR = re.compile(r"\s*[,，;；]\s*|[ \t]+(?=[\[(*]*[A-Z](?![A-Za-z]))")
_LIST_OPENING = re.compile(
    r"[*_\[(\"'“‘$]{0,6}(?P<naming>(?:选项|(?:options?|choices?)(?![a-z]))\s?[*_\[(\"'“‘$]{0,6})?",
    re.IGNORECASE,
)
_NEXT_LINE = re.compile(r"[ \t]*[.。;,、]?[ \t]*\n[ \t]*")
_BEFORE_OWN_TEXT = re.compile(r"\s?[.、:)(-]{0,2}\s?")
_LABEL_BEFORE = re.compile(rf"(?<![A-Za-z])(?P<label>[A-Za-z]){_CLOSING}{{0,3}}\s?[.、:)(-]{{0,2}}\s?\Z")
_AFTER_OWN_TEXT = re.compile(r"[)*_`\"'”’」』】\]]{0,6}")
_LINE_END = re.compile(r"[ \t]*[.。;,、]?[ \t]*(?:\n|$)")
_BETWEEN_BARE = re.compile(r"(?:[\s,、;&和与及.。•·-]|以及|and(?![a-z]))*", re.IGNORECASE)
_BETWEEN_BOXES = re.compile(r"\}(?:[\s$*,、;&和与及]|以及|\\[,;:!\ ()\[\]]|\band\b)*", re.IGNORECASE)
_LIST_END = re.compile(
    r"\s*(?:选?项|都|均)?\s*(?:$|[\n.。;；!！?？]|[,，](?!\s*(?:[A-Za-z](?![A-Za-z])|不|not\b)))"
)
_WORD_AFTER = re.compile(r"[ \t]+(?P<word>[A-Za-z][A-Za-z'’-]*)")
_NEXT_LINE_LABEL = re.compile(r"[^\n]*\n\s*[*_\[(]*(?P<label>[A-Z])[*_\])]*\s*[.、:)\]]")

# Words that can follow a label but never the article "a"; "A because …" is option A.
_NEVER_AFTER_AN_ARTICLE = re.compile(
    "because|since|as|and|or|but|nor|is|are|was|were|which|that|who|in|on|at|by|from|for|to|with|due|so|if|when|where"
    "|while|the|this|these|it|they|we|you|i|has|have|can|will|would|should|does|did|therefore|thus|hence|not|option"
)

_BARE = re.compile(
    rf"{_OPENING}(?:(?:option|choice)\s+|选项\s*)?{_OPENING}(?P<body>.*)", re.IGNORECASE | re.DOTALL
)
_LOWER_CASE_RUN = re.compile(r"[a-z]{2,26}(?![A-Za-z])")
_TRAILING = re.compile(rf"(?:{_CLOSING}|选?项|[\s.。,，:;；!！?？、])*")
_NEGATED_BEFORE = re.compile(
    rf"{_CHINESE_NOT}(?:使|让|变得?|变?成|叫|作)?为?是?\s*[\"'“‘「(]?$"
    r"|(?:\b(?:not|no|never|neither|nor|cannot|without|than|instead\ of|unlikely)|n['’]t)\s+"
    r"(?:(?:be|been|being|become|have|has|likely|possibly|probably|really|actually|necessarily|longer|to|any|an?|the)\s+){0,5}[\"'“‘(]?$"
)


def read(text: str, options: Mapping[str, str], *, multiple: bool) -> tuple[tuple[str, ...] | None, str]:
    """Return the sorted labels that a reply chose and the stage that found them; None and "" when unparsed.

    Arguments as of `choices.extract`. Cost is linear in the reply's length.
    """
    folded = text.translate(ASCII_WIDTH)
    reader = _Reader(folded, {label: plain(option) for label, option in options.items()}, multiple)
    if labels := reader.marked():
        return labels, "marker"
    if labels := reader.bare(folded):
        return labels, "bare"
    if labels := _by_option_text(folded, reader.options):
        return labels, "option_text"
    return None, ""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads labels out of one folded reply. `options` holds plain texts, see `text.plain`."""

    text: str
    options: Mapping[str, str]
    multiple: bool

    def marked(self) -> tuple[str, ...] | None:
        """Labels after the last marker that valid labels follow."""
        quotations = self.quotations()
        markers = [marker for marker in _MARKER.finditer(self.text) if not _is_quoted(marker, quotations)]
        while markers:
            marker = markers.pop()
            labels = self.boxed(marker.end()) if marker["box"] else self.following(marker)
            if labels and marker["box"] and self.multiple:
                return self.neighbouring_boxes(labels, marker, markers)
            if labels:
                return labels
        return None

    def quotations(self) -> list[tuple[int, int]]:
        """Where options' texts stand that themselves read like an answer ("C. 选择A方案").

        A text that ends with the letter ("选B") is what a reply says by itself, unless its own label stands before it.
        """
        spans = []
        for label, option in self.options.items():
            letters = _answers_in(option)
            for quoted in _own_text(option).finditer(self.text) if letters else ():
                before = _LABEL_BEFORE.search(self.text, max(0, quoted.start() - 8), quoted.start())
                labelled = before is not None and before["label"].upper() == label
                if labelled or len(option) not in letters:
                    spans.append(quoted.span())
        return spans

    def neighbouring_boxes(
        self, labels: tuple[str, ...], marker: re.Match[str], before: list[re.Match[str]]
    ) -> tuple[str, ...] | None:
        """Labels of a box and of the boxes that stand before it with only separators between."""
        for box in reversed(before[-len(string.ascii_uppercase) :]):
            content = braced(self.text, box.end(), _BOX_LIMIT) if box["box"] else None
            more = None if content is None else self.bare(content)
            if content is None or not more:
                break
            if not _BETWEEN_BOXES.fullmatch(self.text, box.end() + len(content), marker.start()):
                break
            labels, marker = (*labels, *more), box
        return self.fit(labels)

    def boxed(self, start: int) -> tuple[str, ...] | None:
        """Labels that are the whole content of the box opening before `start`."""
        content = braced(self.text, start, _BOX_LIMIT)
        return None if content is None else self.bare(content)

    def following(self, marker: re.Match[str]) -> tuple[str, ...] | None:
        """Labels right after a marker in words."""
        disqualifying = _NOT_A_MARKER_BEFORE if marker["choose"] else _NOT_THE_ANSWER_BEFORE
        before = self.text[max(0, marker.start() - 24) : marker.start()]
        if disqualifying.search(before) or _SOMEBODY_ELSE_BEFORE.search(before):
            return None
        gap = _GAP.match(self.text, marker.end())
        position = gap.end() if gap else marker.end()
        labels, end = self.label_list(position)
        if not labels or self.heads_a_list(marker.end(), position, end):
            return None
        return None if marker["choose"] and _REFUTED_CHOICE.match(self.text, end) else labels

    def label_list(self, position: int) -> tuple[tuple[str, ...] | None, int]:
        """Return the labels from `position` on, sorted and fit for this row (else None), and where they end."""
        labels, end = self.label_at(position)
        if not labels or self.is_prose(position, end):
            return None, end
        labels, end = self.enumeration(position)
        if _ALTERNATIVE.match(self.text, end) or _REFUTED.match(self.text, end):
            return None, end
        return self.fit(labels), end

    def enumeration(self, position: int) -> tuple[tuple[str, ...], int]:
        """Labels joined by separators from `position` on, and where they end.

        A comma or space joins only if the enumeration then ends like one: "A, C." but not "A, C is wrong". With
        `multiple`, a label may carry its option's text, and then a line's end joins such labels too.
        """
        found, label_end = self.label_at(position)
        end = self.past_own_text(found, label_end)
        with_text = end > label_end
        sure, sure_end, weak = found, end, False
        while found and len(found) <= len(string.ascii_uppercase):
            separator = _STRONG_SEPARATOR.match(self.text, end) or _WEAK_SEPARATOR.match(self.text, end)
            labels, label_end = self.listed(separator.end()) if separator else ((), end)
            if not labels and with_text:
                separator = None
                labels, label_end = self.next_line(end)
            if not labels:
                break
            found, end = (*found, *labels), label_end
            weak = weak or (separator is not None and separator.re is _WEAK_SEPARATOR)
            if not weak:
                sure, sure_end = found, end
        return (found, end) if _LIST_END.match(self.text, end) else (sure, sure_end)

    def listed(self, position: int) -> tuple[tuple[str, ...], int]:
        """A further label of an enumeration; "选项C" only if it is not refuted on its own."""
        opening = _LIST_OPENING.match(self.text, position)
        labels, end = self.label_at(opening.end()) if opening else ((), position)
        end = self.past_own_text(labels, end)
        if opening and opening["naming"] and (refuted := _REFUTED.match(self.text, end)):
            return (labels if "都" in refuted[0] or "均" in refuted[0] else ()), end
        return labels, end

    def next_line(self, end: int) -> tuple[tuple[str, ...], int]:
        """A label with its option's text, alone on the line after `end`."""
        line = _NEXT_LINE.match(self.text, end)
        if line is None:
            return (), end
        labels, label_end = self.label_at(line.end())
        text_end = self.past_own_text(labels, label_end)
        alone = text_end > label_end and _LINE_END.match(self.text, text_end)
        return (labels, text_end) if alone else ((), end)

    def past_own_text(self, labels: tuple[str, ...], end: int) -> int:
        """Where the option's text after its label ends, when several labels may count; else `end`."""
        if not self.multiple or len(labels) != 1 or not self.options[labels[0]]:
            return end
        before = _BEFORE_OWN_TEXT.match(self.text, end)
        own = _own_text(self.options[labels[0]]).match(self.text, before.end() if before else end)
        closing = _AFTER_OWN_TEXT.match(self.text, own.end()) if own else None
        return closing.end() if closing else end

    def label_at(self, position: int) -> tuple[tuple[str, ...], int]:
        """One label, or a run of capital labels ("ACD"), at `position`; () when there is none."""
        match = _LABEL.match(self.text, position)
        if match is None:
            return (), position
        run = match["run"]
        if len(run) == 1:
            run = run.upper()
        elif run != run.upper() or len(set(run)) != len(run):
            return (), position
        return (tuple(run) if all(letter in self.options for letter in run) else ()), match.end()

    def fit(self, labels: Sequence[str]) -> tuple[str, ...] | None:
        unique = tuple(sorted(set(labels)))
        return unique if self.multiple or len(unique) == 1 else None

    def is_prose(self, position: int, end: int) -> bool:
        """Whether the letter at `position` is a word of a sentence rather than a label."""
        label = self.text[position].upper()
        reach = 2 * max(map(len, self.options.values()), default=0) + 8
        tail = plain(self.text[position : position + reach])
        if any(
            _opens(tail, text) for other, text in self.options.items() if len(text) > 1 and other != label
        ):
            return True
        word = _WORD_AFTER.match(self.text, position + 1)
        if label not in "AI" or end != position + 1 or word is None:
            return False
        if _NEVER_AFTER_AN_ARTICLE.fullmatch(word["word"].lower()) or len(self.enumeration(position)[0]) > 1:
            return False
        own = self.options[label]
        if own and (_opens(tail, own) or _opens(plain(self.text[end : end + reach]), own)):
            return False
        return word["word"][0].islower() or self.text[position].islower()

    def heads_a_list(self, marker_end: int, position: int, end: int) -> bool:
        """Whether the label, on a line after the marker, only begins a list of the row's options."""
        following = _NEXT_LINE_LABEL.match(self.text, end)
        return (
            "\n" in self.text[marker_end:position]
            and following is not None
            and following["label"] in self.options
        )

    def bare(self, text: str) -> tuple[str, ...] | None:
        """Labels if they are the whole text, but for punctuation, decoration and the option's own text."""
        whole = _BARE.fullmatch(text.strip())
        body = whole["body"] if whole else ""
        if set_of_labels := self.lower_case_run(body):
            return set_of_labels
        found, end = _Reader(body, self.options, self.multiple).enumeration(0)
        rest = body[end:]
        if found and (_is_only_trailing(rest) or (len(found) == 1 and self.is_text_of(found[0], rest))):
            return self.fit(found)
        return self.bare_list(body) if self.multiple else None

    def bare_list(self, body: str) -> tuple[str, ...] | None:
        """Several labels that are the whole text: "(A)(C)", or a line for each with its option's text."""
        reader = _Reader(body, self.options, self.multiple)
        found: tuple[str, ...] = ()
        bullet = _BETWEEN_BARE.match(body)
        position = bullet.end() if bullet else 0
        while position < len(body):
            labels, end = reader.listed(position)
            between = _BETWEEN_BARE.match(body, end)
            position = between.end() if between else end
            glued = position == end < len(body) and body[end] not in "([{*_"
            if not labels or glued or len(found) > len(string.ascii_uppercase):
                return None
            found = (*found, *labels)
        return self.fit(found) if found else None

    def lower_case_run(self, body: str) -> tuple[str, ...] | None:
        """Standing alone, "acd" is a set of labels too, but only in order: "bad" and "dab" are words."""
        run = _LOWER_CASE_RUN.match(body)
        if run is None or not _is_only_trailing(body[run.end() :]):
            return None
        letters = run[0].upper()
        in_order = list(letters) == sorted(set(letters)) and all(letter in self.options for letter in letters)
        return self.fit(letters) if in_order else None

    def is_text_of(self, label: str, rest: str) -> bool:
        own = self.options[label]
        trailing = _TRAILING.match(rest)
        candidates = {plain(rest), plain(rest[trailing.end() if trailing else 0 :])}
        candidates |= {candidate.strip(" .。*_`)]}") for candidate in candidates}
        return bool(own) and own in candidates


@functools.lru_cache(maxsize=512)
def _answers_in(option: str) -> frozenset[int]:
    """Where letters end that follow a marker in an option's text."""
    found = set()
    for marker in _MARKER.finditer(option):
        gap = _GAP.match(option, marker.end())
        letter = _LABEL.match(option, gap.end() if gap else marker.end())
        if letter:
            found.add(letter.end())
    return frozenset(found)


def _is_quoted(marker: re.Match[str], quotations: Sequence[tuple[int, int]]) -> bool:
    return any(start <= marker.start() and marker.end() <= end for start, end in quotations)


@functools.lru_cache(maxsize=512)
def _own_text(option: str) -> re.Pattern[str]:
    """Match a plain option's text as a reply may write it, ending at a word's end."""
    words = r"\s+".join(map(re.escape, option.split()))
    return re.compile(words + ("(?![a-z0-9])" if _is_ascii_word(option[-1]) else ""), re.IGNORECASE)


def _opens(text: str, option: str) -> bool:
    """Whether `text` begins with the option's text, ending at a word's end. Both plain."""
    return bool(option) and text.startswith(option) and not _glued(text, 0, len(option))


def _is_only_trailing(text: str) -> bool:
    trailing = _TRAILING.match(text)
    return trailing is not None and trailing.end() == len(text)


def _by_option_text(text: str, options: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the one label whose text stands in the reply; the longest text wins where texts overlap."""
    folded = plain(text)
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
