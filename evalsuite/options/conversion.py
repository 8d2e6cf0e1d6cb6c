"""Converts option values from any source (command line, YAML, Python) to the types of their fields.

msgspec does the work, since it loads in 6 ms and a short run is mostly loading. It stops at the first error, so each
field is converted alone.
"""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from evalsuite.options.fields import Limits

_TYPE_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    tuple: "text, or a list of texts",
    dict: "names with their values",
}


def convert_value(annotation: Any, value: Any) -> Any:
    """Convert a value to an annotated type: one text to a tuple, words to numbers, `~` to the home folder.

    Raises `ValueError` that says what is expected.
    """
    form = _msgspec_type(annotation)
    if get_origin(form) is tuple and isinstance(value, str):
        value = (value,)
    if get_origin(form) is dict and isinstance(value, Mapping):
        value = {str(key): _to_text(item) for key, item in value.items()}
    try:
        converted = msgspec.convert(value, form, strict=False, dec_hook=_decode_path)
    except msgspec.ValidationError:
        raise ValueError(f"{_expected(annotation)} is expected") from None
    if isinstance(converted, float) and not math.isfinite(converted):
        raise ValueError("a finite number is expected")
    return converted


def to_plain(value: Any) -> Any:
    """Convert a field's value to what JSON can hold."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


@cache
def _msgspec_type(annotation: Any) -> Any:
    """The same type with `Limits` as msgspec's own, and without other annotations."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        form = _msgspec_type(inner[0])
        for limits in (note for note in inner[1:] if isinstance(note, Limits)):
            form = Annotated[form, msgspec.Meta(**_bounds(limits))]
        return form
    if origin in (None, Literal, tuple, dict):
        return annotation
    return Union[tuple(map(_msgspec_type, inner))]  # noqa: UP007 - the members are computed


def _bounds(limits: Limits) -> dict[str, Any]:
    bounds = {name: getattr(limits, name) for name in ("ge", "gt", "le", "min_length")}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _decode_path(wanted: type, value: Any) -> Path:
    if wanted is Path and isinstance(value, str | Path):
        return Path(value).expanduser()
    raise ValueError(value)


def _to_text(value: Any) -> str:
    """A YAML value as it is written on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _expected(annotation: Any) -> str:
    words = list(dict.fromkeys(_expectations(annotation)))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _expectations(annotation: Any) -> Iterator[str]:
    """Name the allowed types and values; None is allowed silently."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = next((note for note in inner if isinstance(note, Limits)), None)
        if limits:
            yield limits.expected
        else:
            yield from _expectations(inner[0])
    elif origin is Literal:
        yield from map(str, inner)
    elif origin in _TYPE_NAMES or annotation in _TYPE_NAMES:
        yield _TYPE_NAMES[origin or annotation]
    else:
        for one in inner:
            if one is not type(None):
                yield from _expectations(one)
