"""The numbers of a comparison: each metric of each dataset, a variant against the baseline, on the rows both have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from evalsuite.comparison.alignment import Alignment, align, dataset_label
from evalsuite.comparison.conditions import has_same_wording
from evalsuite.comparison.row_scores import ScoreTable, Tables
from evalsuite.comparison.sides import Side
from evalsuite.data.subsets import CATEGORY_PREFIX, WHOLE_DATASET
from evalsuite.metrics.paired import Paired, holm, paired_corpus, paired_mean
from evalsuite.metrics.verdicts import Verdict, decide_verdict
from evalsuite.tasks.metric import Metric

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
    Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

POINT_SIZE = {"proportion": 0.01, "score": 0.01, "bleu": 1.0}
"""One point in the unit of a metric."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """One metric of one subset of one dataset: a variant against the baseline.

    Judged contrasts carry a verdict, and their p-values are adjusted together (Holm). `one_sided` counts pairs of rows in
    which the metric applies to one side only. `noise_floor` is the difference between two runs of the baseline.
    """

    variant: str
    dataset: str
    subset: str
    metric: Metric
    paired: Paired
    one_sided: int
    judged: bool
    p_adjusted: float | None = None
    noise_floor: float | None = None

    @property
    def verdict(self) -> Verdict | None:
        """Better, worse or neither; None for a contrast that is not judged."""
        if not self.judged:
            return None
        return decide_verdict(
            self.paired.delta.value, self.p_adjusted, higher_is_better=self.metric.higher_is_better
        )

    @property
    def rows_for_one_point(self) -> int | None:
        """How many rows like these it takes to detect a difference of one point."""
        point = POINT_SIZE.get(self.metric.unit)
        return self.paired.rows_to_detect(point) if point else None


@dataclass(frozen=True)
class DatasetComparison:
    """One variant and the baseline on one dataset."""

    names: tuple[str, str]
    """The name of the dataset on each side."""
    tables: tuple[ScoreTable, ScoreTable]
    alignment: Alignment
    contrasts: tuple[Contrast, ...]
    errors: int
    """Pairs in which one side has no reply."""

    @property
    def name(self) -> str:
        """The name of the dataset in the comparison."""
        return dataset_label(self.names)


def compare_dataset(
    before: Side, after: Side, names: tuple[str, str], tables: Tables, wanted: Collection[str]
) -> DatasetComparison:
    """Hold one dataset of a variant against the baseline's. `wanted` metrics are judged, or the primary one."""
    table_before, table_after = tables[before.label, names[0]], tables[after.label, names[1]]
    alignment = align(table_before, table_after, has_same_wording=has_same_wording(before, after, names))
    pairs = _PairedRows(before, after, table_before, table_after, alignment)
    known = {metric.name for metric in before.datasets[names[0]].metrics}
    found = []
    for metric in after.datasets[names[1]].metrics:
        if metric.name in known:
            judged = metric.name in wanted if wanted else metric.primary
            for subset, mask in pairs.levels() if judged or metric.primary else [(WHOLE_DATASET, None)]:
                if (
                    subset != WHOLE_DATASET
                    and not subset.startswith(CATEGORY_PREFIX)
                    and metric.aggregate == "macro"
                ):
                    continue
                paired, one_sided = pairs.paired(metric, mask)
                whole = judged and subset == WHOLE_DATASET
                found.append(
                    Contrast(after.label, dataset_label(names), subset, metric, paired, one_sided, whole)
                )
    return DatasetComparison(names, (table_before, table_after), alignment, tuple(found), pairs.errors)


def adjust_p_values(contrasts: Sequence[Contrast], repeats: Collection[str]) -> list[Contrast]:
    """Adjust the p-values of all judged contrasts together (Holm). A repeat of the baseline is not a test and is left out."""
    adjusted = iter(holm([one.paired.p for one in contrasts if one.judged and one.variant not in repeats]))
    return [
        replace(one, p_adjusted=one.paired.p if one.variant in repeats else next(adjusted))
        if one.judged
        else one
        for one in contrasts
    ]


def add_noise_floor(contrasts: Sequence[Contrast], repeats: Collection[str]) -> list[Contrast]:
    """Add the noise floor: the difference between the baseline and the variants that repeat it."""
    floors: dict[tuple[str, str, str], float] = {}
    for contrast in contrasts:
        delta = contrast.paired.delta.value
        if contrast.variant in repeats and delta is not None:
            place = contrast.dataset, contrast.subset, contrast.metric.name
            floors[place] = max(abs(delta), floors.get(place, 0.0))
    return [
        contrast
        if contrast.variant in repeats
        else replace(
            contrast, noise_floor=floors.get((contrast.dataset, contrast.subset, contrast.metric.name))
        )
        for contrast in contrasts
    ]


