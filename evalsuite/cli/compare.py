"""`evalsuite compare`: paired comparison of runs and variants."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from evalsuite.cli.help import SectionedCommand

OPTIONAL_VALUES = {"--fail-on-regression": "", "--json": "-"}
"""Options that may be given without a value, and the value that is used then."""


class CompareCommand(SectionedCommand):
    """A command that takes `OPTIONAL_VALUES`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add the value of an option that is followed by another option, a run, or nothing."""
        words = []
        for word, following in zip(args, [*args, "--"][1:], strict=True):
            alone = word in OPTIONAL_VALUES and (following.startswith("--") or _is_run(following))
            words.append(f"{word}={OPTIONAL_VALUES[word]}" if alone else word)
        return super().parse_args(ctx, words)


def _is_run(text: str) -> bool:
    return any(Path(path).is_dir() for path in (text, text.rpartition(":")[0]) if path)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=CompareCommand)(compare)


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN[:VARIANT]", help="Directories of finished runs. Without :VARIANT all variants of a run are compared.", show_default=False)],
    baseline: Annotated[str | None, typer.Option(metavar="RUN|VARIANT", help="Run or variant that the others are compared with.", show_default="the first")] = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Judge this metric instead of the primary ones. Repeatable.", show_default="primary ones")] = None,
    fail_on_regression: Annotated[list[str] | None, typer.Option(metavar="[METRIC[:MARGIN]]", help="Exit with code 100 when a judged metric (or METRIC) is worse by more than MARGIN. Repeatable.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one offline HTML page.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a CSV file with one result a line.")] = None,
    md: Annotated[Path | None, typer.Option(metavar="FILE", help="Write Markdown for a pull request.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a JUnit file with one test for each verdict.")] = None,
    json: Annotated[str | None, typer.Option("--json", metavar="[FILE]", help="Write everything as JSON, to standard output if no file is named.")] = None,
    style: Annotated[Literal["swift"] | None, typer.Option(metavar="swift", help="Show SWIFT's table of ToolBench: Plan.EM, Act.EM, HalluRate, Avg.F1, R-L.", show_default=False)] = None,
) -> None:  # fmt: skip
    """Find out whether one variant is better than another, and how certain that is.

    Rows are paired by id and content; no model is asked. `-` as a FILE is standard output, which then holds nothing
    else.

    \b
      evalsuite compare reports/base reports/sft
      evalsuite compare reports/both:q8 reports/both:q4 --html difference.html --fail-on-regression
    """  # noqa: D301 - the formatter wants the real character
    from evalsuite.cli.compare_output import execute_compare

    files = {"html": html, "csv": csv, "md": md, "junit": junit, "json": Path(json) if json else None}
    execute_compare(
        runs,
        baseline=baseline,
        metrics=metric or [],
        gates=fail_on_regression or [],
        files={name: path for name, path in files.items() if path},
        style=style,
    )
