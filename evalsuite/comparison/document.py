"""The result of a comparison as one document: what `compare --json` writes and what summary.json holds of a run's variants.

Every output (sentences, tables, pages, JUnit) reads these types and computes nothing of its own. Values are in the
metric's own unit (0..1 for shares). They cover the rows that both sides have, except in `training`, where each run's
value covers all of its own rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.metrics.verdicts import Verdict


class SideEntry(Struct, frozen=True, kw_only=True):
    """A variant that takes part, the baseline included."""

    label: str
    """Its name in this comparison."""
    run: str
    variant: str
    complete: bool = True
    """Whether its run is complete."""
    repeats_baseline: bool = False
    """Whether it is the baseline run again: the same model with the same requests."""
    command: str | None = None
    described: Mapping[str, Any] = {}
    """Its entry in run.json."""


class VerdictEntry(Struct, frozen=True, kw_only=True):
    """The verdict on one metric of one dataset, as a sentence."""

    variant: str
    dataset: str
    metric: str
    verdict: Verdict
    sentence: str


class ResultEntry(Struct, frozen=True, kw_only=True):
    """One metric of one subset of a dataset, a variant against the baseline."""

    variant: str
    dataset: str
    subset: str
    metric: str
    unit: str
    higher_is_better: bool
    primary: bool
    detail: bool
    """Whether tables leave it out where room is scarce."""
    baseline_value: float | None
    variant_value: float | None
    delta: float | None
    stderr: float | None
    ci_low: float | None
    ci_high: float | None
    """The ends of the 95 % confidence interval of `delta`."""
    n: int
    n_one_sided: int
    """Pairs of rows in which the metric applies to one side only. They are not in `n`."""
    wins: int | None
    """Rows on which the variant is better than the baseline. Null for corpus metrics."""
    ties: int | None
    losses: int | None
    test: str
    p: float | None
    p_adjusted: float | None
    """`p` adjusted by Holm over all metrics that get a verdict. Null for the others."""
    detectable: float | None
    """The smallest difference that this many rows would probably have shown."""
    rows_for_one_point: int | None
    """How many rows it takes to detect a difference of one point."""
    noise_floor: float | None
    """How far two runs of the baseline differ, if it was run twice."""
    verdict: Verdict | None
    """Null for a metric that is not judged."""
    baseline_signature: str | None
    variant_signature: str | None

    @property
    def covers_dataset(self) -> bool:
        """Whether it covers the whole dataset and not a subset or category."""
        return self.subset == WHOLE_DATASET


class RowName(Struct, frozen=True):
    """Where a row is found in a journal."""

    subset: str
    id: str


class RowList(Struct, frozen=True):
    """How many rows there are, and the names of the first ones."""

    count: int
    rows: tuple[RowName, ...]


class PairingEntry(Struct, frozen=True, kw_only=True):
    """How the rows of one dataset were paired."""

    variant: str
    dataset: str
    matched: int
    different_prompts: int
    different_replies: int
    errors: int
    """Pairs in which a side has no reply."""
    changed: RowList
    """Rows with the same id but another question or gold answer. They are not compared."""
    only_baseline: RowList
    only_variant: RowList


class UnpairedDatasets(Struct, frozen=True, kw_only=True):
    """Datasets that only one side has."""

    variant: str
    baseline: tuple[str, ...]
    of_variant: tuple[str, ...]


class DifferenceEntry(Struct, frozen=True, kw_only=True):
    """One thing, besides the replies, that is not the same on both sides."""

    variant: str
    dataset: str
    """Empty if it concerns the whole run."""
    kind: str
    what: str
    baseline_value: Any
    variant_value: Any
    warns: bool
    """Whether scores may differ because of it, whatever the model."""


class TrainingPoint(Struct, frozen=True, kw_only=True):
    """A metric at one training step."""

    step: int
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int | None


class TrainingLine(Struct, frozen=True):
    """The points of one variant. Without a name if no run has several variants."""

    name: str
    points: tuple[TrainingPoint, ...]


class TrainingCurve(Struct, frozen=True, kw_only=True):
    """One metric of one dataset over the steps of a training."""

    dataset: str
    metric: str
    unit: str | None
    lines: tuple[TrainingLine, ...]


class ComparisonDocument(Struct, frozen=True, kw_only=True):
    """All that a comparison found."""

    baseline: str
    """The label of the side that the others are compared with."""
    confidence: float
    significant: float
    """The level of significance."""
    sides: tuple[SideEntry, ...]
    verdicts: tuple[VerdictEntry, ...]
    warnings: tuple[str, ...]
    results: tuple[ResultEntry, ...]
    rows: tuple[PairingEntry, ...]
    unpaired_datasets: tuple[UnpairedDatasets, ...]
    differences: tuple[DifferenceEntry, ...]
    training: tuple[TrainingCurve, ...] = ()
    """Empty unless the runs are of at least two training steps."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ComparisonDocument:
        """Read the document from JSON values, as summary.json holds it. Raises `msgspec.ValidationError`."""
        return msgspec.convert(document, cls)

    def to_json(self) -> dict[str, Any]:
        """The document as JSON values."""
        values: dict[str, Any] = _with_lists(msgspec.to_builtins(self))
        return values

    @property
    def judged(self) -> tuple[ResultEntry, ...]:
        """The results that carry a verdict."""
        return tuple(result for result in self.results if result.verdict)

    @property
    def variants(self) -> tuple[str, ...]:
        """The labels of all sides but the baseline."""
        return tuple(side.label for side in self.sides if side.label != self.baseline)


def _with_lists(value: Any) -> Any:
    """Replace tuples by lists, as JSON has them."""
    if isinstance(value, dict):
        return {name: _with_lists(item) for name, item in value.items()}
    return [_with_lists(item) for item in value] if isinstance(value, (list, tuple)) else value
