"""Makes the options of a command from the fields of a configuration (see `evalsuite.options.fields`)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from evalsuite.options.fields import Option, described_options, field_default

CONFIG_FILE_HELP = "Read options from a YAML file. Options on the command line win."
JSON_HELP = "Print summary.json, and nothing else, to standard output."


def with_options(
    *parts: type, names: Sequence[str] = (), panels: bool = True, help_texts: Mapping[str, str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of configuration parts, in place of its `**options`.

    `names` picks some of them, in that order; `help_texts` replaces the help of an option where a command uses it for
    something narrower. The command receives what the user gave, by field name.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in inspect.signature(command).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        described = {
            name: _parameter(part, name, help_texts or {}, panels=panels)
            for part in parts
            for name in described_options(part)
            if not names or name in names
        }
        chosen = [described[name] for name in names or described]
        before = [one for one in own if one.default is inspect.Parameter.empty or _is_argument(one)]
        after = [one for one in own if one not in before]

        def call(**values: Any) -> None:
            given = {name: values.pop(name) for name in described if name in values}
            command(**values, **{name: value for name, value in given.items() if value not in (None, [])})

        parameters = [*before, *chosen, *after]
        call.__doc__, call.__name__ = command.__doc__, command.__name__
        call.__annotations__ = {one.name: one.annotation for one in parameters}
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return call

    return decorate


def pair_values(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Split `KEY=VALUE` texts. Raises `typer.BadParameter` for a text without `=`."""
    for text in texts:
        if "=" not in text:
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint=option)
    return dict(text.split("=", 1) for text in texts)


def _is_argument(parameter: inspect.Parameter) -> bool:
    return any(isinstance(note, typer.models.ArgumentInfo) for note in get_args(parameter.annotation))


def _parameter(part: type, name: str, help_texts: Mapping[str, str], *, panels: bool) -> inspect.Parameter:
    """A command's parameter for an option of a part."""
    annotation, option = described_options(part)[name]
    default = field_default(part.__dataclass_fields__[name])  # type: ignore[attr-defined]
    kind = _command_line_type(annotation, option)
    info = typer.Option(
        *_spellings(name, kind, option),
        metavar=option.metavar or _choices(kind),
        help=help_texts.get(name, option.help),
        show_default=_default_text(name, kind, default, option),
        rich_help_panel=part.panel if panels else None,  # type: ignore[attr-defined]
    )
    given_or_none: Any = kind | None
    annotated = Annotated[given_or_none, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotated)


def _command_line_type(annotation: Any, option: Option) -> Any:
    """The type that typer reads; limits are checked later, together with those of YAML files and Python."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _command_line_type(inner[0], option)
    if origin is tuple:
        return list[str]
    if origin is dict:
        return str if option.read else list[str]
    if origin in (None, Literal):
        return annotation
    members = [one for one in inner if one is not NoneType]
    return _command_line_type(members[0], option) if len(members) == 1 else str


def _spellings(name: str, kind: Any, option: Option) -> Sequence[str]:
    if option.names:
        return option.names
    dashed = name.replace("_", "-")
    return (f"--{dashed}/--no-{dashed}",) if kind is bool else (f"--{dashed}",)


def _choices(kind: Any) -> str | None:
    """The allowed words, as in `auto|zh|en`; None for other types."""
    return "|".join(get_args(kind)) if get_origin(kind) is Literal else None


def _default_text(name: str, kind: Any, default: Any, option: Option) -> str | bool:
    """What `--help` shows as the default; False for nothing."""
    if option.default_text:
        return option.default_text
    if kind is bool:
        spelling = _spellings(name, kind, option)[0]
        return spelling.partition("/--")[2] or False
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if isinstance(default, str | int | Path) else False
