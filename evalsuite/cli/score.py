"""`evalsuite score`: score predictions that already exist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evalsuite.cli.help import SectionedCommand
from evalsuite.cli.options import CONFIG_FILE_HELP, JSON_HELP, with_options
from evalsuite.options.fields import described_options
from evalsuite.options.judge import JudgeOptions
from evalsuite.options.running import RunningOptions
from evalsuite.options.work import WorkOptions

PARTS = (WorkOptions, JudgeOptions, RunningOptions)
NAMES = tuple(
    name
    for part in PARTS
    for name, (_, option) in described_options(part).items()
    if option.scoring and name != "datasets"
)
HELP_TEXTS = {
    "concurrency": "Requests to the judge at the same time.",
    "timeout": "Seconds for one verdict, all attempts together.",
    "cache": "Folder of verdicts that runs share: verdicts are read from it and new ones added.",
    "lang": "Language of the instructions shown in the report.",
    "on_error": "Rows without a prediction: fail (the run is incomplete), skip (leave them out) or wrong (count them as wrong).",
    "name": "Name of this run's folder in it, and of the predictions in the report.",
    "baseline": "Predictions that the others are compared with.",
    "judge_model": "Its name there.",
}
"""Where an option means something narrower here than for `run`."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(score)


@with_options(*PARTS, names=NAMES, panels=False, help_texts=HELP_TEXTS)
def score(
    specs: Annotated[list[str] | None, typer.Argument(metavar="[KIND:]PATH…", help="Files with predictions, folders of them, or the directory of a run.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help=CONFIG_FILE_HELP)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
    **options: Any,
) -> None:  # fmt: skip
    """Score predictions that already exist.

    No model is asked. A file has the columns of its kind and 'prediction' (or 'predictions'), or was written by
    ms-swift infer, LLaMA-Factory (generated_predictions.jsonl), ToolBench-Static (predictions.json) or EvalScope
    (its work directory). Only a judge: file without verdicts needs a judge.

    \b
      evalsuite score mcq:answers.csv
      evalsuite score out/checkpoint-500/generated_predictions.jsonl --name sft
    """  # noqa: D301 - the formatter wants the real character
    if specs:
        options["datasets"] = specs
    from evalsuite.cli.execute import execute_score

    execute_score(options, config_file=config, as_json=json)
