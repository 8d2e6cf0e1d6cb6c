"""`evalsuite doctor`: show what this machine can serve, and what to install."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from evalsuite.cli.help import SectionedCommand

if TYPE_CHECKING:
    from evalsuite.backends.compatibility import FormSupport
    from evalsuite.models.checkpoint import Form


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(doctor)


def doctor() -> None:
    """Show what this machine can serve, and what to install for the rest."""
    from evalsuite._util.user_cache import cache_folder
    from evalsuite.backends import BACKENDS, open_backend
    from evalsuite.backends.compatibility import COMPATIBILITY
    from evalsuite.conversion.requirements import conversion_tools
    from evalsuite.models.weights import BUILTIN_WEIGHTS
    from evalsuite.runs.provenance import machine, versions

    found = versions()
    print(f"evalsuite {found.evalsuite} · Python {found.python} · {found.platform}")
    print(f"{machine()}\n")
    print("Servers (--backend):")
    for name in BACKENDS:
        availability = open_backend(name).availability()
        print(f"  {'ready ' if availability.ready else 'absent'} {name:<12} {availability.detail}")
    columns = [_column(name, COMPATIBILITY[name]) for name in BACKENDS if name in COMPATIBILITY]
    print("\nForms of a checkpoint (in brackets: what is needed besides the engine):")
    for cells in zip(["", *_table_forms()], *columns, strict=True):
        print(f"  {cells[0]:<19}{'  '.join(cells[1:]).rstrip()}")
    print("\nExports (evalsuite export):")
    for what, detail in conversion_tools():
        print(f"  {what:<25} {detail}")
    print("\nBuilt-in weights (--ckpt):")
    for name, weights in BUILTIN_WEIGHTS.items():
        state = (
            f"in {weights.cached}"
            if weights.cached.exists()
            else f"fetched on first use ({weights.megabytes} MB)"
        )
        print(f"  {name:<17} {state}")
    print("\nFiles read:")
    print(f"  {_parquet()}\n  cache: {cache_folder()}")


def _table_forms() -> list[Form]:
    from evalsuite.models.checkpoint import FORMS

    return [form for form in FORMS if form != "served"]


def _column(engine: str, row: Mapping[Form, FormSupport]) -> list[str]:
    """The engine's name and its cells, padded to the same width."""
    cells = [engine, *(row[form].word for form in _table_forms())]
    width = max(map(len, cells))
    return [f"{cell:<{width}}" for cell in cells]


def _parquet() -> str:
    import importlib.util

    ready = importlib.util.find_spec("pyarrow") is not None
    return (
        "csv tsv jsonl json parquet"
        if ready
        else "csv tsv jsonl json (for parquet: pip install 'evalsuite[parquet]')"
    )
