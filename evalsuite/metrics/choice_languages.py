r"""Words that state which option is the answer, one entry a language: fragments of regular expressions.

`choice_words` compiles them. A fragment is written as people write; `fold` (full width, traditional Chinese characters)
is applied to it as it is to a reply. To add a language, add an entry to `LANGUAGES`.
"""

from __future__ import annotations

from dataclasses import dataclass

DECORATION = r"[\s*_`\"'”’」』】\])}>]{0,8}"
"""May stand between a noun and what links it to the label: `**Answer**: C`, `"answer": "C"`."""


@dataclass(frozen=True, slots=True)
class AnswerPhrases:
    """How a language says that an option is the answer."""

    stems: tuple[str, ...]
    """Lower-case texts; a reply that holds none of them holds no phrase of this language."""
    before: str
    """Before the label: "la respuesta correcta es"."""
    after: str
    """After the label: "es la respuesta correcta"."""
    after_weak: str
    """After the label, but also said of options one by one: "es correcta"."""
    heading: str = ""
    """On a line of its own, the label on the next one."""
    spaced: bool = False
    """Words are separated by spaces, so that `before` begins where a word begins."""


def _spaced(
    stems: tuple[str, ...], nouns: str, options: str, adjectives: str, verbs: str, articles: str, correct: str
) -> AnswerPhrases:
    """A language that separates words by spaces: noun, adjectives on either side of it, a verb or a colon."""
    noun = (
        rf"(?:(?:{nouns})(?!\w)(?:\s+(?:{adjectives})(?!\w))*"
        rf"|(?:{options})(?:\s+(?:{adjectives})(?!\w))+|(?:{adjectives})\s+(?:{options})(?!\w))"
    )
    link = rf"(?:\s*(?:{verbs})(?!\w)\s*:?|\s*[:=]|\s*[-–—]{{1,2}}\s)"
    heading = rf"(?m:^[ \t#>*_]*(?:(?:{articles})\s+)?(?:(?:{adjectives})\s+)?(?:{nouns})(?:\s+(?:{adjectives}))*[ \t*_:.]*\n)"
    return AnswerPhrases(
        stems=stems,
        before=rf"{noun}{DECORATION}{link}",
        heading=heading,
        spaced=True,
        after=(
            rf"(?<!\w)(?:{verbs}|[-–—])\s+(?:(?:{articles})\s*)?(?:(?:{adjectives})\s+)*"
            rf"(?:(?:{nouns})|(?:{options})\s+(?:{adjectives}))(?!\w)"
            rf"|(?<!\w)(?:{verbs}|[-–—])\s+(?:(?:{articles})\s*)?(?:{adjectives})\s+(?:{options})(?!\w)"
        ),
        after_weak=rf"(?<!\w)(?:{verbs})\s+(?:{correct})(?!\w)",
    )


