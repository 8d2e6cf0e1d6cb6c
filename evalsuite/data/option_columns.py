r"""The options of a multiple-choice row, whatever way its file writes them.

    A, B, C … Z; Ａ, Ｂ …                   a column a letter
    (A), (B), …                             the same in brackets
    option_a, optionA, choice_a, 选项A      the same with a word before it; opa, opb … (MedMCQA)
    option1, option_1, choice0, 选项1       a column a number; counted from the first
    options, choices, option, choice, 选项  one column that holds all of them:
        ["x", "y"]                          texts, also as Python or NumPy write a list
        {"A": "x", "B": "y"}                an object by letter
        {"text": [...], "label": [...]}     texts and their labels (ARC)
        [{"label": "A", "text": "x"}, …]    an object an option (CommonsenseQA)
        "A. x\nB. y"                         a line an option

The options are the longest run with a value in this row; an empty one before a filled one is a fault. Options that
repeat their own letter ("A. x" in column A) lose it. Pure: values in, options or `OptionFault` out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import Any

from evalsuite.data.cell_lists import CellListError, looks_like_list, parse_cell
from evalsuite.data.columns import is_empty

MAX_OPTIONS = len(ascii_uppercase)
LIST_COLUMNS = ("choices", "options", "option", "choice", "选项")
"""Columns that may hold all options of a row; the first that does counts."""
LIST_FORM = 'two to 26 texts: ["x", "y"], {"A": "x", "B": "y"}, or a line an option ("A. x")'
TEXT_KEYS = ("text", "content", "value", "option", "choice", "answer")
LABEL_KEYS = ("label", "key", "id", "letter", "option_id")
DROPPED_LETTERS = 'options repeat their own letter ("A. …"), which is dropped'
SHOWN_CHARACTERS = 60
_WHOLE_NUMBER = re.compile(r"^(\d+)\.0+$")
"""A whole number as pandas writes it once a cell of its column is empty: "1.0"."""
_WORDS = "options?|choices?|opt|选项"
_LETTER_COLUMN = re.compile(
    rf"(?:(?P<word>{_WORDS}|op(?=[a-f]$))[ _.-]?)?(?:(?P<letter>[a-z])|(?P<bracket>\()(?P<in_brackets>[a-z])\))"
)
_NUMBER_COLUMN = re.compile(rf"(?P<word>{_WORDS})[ _.-]?(?P<number>\d{{1,2}})")
_LINE_LABEL = re.compile(
    r"\s*(?:[(（\[【]\s*([A-ZＡ-Ｚ])\s*[)）\]】]\s*[.．:：、]?|([A-ZＡ-Ｚ])\s*[.．)）\]】:：、,，])\s*",
    re.IGNORECASE,
)
"""A label before an option's text: "A.", "(A)", "A)", "A：". A bare "A " is none: it may be an article."""


class OptionFault(ValueError):
    """The options of a row cannot be read: what was found, and what to write instead."""

    def __init__(self, what: str, expected: str) -> None:
        self.what = what
        self.expected = expected
        super().__init__(f"{what}; expected {expected}")


@dataclass(frozen=True, slots=True)
class RowOptions:
    """The options of a row by letter, and what its gold answer may call them."""

    texts: Mapping[str, str]
    """`A` … `Z` → text."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What else names an option → its letter: a list's 0-based index, a column's number, the file's own label."""
    repairs: tuple[str, ...] = ()

    def named(self, answer: object) -> str | None:
        """The letter of the option that an index, a number or a label of the file names."""
        if isinstance(answer, bool) or not isinstance(answer, int | float | str):
            return None
        if isinstance(answer, float):
            answer = int(answer) if answer.is_integer() else ""
        text = str(answer).strip().lower()
        return self.names.get(text) or self.names.get(_WHOLE_NUMBER.sub(r"\1", text))


@dataclass(frozen=True, slots=True)
class _Layout:
    """Columns of a row that hold one option each: their names in order, and what the gold may call them."""

    columns: Sequence[str]
    names: Mapping[str, str]


