"""`evalsuite validate`: check data files row by row before any token is spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.help import SectionedCommand

if TYPE_CHECKING:
    from evalsuite.evaluation.validate import CheckedDataset, Finding

SHOWN_FINDINGS = 20
"""Findings of one file that are listed; of further ones the number is said."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(validate)


def validate(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="[KIND:]NAME|PATH…", help="Files, folders of subjects or built-in names."),
    ],
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="question=Q,answer=A",
            help="Names of the file's columns, where they are not the usual ones.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all findings as one JSON document, for machines.")
    ] = False,
) -> None:
    """Check data files row by row.

    Every bad row is listed as file:line: what is wrong; what is expected. Notes say what was repaired and which columns
    nothing reads. Warnings are about rows that can be asked but look wrong; they change nothing. The exit code is 0 if
    every row can be asked, 2 if not.
    """
    from evalsuite.config import build_validate_config
    from evalsuite.errors import InputError
    from evalsuite.evaluation.validate import validate as check

    config = build_validate_config({"datasets": specs, **({"columns": columns} if columns else {})})
    found = check(*specs, columns=config.columns)
    if as_json:
        import orjson

        print(orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2).decode())
    else:
        for dataset in found.datasets:
            _print_dataset(dataset)
        _print_findings("", found.errors)
        if found.errors:
            print(f"{_counted(len(found.errors), 'problem')} found.")
    if not found.ok:
        raise typer.Exit(InputError.exit_code)


def _print_dataset(dataset: CheckedDataset) -> None:
    columns = f" (inferred from the columns: {dataset.columns})" if dataset.recognised else ""
    print(f"{dataset.spec}: {_counted(dataset.rows, 'row')} of kind {dataset.kind}{columns}")
    if len(dataset.subsets) > 1:
        for subset, rows in dataset.subsets.items():
            print(f"  {subset}: {_counted(rows, 'row')}")
    if dataset.few_shot_rows:
        print(f"  few-shot examples from dev files: up to {dataset.few_shot_rows}")
    for note in dataset.notes:
        print(f"  note: {note}")
    _print_findings("warning: ", dataset.warnings)
    if dataset.warnings:
        print(f"  {_counted(len(dataset.warnings), 'warning')}; these rows are asked all the same")


def _print_findings(prefix: str, findings: Iterable[Finding]) -> None:
    shown: Counter[str] = Counter()
    for finding in findings:
        shown[finding.file] += 1
        if shown[finding.file] <= SHOWN_FINDINGS or not finding.file:
            print(f"{prefix}{finding.message}")
    for file, count in shown.items():
        if file and count > SHOWN_FINDINGS:
            print(f"{prefix}{file}: … and {count - SHOWN_FINDINGS} more; --json lists all of them")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