_ES = _spaced(
    ("respuesta", "opci", "alternativa", "correcta", "solución"),
    nouns="respuesta|soluci[oó]n",
    options="opci[oó]n|alternativa|letra",
    adjectives="correcta|correcto|final|adecuada|acertada|mejor",
    verbs="es|ser[ií]a|debe\\s+ser",
    articles="la|el|mi",
    correct="(?:la\\s+)?(?:correcta|correcto|adecuada)",
)
_FR = _spaced(
    (
        "réponse",
        "reponse",
        "bonne",
        "correcte",
        "choix",
        "exacte",
        "est correct",
        "solution est",
        "solution :",
    ),
    nouns="r[ée]ponse|solution",
    options="option|choix|proposition|lettre",
    adjectives="bonne|correcte?|exacte|finale|juste|meilleure?|bon",
    verbs="est|serait|doit\\s+[êe]tre",
    articles="la|le|ma|l['’]",
    correct="(?:la\\s+)?(?:correcte?|exacte?|juste|bonne)",
)
_DE = _spaced(
    ("antwort", "lösung", "loesung", "richtig", "korrekt"),
    nouns="antwort|l[öo]e?sung|endantwort|richtig|korrekt",
    options="option|antwortm[öo]glichkeit|auswahl|m[öo]glichkeit|buchstabe|aussage",
    adjectives="richtige?r?|korrekte?r?|endg[üu]ltige|finale|beste|zutreffende",
    verbs="ist|lautet|w[äa]re|sein\\s+muss|muss",
    articles="die|der|das|meine",
    correct="(?:die\\s+)?(?:richtige?|korrekte?)",
)
_PT = _spaced(
    ("resposta", "alternativa", "gabarito", "opç", "opcao", "correta", "solução"),
    nouns="resposta|gabarito|solu[çc][ãa]o",
    options="alternativa|op[çc][ãa]o|letra",
    adjectives="correta|certa|final|adequada|melhor",
    verbs="é|seria|deve\\s+ser|e",
    articles="a|o|minha",
    correct="(?:a\\s+)?(?:correta|certa)",
)
_IT = _spaced(
    ("risposta", "opzione", "alternativa", "soluzione", "corrett", "giust"),
    nouns="risposta|soluzione",
    options="opzione|alternativa|scelta|lettera",
    adjectives="corretta|giusta|esatta|finale|migliore",
    verbs="è|e['’]|sarebbe|deve\\s+essere",
    articles="la|l['’]|il|mia",
    correct="(?:la\\s+|quella\\s+)?(?:corretta|giusta|esatta)",
)
_RU_RIGHT = r"правильн(?:ый|ая|ым|ой)|верн(?:ый|ая|ым|ой)|окончательн(?:ый|ая|ым)|итоговый"
_RU = AnswerPhrases(
    stems=("ответ", "вариант", "верн", "правильн"),
    before=(
        rf"(?<!\w)(?:(?:{_RU_RIGHT})\s+)?(?:ответ(?:ом)?|(?:{_RU_RIGHT})\s+вариант(?:\s+ответа)?)(?!\w)"
        rf"{DECORATION}(?:\s*(?:[-–—:=]+|это|является|будет)(?!\w)\s*)*"
        rf"|(?<!\w)(?:правильно|верно)\s*[-–—:]"
    ),
    after=rf"(?:[-–—]+|это|является|[-–—]+\s*это)\s+(?:(?:{_RU_RIGHT})\s+)?(?:ответ(?:ом)?|(?:{_RU_RIGHT})\s+вариант)(?!\w)",
    after_weak=r"(?:[-–—]+\s*)?(?:верен|верна|верно|правилен|правильна|правильно|правильный|верный)(?!\w)",
)
_AR_RIGHT = "الصحيحة|الصحيح|النهائية|النهائي|الأفضل|المناسبة"
_AR = AnswerPhrases(
    stems=("جابة", "جواب", "الخيار", "الاختيار", "صحيح"),
    before=(
        rf"(?:(?:ال)?[إا]جابة|(?:ال)?جواب|(?:الخيار|الاختيار)(?=\s+(?:{_AR_RIGHT})))(?:\s+(?:{_AR_RIGHT}))*"
        rf"{DECORATION}(?:\s*(?:هي|هو|[:=]|[-–—]\s))*"
    ),
    after=rf"(?<!\w)(?:هي|هو)\s+(?:الإجابة|الاجابة|الجواب|(?:الخيار|الاختيار)\s+(?:{_AR_RIGHT}))",
    after_weak=r"(?:هو\s+|هي\s+)?(?:صحيحة|صحيح|الصحيحة|الصحيح)(?!\w)",
)
_JA = AnswerPhrases(
    stems=("正解", "正答", "答え", "回答", "解答", "正しい", "选", "選"),
    before=(
        r"(?<![不非])(?:(?:正解|正答|解答|回答)(?:の?選択肢|番号)?|(?:正しい|最終的?な?)?答え|正しい(?:選択肢|もの|の)|最終(?:回答|解答))"
        rf"{DECORATION}\s*(?:は|[:=]|[-–—])\s*[:、]?"
    ),
    after=r"(?:が|は|を)?\s*(?:最も)?\s*(?:正解|正答|正しい(?:答え|選択肢)|答え(?:です|だ|である|となる|になる))(?!(?:で|では|とは|じゃ)(?:は)?(?:ない|なく|ありません))",
    after_weak=r"(?:が|は)\s*(?:最も)?(?:正しい|適切|正確)(?!(?:くない|くあり|とは|で(?:は)?ない|ではあり))",
)
_KO = AnswerPhrases(
    stems=("정답", "답", "옳", "올바른", "맞"),
    before=(
        r"(?<![오])(?:정답|답변|답안|(?:최종|올바른|옳은|맞는)\s?(?:답변|답|선택지|보기|것)|(?<![가-힣])답)"
        rf"{DECORATION}\s*(?:은|는|[:=]|[-–—]\s)\s*:?"
    ),
    after=r"번?\s*(?:이|가|은|는)?\s*(?:정답|(?:올바른|옳은)\s?(?:답|선택지)|답(?:입니다|이다|임|이에요|이\s?됩니다))(?!\s?이\s?아)",
    after_weak=r"번?\s*(?:이|가|은|는)\s*(?:옳|올바르|맞|정확)(?![가-힣]*지\s?않)",
)
_VI = AnswerPhrases(
    stems=("đáp án", "trả lời", "phương án", "lựa chọn", "chọn", "đúng"),
    before=(
        r"(?<!\w)(?:đáp\s+án|câu\s+trả\s+lời|trả\s+lời|(?:phương\s+án|lựa\s+chọn)(?=\s+(?:đúng|chính\s+xác|cuối)))"
        r"(?:\s+(?:đúng|chính\s+xác|cuối\s+cùng|đúng\s+nhất|của\s+tôi))*"
        rf"{DECORATION}\s*(?:là|sẽ\s+là|[:=]|[-–—]\s)\s*:?"
        r"|(?<!\w)(?:chọn|(?<=đáp\s)án)\s+(?:đáp\s+án|phương\s+án)?"
    ),
    after=r"(?<!\w)(?:chính\s+)?là\s+(?:đáp\s+án|câu\s+trả\s+lời|(?:phương\s+án|lựa\s+chọn)\s+(?:đúng|chính\s+xác))(?!\s+sai)",
    after_weak=r"(?<!\w)(?:là\s+)?(?:đúng|chính\s+xác)(?!\w)",
)
_TH = AnswerPhrases(
    stems=("ตอบ", "ถูก"),
    before=(
        rf"(?:คำตอบ|คําตอบ|เฉลย)(?:(?:ข้อ)?(?:ที่)?(?:ถูกต้อง|ถูก|สุดท้าย|ดีที่สุด))*{DECORATION}\s*(?:คือ|เป็น|ได้แก่|[:=]|[-–—]\s)\s*:?"
        r"|(?<!คำ)(?<!คํา)(?:ขอ)?ตอบ(?=\s*(?:ข้อ|ตัวเลือก|(?:[^\w\s]|_){0,8}(?:\\[a-z]+\{)?[A-Z]))"
        r"|(?:ข้อ|ตัวเลือก)(?:ที่)(?:ถูกต้อง|ถูก)\s*(?:คือ|:)"
    ),
    after=r"(?:คือ|เป็น)\s*(?:คำตอบ|คําตอบ|(?:ข้อ|ตัวเลือก)ที่ถูก)",
    after_weak=r"(?:เป็น)?(?:ข้อ(?:ที่)?)?ถูก(?:ต้อง)?",
)