def has_option_columns(columns: Collection[str]) -> bool:
    """Whether there are columns for at least two options, or one that may hold them all."""
    return any(name in columns for name in LIST_COLUMNS) or _has_column_an_option(columns)


def has_options(values: Mapping[str, Any]) -> bool:
    """Whether a row has columns for at least two options, or one that holds something."""
    listed = any(not is_empty(values.get(name)) for name in LIST_COLUMNS if name in values)
    return listed or _has_column_an_option(values)


def _has_column_an_option(columns: Collection[str]) -> bool:
    return any(len(layout.columns) > 1 for layout in _layouts(columns))


def option_like(columns: Collection[str]) -> list[str]:
    """The columns whose names say that they hold options; single letters only if there are A and B."""
    lettered = {"a", "b"} <= set(columns) or {"(a)", "(b)"} <= set(columns)
    return [
        name
        for name in columns
        if name in LIST_COLUMNS
        or _NUMBER_COLUMN.fullmatch(name)
        or ((found := _LETTER_COLUMN.fullmatch(name)) and (found["word"] or lettered))
    ]


def read_options(values: Mapping[str, Any]) -> RowOptions:
    """Return the options of a row given by lower-cased column name. Raises `OptionFault`.

    >>> read_options({"question": "?", "option_a": "A. yes", "option_b": "B. no"}).texts
    {'A': 'yes', 'B': 'no'}
    """
    lettered = [found for layout in _layouts(values) if (found := _of_columns(layout, values))]
    if len(lettered) > 1:
        raise OptionFault("options stand in columns of two forms", "one of them; drop or rename the others")
    listed = _of_list_columns(values, required=not lettered)
    if listed and lettered and listed.texts != lettered[0].texts:
        raise OptionFault(
            "options stand in a list and in columns, and differ", "one of them; drop or rename the other"
        )
    found = listed or (lettered[0] if lettered else RowOptions({}))
    return _without_own_letters(found)


def _layouts(columns: Collection[str]) -> Sequence[_Layout]:
    """The ways in which a row's columns could hold options, one a form of name."""
    return _layouts_of(tuple(columns))


@lru_cache(maxsize=256)
def _layouts_of(columns: tuple[str, ...]) -> Sequence[_Layout]:
    return tuple(_find_layouts(columns))


def _find_layouts(columns: Collection[str]) -> Iterator[_Layout]:
    letters: dict[str, dict[str, str]] = {}
    numbers: dict[str, dict[int, str]] = {}
    for name in columns:
        if found := _LETTER_COLUMN.fullmatch(name):
            form = f"{found['word'] or ''}{found['bracket'] or ''}"
            letters.setdefault(form, {})[found["letter"] or found["in_brackets"]] = name
        elif found := _NUMBER_COLUMN.fullmatch(name):
            numbers.setdefault(found["word"], {})[int(found["number"])] = name
    for word, by_letter in letters.items():
        if "a" in by_letter:
            columns_in_order = list(_run(by_letter))
            yield _Layout(columns_in_order, _own_names(columns_in_order) if word else {})
    for by_number in numbers.values():
        first = min(by_number)
        if first in (0, 1):
            count = min(max(by_number) - first, MAX_OPTIONS) + 1
            columns_in_order = [by_number.get(first + place, "") for place in range(count)]
            yield _Layout(columns_in_order, _own_names(columns_in_order) | _numbers(count, first))


def _own_names(columns: Sequence[str]) -> dict[str, str]:
    """What a gold answer may call the options: their columns."""
    return {name: letter for name, letter in zip(columns, ascii_uppercase, strict=False) if name}


def _run(by_letter: Mapping[str, str]) -> Iterator[str]:
    """The columns from `a` on; a single letter may be missing between two that are there."""
    for place, letter in enumerate(ascii_lowercase):
        following = ascii_lowercase[place + 1 : place + 2]
        if letter not in by_letter and following not in by_letter:
            return
        yield by_letter.get(letter, "")


