"""`evalsuite report`: write the report of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.cli.help import SectionedCommand


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(report)


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run, or its samples.jsonl.")],
    json: Annotated[bool, typer.Option("--json", help="Print summary.json, and nothing else, to standard output.")] = False,
) -> None:  # fmt: skip
    """Write the report of a run again, from its journal.

    Writes report.html, summary.csv and summary.json, for a run that was killed before it could, or that an older
    version wrote. Nothing is asked and no score changes (`evalsuite rescore` scores again). Missing samples are named.
    """
    from evalsuite.cli.execute import execute_report

    execute_report(run, as_json=json)
