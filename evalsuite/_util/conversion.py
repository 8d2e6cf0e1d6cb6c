"""Option values from any source (words, YAML, Python) made what a field's annotation says, or refused in plain words.

msgspec converts: it loads in 6 ms, and a short run is mostly loading. It stops at the first fault, so fields are
converted one by one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, description="a whole number of at least 1")]
CountOrZero: TypeAlias = Annotated[int, msgspec.Meta(ge=0, description="a whole number of at least 0")]
PositiveNumber: TypeAlias = Annotated[float, msgspec.Meta(gt=0.0, description="a number above 0")]
NonNegativeNumber: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, description="a number of at least 0")]
Probability: TypeAlias = Annotated[
    float, msgspec.Meta(gt=0.0, le=1.0, description="a number above 0 and at most 1")
]

NonEmptyText: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, description="some text")]

_TYPE_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    tuple: "texts, or a list of them",
    dict: "names with their values",
}


def field_annotations(form: type) -> dict[str, Any]:
    """The annotation of every field of a dataclass, resolved."""
    return get_type_hints(form, include_extras=True)


def convert_value(annotation: Any, value: Any) -> Any:
    """The value as the annotation wants it: one text where a list is meant, numbers in words, paths of the home folder.

    Raises `ValueError` that says what is expected.
    """
    if get_origin(annotation) is tuple and isinstance(value, str):
        value = (value,)
    if get_origin(annotation) is dict and isinstance(value, Mapping):
        value = {str(key): _to_text(item) for key, item in value.items()}
    try:
        found = msgspec.convert(value, annotation, strict=False, dec_hook=_decode_path)
    except msgspec.ValidationError:
        raise ValueError(f"{_expected(annotation)} is expected") from None
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError("a finite number is expected")
    return found


def to_plain(value: Any) -> Any:
    """A field's value as JSON has it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def field_default(field: dataclasses.Field[Any]) -> Any:
    """What a field holds where nothing is said."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


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
    """What may stand there, in words; that nothing may as well goes without saying."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield next(str(note.description) for note in inner if isinstance(note, msgspec.Meta))
    elif origin is Literal:
        yield from map(str, inner)
    elif origin in _TYPE_NAMES or annotation in _TYPE_NAMES:
        yield _TYPE_NAMES[origin or annotation]
    else:
        for one in inner:
            if one is not type(None):
                yield from _expectations(one)
