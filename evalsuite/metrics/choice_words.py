"""The words and signs by which replies in Chinese and English name the option they chose, as patterns.

What counts as an answer is said in `choice_reader`, which puts them together.
"""

from __future__ import annotations

import re

CHINESE_NOT = (
    "(?:(?<!不得|不能)不(?:是|应当?|应该|该|当|能够?|可能?|可以|会|要|宜|得|太|再|必|用|需要?|建议|推荐|一定|至于|属于|等于)*"
    "|没有?|别|勿|莫|未必?|并非|绝非|而非|非|无法|难以)(?:再|去|会|能|可能|应该?|直接|轻易|盲目)*"
)
NOT_A_MARKER_BEFORE = re.compile(
    rf"(?:{CHINESE_NOT}"  # negated
    r"|请|若|如果|假如|假设|要是|倘若"  # asked or supposed
    r"|误|错|漏|多|单|备|筛|待|候|落|入|竞|评|普)\s*$"  # the tail of another word
)
NOT_THE_ANSWER_BEFORE = re.compile(
    r"(?:错误的?|(?:不是?|并?非)(?:正确的?|最终|标准|最佳)?|wrong|incorrect|false|(?:\bnot|n['’]t(?:\s+be)?)(?:\s+(?:the|an?|my))?(?:\s+(?:correct|right|final|best))?)\s*$",
    re.IGNORECASE,
)
SOMEBODY_ELSE_BEFORE = re.compile(  # "很多人会选A"
    r"(?:(?:(?<![所没只具含拥])有的|有些|有|一些|很多|许多|不少|多数|部分|少数|其他|别的)(?:的?(?:人|同学|学生|考生|读者|朋友|孩子))们?"
    r"|(?<![所没只具含拥])有的|有些|很?容易)"
    r"(?:[也都还就]|可能|也许|或许|往往|经常|常常?|一般|通常|总|容易|倾向于?|因此|因而|错误地|直接|认为|觉得|以为|说|想|[误错]|会|要|应该?|把|的)*\s*$"
)
ADVERB = r"(?:应该|应当|应|显然|就|只能|可能|最终|最可能|也|便|即|则)?"
CHINESE_MARKER = (
    rf"(?:答案|正确的?选项)(?:\s?[】\])}}>」』”])?{ADVERB}\s*(?:选择|选|是|为)?"
    r"|(?P<choose>选择|选)(?:的?答案|的|了|定)?(?:应该|应|就)?(?:是|为)?"
)
CERTAINTY = r"(?:definitely|clearly|therefore|thus|probably|likely|most\ likely|simply|indeed|obviously|actually|still)"
ENGLISH_MARKER = (
    r"\b(?:answers?|(?:correct|right|best|final|proper)\s+(?:option|choice|letter)s?)(?![a-z])[\s*_]*"
    rf"(?:(?:is|are|(?:should|must|would)\s+be)(?![a-z'’])(?:\s+{CERTAINTY}(?![a-z]))?|:)"
)
ENGLISH_LABEL = (  # "**Answer** B", "<answer>B</answer>"
    r"(?:\*\*|__|[\[【<(])\s?(?:(?:the|my)\s)?(?:(?:final|correct|right|best)[\s_])?answer\s?(?:\*\*|__|[\]】>)])"
)
MARKER = re.compile(
    rf"(?P<box>\\boxed\s*\{{)|{CHINESE_MARKER}|{ENGLISH_MARKER}|{ENGLISH_LABEL}", re.IGNORECASE
)

