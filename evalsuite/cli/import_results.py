"""`evalsuite import`: results of other tools, read and never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="import")(import_results)


def import_results(
    path: Annotated[Path, typer.Argument(help="What a tool left: a file or a folder.")],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The data it was evaluated on, for tools that keep no right answers (LLaMA-Factory).",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("reports"),
    name: Annotated[
        str | None, typer.Option(help="This run's folder in it.", show_default="PATH-imported")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Keep what is there under another name.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print summary.json, and nothing else, to standard output.")
    ] = False,
) -> None:
    """Make a run of results that LLaMA-Factory's evaluator, FastChat's MT-Bench, lm-eval or inspect-ai left.

    Nothing is asked or judged again; `evalsuite compare` then takes the run as any other.
    """
    from evalsuite.cli.execute import execute_import

    execute_import(path, data=data, out=out, name=name, fresh=fresh, as_json=json)
