"""`evalsuite rescore`: recompute the scores of a finished run from its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evalsuite.cli.help import SectionedCommand
from evalsuite.cli.options import JSON_HELP, with_options
from evalsuite.options.work import WorkOptions


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(rescore)


@with_options(WorkOptions, names=("profile",), panels=False)
def rescore(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run, or its samples.jsonl.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a new run into this folder instead of replacing the scores.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Write a new run of this name instead of replacing the scores.", show_default=False)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
    **options: Any,
) -> None:  # fmt: skip
    """Recompute the scores of a finished run with today's scorers.

    No request is sent. The run's files are replaced at the end, the earlier summary is kept as
    summary.before-rescore.json, and what changed is printed. Profiles that the run has already are kept.
    """
    from evalsuite.cli.execute import execute_rescore

    execute_rescore(run, out=out, name=name, profiles=options.get("profile", ()), as_json=json)