def _of_columns(layout: _Layout, values: Mapping[str, Any]) -> RowOptions | None:
    cells = [values.get(name) if name else "" for name in layout.columns]
    texts = [
        cell.strip() if isinstance(cell, str) else _text(cell, name)
        for cell, name in zip(cells, layout.columns, strict=True)
    ]
    return _numbered(texts, layout.names) if any(texts) else None


def _of_list_columns(values: Mapping[str, Any], *, required: bool) -> RowOptions | None:
    for name in LIST_COLUMNS:
        if name not in values or is_empty(values.get(name)):
            continue
        try:
            return _of_list(values.get(name), name)
        except OptionFault:
            if required:
                raise
    return None


def _of_list(value: Any, name: str) -> RowOptions:
    """The options in one cell or one JSON value."""
    if isinstance(value, str):
        if not looks_like_list(value):
            return _of_lines(value, name)
        try:
            value = parse_cell(value)
        except CellListError as error:
            raise OptionFault(f"'{name}' is not a list ({error})", LIST_FORM) from error
    if isinstance(value, Mapping):
        return _of_object(value, name)
    if not isinstance(value, list | tuple):
        raise OptionFault(f"'{name}' is {_shown(value)}", LIST_FORM)
    if any(isinstance(item, Mapping) for item in value):
        pairs = [_pair(item, place, name) for place, item in enumerate(value)]
        return _labelled([label for label, _ in pairs], [text for _, text in pairs], name)
    texts = [_text(item, f"item {place} of '{name}'") for place, item in enumerate(value, start=1)]
    return _numbered(texts, _numbers(len(texts), 0))


def _of_object(value: Mapping[str, Any], name: str) -> RowOptions:
    members = {str(key).strip().lower(): item for key, item in value.items()}
    lists = {key: item for key, item in members.items() if isinstance(item, list | tuple)}
    text_key = next((key for key in (*TEXT_KEYS, *(f"{key}s" for key in TEXT_KEYS)) if key in lists), None)
    if text_key:
        label_key = next(
            (key for key in (*LABEL_KEYS, *(f"{key}s" for key in LABEL_KEYS)) if key in lists), None
        )
        texts = [
            _text(item, f"item {place} of '{name}.{text_key}'")
            for place, item in enumerate(lists[text_key], start=1)
        ]
        labels = (
            [str(label) for label in lists[label_key]] if label_key else list(ascii_uppercase[: len(texts)])
        )
        return _labelled(labels, texts, name)
    labels = list(members)
    letters = [ascii_lowercase[place] for place in range(min(len(labels), MAX_OPTIONS))]
    if sorted(labels) == letters:
        return _numbered([_text(members[letter], f"'{name}.{letter.upper()}'") for letter in letters], {})
    texts = [_text(item, f"'{name}.{key}'") for key, item in members.items()]
    return _labelled(labels, texts, name)


def _pair(item: Any, place: int, name: str) -> tuple[str, str]:
    """The label and the text of an option that is an object; `{"A": "x"}` is one, too."""
    where = f"item {place + 1} of '{name}'"
    if not isinstance(item, Mapping):
        raise OptionFault(f"{where} is {_shown(item)}", "an object with 'label' and 'text', like the others")
    text_key = next((key for key in TEXT_KEYS if key in item), None)
    label_key = next((key for key in LABEL_KEYS if key in item), None)
    if text_key and text_key != label_key:
        label = str(item[label_key]) if label_key else ascii_uppercase[min(place, MAX_OPTIONS - 1)]
        return label, _text(item[text_key], where)
    if len(item) == 1:
        ((label, text),) = item.items()
        return str(label), _text(text, where)
    raise OptionFault(
        f"{where} has the keys {', '.join(map(str, item))}", "an object with 'label' and 'text'"
    )


