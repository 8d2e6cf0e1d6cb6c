"""Whatever layout and whatever file format: the same options, the same answer."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalsuite.data.dataset import load_dataset
from evalsuite.data.layout import DataFile
from evalsuite.data.option_columns import (
    DROPPED_LETTERS,
    OptionFault,
    has_options,
    option_like,
    read_options,
)
from evalsuite.tasks.mcq import McqTask

fast = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Texts = Sequence[str]


def by_name(pattern: str, *, lower: bool = False, first: int = 0) -> Callable[[Texts], dict[str, Any]]:
    """A column an option: `{}` in the pattern is its letter, `{n}` its number."""
    return lambda texts: {
        pattern.format(letter.lower() if lower else letter, n=first + place): text
        for place, (letter, text) in enumerate(zip(ascii_uppercase, texts, strict=False))
    }


def letters(texts: Texts) -> list[str]:
    return list(ascii_uppercase[: len(texts)])


LAYOUTS: Mapping[str, Callable[[Texts], dict[str, Any]]] = {
    "A": by_name("{}"),
    "(A)": by_name("({})"),
    "opa": by_name("op{}", lower=True),
    "option_a": by_name("option_{}", lower=True),
    "optionA": by_name("option{}"),
    "Option A": by_name("Option {}"),
    "choice_a": by_name("choice_{}", lower=True),
    "选项A": by_name("选项{}"),
    "option1": by_name("option{n}", first=1),
    "option_1": by_name("option_{n}", first=1),
    "choice0": by_name("choice{n}"),
    "full width": lambda texts: {
        chr(ord(letter) + 0xFEE0): text for letter, text in zip(ascii_uppercase, texts, strict=False)
    },
    "list": lambda texts: {"choices": list(texts)},
    "options list": lambda texts: {"options": list(texts)},
    "object by letter": lambda texts: {"options": dict(zip(letters(texts), texts, strict=True))},
    "text and label": lambda texts: {"choices": {"text": list(texts), "label": letters(texts)}},
    "objects": lambda texts: {
        "choices": [{"label": label, "text": text} for label, text in zip(letters(texts), texts, strict=True)]
    },
}
CELL_FORMS: Mapping[str, Callable[[Any], str]] = {
    "json": lambda value: json.dumps(value, ensure_ascii=False),
    "python": repr,
}
NUMPY_FORM: Callable[[Texts], str] = lambda texts: "[" + "\n ".join(map(repr, texts)) + "]"  # noqa: E731
LINES_FORM: Callable[[Texts], str] = lambda texts: "\n".join(  # noqa: E731
    f"{letter}. {text}" for letter, text in zip(ascii_uppercase, texts, strict=False)
)

words = st.text("abyzé水火 ,'\"-+=12.:()[]{}<>\\", min_size=1, max_size=12).filter(
    lambda text: (
        text == text.strip()
        and not text.startswith(("[", "(", "{"))
        and "a." not in text[:3].lower()
        and not any(mark in text[:3] for mark in ".:,)")
        and text.strip("\\")
    )
)
options = st.lists(words, min_size=2, max_size=6, unique_by=lambda text: "".join(text.casefold().split()))


def write(path: Path, row: Mapping[str, Any]) -> Path:
    """One row in the format of the path's ending; cells hold lists as JSON text."""
    if path.suffix in (".csv", ".tsv"):
        cells = {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in row.items()
        }
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(row), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerow(cells)
    elif path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist([dict(row)]), path)
    else:
        text = json.dumps([row] if path.suffix == ".json" else row, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Any:
    (sample,) = [sample for sample, _ in load_dataset("x", [DataFile(path, "x")], McqTask()).samples()]
    return sample.row


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
@pytest.mark.parametrize("layout", LAYOUTS)
@fast
@given(data=st.data(), texts=options)
def test_any_layout_in_any_format_gives_the_same_row(
    tmp_path: Path, layout: str, ending: str, data: Any, texts: list[Any]
) -> None:
    gold = data.draw(st.integers(0, len(texts) - 1))
    row = {"question": "Which?", **LAYOUTS[layout](texts), "answer": ascii_uppercase[gold]}
    found = read(write(tmp_path / f"row{ending}", row))
    assert dict(found.options) == dict(zip(letters(texts), texts, strict=True))
    assert found.answer == (ascii_uppercase[gold],)
    assert found.repairs == ()


@pytest.mark.parametrize("form", ["json", "python", "numpy", "lines", "object", "arrays"])
@fast
@given(texts=options)
def test_any_list_in_a_cell_is_read_as_what_wrote_it_meant(
    tmp_path: Path, form: str, texts: list[Any]
) -> None:
    forms: Mapping[str, Callable[[Any], str]] = {
        "json": CELL_FORMS["json"],
        "python": CELL_FORMS["python"],
        "numpy": NUMPY_FORM,
        "lines": LINES_FORM,
        "object": lambda texts: repr(dict(zip(letters(texts), texts, strict=True))),
        "arrays": lambda texts: (
            f"{{'text': array({list(texts)!r}, dtype=object), 'label': array({letters(texts)!r},\n dtype=object)}}"
        ),
    }
    cell = forms[form](texts)
    row = {"question": "Which?", "choices": cell, "answer": "B"}
    found = read(write(tmp_path / "row.csv", row))
    assert list(found.options.values()) == list(texts)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("layout", "first"), [("list", 0), ("options list", 0), ("choice0", 0), ("option1", 1)]
)
def test_a_number_names_the_same_option_in_every_format(
    tmp_path: Path, ending: str, layout: str, first: int
) -> None:
    texts = ["apple", "stone", "iron", "glass"]
    for place, letter in enumerate(letters(texts)):
        row = {"question": "Which?", **LAYOUTS[layout](texts), "answer": first + place}
        assert read(write(tmp_path / f"{letter}{ending}", row)).answer == (letter,)


