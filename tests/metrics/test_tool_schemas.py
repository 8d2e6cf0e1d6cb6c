"""Parameters in every layout that is about, and nothing concluded from what is not said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.metrics.tool_schemas import (
    UNKNOWN,
    offered_schemas,
    read_schema,
    tool_description,
    tool_schema,
)

LAYOUTS = {
    "JSON Schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
    "flat": {"city": "string, required, a name", "days": "integer, optional, 1 to 7"},
    "schema a name": {"city": {"type": "str", "required": True}, "days": {"type": "int", "required": False}},
    "list": [
        {"name": "city", "type": "STRING", "required": True},
        {"name": "days", "type": "int", "optional": True},
    ],
}


@pytest.mark.parametrize("stated", [*LAYOUTS.values(), *map(json.dumps, LAYOUTS.values())])
def test_every_layout_says_the_same(stated: dict[str, Any] | list[Any] | str) -> None:
    schema = read_schema(stated)
    assert schema.required == ["city"]
    assert {name: set(one.types) for name, one in schema.parameters.items()} == {
        "city": {"string"},
        "days": {"integer"},
    }
    assert schema.is_closed
    assert schema.json_schema()["properties"]["days"]["type"] == "integer"


@pytest.mark.parametrize(
    "stated",
    [
        None,
        7,
        "",
        "city: the name of a city",
        "{",
        [1],
        ["city"],
        {"type": "object"},
        {"$ref": "#/x"},
        "[" * 100_000,
    ],
)
def test_what_says_nothing_is_unknown(stated: dict[str, Any] | int | list[Any] | str | None) -> None:
    assert read_schema(stated) == UNKNOWN


def test_an_empty_object_says_that_nothing_is_taken() -> None:
    assert read_schema({}).is_closed
    assert read_schema({"type": "object", "properties": {}}).is_closed


def test_names_that_look_like_a_schema_are_names() -> None:
    flat = read_schema({"properties": "string, which ones", "type": "string, of what", "required": "boolean"})
    assert list(flat.parameters) == ["properties", "type", "required"]
    nested = read_schema({"properties": {"type": "string"}})
    assert list(nested.parameters) == ["properties"]


@pytest.mark.parametrize("more", [{"additionalProperties": True}, {"patternProperties": {}}])
def test_a_schema_that_takes_more_is_open(more: dict[str, Any]) -> None:
    assert not read_schema({"type": "object", "properties": {}, **more}).is_closed


@pytest.mark.parametrize(
    ("stated", "types"),
    [
        ("give_answer | give_up_and_restart", set()),
        ("the answer, with give_answer", set()),
        ("", set()),
        ("array of strings, which", {"array"}),
        ("list[int]", {"array"}),
        ("string_or_number", set()),
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"type": ["string", "date"]}, set()),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"integer", "null"}),
        ({"anyOf": [{"type": "integer"}, {"$ref": "#/x"}]}, set()),
        ({"type": "string", "nullable": True}, {"string", "null"}),
        ({"type": {"x": 1}}, set()),
        (None, set()),
        (7, set()),
    ],
)
def test_types(stated: dict[str, Any] | int | str | None, types: set[Any]) -> None:
    assert read_schema({"name": stated}).parameters["name"].types == types


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        ("integer", 2, True),
        ("integer", 2.0, True),
        ("integer", 2.5, False),
        ("integer", True, False),
        ("number", 2, True),
        ("boolean", 1, False),
        ("string", None, False),
        ("string", 5, False),
        ("array", [], True),
        ("object", [], False),
        ("a date", 5, True),
    ],
)
def test_values_by_type(kind: str, value: bool | float | list[Any] | None, fits: bool) -> None:
    assert read_schema({"x": kind}).parameters["x"].accepts_type_of(value) is fits


def test_tools_in_every_wrapper() -> None:
    parameters = {"day": "integer"}
    tools: list[Any] = [
        {"name": "one", "parameters": parameters},
        {"Name": "two", "function": "What it does.", "input": parameters},
        {"type": "function", "function": {"name": "three", "description": "It.", "parameters": parameters}},
        {"name": "four", "input_schema": parameters},
        {"name": "five"},
        "six",
    ]
    found = offered_schemas(tools)
    assert [name for name, schema in found.items() if list(schema.parameters) == ["day"]] == [
        "one",
        "two",
        "three",
        "four",
    ]
    assert found["five"] == UNKNOWN
    assert [tool_description(tool) for tool in tools[:3]] == ["", "What it does.", "It."]
    assert tool_schema(tools[0]).parameters["day"].types == {"integer"}


def test_two_tools_of_one_name_that_differ_say_nothing() -> None:
    assert offered_schemas([{"name": "x", "parameters": {}}, {"name": "x", "parameters": {"a": ""}}]) == {
        "x": UNKNOWN
    }
    assert offered_schemas([{"name": "x", "parameters": {}}] * 2)["x"].is_closed


ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "required", "enum", "anyOf", "name", "parameters", "function", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ANY)
def test_nothing_raises(stated: Any) -> None:
    read_schema(stated).json_schema()
    offered_schemas(stated)
    offered_schemas([{"name": "x", "parameters": stated}, {"name": "y", "function": stated}])