def _clip_interval(paired: Paired, highest: float) -> Paired:
    """Clip the interval to the differences that the metric can have."""
    delta = paired.delta
    if delta.low is None or delta.high is None:
        return paired
    return replace(paired, delta=replace(delta, low=max(-highest, delta.low), high=min(highest, delta.high)))


class _PairedRows:
    """The paired rows of one dataset. Computes any metric on them."""

    def __init__(
        self,
        before: Side,
        after: Side,
        table_before: ScoreTable,
        table_after: ScoreTable,
        alignment: Alignment,
    ) -> None:
        import numpy as np

        self._sides = (before, table_before, alignment.before), (after, table_after, alignment.after)
        self._table = table_before
        self._rows = alignment.before
        self._subsets = np.array(table_before.subsets, dtype=np.int64)[alignment.before]
        self._categories = np.array(table_before.categories, dtype=np.int64)[alignment.before]
        self._clusters = (
            np.array(table_before.clusters, dtype=np.int64)[alignment.before]
            if table_before.clustered
            else None
        )
        self._corpora: dict[str, tuple[list[Floats], list[Mask]]] = {}
        self._failures = [np.array(table.failures)[rows] for _, table, rows in self._sides]
        self._failed = [
            failures == np.array(table.repeats)[rows]
            for failures, (_, table, rows) in zip(self._failures, self._sides, strict=True)
        ]

    @property
    def errors(self) -> int:
        """Pairs in which one side has no reply."""
        return int((self._failed[0] | self._failed[1]).sum())

    def levels(self) -> Iterator[tuple[str, Mask | None]]:
        """Yield the whole dataset, its categories and, if there are several, its subsets: a name and a mask of its pairs."""
        import numpy as np

        yield WHOLE_DATASET, None
        sets = self._table.category_sets
        for category in dict.fromkeys(name for names in sets for name in names):
            numbers = [number for names, number in sets.items() if category in names]
            yield CATEGORY_PREFIX + category, np.isin(self._categories, numbers)
        if len(self._table.subset_names) > 1:
            for subset, number in sorted(self._table.subset_names.items()):
                yield subset, self._subsets == number

    def paired(self, metric: Metric, mask: Mask | None) -> tuple[Paired, int]:
        """Compute a metric on some pairs. Also counts the pairs in which it applies to one side only."""
        import numpy as np

        if metric.aggregate == "corpus":
            return self._corpus(metric, mask)
        values = self._values(metric)
        known = [~np.isnan(found) for found in values]
        both = known[0] & known[1]
        one_sided = known[0] ^ known[1]
        if mask is not None:
            both, one_sided = both & mask, one_sided & mask
        found = paired_mean(
            values[0][both],
            values[1][both],
            strata=self._subsets[both],
            clusters=self._clusters[both] if self._clusters is not None else None,
            macro=metric.aggregate == "macro",
        )
        return _clip_interval(found, metric.highest), int(one_sided.sum())

    def _values(self, metric: Metric) -> list[Floats]:
        """The scores of both sides. A failed sample counts as wrong if its run says so and the metric applies to the row."""
        repeated_scores = [table.repeated_scores(metric.score).select(rows) for _, table, rows in self._sides]
        applies = (repeated_scores[0].known > 0) | (repeated_scores[1].known > 0)
        counts_failures = metric.failure_value(1.0) is not None
        counted = [
            one.add_wrong(failures * applies) if counts_failures and side.on_error == "wrong" else one
            for one, failures, (side, _, _) in zip(repeated_scores, self._failures, self._sides, strict=True)
        ]
        return [one.pass_estimate(metric.aggregate, metric.k) if metric.k else one.mean() for one in counted]

    def _corpus(self, metric: Metric, mask: Mask | None) -> tuple[Paired, int]:
        assert metric.from_statistics is not None
        if metric.name not in self._corpora:
            self._corpora[metric.name] = self._statistics(metric)
        tables, known = self._corpora[metric.name]
        both, one_sided = known[0] & known[1], known[0] ^ known[1]
        if mask is not None:
            both, one_sided = both & mask, one_sided & mask
        return paired_corpus(tables[0][both], tables[1][both], metric.from_statistics), int(one_sided.sum())

    def _statistics(self, metric: Metric) -> tuple[list[Floats], list[Mask]]:
        """The statistics of a corpus metric on both sides, and which pairs have them."""
        tables, known = [], []
        for (side, table, rows), failed in zip(self._sides, self._failed, strict=True):
            statistics, present = table.statistics(metric.name)
            tables.append(statistics[rows])
            known.append(present[rows] if side.on_error == "wrong" else present[rows] & ~failed)
        if (
            tables[0].shape[1] != tables[1].shape[1]
        ):  # different versions of the metric: their statistics cannot be compared
            return [tables[0], tables[0]], [known[0], known[0] & False]
        return tables, known
