"""`evalsuite validate`: check data files row by row before any token is spent."""

from __future__ import annotations

from typing import Annotated

import typer


def validate(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="[KIND:]NAME|PATH…", help="Files, folders of subjects or built-in names."),
    ],
) -> None:
    """Check data files row by row: every bad row is listed as file:line.

    Exit code 0 when all is well, 2 when anything is wrong.
    """
    from evalsuite.errors import DataError, Problem
    from evalsuite.runs.plan import plan_dataset

    problems: list[Problem] = []
    for spec in specs:
        try:
            plan = plan_dataset(spec)
        except DataError as error:
            problems.extend(error.problems)
            continue
        columns = f" (told from the columns: {plan.task.columns})" if plan.recognised else ""
        print(f"{spec}: {plan.rows} rows of kind {plan.task.kind}{columns}")
        if len(plan.dataset.counts) > 1:
            for subset, rows in sorted(plan.dataset.counts.items()):
                print(f"  {subset}: {rows} rows")
        pool = max((len(rows) for rows in plan.dataset.pools.values()), default=0)
        if pool:
            print(f"  few-shot examples from dev files: up to {pool}")
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found.")
        raise typer.Exit(DataError.exit_code)
