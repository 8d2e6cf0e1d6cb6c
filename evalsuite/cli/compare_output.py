"""The work of `evalsuite compare`: compare, write the files, print, check the gates."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from evalsuite.cli.execute import replace_unencodable_output
from evalsuite.cli.tables import print_comparison
from evalsuite.endpoint.wire import dumps
from evalsuite.errors import InputError
from evalsuite.evaluation.compare import Comparison, compare

STANDARD_OUTPUT = Path("-")


def execute_compare(
    runs: Sequence[str],
    *,
    baseline: str | None,
    metrics: Sequence[str],
    gates: Sequence[str],
    files: Mapping[str, Path],
    style: str | None,
) -> None:
    """Compare, write, print. Raises `EvalsuiteError`; `GateFailed` only after everything was written and printed."""
    replace_unencodable_output()
    printed = [name for name, path in files.items() if path == STANDARD_OUTPUT]
    if len(printed) > 1:
        options = " and ".join(f"--{name}" for name in printed)
        raise InputError(f"{options} would all write to standard output; give all but one a file.")
    comparison = compare(*runs, baseline=baseline, metrics=metrics, fail_on_regression=gates)
    forms: dict[str, Callable[[], bytes]] = {
        "html": lambda: comparison.html().encode("utf-8"),
        "csv": comparison.csv,
        "md": lambda: comparison.markdown(style=style).encode("utf-8"),
        "junit": comparison.junit,
        "json": lambda: dumps(comparison.to_dict()) + b"\n",
    }
    for name, path in files.items():
        _write(path, forms[name](), name)
    if not printed:
        _print(comparison, style, list(files.values()))
    comparison.check()


def _write(path: Path, content: bytes, option: str) -> None:
    if path == STANDARD_OUTPUT:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    try:
        path.expanduser().write_bytes(content)
    except OSError as error:
        raise InputError(
            f"--{option} {path}: cannot write there ({error.strerror}). Choose another file."
        ) from error


def _print(comparison: Comparison, style: str | None, written: Sequence[Path]) -> None:
    for sentence in comparison.verdicts:
        print(sentence)
    print_comparison(comparison.document, style)
    for warning in comparison.warnings:
        print(f"note: {warning}")
    for path in written:
        print(f"wrote {path}")
