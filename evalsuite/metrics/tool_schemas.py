"""Reads what the offered tools say about their parameters, in any of the usual layouts.

Layouts:

    JSON Schema         {"type": "object", "properties": {"day": {"type": "integer"}}, "required": ["day"]}
    flat, with types    {"day": "integer, from tomorrow"}       a type where the first word is one, else none
    flat, with need     {"day": "integer, required, from …"}    `required` or `optional` as second or later word
    schema a name       {"day": {"type": "integer", "required": true}}
    list                [{"name": "day", "type": "integer", "required": true}]

and any of them under `parameters`, `input`, or OpenAI's `function.parameters`. `{}` says that the tool takes no parameters.
Whatever is not said (no parameters, a text, `additionalProperties`, `$ref`, `anyOf` with a part of unknown type, two
different tools of one name) stays unknown, and nothing follows from it. Nothing here raises.

Types are JSON's own: an integer is a number without fraction (2.0 is one), true is not a number, null is a type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalsuite.metrics.tool_steps import tool_name

_TYPES: Mapping[str, str] = {
    "string": "string", "str": "string", "text": "string",
    "integer": "integer", "int": "integer", "long": "integer",
    "number": "number", "float": "number", "double": "number",
    "boolean": "boolean", "bool": "boolean",
    "array": "array", "list": "array",
    "object": "object", "dict": "object", "dictionary": "object",
    "null": "null",
}  # fmt: skip
"""Words for a type → JSON's own. Other words ("date", "enum", "file") cannot be checked."""
_CONTAINERS = ("array", "list", "object", "dict")
"""May be followed by the type of their items: "array of strings", "list[int]"."""
_DEEPEST_CHOICE = 8
"""How far `anyOf` within `anyOf` is followed."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `types` is empty, and `required` is None, if the tool does not say."""

    types: frozenset[str] = frozenset()
    required: bool | None = None
    choices: tuple[Any, ...] = ()
    """The values of an `enum`."""
    schema: Mapping[str, Any] = field(default_factory=dict)
    """The parameter as JSON Schema, for a request."""

    def accepts_type_of(self, value: object) -> bool:
        """Whether the parameter takes a parsed JSON value's type; True if the tool does not say."""
        return not self.types or not self.types.isdisjoint(json_types(value))


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """The parameters of one tool by name. `is_closed`: the tool has no others."""

    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    is_closed: bool = False

    @property
    def required(self) -> list[str]:
        """The names of required parameters."""
        return [name for name, parameter in self.parameters.items() if parameter.required]

    def json_schema(self) -> dict[str, Any]:
        """Return them as the JSON Schema of an object."""
        properties = {name: dict(parameter.schema) for name, parameter in self.parameters.items()}
        return {"type": "object", "properties": properties, "required": self.required}


UNKNOWN = ToolSchema()
"""The schema of a tool that says nothing."""


def json_types(value: object) -> frozenset[str]:
    """Return JSON Schema's names for the type of a parsed JSON value.

    >>> sorted(json_types(2.0)), sorted(json_types(True))
    (['integer', 'number'], ['boolean'])
    """
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return frozenset({"integer", "number"})
    names = ((str, "string"), (float, "number"), (dict, "object"), (list, "array"))
    return frozenset({next((name for kind, name in names if isinstance(value, kind)), "null")})


def offered_schemas(tools: object) -> dict[str, ToolSchema]:
    """Return the parameters of every offered tool by its name."""
    found: dict[str, ToolSchema] = {}
    for tool in tools if isinstance(tools, list | tuple) else ():
        name = tool_name(tool)
        if name is not None:
            schema = read_schema(declared_parameters(tool))
            found[name] = schema if found.get(name, schema) == schema else UNKNOWN
    return found


def tool_description(tool: Mapping[str, Any]) -> str:
    """Return a tool's description; ToolBench's own files have it under `function`."""
    function = tool.get("function")
    nested = function.get("description") if isinstance(function, Mapping) else function
    words = (tool.get("description"), nested)
    return next((text for text in words if isinstance(text, str) and text), "")


def tool_schema(tool: Mapping[str, Any]) -> ToolSchema:
    """Return the parameters of one tool."""
    return read_schema(declared_parameters(tool))


