"""Commands get their options from the fields of a configuration: type, default, help, spelling."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, ClassVar, Literal

import pytest
import typer
from typer.testing import CliRunner

from evalsuite.cli.help import SectionedCommand
from evalsuite.cli.options import pair_values, with_options
from evalsuite.options.fields import Count, Option, Pairs, TextList, default, option_part

runner = CliRunner()


@option_part
class Part:
    """Options of a test."""

    panel: ClassVar[str] = "Test panel"

    number: Annotated[Count, Option("A number.", metavar="N")] = 7
    share: Annotated[float, Option("A share.")] = 0.25
    unset: Annotated[int | None, Option("Another number.", default_text="worked out")] = None
    mode: Annotated[Literal["fast", "slow"], Option("A mode.")] = "fast"
    words: Annotated[TextList, Option("Words.", metavar="WORD", names=("--word", "-w"))] = default(())
    flag: Annotated[bool, Option("A flag.")] = False
    once: Annotated[bool, Option("A switch.", names=("--once",))] = False
    either: Annotated[Count | Literal["auto"], Option("Either.")] = "auto"
    mapping: Annotated[Pairs, Option("Pairs.", read=str)] = default(None)


def command_with(received: dict[str, Any], **settings: Any) -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None)

    @with_options(Part, **settings)
    def test(
        file: Annotated[str, typer.Argument()],
        json: Annotated[bool, typer.Option("--json")] = False,
        **options: Any,
    ) -> None:
        """Do nothing."""
        received.update(options, file=file, json=json)

    app.command(cls=SectionedCommand)(test)
    return app


def call(words: str, **settings: Any) -> dict[str, Any]:
    received: dict[str, Any] = {}
    result = runner.invoke(command_with(received, **settings), words.split())
    assert result.exit_code == 0, result.output
    return received


def test_command_receives_only_what_was_given() -> None:
    assert call("f") == {"file": "f", "json": False}
    assert call("f --number 3 --json -w a --word b --no-flag --once --either auto") == {
        "file": "f", "json": True, "number": 3, "words": ["a", "b"], "flag": False, "once": True, "either": "auto",
    }  # fmt: skip


@pytest.mark.parametrize(
    "shown",
    [
        "[default: 7]",
        "[default: 0.25]",
        "[default: worked out]",
        "[default: fast]",
        "[default: no-flag]",
        "[default: auto]",
        "--mode fast|slow",
        "-w, --word WORD",
        "--flag / --no-flag",
        "Test panel:",
        "With every command:",
    ],
)
def test_help_shows_what_the_fields_say(shown: str) -> None:
    output = runner.invoke(command_with({}), ["--help"], env={"COLUMNS": "120"}).output
    assert shown in output


def test_names_pick_options_and_help_texts_replace_theirs() -> None:
    app = command_with({}, names=("number",), panels=False, help_texts={"number": "A narrower number."})
    output = runner.invoke(app, ["--help"], env={"COLUMNS": "120"}).output
    assert "A narrower number." in output
    assert "--share" not in output
    assert "Test panel" not in output


def test_signature_of_the_command_lists_arguments_before_options() -> None:
    @with_options(Part, names=("number",))
    def test(file: Annotated[str, typer.Argument()], last: bool = False, **options: Any) -> None:
        """Do nothing."""

    assert list(inspect.signature(test).parameters) == ["file", "number", "last"]


def test_value_outside_the_choices_is_refused() -> None:
    result = runner.invoke(command_with({}), ["f", "--mode", "odd"])
    assert result.exit_code == 2
    assert "odd" in result.output


def test_pair_values_without_equals_sign_names_the_option() -> None:
    assert pair_values("--x", ["a=1", "b=2=3"]) == {"a": "1", "b": "2=3"}
    with pytest.raises(typer.BadParameter, match="'a' is not KEY=VALUE"):
        pair_values("--x", ["a"])