@pytest.mark.parametrize(
    "form", ["{}. {t}", "({}) {t}", "{}) {t}", "{}、{t}", "（{}）{t}", "{}：{t}", "({}){t}"]
)
@pytest.mark.parametrize("layout", ["A", "option_a", "list", "objects"])
def test_options_that_repeat_their_own_letter_lose_it(form: str, layout: str) -> None:
    texts = ["one", "two", "three"]
    repeated = [form.format(letter, t=text) for letter, text in zip(letters(texts), texts, strict=True)]
    values = {name.lower(): value for name, value in LAYOUTS[layout](repeated).items()}
    found = read_options(values)
    assert list(found.texts.values()) == texts
    assert found.repairs == (DROPPED_LETTERS,)


@pytest.mark.parametrize(
    "texts",
    [
        ["A dog", "B movies"],
        ["A. one", "two"],
        ["B. one", "A. two"],
        ["A.", "B."],
        ["A, B and C", "Both"],
        ["(A) and (B)", "(A) only"],
    ],
)
def test_options_that_do_not_all_repeat_their_letter_keep_it(texts: list[Any]) -> None:
    found = read_options({"choices": texts})
    assert (list(found.texts.values()), found.repairs) == (texts, ())


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"a": "x", "b": "", "c": "z"}, "option B is empty, but option C is 'z'"),
        ({"a": "x", "c": "z"}, "option B is empty, but option C is 'z'"),
        ({"choices": ["x", None, "z"]}, "option B is empty, but option C is 'z'"),
        ({"option1": "x", "option2": float("nan"), "option3": "z"}, "option B is empty, but option C is 'z'"),
        ({"options": {"A": "x", "C": "z"}}, "labels of 'options' are a, c"),
        ({"choices": {"text": ["x"], "label": ["A", "B"]}}, "'choices' has 1 texts and 2 labels"),
        ({"choices": [{"label": "A", "text": "x"}, {"label": "A", "text": "y"}]}, "labels of 'choices' repeat: A, A"),
        ({"choices": ["x", "y"], "a": "x", "b": "z"}, "options stand in a list and in columns, and differ"),
        ({"a": "x", "b": "y", "option1": "v", "option2": "w"}, "options stand in columns of two forms"),
        ({"a": "x", "b": {"deep": 1}}, "'b' is {'deep': 1}"),
        ({"choices": "['a' 'b', 'c']"}, "'choices' is not a list (a missing comma at character 11)"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_read_say_what_is_there(values: dict[str, Any], what: str) -> None:
    with pytest.raises(OptionFault) as caught:
        read_options(values)
    assert caught.value.what == what


def test_the_run_ends_with_the_last_value_of_the_row() -> None:
    assert list(read_options({"a": "x", "b": "y", "c": " ", "d": None}).texts) == ["A", "B"]


def test_labels_that_are_numbers_are_what_the_answer_may_name() -> None:
    found = read_options({"choices": {"text": ["x", "y"], "label": ["1", "2"]}})
    assert (found.named("2"), found.named(2), found.named(2.0), found.named("B")) == ("B", "B", "B", None)
    assert found.named(True) is None


def test_columns_that_say_options_are_told_from_others() -> None:
    assert option_like(["question", "option_a", "choice1", "options", "a", "x", "optional"]) == [
        "option_a",
        "choice1",
        "options",
    ]
    assert has_options({"option_a": "", "option_b": ""})
    assert not has_options({"a": "an answer"})
    assert not has_options({"options": None})


def test_a_column_called_choice_beside_lettered_options_is_no_list() -> None:
    assert dict(read_options({"a": "x", "b": "y", "choice": "A"}).texts) == {"A": "x", "B": "y"}


@pytest.mark.parametrize("answer", ["1.0", "1", 1, 1.0])
def test_an_index_may_be_written_as_a_decimal(answer: object) -> None:
    """Pandas writes whole numbers so once a cell of their column is empty."""
    assert read_options({"choices": ["x", "y"]}).named(answer) == "B"
