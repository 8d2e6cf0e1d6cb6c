"""`evalsuite view`: show the runs of a folder in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.cli.help import SectionedCommand


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(view)


def view(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder that holds the runs.")] = Path("reports"),
    port: Annotated[int | None, typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen at; 0 chooses a free one.", show_default="8360, or a free one")] = None,
) -> None:  # fmt: skip
    """Show the runs of a folder as a web page at 127.0.0.1, until Ctrl-C.

    The page lists the runs with their headline metrics, opens their reports, compares those that you tick, and follows
    runs in progress. It changes nothing and can be opened on this machine only.
    """
    from evalsuite.cli.execute import execute_view

    execute_view(folder, port)