# What may stand between a marker and its label, and what may close the label again.
OPENING = (
    r"(?:[\s*_`~\"'“”‘’「『【\[({<$:>#]"
    r"|\\(?:text|textbf|textit|mathrm|mathbf|mathsf|boldsymbol|rm|bf|displaystyle)(?![a-z])|\\[(\[,;!\ ]){0,24}"
)
NAMING = r"(?:(?:the\s+)?(?:options?|choices?|letters?)\s*|the\s+|选项\s*)?"
GAP = re.compile(rf"{OPENING}{NAMING}{OPENING}", re.IGNORECASE)
CLOSING = r"(?:[*_`~\"'“”‘’」』】\])}>$]|\\[)\]])"
LABEL = re.compile(
    rf"(?P<run>[A-Za-z]+)(?![0-9°℃%+#=^]|\s=|[-'’][A-Za-z0-9]|[A-Za-z])(?P<close>{CLOSING}{{0,12}})"
)
REFUTED = re.compile(
    r" ?(?:选?项)? ?(?:是|显然|明显|都|均|也|并|肯定|应该?|可以)*"
    r"(?:不(?:对|正确|准确|成立|符合|合适|合理|行|可选|能选|可能|是(?! ?[A-Z]))|错(?!误(?:的?选项|答案|原因|分析))|有误|排除)"
    r"| (?:is|are|was) (?:wrong|incorrect|false|not)\b"
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
ALTERNATIVE = re.compile(
    r"\s*(?:[/|~]|或者?|还是)\s*(?=[\[(*]*[A-Za-z](?![A-Za-z]))|\s+or\s+(?=[\[(*]*[A-Za-z](?![A-Za-z]))"
)
STRONG_SEPARATOR = re.compile(r"\s*(?:、|&|和|与|及|以及|,\s*and\s|\sand\s)\s*", re.IGNORECASE)
WEAK_SEPARATOR = re.compile(r"\s*[,，;；]\s*|[ \t]+(?=[\[(*]*[A-Z](?![A-Za-z]))")
LIST_OPENING = re.compile(
    r"[*_\[(\"'“‘$]{0,6}(?P<naming>(?:选项|(?:options?|choices?)(?![a-z]))\s?[*_\[(\"'“‘$]{0,6})?",
    re.IGNORECASE,
)
NEXT_LINE = re.compile(r"[ \t]*[.。;,、]?[ \t]*\n[ \t]*")
BEFORE_OWN_TEXT = re.compile(r"\s?[.、:)(-]{0,2}\s?")
LABEL_BEFORE = re.compile(rf"(?<![A-Za-z])(?P<label>[A-Za-z]){CLOSING}{{0,3}}\s?[.、:)(-]{{0,2}}\s?\Z")
AFTER_OWN_TEXT = re.compile(r"[)*_`\"'”’」』】\]]{0,6}")
LINE_END = re.compile(r"[ \t]*[.。;,、]?[ \t]*(?:\n|$)")
BETWEEN_BARE = re.compile(r"(?:[\s,、;&和与及.。•·-]|以及|and(?![a-z]))*", re.IGNORECASE)
BETWEEN_BOXES = re.compile(r"\}(?:[\s$*,、;&和与及]|以及|\\[,;:!\ ()\[\]]|\band\b)*", re.IGNORECASE)
LIST_END = re.compile(
    r"\s*(?:选?项|都|均)?\s*(?:$|[\n.。;；!！?？]|[,，](?!\s*(?:[A-Za-z](?![A-Za-z])|不|not\b)))"
)
WORD_AFTER = re.compile(r"[ \t]+(?P<word>[A-Za-z][A-Za-z'’-]*)")
NEXT_LINE_LABEL = re.compile(r"[^\n]*\n\s*[*_\[(]*(?P<label>[A-Z])[*_\])]*\s*[.、:)\]]")

# Words that can follow a label but never the article "a"; "A because …" is option A.
NEVER_AFTER_AN_ARTICLE = re.compile(
    "because|since|as|and|or|but|nor|is|are|was|were|which|that|who|in|on|at|by|from|for|to|with|due|so|if|when|where"
    "|while|the|this|these|it|they|we|you|i|has|have|can|will|would|should|does|did|therefore|thus|hence|not|option"
)

BARE = re.compile(
    rf"{OPENING}(?:(?:option|choice)\s+|选项\s*)?{OPENING}(?P<body>.*)", re.IGNORECASE | re.DOTALL
)
LOWER_CASE_RUN = re.compile(r"[a-z]{2,26}(?![A-Za-z])")
TRAILING = re.compile(rf"(?:{CLOSING}|选?项|[\s.。,，:;；!！?？、])*")
