"""Writes the tables of docs/cli.md from the commands themselves: `python -m evalsuite.cli.reference docs/cli.md`.

A page has a block for each command, from `<!-- command: NAME -->` to `<!-- end -->`. What is between is replaced; the text
around the blocks is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from evalsuite.cli.app import application

_BLOCK = re.compile(r"<!-- command: (?P<name>[a-z ]+) -->\n.*?<!-- end -->", re.DOTALL)
_DEFAULT = re.compile(r"\s*\[(?P<marks>[^\[\]]*)\]$")
_LEAVE_OUT = {"help"}


def command_names() -> list[str]:
    """Every command, with those of groups as `export merge`."""
    return list(_commands())


def update_page(page: str) -> str:
    """Return a page with the blocks of its commands written anew. Raises `KeyError` for a command that does not exist."""
    commands = _commands()

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- command: {name} -->\n{command_block(name, commands[name])}\n<!-- end -->"

    return _BLOCK.sub(block, page)


def command_block(name: str, command: Any) -> str:
    """Describe a command in Markdown: its usage, what it does, a table of its options."""
    with typer.Context(command, info_name=f"evalsuite {name}") as context:
        usage = " ".join(command.collect_usage_pieces(context))
        tables = list(_tables(command, context))
    return "\n\n".join([f"```\nevalsuite {name} {usage}\n```", _description(command.help or ""), *tables])


def _commands() -> dict[str, Any]:
    """Every command by its full name."""
    found: dict[str, Any] = {}

    def walk(commands: Mapping[str, Any], prefix: str) -> None:
        for name, command in commands.items():
            if hasattr(command, "commands"):
                walk(command.commands, f"{prefix}{name} ")
            else:
                found[f"{prefix}{name}"] = command

    walk(typer.main.get_command(application()).commands, "")  # type: ignore[attr-defined]
    return found


def _description(help_text: str) -> str:
    """A docstring as Markdown: paragraphs on one line each, examples as code."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", help_text.strip()):
        if paragraph.startswith("\b"):
            lines = [line.strip() for line in paragraph.splitlines()[1:]]
            paragraphs.append("\n".join(["```", *lines, "```"]))
        else:
            paragraphs.append(" ".join(paragraph.split()))
    return "\n\n".join(paragraphs)


def _tables(command: Any, context: Any) -> Iterator[str]:
    """One table for each panel of `--help`, under its name."""
    panels: dict[str, list[str]] = {}
    for panel, row in _rows(command, context):
        panels.setdefault(panel, []).append(row)
    for panel, rows in panels.items():
        title = f"**{panel}**\n\n" if panel else ""
        yield title + "\n".join(["| option | default | meaning |", "| --- | --- | --- |", *rows])


def _rows(command: Any, context: Any) -> Iterator[tuple[str, str]]:
    """The panel and the table row of each argument and option."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or parameter.name in _LEAVE_OUT:
            continue
        spelling, meaning = record
        marks = _DEFAULT.search(meaning)
        default = ""
        if marks:
            meaning = meaning[: marks.start()]
            default = marks["marks"].partition(";")[0]
            default = re.sub(r"default: \(?(.*?)\)?$", r"\1", default)
        cells = (f"`{spelling}`", default, " ".join(meaning.split()))
        row = " | ".join(cell.replace("|", "\\|") for cell in cells)
        yield getattr(parameter, "rich_help_panel", None) or "", f"| {row} |"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(update_page(file.read_text(encoding="utf-8")), encoding="utf-8")
