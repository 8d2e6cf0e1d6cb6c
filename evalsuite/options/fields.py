"""How an option is described: `Option` says what `--help` shows, `Limits` which values are allowed.

Every part (`model`, `work`, …) is a frozen dataclass whose fields are annotated `Annotated[TYPE, Option(HELP)]`. The
commands, `--config` files, the signature of `RunConfig` and the tables in docs/cli.md are all made from these fields.

This module and the parts evaluate their annotations at once (no `from __future__ import annotations`), because the
command line reads them at every start.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import get_annotations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar, get_origin

PartT = TypeVar("PartT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The values that a number or a text may have. `expected` names them in an error message."""

    expected: str
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    min_length: int | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """What a field is as an option. `help` is the line that `--help` shows."""

    help: str
    metavar: str | None = None
    default_text: str | None = None
    """The default as `--help` shows it, where the field's own default does not say it ("mcq 5, gsm8k 4, else 0")."""
    names: tuple[str, ...] = ()
    """How the option is written on the command line; by default the field's name with dashes."""
    read: Callable[[Any], Any] | None = None
    """Turns what a user wrote into a value of the field's type."""
    check: Callable[[Any], Any] | None = None
    """Returns the completed value, or raises `ValueError` with the reason. None is not checked."""
    secret: bool = False
    """Whether a wrong value may be or hold a key, so that no message may repeat it."""
    identity: bool | Literal["unless default"] = True
    """Whether the option is part of a run's name: what is asked of whom. `unless default` is for options that are
    newer than existing runs: with their default they leave the name as it was."""
    output: bool = False
    """Whether it says where results are written. Such options are not recorded in run.json."""
    scoring: bool | Literal["judge"] = True
    """Whether `evalsuite score`, which asks no model, takes the option; `judge`: only together with a judge."""


Count: TypeAlias = Annotated[int, Limits(ge=1, expected="a whole number of at least 1")]
CountOrZero: TypeAlias = Annotated[int, Limits(ge=0, expected="a whole number of at least 0")]
PositiveNumber: TypeAlias = Annotated[float, Limits(gt=0.0, expected="a number above 0")]
NonNegativeNumber: TypeAlias = Annotated[float, Limits(ge=0.0, expected="a number of at least 0")]
Probability: TypeAlias = Annotated[float, Limits(gt=0.0, le=1.0, expected="a number above 0 and at most 1")]
NonEmptyText: TypeAlias = Annotated[str, Limits(min_length=1, expected="some text")]

if TYPE_CHECKING:
    from typing import ClassVar

    from typing_extensions import dataclass_transform

    class TextList:
        """A field that holds a tuple of texts and may be given as a list, or as one text alone."""

        def __get__(self, instance: object, owner: type | None = None) -> tuple[str, ...]: ...
        def __set__(self, instance: object, value: str | Iterable[str]) -> None: ...

    class Pairs:
        """A field that holds texts by name and may be given with numbers and booleans as values."""

        def __get__(self, instance: object, owner: type | None = None) -> dict[str, str]: ...
        def __set__(self, instance: object, value: str | Mapping[str, str | float | bool]) -> None: ...

    class FilePath:
        """A field that holds a path and may be given as text."""

        def __get__(self, instance: object, owner: type | None = None) -> Path: ...
        def __set__(self, instance: object, value: str | Path) -> None: ...

    class OptionalPath:
        """The same, or None."""

        def __get__(self, instance: object, owner: type | None = None) -> Path | None: ...
        def __set__(self, instance: object, value: str | Path | None) -> None: ...

    class OptionPart:
        """What type checkers know of the decorated classes: they are dataclasses."""

        __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @dataclass_transform(kw_only_default=True, field_specifiers=(dataclasses.field,))
    def option_part(part: type[PartT]) -> type[PartT]:
        """Make a class of option fields a frozen dataclass that others inherit from."""
        return part

    @dataclass_transform(kw_only_default=True, field_specifiers=(dataclasses.field,))
    def option_set(whole: type[PartT]) -> type[PartT]:
        """Make a class that inherits parts a frozen dataclass."""
        return whole
else:
    TextList = tuple[str, ...]
    Pairs = dict[str, str]
    FilePath = Path
    OptionalPath = Path | None
    OptionPart = object
    # --help creates every part at every start, and needs none of their methods
    option_part = dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
    option_set = dataclass(frozen=True, kw_only=True)


def default(value: Any) -> Any:
    """Return the default of a field that is given in other types than it holds, such as `TextList`."""
    return value


def option_of(annotation: Any) -> Option | None:
    """The option that a field's annotation describes; None for a field that is no option."""
    if get_origin(annotation) is not Annotated:
        return None
    return next((note for note in annotation.__metadata__ if isinstance(note, Option)), None)


def described_options(form: type) -> Mapping[str, tuple[Any, Option]]:
    """The annotation and the description of every option of a configuration class, by the field's name."""
    annotations = {
        name: note
        for part in form.__mro__[::-1]
        for name, note in get_annotations(part, eval_str=True).items()
    }
    return {name: (note, option) for name, note in annotations.items() if (option := option_of(note))}


def option_name(field_name: str) -> str:
    """A field as it is written on the command line: `max_tokens` → `--max-tokens`."""
    return f"--{field_name.replace('_', '-')}"


def field_default(field: dataclasses.Field[Any]) -> Any:
    """The value of a field that is not given."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