LANGUAGES = {
    "es": _ES,
    "fr": _FR,
    "de": _DE,
    "pt": _PT,
    "it": _IT,
    "ru": _RU,
    "ar": _AR,
    "ja": _JA,
    "ko": _KO,
    "vi": _VI,
    "th": _TH,
}
"""Chinese and English are in `choice_words`: they have more forms than fit an entry."""

ARTICLES = r"la|le|el|il|die|der|das|the|o"
"""Words that may stand between a marker and its label, before `OPTION_WORDS`."""

OPTION_WORDS = (
    r"options?|choices?|letters?|answers?|statement|opci[oó]n(?:es)?|letra|alternativa|respuesta|inciso|lettre|r[ée]ponse|proposition"
    r"|antwortm[öo]glichkeit|antwort|buchstabe|opzione|lettera|risposta|op[çc][ãa]o|вариант(?:\s+ответа)?|ответ|буква|под\s+буквой"
    r"|الخيار|الحرف|الاختيار|الإجابة|phương\s+án|đáp\s+án|lựa\s+chọn|câu"
)
OPTION_WORDS_UNSPACED = r"选项|第|選択肢|ข้อ|ตัวเลือก|선택지|보기"

JOINERS = r"and|And|AND|as\s+well\s+as|plus|y|e|et|und|sowie|и|و|và|และ"
"""Between two labels, with a space on either side. In lower case: E and Y are labels too."""
JOINERS_UNSPACED = r"以及|和|与|及|跟|同|と|および|와|과|및"

ALTERNATIVES = r"or|Or|OR|o|ou|oder|или|أو|hoặc|either"
ALTERNATIVES_UNSPACED = r"或者?|还是|または|か(?=[A-Z(])|또는|이나|หรือ"

REASONS = (
    r"because|since|as|due\s+to|for\s+the|explanation|reason(?:ing|s)?|rationale|analysis|justification|given\s+that"
    r"|porque|ya\s+que|puesto\s+que|explicaci[oó]n|parce\s+que|car|puisque|explication|weil|denn|da|begr[üu]ndung|erkl[äa]rung"
    r"|pois|j[áa]\s+que|explica[çc][ãa]o|perch[ée]|poich[ée]|spiegazione|потому|так\s+как|поскольку|объяснение|пояснение"
    r"|لأن|التفسير|الشرح|v[ìi]|bởi|giải\s+thích"
)
REASONS_UNSPACED = (
    r"因为|由于|因|解析|理由|原因|分析|解释|说明|なぜなら|解説|왜냐하면|이유|해설|설명|เพราะ|เนื่องจาก|คำอธิบาย"
)

