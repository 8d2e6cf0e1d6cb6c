"""A finished or interrupted run, read from its directory."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import to_builtins

from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.errors import InputError
from evalsuite.options.running import DEFAULT_OUT
from evalsuite.runs.directory import JOURNAL_FILE, RUN_FILE, SUMMARY_JSON, RunDirectory
from evalsuite.runs.journal import read_journal
from evalsuite.runs.schema import RunInfo, SampleLine, Summary

if TYPE_CHECKING:
    import pandas as pd

IDENTICAL = "identical to base"
"""The mark of a variant whose adapter makes no difference."""


@dataclass(frozen=True)
class Run:
    """A run: `info` is run.json, `summary` is summary.json."""

    path: Path
    info: RunInfo
    summary: Summary

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def complete(self) -> bool:
        """Whether every sample is finished, or left to `--on-error skip|wrong`."""
        return self.summary.complete

    def samples(self) -> Iterator[SampleLine]:
        """The journal's lines, one at a time."""
        return read_journal(self.path / JOURNAL_FILE)

    def metric(
        self,
        name: str,
        *,
        dataset: str | None = None,
        variant: str | None = None,
        subset: str = WHOLE_DATASET,
    ) -> float | None:
        """The value of a metric, of the first variant and dataset that have it if none is named. Raises `KeyError`."""
        for variant_name, of_variant in self.summary.variants.items():
            for dataset_name, results in of_variant.datasets.items():
                found = results.metrics(subset).get(name)
                if variant in (None, variant_name) and dataset in (None, dataset_name) and found:
                    return found.value
        raise KeyError(f"{name} (dataset {dataset or 'any'}, variant {variant or 'any'}, subset {subset})")

    def summary_frame(self) -> pd.DataFrame:
        """summary.csv as a data frame: one row a metric, variant, dataset and subset. Needs pandas."""
        from evalsuite.runs.frames import summary_rows, to_frame

        return to_frame(summary_rows(self.summary))

    def samples_frame(self) -> pd.DataFrame:
        """The journal as a data frame: one row a sample, one column a score. Needs pandas, and memory for all replies."""
        from evalsuite.runs.frames import sample_rows, to_frame

        return to_frame(sample_rows(self.samples()))

    def _repr_html_(self) -> str:
        from evalsuite.runs.notebook import run_html

        return run_html(to_builtins(self.summary))


def resume_command(info: RunInfo, path: Path) -> str:
    """The command that resumes a run: run.json's, with the folder of its results."""
    out = [] if path.parent == DEFAULT_OUT else ["--out", str(path.parent)]
    return " ".join([info.command, *map(shlex.quote, [*out, "--name", path.name])])


def load_run(path: Path | str) -> Run:
    """Read a run directory. Raises `InputError` if it is not one."""
    directory = RunDirectory(Path(path))
    info, summary = directory.read_info(), directory.read_summary()
    if info is None or summary is None:
        hint = f" Its journal may hold some: evalsuite report {path} writes them." if info else ""
        raise InputError(
            f"{path}: not a run directory with results (it lacks {RUN_FILE if info is None else SUMMARY_JSON}).{hint}"
        )
    return Run(directory.path, info, summary)


def identical_variants(info: RunInfo) -> frozenset[str]:
    """The variants of a run.json whose adapters were found to make no difference."""
    return frozenset(variant.name for variant in info.variants if variant.identical)
