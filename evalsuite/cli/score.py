"""`evalsuite score`: scores predictions that already exist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from evalsuite.cli.help import PROFILE_HELP, SectionedCommand


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(score)


def score(
    specs: Annotated[list[str] | None, typer.Argument(metavar="[KIND:]PATH…", help="Files with predictions, folders of them, or the directory of a run.", show_default=False)] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many rows a file or folder, spread evenly over its subjects.", show_default="all")] = None,
    lang: Annotated[Literal["auto", "zh", "en"] | None, typer.Option(help="Language of the instructions shown in the report.", show_default="auto, from the data")] = None,
    judge_base_url: Annotated[str | None, typer.Option(metavar="URL", help="Where the model is that judges answers without a judgement (judge).")] = None,
    judge_model: Annotated[str | None, typer.Option(metavar="NAME", help="Its name there.")] = None,
    judge_revision: Annotated[str | None, typer.Option(metavar="TEXT", help="Which judge answers there now (a commit, a date): another text is another judge, asked anew.")] = None,
    judge_api_key_env: Annotated[str | None, typer.Option(metavar="VAR", help="Environment variable that holds its key.", show_default="OPENAI_API_KEY")] = None,
    judge_max_tokens: Annotated[int | None, typer.Option(help="Longest verdict, reasoning included.", show_default="2048")] = None,
    concurrency: Annotated[str | None, typer.Option(metavar="N|auto", help="Requests to the judge at a time.", show_default="auto: what makes it fastest")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for one verdict, all attempts together.", show_default="600")] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Take verdicts from this folder, shared by runs, and keep new ones there.", show_default="no cache")] = None,
    profile: Annotated[list[str] | None, typer.Option(metavar="NAME", help=f"{PROFILE_HELP}; repeatable.")] = None,
    on_error: Annotated[Literal["fail", "skip", "wrong"] | None, typer.Option(help="Rows without a prediction: end as incomplete, leave them out, or count them as wrong.", show_default="fail")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of all runs.", show_default="reports")] = None,
    name: Annotated[str | None, typer.Option(help="This run's folder in it, and what the predictions are called.", show_default="from the files")] = None,
    fresh: Annotated[bool | None, typer.Option("--fresh", help="Start again; what is there is kept under another name.")] = None,
    fail_under: Annotated[list[str] | None, typer.Option(metavar="[DATASET:]METRIC=VALUE", help="Exit with 100 when a metric is lower; repeatable.")] = None,
    baseline: Annotated[str | None, typer.Option(metavar="VARIANT", help="The predictions that the others are held against.", show_default="the first")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="Options from a file; those on the command line win.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print summary.json, and nothing else, to standard output.")] = False,
) -> None:  # fmt: skip
    """Score predictions that already exist.

    No model is asked. A file has the columns of its task and 'prediction' (or 'predictions'), or is what
    ms-swift infer, LLaMA-Factory (generated_predictions.jsonl), ToolBench-Static (predictions.json) or EvalScope
    (its work directory) wrote. Only a judge: file without judgements wants a judge.

    \b
      evalsuite score mcq:answers.csv
      evalsuite score out/checkpoint-500/generated_predictions.jsonl --name sft
    """  # noqa: D301 - the formatter wants the real character
    options = {
        "datasets": specs,
        "limit": limit,
        "lang": lang,
        "judge_base_url": judge_base_url,
        "judge_model": judge_model,
        "judge_revision": judge_revision,
        "judge_api_key_env": judge_api_key_env,
        "judge_max_tokens": judge_max_tokens,
        "concurrency": concurrency,
        "timeout": timeout,
        "cache": cache,
        "profile": profile,
        "on_error": on_error,
        "out": out,
        "name": name,
        "fresh": fresh,
        "fail_under": fail_under,
        "baseline": baseline,
    }
    given = {key: value for key, value in options.items() if value not in (None, [])}
    from evalsuite.cli.execute import execute_score

    execute_score(given, config_file=config, as_json=json)