NO_ANSWER = (
    # English
    r"(?<![a-z])none\s+of\s+(?:the\s+)?(?:above|these|those|them|(?:given\s+|provided\s+|listed\s+|available\s+)?(?:options?|choices|answers|alternatives|statements))(?![a-z])"
    r"|(?<![a-z])no(?:ne)?\s+(?:of\s+the\s+)?(?:given\s+|provided\s+)?(?:correct|right|suitable|valid|matching|single)\s+(?:answer|option|choice)"
    r"|(?<![a-z])neither\s+(?:of\s+)?(?:the\s+)?(?:options|choices|answers|is)(?![a-z])"
    r"|(?:(?<![a-z])can\s?not|(?<![a-z])can['’]t|(?<![a-z])could\s+not|(?<![a-z])couldn['’]t|(?<![a-z])unable\s+to|(?<![a-z])(?:im|not\s+)possible\s+to|(?<![a-z])difficult\s+to|(?<![a-z])hard\s+to)\s+(?:be\s+)?(?:\w+ly\s+)?"
    r"(?:determine|answer|give|provide|choose|select|say|tell|decide|know|identify|conclude|pick|infer)"
    r"|(?<![a-z])(?:do\s+not|don['’]t|does\s+not|doesn['’]t)\s+(?:know|have\s+(?:enough|sufficient)|provide\s+(?:enough|sufficient))"
    r"|(?<![a-z])(?:not|isn['’]t)\s+(?:sure|certain|clear|enough|sufficient|given|listed|provided|available|among\s+the)(?![a-z])|(?<![a-z])(?:unclear|undetermined|undecided|unknown|insufficient)(?![a-z])"
    r"|(?<![a-z])(?:all|both|any|several|two|multiple)\s+of\s+(?:the\s+)?(?:above|these|options|them|answers)(?![a-z])"
    r"|(?<![a-z])(?:options?|choices|answers?)\s+(?:do|does)\s+not\b|(?<![a-z])question\s+is\s+(?:incorrect|incomplete|invalid|flawed)"
    # Chinese
    r"|(?:无法|不能|难以|没法|没办法)[^。;!?\n,]{0,16}?(?:选择|选出|确定|判断|得出|给出|回答|作答|选|知道|推断)"
    r"|没有[^。;!?\n,]{0,8}(?:正确|合适|符合|对应)的?(?:答案|选项)?|无正确(?:答案|选项)|(?:以上|上述|选项)?(?:都|均|全)(?:不(?:对|正确|是|符合)|错)"
    r"|不知道|不确定|不清楚|无解|题目有误|信息不足|条件不足|以上(?:都|皆|全)"
    # Spanish, French, German, Portuguese, Italian
    r"|(?<![a-z])ningun[ao]\s+de\b|(?<![a-z])no\s+se\s+puede\b|(?<![a-z])no\s+(?:lo\s+)?s[ée]\b|(?<![a-z])no\s+es\s+posible\b"
    r"|(?<![a-z])aucune?\s+(?:des?|de)\b|(?<![a-z])impossible\s+de\b|(?<![a-z])je\s+ne\s+(?:sais|peux)\b|(?<![a-z])ne\s+peut\s+pas\b"
    r"|(?<![a-z])keine?\s+de[rs]\b|(?<![a-z])keine?\s+davon\b|(?<![a-z])nicht\s+(?:bestimm|m[öo]glich|sicher|entscheid)|(?<![a-z])l[äa]sst\s+sich\s+nicht\b|(?<![a-z])wei[ßs]s?\s+nicht\b"
    r"|(?<![a-z])nenhuma?\s+d[aoe]s?\b|(?<![a-z])n[ãa]o\s+(?:é\s+poss[íi]vel|sei|h[áa])\b|(?<![a-z])nessun[ao]\s+d[ei]l?|(?<![a-z])non\s+(?:è\s+possibile|so|si\s+può)\b"
    # Russian, Arabic, Japanese, Korean, Vietnamese, Thai
    r"|(?<![a-z])ни\s+один|(?<![a-z])невозможно|(?<![a-z])не\s+(?:знаю|могу)|(?<![a-z])нет\s+правильн|لا\s+شيء\s+مما|لا\s+يمكن|لا\s+أعرف|لا\s+توجد"
    r"|どれも|いずれも|該当なし|(?:わか|分か)りません|できません|決められ|없습니다|없다|알\s?수\s?없|모르겠|(?<![a-z])không\s+(?:có|thể|biết)|ไม่(?:มี|สามารถ|ทราบ|แน่ใจ|รู้)"
)
"""Says that no option is the answer, or that it is not known which."""
