"""What is nearly a JSON object is told from what is none; nothing raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics.json_repair import MAX_LENGTH, repair_object

WORDS = st.text(alphabet="ab \"'\\\n:{}é", max_size=5)
VALUES = st.none() | st.booleans() | st.integers(-99, 99) | WORDS
OBJECTS = st.dictionaries(
    WORDS, VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(WORDS, VALUES, max_size=2)
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{}", {}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('{"a": 1} I hope this helps', {"a": 1}),
        ("{'a': 'it\\'s', 'b': True, 'c': None}", {"a": "it's", "b": True, "c": None}),
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ('{"a": "x', {"a": "x"}),
        ('{"a": {"b": [1', {"a": {"b": [1]}}),
        ('{"a": "two\nlines \\d"}', {"a": "two\nlines \\d"}),
        ("{'say': '\"hi\"'}", {"say": '"hi"'}),
        ("{", {}),
    ],
)
def test_mended(written: str, meant: dict[str, Any]) -> None:
    assert repair_object(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "none",
        "[1]",
        '"x"',
        "{a}",
        '{"a" 1}',
        '{"a":',
        '{"a": 1]',
        "{" * 90_000,
        "{" * (MAX_LENGTH + 1),
        "{\ud800}",
    ],
)
def test_not_mended(written: str) -> None:
    assert repair_object(written) is None


@given(OBJECTS)
def test_json_is_read_as_it_is(value: dict[str, Any]) -> None:
    assert repair_object(json.dumps(value)) == value


@given(st.dictionaries(st.text(alphabet='ab "é', max_size=5), VALUES))
def test_a_python_dictionary_is_what_it_stands_for(value: dict[str, Any]) -> None:
    assert repair_object(str(value)) == value


@given(st.text() | st.text(alphabet="{}[]:,\"'\\ aT1\n"))
def test_nothing_raises(written: Any) -> None:
    assert isinstance(repair_object(written), dict | None)
