"""Lists in a cell, as Python, NumPy and JSON write them; nothing is evaluated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.data.cell_lists import CellListError, parse_cell

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)
literals = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(literals, max_size=5) | st.dictionaries(texts, literals, max_size=4))
def test_what_python_writes_reads_back_equal(value: Any) -> None:
    assert parse_cell(repr(value)) == value


@given(st.lists(texts, min_size=1, max_size=6), st.sampled_from([" ", "\n ", "  "]))
def test_what_numpy_writes_reads_back_equal(values: list[Any], separator: str) -> None:
    assert parse_cell(f"[{separator.join(map(repr, values))}]") == values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1 2 3]", [1, 2, 3]),
        ("(1, 'x',)", [1, "x"]),
        ("array(['a', 'b'], dtype=object)", ["a", "b"]),
        ("{'text': np.array(['a'], dtype='<U1')}", {"text": ["a"]}),
        ("[nan, None, 1.5e3, -2]", [None, None, 1500.0, -2]),
        ("[]", []),
        ('["it\'s", "say \\"no\\""]', ["it's", 'say "no"']),
    ],
)
def test_other_forms(text: str, value: dict[str, Any] | list[Any]) -> None:
    assert parse_cell(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "['a' 'b', 'c']",
        "['a', b]",
        "['a'",
        "['a'] and more",
        "{'a' 'b'}",
        "[__import__('os')]",
        "['a' ... 'z']",
        "(" * 100 + ")" * 100,
        r"['\xz']",
        "[b'bytes']",
        "nothing",
        "",
    ],
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(CellListError):
        parse_cell(text)


@given(st.text("[]{}(),:'\"ab1 \\\n", max_size=40))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    try:
        parse_cell(text)
    except CellListError:
        return
