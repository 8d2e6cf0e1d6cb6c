"""Bytes → lines of text. A file that is not UTF-8 is refused with every encoding that fits, never with one guess.

UTF-16 with a byte-order mark is read: the mark leaves no doubt. Everything else that is not UTF-8 is for the user to
decide, who sees the first words that each encoding would give: nearly every Big5, Shift-JIS and EUC-KR file is valid
GB18030 too, and converting it from the wrong one makes a valid file of garbage.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalsuite._util.invisible import is_invisible
from evalsuite.data.records import Repair
from evalsuite.errors import DataError, Problem

UTF16_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
READ_AS_UTF16 = "UTF-16 (Excel's 'Unicode text') is read; UTF-8 is smaller and every tool reads it"
SHOWN_CHARACTERS = 24
"""Of what each encoding would give."""
_UTF16_WITHOUT_MARK = {rb".\x00": "UTF-16LE", rb"\x00": "UTF-16BE"}
_REPLACEMENT = "\ufffd"
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")


@dataclass(frozen=True, slots=True)
class _Encoding:
    """An encoding that files have: its name, iconv's, Python's, and the scripts its text is made of."""

    name: str
    iconv: str
    codec: str
    scripts: tuple[str, ...]
    """Beginnings of the Unicode names of letters that its users write."""
    multibyte: bool = True


_HAN = "CJK UNIFIED"
ENCODINGS = (
    _Encoding("GB18030", "GB18030", "gb18030", (_HAN,)),
    _Encoding("Big5", "BIG5", "big5", (_HAN,)),
    _Encoding("Shift-JIS", "CP932", "cp932", (_HAN, "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA")),
    _Encoding("EUC-JP", "EUC-JP", "euc_jp", (_HAN, "HIRAGANA", "KATAKANA")),
    _Encoding("EUC-KR", "CP949", "cp949", (_HAN, "HANGUL")),
    _Encoding("Windows-1252", "WINDOWS-1252", "cp1252", ("LATIN",), multibyte=False),
    _Encoding("Windows-1251", "WINDOWS-1251", "cp1251", ("CYRILLIC SMALL",), multibyte=False),
)
FEWEST_BYTES_OF_MODEL_TEXT = 16
"""Beyond ASCII, before a file of predictions is called one of another encoding: fewer are cut-off emoji."""
MOST_LETTERS = 0.6
"""Of a single-byte encoding's characters beyond ASCII, the share that must be letters of its script."""


