"""`evalsuite doctor`: what this machine can serve, and what to install."""

from __future__ import annotations


def doctor() -> None:
    """Show what this machine can serve.

    And what to install for the rest.
    """
    from evalsuite.backends import BACKENDS, open_backend
    from evalsuite.backends.table import TABLE
    from evalsuite.cache import cache_folder
    from evalsuite.models.checkpoint import FORMS
    from evalsuite.models.weights import BUILTIN_WEIGHTS
    from evalsuite.runs.provenance import machine, versions

    found = versions()
    print(f"evalsuite {found['evalsuite']} · Python {found['python']} · {found['platform']}")
    print(f"{machine()}\n")
    print("Servers (--backend):")
    for name in BACKENDS:
        ability = open_backend(name).ability()
        print(f"  {'ready ' if ability.ready else 'absent'} {name:<12} {ability.detail}")
    engines = [name for name in BACKENDS if name in TABLE]
    print("\nForms of a checkpoint (in brackets: what it takes besides the engine):")
    print(f"  {'':<19}" + "".join(f"{name:<30}" for name in engines).rstrip())
    for form in FORMS:
        if form != "served":
            cells = "".join(f"{TABLE[name][form].word:<30}" for name in engines)
            print(f"  {form:<19}{cells.rstrip()}")
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


def _parquet() -> str:
    import importlib.util

    ready = importlib.util.find_spec("pyarrow") is not None
    return (
        "csv tsv jsonl json parquet"
        if ready
        else "csv tsv jsonl json (for parquet: pip install 'evalsuite[parquet]')"
    )
