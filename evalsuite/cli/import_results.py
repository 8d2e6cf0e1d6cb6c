"""`evalsuite import`: read results of other tools, without changing them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.cli.help import SectionedCommand


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="import", cls=SectionedCommand)(import_results)


def import_results(
    path: Annotated[Path, typer.Argument(help="File or folder with the results of a tool.")],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Dataset that was evaluated, for tools that do not keep the right answers (LLaMA-Factory).",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of all runs.")] = Path("reports"),
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of this run's folder in it.", show_default="PATH-imported"),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Rename and keep an existing run of that name.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print summary.json, and nothing else, to standard output.")
    ] = False,
) -> None:
    """Import results of LLaMA-Factory's evaluator, FastChat's MT-Bench, lm-eval or inspect-ai as a run.

    Nothing is asked or scored again. `evalsuite compare` reads the run like any other.
    """
    from evalsuite.cli.execute import execute_import

    execute_import(path, data=data, out=out, name=name, fresh=fresh, as_json=json)
