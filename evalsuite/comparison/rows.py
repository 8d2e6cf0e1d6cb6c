"""The journal lines of the rows that the sides have in common, for the sample explorer of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import structs

from evalsuite.comparison.contrasts import DatasetComparison
from evalsuite.comparison.findings import Findings
from evalsuite.comparison.flips import row_gains
from evalsuite.comparison.row_scores import ScoreTable
from evalsuite.comparison.sides import Side
from evalsuite.runs.directory import JOURNAL_FILE
from evalsuite.runs.journal import read_line_at
from evalsuite.runs.schema import SampleLine

if TYPE_CHECKING:
    import numpy as np

    Rows: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

MAX_ROWS = 20_000
"""Pairs taken of one variant and dataset. A page with that many is written in a few seconds."""


def paired_lines(findings: Findings) -> Iterator[SampleLine]:
    """Yield the lines of paired rows, those of one row together, with the comparison's names of variant and dataset.

    If there are more than `MAX_ROWS` pairs, those that changed most are taken. The only subset of a dataset gets the
    name of the dataset, since the files of both sides may have different names.
    """
    asked: dict[str, dict[int, list[tuple[Side, int]]]] = {}
    """Dataset -> offset of the baseline's line -> lines of the other sides for that row."""
    alone: dict[str, bool] = {}
    for other in findings.others:
        for dataset in other.datasets:
            chosen = _select_pairs(findings, other.side, dataset)
            rows = dataset.alignment.before, dataset.alignment.after
            pairs = zip(
                *(
                    _offsets(table, of_side[chosen])
                    for table, of_side in zip(dataset.tables, rows, strict=True)
                ),
                strict=True,
            )
            of_dataset = asked.setdefault(dataset.name, {})
            alone[dataset.name] = dataset.tables[0].one_subset
            for before, after in pairs:
                of_dataset.setdefault(before, []).append((other.side, after))
    with ExitStack() as stack:
        paths = {side.run.path for side in findings.sides}
        journals = {path: stack.enter_context((path / JOURNAL_FILE).open("rb")) for path in paths}
        for name, of_dataset in asked.items():
            subset = {"subset": name} if alone[name] else {}
            for before in sorted(of_dataset):
                for side, offset in ((findings.baseline, before), *of_dataset[before]):
                    line = read_line_at(journals[side.run.path], offset)
                    if line:
                        yield structs.replace(line, variant=side.label, dataset=name, **subset)


def _select_pairs(findings: Findings, side: Side, dataset: DatasetComparison) -> Rows:
    """Select pairs of a dataset, by their position in the alignment."""
    import numpy as np

    pairs = len(dataset.alignment.before)
    if pairs <= MAX_ROWS:
        return np.arange(pairs)
    found = row_gains(side, dataset, findings.contrasts)
    change = np.zeros(pairs) if found is None else np.nan_to_num(np.abs(found.row_gains))
    return np.sort(np.argsort(-change, kind="stable")[:MAX_ROWS])


def _offsets(table: ScoreTable, rows: Rows) -> Sequence[int]:
    import numpy as np

    offsets: list[int] = np.array(table.offsets, dtype=np.int64)[rows].tolist()
    return offsets
