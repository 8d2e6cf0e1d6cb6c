"""`evalsuite rescore`: recomputes a finished run's scores from its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.cli.help import PROFILE_HELP


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(rescore)


def rescore(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run, or its samples.jsonl.")],
    out: Annotated[Path | None, typer.Option(help="Write beside, into this folder, instead of in place.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="Write beside, into the folder of this name, instead of in place.", show_default=False)] = None,
    profile: Annotated[list[str] | None, typer.Option(metavar="NAME", help=f"{PROFILE_HELP}, beside the profiles the run has; repeatable.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print summary.json, and nothing else, to standard output.")] = False,
) -> None:  # fmt: skip
    """Recompute the scores of a finished run with today's scorers.

    No request is sent. The run's files are replaced when all is written, the summary before is kept as
    summary.before-rescore.json, and what changed is printed.
    """
    from evalsuite.cli.execute import execute_rescore

    execute_rescore(run, out=out, name=name, profiles=profile or (), as_json=json)