def read_schema(stated: object) -> ToolSchema:
    """Return the parameters in any of the layouts; `UNKNOWN` for anything else.

    >>> read_schema({"day": "integer, required, from tomorrow"}).required
    ['day']
    """
    if isinstance(stated, str):
        try:
            stated = json.loads(stated)
        except (ValueError, RecursionError):
            return UNKNOWN
    if isinstance(stated, list | tuple):
        return _listed(stated)
    if not isinstance(stated, Mapping):
        return UNKNOWN
    properties = stated.get("properties")
    if isinstance(properties, Mapping) and all(
        isinstance(one, Mapping | bool) for one in properties.values()
    ):
        return _from_json_schema(stated, properties)
    if stated.get("type") == "object" or any(str(name).startswith("$") for name in stated):
        return UNKNOWN
    return ToolSchema({str(name): _parameter(one) for name, one in stated.items()}, is_closed=True)


def declared_parameters(tool: Mapping[str, Any]) -> object:
    """Return a tool's parameters in its own layout; None if it has none."""
    function = tool.get("function")
    nested = function if isinstance(function, Mapping) else {}
    places = (tool, nested)
    names = ("parameters", "input", "input_schema")
    return next((place[name] for place in places for name in names if place.get(name) is not None), None)


def _listed(stated: Sequence[object]) -> ToolSchema:
    named = [one for one in stated if isinstance(one, Mapping) and isinstance(one.get("name"), str)]
    if len(named) != len(stated):
        return UNKNOWN
    return ToolSchema({one["name"]: _parameter(one) for one in named}, is_closed=True)


def _from_json_schema(stated: Mapping[str, Any], properties: Mapping[Any, Any]) -> ToolSchema:
    required = stated.get("required")
    names = set(map(str, required)) if isinstance(required, list | tuple) else None
    open_ended = stated.get("additionalProperties") not in (None, False) or "patternProperties" in stated
    parameters = {}
    for name, one in properties.items():
        schema = one if isinstance(one, Mapping) else {}
        needed = _flag(schema) if names is None else str(name) in names
        parameters[str(name)] = Parameter(_types(schema), needed, _choices(schema), schema)
    return ToolSchema(parameters, is_closed=not open_ended)


def _parameter(stated: object) -> Parameter:
    if isinstance(stated, Mapping):
        kept = {key: value for key, value in stated.items() if key not in ("name", "required", "optional")}
        types = _types(stated)
        if isinstance(kept.get("type"), str):  # a word such as "str" or "DATE" is no type of JSON Schema
            kept.pop("type")
            kept |= {"type": next(iter(types))} if types else {}
        return Parameter(types, _flag(stated), _choices(stated), kept)
    text = stated if isinstance(stated, str) else ""
    first, *others = (word.strip().lower() for word in text.split(","))
    kind = _type_of_word(first)
    schema = ({"type": kind} if kind else {}) | ({"description": text} if text else {})
    required = True if "required" in others else False if "optional" in others else None
    return Parameter(frozenset({kind} if kind else ()), required, (), schema)


def _flag(stated: Mapping[str, Any]) -> bool | None:
    """Return whether a single parameter says that it is required; None if it does not say."""
    required, optional = stated.get("required"), stated.get("optional")
    if isinstance(required, bool):
        return required
    return not optional if isinstance(optional, bool) else None


def _choices(stated: Mapping[str, Any]) -> tuple[Any, ...]:
    choices = stated.get("enum")
    return tuple(choices) if isinstance(choices, list | tuple) else ()


def _types(stated: Mapping[str, Any], depth: int = _DEEPEST_CHOICE) -> frozenset[str]:
    """Return the types that a schema allows; empty if one of them is unknown."""
    found: set[str] = set()
    choices = next((stated[key] for key in ("anyOf", "oneOf") if isinstance(stated.get(key), list)), None)
    if choices:
        parts = [
            _types(one, depth - 1) if isinstance(one, Mapping) and depth else frozenset() for one in choices
        ]
        if not all(parts):
            return frozenset()
        found.update(*parts)
    else:
        words = stated.get("type")
        kinds = [_type_of_word(str(word).lower()) for word in _as_list(words)]
        if not all(kinds):
            return frozenset()
        found.update(kinds)
    return frozenset(found | {"null"} if found and stated.get("nullable") is True else found)


def _as_list(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else () if value is None else (value,)


def _type_of_word(words: str) -> str:
    """Return JSON's name for a type; "" for unknown words. "array of strings" is an array."""
    container = next(
        (word for word in _CONTAINERS if words.startswith((f"{word} of", f"{word}[", f"{word}<"))), words
    )
    return _TYPES.get(container, "")
