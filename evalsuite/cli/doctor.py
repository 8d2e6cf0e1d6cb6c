"""`evalsuite doctor`: what this machine can serve, and what to install."""

from __future__ import annotations


def doctor() -> None:
    """Show what this machine can serve.

    And what to install for the rest.
    """
    from evalsuite.cache import cache_folder
    from evalsuite.evaluation import abilities
    from evalsuite.models.weights import BUILTIN_WEIGHTS
    from evalsuite.runs.provenance import machine, versions

    found = versions()
    print(f"evalsuite {found['evalsuite']} · Python {found['python']} · {found['platform']}")
    print(f"{machine()}\n")
    print("Servers (--backend):")
    for ability in abilities():
        mark = "ready " if ability.ready else "absent"
        print(f"  {mark} {ability.backend:<10} {ability.forms:<36} {ability.detail}")
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