def _labelled(labels: Sequence[str], texts: Sequence[str], name: str) -> RowOptions:
    """Options under the file's own labels (letters, or numbers as in ARC), which the gold may use."""
    if len(labels) != len(texts):
        raise OptionFault(
            f"'{name}' has {len(texts)} texts and {len(labels)} labels", "as many labels as texts"
        )
    plain = [label.strip().strip("().（）").lower() for label in labels]
    if len(set(plain)) < len(plain):
        raise OptionFault(f"labels of '{name}' repeat: {', '.join(labels)}", "every label once")
    letters = list(ascii_lowercase[: len(plain)])
    if sorted(plain) == letters:
        order = [plain.index(letter) for letter in letters]
        return _numbered([texts[place] for place in order], {})
    if any(len(label) == 1 and label.isascii() and label.isalpha() for label in plain):
        raise OptionFault(f"labels of '{name}' are {', '.join(labels)}", "A, B, C … without a gap")
    return _numbered(texts, dict(zip(plain, ascii_uppercase, strict=False)))


def _of_lines(value: str, name: str) -> RowOptions:
    """The options on lines of their own ("A. x", "B. y", …); a line without a label goes on with the option before it."""
    texts: list[str] = []
    for line in value.splitlines():
        letter = ascii_uppercase[min(len(texts), MAX_OPTIONS - 1)]
        if (text := _after_label(line, letter)) is not None:
            texts.append(text)
        elif texts:
            texts[-1] = f"{texts[-1]}\n{line.strip()}".strip()
        elif line.strip():
            break
    if len(texts) < 2:
        raise OptionFault(f"'{name}' is {_shown(value)}", LIST_FORM)
    return _numbered(texts, {})


def _numbered(texts: Sequence[str], names: Mapping[str, str]) -> RowOptions:
    """Options by letter; trailing empty ones are none, an empty one before a filled one is a fault."""
    filled = list(texts)
    while filled and not filled[-1]:
        filled.pop()
    if len(filled) > MAX_OPTIONS:
        raise OptionFault(f"{len(filled)} options", f"at most {MAX_OPTIONS}")
    if "" in filled:
        place = filled.index("")
        after = next(text for text in filled[place:] if text)
        later = ascii_uppercase[filled.index(after, place)]
        raise OptionFault(
            f"option {ascii_uppercase[place]} is empty, but option {later} is {_shown(after)}",
            "options without a gap; leave only the last ones empty",
        )
    by_letter = dict(zip(ascii_uppercase, filled, strict=False))
    if names:
        names = {name: letter for name, letter in names.items() if letter in by_letter}
    return RowOptions(by_letter, names)


def _numbers(count: int, first: int) -> dict[str, str]:
    return {str(first + place): letter for place, letter in zip(range(count), ascii_uppercase, strict=False)}


def _without_own_letters(options: RowOptions) -> RowOptions:
    """The options without their own letter before them, where every one of them has it."""
    if len(options.texts) < 2:
        return options
    plain: dict[str, str] = {}
    for letter, text in options.texts.items():
        rest = _after_label(text, letter)
        if not rest:
            return options
        plain[letter] = rest
    return RowOptions(plain, options.names, (*options.repairs, DROPPED_LETTERS))


def _after_label(text: str, letter: str) -> str | None:
    """The text behind the label of an option; None where it does not begin with that label."""
    found = _LINE_LABEL.match(text)
    label = unicodedata.normalize("NFKC", found[1] or found[2]).upper() if found else ""
    return text[found.end() :].strip() if found and label == letter else None


def _text(value: Any, where: str) -> str:
    """An option as text; empty for an empty cell. Raises `OptionFault` for what is no text."""
    if is_empty(value):
        return ""
    if isinstance(value, Mapping | list | tuple | bytes):
        place = where if "'" in where else f"'{where}'"
        raise OptionFault(f"{place} is {_shown(value)}", "a text or a number for every option")
    return str(value).strip()


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, str) else f"'{value}'"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
