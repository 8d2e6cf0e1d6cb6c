"""`evalsuite validate`: check data files row by row before any token is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.help import SectionedCommand

if TYPE_CHECKING:
    from evalsuite.evaluation.validate import CheckedDataset


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(validate)


def validate(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="[KIND:]NAME|PATH…", help="Files, folders of subjects or built-in names."),
    ],
) -> None:
    """Check data files row by row.

    Every bad row is listed as file:line: what is wrong; what was expected. The exit code is 0 when every dataset can be
    evaluated, and 2 otherwise. Rows that can be asked but look wrong, such as a gold call that breaks its own tool's
    schema, are listed as warnings and change nothing.
    """
    from evalsuite.errors import InputError
    from evalsuite.evaluation.validate import validate as check

    result = check(*specs)
    for dataset in result.datasets:
        _print_dataset(dataset)
    errors = result.errors
    for finding in errors:
        print(finding)
    if errors:
        print(f"{len(errors)} problem{'s' if len(errors) > 1 else ''} found.")
        raise typer.Exit(InputError.exit_code)


def _print_dataset(dataset: CheckedDataset) -> None:
    columns = f" (told from the columns: {dataset.columns})" if dataset.recognised else ""
    print(f"{dataset.spec}: {dataset.rows} rows of kind {dataset.kind}{columns}")
    if len(dataset.subsets) > 1:
        for subset, rows in dataset.subsets.items():
            print(f"  {subset}: {rows} rows")
    if dataset.few_shot_rows:
        print(f"  few-shot examples from dev files: up to {dataset.few_shot_rows}")
    for finding in dataset.warnings:
        print(f"warning: {finding}")
    if count := len(dataset.warnings):
        print(f"  {count} warning{'s' if count > 1 else ''}; these rows are asked all the same")
