"""Which rows to read first: those a variant won or lost against the baseline, and those both got wrong.

The first judged metric decides. Only offsets are kept; `read` fetches the journal lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from evalsuite.comparison.contrasts import Contrast, DatasetComparison
from evalsuite.comparison.sides import Side
from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.metrics.verdicts import gain
from evalsuite.runs.directory import JOURNAL_FILE
from evalsuite.runs.journal import read_lines_at
from evalsuite.runs.schema import SampleLine
from evalsuite.tasks.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
    Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

FlipKind: TypeAlias = Literal["won", "lost", "both wrong"]
MAX_ROWS = 100
"""Rows kept of each kind: more than anyone reads at once."""


@dataclass(frozen=True)
class FlipGroup:
    """Rows of one kind: their number, and the offsets of the first ones in both journals."""

    kind: FlipKind
    count: int
    offsets: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Flips:
    """The rows of one variant on one dataset that were won, lost or wrong on both sides."""

    before: Side
    after: Side
    dataset: str
    metric: Metric
    groups: tuple[FlipGroup, ...]

    def read(self, group: FlipGroup, most: int) -> Iterator[tuple[SampleLine, SampleLine]]:
        """Read both journal lines of the first rows of a group."""
        offsets = group.offsets[:most]
        before = read_lines_at(self.before.run.path / JOURNAL_FILE, (pair[0] for pair in offsets))
        after = read_lines_at(self.after.run.path / JOURNAL_FILE, (pair[1] for pair in offsets))
        for first, second in offsets:
            if first in before and second in after:
                yield before[first], after[second]


@dataclass(frozen=True)
class RowGains:
    """How much each pair of rows improved by `metric`, and which pairs have the worst score on both sides."""

    metric: Metric
    row_gains: Floats
    both_wrong: Mask


def row_gains(after: Side, dataset: DatasetComparison, contrasts: Sequence[Contrast]) -> RowGains | None:
    """Compute the gains of all pairs. None if no judged metric has a value for single rows."""
    metric = next(
        (
            one.metric
            for one in contrasts
            if (one.variant, one.dataset, one.subset) == (after.label, dataset.name, WHOLE_DATASET)
            and one.judged
            and one.metric.aggregate != "corpus"
        ),
        None,
    )
    if metric is None:
        return None
    rows = dataset.alignment.before, dataset.alignment.after
    scores = [
        table.scores(metric.score)[of_side] for table, of_side in zip(dataset.tables, rows, strict=True)
    ]
    worst = 0.0 if metric.higher_is_better else 1.0
    found = (scores[1] - scores[0]) * gain(1.0, higher_is_better=metric.higher_is_better)
    return RowGains(metric, found, (scores[0] == worst) & (scores[1] == worst))


def find_flips(
    before: Side, after: Side, dataset: DatasetComparison, contrasts: Sequence[Contrast]
) -> Flips | None:
    """Find the rows to read, largest change first. None if no judged metric has a value for single rows."""
    import numpy as np

    found = row_gains(after, dataset, contrasts)
    if found is None:
        return None
    order = np.argsort(-np.abs(found.row_gains), kind="stable")
    kinds: tuple[tuple[FlipKind, Any], ...] = (
        ("won", found.row_gains > 0),
        ("lost", found.row_gains < 0),
        ("both wrong", found.both_wrong),
    )
    rows = dataset.alignment.before, dataset.alignment.after
    offsets = [
        np.array(table.offsets, dtype=np.int64)[of_side]
        for table, of_side in zip(dataset.tables, rows, strict=True)
    ]
    groups = []
    for kind, mask in kinds:
        chosen = order[mask[order]][:MAX_ROWS]
        pairs = zip(offsets[0][chosen].tolist(), offsets[1][chosen].tolist(), strict=True)
        groups.append(FlipGroup(kind, int(mask.sum()), tuple(pairs)))
    return Flips(before, after, dataset.name, found.metric, tuple(groups))
