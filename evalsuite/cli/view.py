"""`evalsuite view`: the runs of a folder in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(view)


def view(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder that holds the runs.")] = Path("reports"),
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="At which to listen; 0 takes any that is free.", show_default="8360, or any that is free")] = None,
) -> None:  # fmt: skip
    """Show the runs of a folder as a page at 127.0.0.1, until Ctrl-C.

    It lists them with their headline metrics, opens their reports, compares those that are ticked, and follows runs
    that are going on. It reads only, and is reached from this machine only.
    """
    from evalsuite.cli.execute import execute_view

    execute_view(folder, port)
