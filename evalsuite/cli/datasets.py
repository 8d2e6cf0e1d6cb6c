"""`evalsuite datasets`: what can be evaluated."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(datasets)


def datasets() -> None:
    """List the built-in datasets and the kinds of files that are read."""
    from evalsuite.data.builtin import BUILTIN_DATASETS
    from evalsuite.data.readers import READERS
    from evalsuite.tasks import KINDS, task_class

    print("By name (-d NAME):")
    for dataset in BUILTIN_DATASETS:
        print(f"  {dataset.name:<16} {dataset.kind:<10} {dataset.about}")
    print(f"\nYour own files (-d PATH or -d KIND:PATH; {' '.join(READERS)}; case of columns is ignored):")
    for kind in KINDS:
        print(f"  {kind:<16} columns {task_class(kind).columns}")
    print(
        "\nA folder of subjects: test/ or val/ (and dev/) with one file a subject, or NAME_val.csv (and NAME_dev.csv).\n"
        "Few-shot examples come from dev files only. `evalsuite validate PATH` checks every row."
    )
