"""`evalsuite validate`: check data files row by row before any token is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evalsuite.runs.plan import DatasetPlan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(validate)


def validate(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="[KIND:]NAME|PATH…", help="Files, folders of subjects or built-in names."),
    ],
) -> None:
    """Check data files row by row.

    Every bad row is listed as file:line: what is wrong; what was expected. Exit code 0 when all is well, 2 when
    anything is wrong. Rows that can be asked but look wrong (a gold call that breaks its own tool's schema) are
    listed as warnings and change nothing.
    """
    from evalsuite.errors import DataError, InputError
    from evalsuite.runs.plan import plan_spec

    problems: list[str] = []
    for spec in specs:
        try:
            for plan in plan_spec(spec):
                _describe(plan)
                _warn(plan)
        except DataError as error:
            problems.extend(map(str, error.problems))
        except InputError as error:
            problems.append(str(error))
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found.")
        raise typer.Exit(InputError.exit_code)


def _describe(plan: DatasetPlan) -> None:
    columns = f" (told from the columns: {plan.task.columns})" if plan.recognised else ""
    print(f"{plan.spec.text}: {plan.rows} rows of kind {plan.task.kind}{columns}")
    if len(plan.dataset.counts) > 1:
        for subset, rows in sorted(plan.dataset.counts.items()):
            print(f"  {subset}: {rows} rows")
    pool = max((len(rows) for rows in plan.dataset.pools.values()), default=0)
    if pool:
        print(f"  few-shot examples from dev files: up to {pool}")


def _warn(plan: DatasetPlan) -> None:
    row_warnings = list(plan.dataset.row_warnings())
    for oddity in row_warnings:
        print(f"warning: {oddity}")
    if row_warnings:
        print(
            f"  {len(row_warnings)} warning{'s' if len(row_warnings) > 1 else ''}; these rows are asked all the same"
        )