def decoded_lines(path: Path, found: list[Problem | Repair], *, lenient: bool) -> Iterator[str]:
    """Yield a file's lines as text; what is to be said of a line goes to `found` before it is yielded.

    A line that is not UTF-8 has its bytes replaced and, unless `lenient`, adds a `Problem`. Raises `DataError` where
    the file as a whole is in another encoding.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    if codec := UTF16_MARKS.get(head[:2]):
        yield from _utf16_lines(path, codec, found)
        return
    for beginning, name in _UTF16_WITHOUT_MARK.items():
        if re.match(beginning, head, re.DOTALL):
            raise _refusal(path, (_Encoding(name, name, name.lower(), ()),), path.read_bytes())
    yield from _utf8_lines(path, found, lenient=lenient)


def _utf16_lines(path: Path, codec: str, found: list[Problem | Repair]) -> Iterator[str]:
    found.append(Repair(str(path), 1, READ_AS_UTF16))
    with path.open(encoding=codec, errors="replace", newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            if _REPLACEMENT in line:
                found.append(Problem(str(path), number, "bytes that are not UTF-16", "UTF-8 text"))
            yield line.removeprefix("\ufeff") if number == 1 else line


def _utf8_lines(path: Path, found: list[Problem | Repair], *, lenient: bool) -> Iterator[str]:
    suspected = False
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                if not suspected:
                    _refuse_other_encoding(path, lenient=lenient)
                    suspected = True
                if not lenient:
                    byte = f"byte 0x{line[error.start]:02x} at position {error.start + 1} is not UTF-8"
                    found.append(Problem(str(path), number, byte, "UTF-8 text"))
                yield line.decode("utf-8", errors="replace")


def _refuse_other_encoding(path: Path, *, lenient: bool) -> None:
    """Raise one `DataError` for a file that is as a whole in another encoding, instead of one fault a line.

    A file in which most of what is not ASCII is good UTF-8 has a few broken bytes and is in no other encoding. Files
    of model text (`lenient`) hold such bytes by nature, so they must look like a double-byte encoding throughout.
    """
    raw = path.read_bytes()
    text = raw.decode("utf-8", errors="replace")
    beyond_ascii = len(text) - len(text.encode("ascii", errors="ignore"))
    if text.count(_REPLACEMENT) * 2 < beyond_ascii:
        return
    runs = _HIGH_BYTES.findall(raw)
    in_pairs = sum(map(len, runs)) >= 2 * len(runs)
    if lenient and (not in_pairs or sum(map(len, runs)) < FEWEST_BYTES_OF_MODEL_TEXT):
        return
    fitting = tuple(encoding for encoding in ENCODINGS if _fits(encoding, raw, in_pairs=in_pairs))
    if any(encoding.multibyte or not lenient for encoding in fitting):
        raise _refusal(path, fitting, raw)


def _fits(encoding: _Encoding, raw: bytes, *, in_pairs: bool) -> bool:
    """Whether the bytes are text of the encoding that somebody may have written."""
    if encoding.multibyte and not in_pairs and all(len(run) == 1 for run in _HIGH_BYTES.findall(raw)):
        return False  # accented letters, each alone in its word
    try:
        text = raw.decode(encoding.codec)
    except UnicodeDecodeError:
        return False
    letters = [character for character in text if ord(character) > 0x7F and character.isalpha()]
    if encoding.multibyte:
        return True
    own = sum(unicodedata.name(character, "").startswith(encoding.scripts) for character in letters)
    beyond_ascii = sum(ord(character) > 0x7F for character in text)
    if encoding.codec == "cp1252":
        return not in_pairs or (own >= MOST_LETTERS * beyond_ascii and _latin_words(text))
    return in_pairs and own >= MOST_LETTERS * beyond_ascii


def _latin_words(text: str) -> bool:
    """Whether ASCII letters outnumber the others, as in the words of any language in Latin letters."""
    plain = sum(character.isascii() for character in text if character.isalpha())
    return plain * 2 > sum(map(str.isalpha, text))


def _refusal(path: Path, fitting: tuple[_Encoding, ...], raw: bytes) -> DataError:
    """One fault that names every encoding that fits, its first words, and the command that converts from it."""
    names = [encoding.name for encoding in fitting]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    what = f"wrong encoding: the file is not UTF-8; {listed} {'fits' if len(names) == 1 else 'fit'} it"
    target = shlex.quote(f"utf8-{path.name}")
    choices = "".join(
        f"\n    {encoding.name}, if the text reads '{_first_words(raw, encoding.codec)}': "
        f"iconv -f {encoding.iconv} -t UTF-8 {shlex.quote(path.name)} > {target}"
        for encoding in fitting
    )
    return DataError(
        [Problem(str(path), 0, what, f"UTF-8 text; convert it with the command for its encoding:{choices}")]
    )


def _first_words(raw: bytes, codec: str) -> str:
    """The first text beyond ASCII as an encoding gives it, on one line."""
    high = _HIGH_BYTES.search(raw) if not codec.startswith("utf") else None
    start = raw.rfind(b"\n", 0, high.start()) + 1 if high else 0
    line = raw[start : start + 4096].decode(codec, errors="ignore").splitlines()
    first = line[0] if line else ""
    place = next((at for at, character in enumerate(first) if ord(character) > 0x7F), 0)
    place = 0 if place < SHOWN_CHARACTERS // 2 else place - SHOWN_CHARACTERS // 4
    shown = first[place : place + SHOWN_CHARACTERS].strip()
    return "".join("·" if is_invisible(character) else character for character in shown)
