"""How people and models say "the answer is", in thirteen languages, and where a JSON object keeps an answer.

Shared by the readers of letters and of numbers, so that both know the same languages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

JSON_KEYS = ("answer", "final_answer", "答案")
"""Keys of a JSON object that hold an answer of any kind, in any case."""
_MAX_JSON_LENGTH = 20_000
_MAX_OBJECTS = 20
_OPENING = re.compile(r"\{\s*\"")
_DECODER = json.JSONDecoder()
_FENCE = re.compile(r"```[ \t]*(?:json\w*)?[ \t]*\n?(?P<content>.*?)```", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class AnswerWords:
    """The words of one language, as parts of a regular expression without groups, lower-case."""

    nouns: str
    """The word for "answer"."""
    links: str
    """Between the noun and the answer: "is". A colon or an equals sign may always stand there."""
    spaced: bool = True
    """Words are separated by spaces, so a noun begins and a link ends at a word's end."""


LANGUAGES: Mapping[str, AnswerWords] = {
    "en": AnswerWords(r"answer", r"is|are|would\s+be|will\s+be"),
    "zh": AnswerWords(r"答案|答", r"应该是|應該是|应为|應為|就是|是|为|為", spaced=False),
    "es": AnswerWords(r"(?:respuesta|solución)(?:\s+(?:final|correcta))?", r"es|sería"),
    "fr": AnswerWords(r"réponse(?:\s+(?:finale|correcte))?", r"est|serait"),
    "de": AnswerWords(r"antwort|lösung", r"ist|lautet|wäre"),
    "pt": AnswerWords(r"resposta(?:\s+(?:final|correta))?", r"é|seria"),
    "it": AnswerWords(r"risposta(?:\s+(?:finale|corretta))?", r"è|sarebbe"),
    "ru": AnswerWords(r"ответ\w{0,2}", r"это|равен|равна|равно|—|–|-"),
    "ar": AnswerWords(
        r"(?:ال)?(?:إجابة|اجابة|جواب)(?:\s+(?:النهائية|النهائي|الصحيحة|الصحيح))?", r"هي|هو", spaced=False
    ),
    "ja": AnswerWords(r"答え|答|解答|正解|回答", r"は", spaced=False),
    "ko": AnswerWords(r"정답|답", r"은|는", spaced=False),
    "vi": AnswerWords(r"(?:đáp\s+(?:án|số)|câu\s+trả\s+lời|kết\s+quả)(?:\s+(?:đúng|cuối\s+cùng))?", r"là"),
    "th": AnswerWords(r"คำตอบ(?:สุดท้าย)?", r"คือ|เป็น", spaced=False),
}


def json_answer(text: str, keys: Collection[str] = JSON_KEYS) -> Any:
    r"""Return the value under the first of the keys in a JSON object; None without one.

    The object may be the whole text, stand in a code fence, or end the text; of several the last counts.

    >>> json_answer('```json\n{"answer": 42, "unit": "cm2"}\n```')
    42
    """
    stripped = text.strip()
    if "{" not in stripped or len(stripped) > _MAX_JSON_LENGTH:
        return None
    candidates = [fence["content"].strip() for fence in _FENCE.finditer(stripped)][-_MAX_OBJECTS:]
    for candidate in (*reversed(candidates), stripped):
        found = _object(candidate)
        named = {str(key).casefold(): value for key, value in found.items()} if found else {}
        for key in keys:
            if named.get(key.casefold()) is not None:
                return named[key.casefold()]
    return None


def _object(text: str) -> dict[str, Any] | None:
    """Return the outermost JSON object that a text is or ends with."""
    if not text.endswith("}"):
        return None
    for _, opening in zip(range(_MAX_OBJECTS), _OPENING.finditer(text), strict=False):
        try:
            found, end = _DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and end == len(text):
            return found
    return None
