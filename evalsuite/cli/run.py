"""`evalsuite run`: serve, ask, score and report a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evalsuite.cli.help import SectionedCommand
from evalsuite.cli.options import CONFIG_FILE_HELP, JSON_HELP, pair_values, with_options
from evalsuite.options.judge import JudgeOptions
from evalsuite.options.model import ModelOptions
from evalsuite.options.running import RunningOptions
from evalsuite.options.sampling import SamplingOptions
from evalsuite.options.work import WorkOptions

RUNNING = RunningOptions.panel


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(run)


@with_options(WorkOptions, ModelOptions, SamplingOptions, JudgeOptions, RunningOptions)
def run(
    config: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help=CONFIG_FILE_HELP, rich_help_panel=RUNNING)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and show what would be asked, but send nothing.", rich_help_panel=RUNNING)] = False,
    json: Annotated[bool, typer.Option("--json", help=JSON_HELP, rich_help_panel=RUNNING)] = False,
    **options: Any,
) -> None:  # fmt: skip
    """Serve a model, ask it, score it and report it.

    Results are written to reports/NAME. Run the same command again to resume a run that was interrupted; a finished
    run is read again without a request.

    \b
      evalsuite run --ckpt smollm2 -d mcq_en -d gsm8k_style --limit 20
      evalsuite run --base-url http://127.0.0.1:8000/v1 --model my-sft -d ceval_folder -d qa.csv
    """  # noqa: D301 - the formatter wants the real character
    if "backend_arg" in options:
        options["backend_arg"] = pair_values("--backend-arg", options["backend_arg"])
    from evalsuite.cli.execute import execute_run

    execute_run(options, config_file=config, dry_run=dry_run, as_json=json)
