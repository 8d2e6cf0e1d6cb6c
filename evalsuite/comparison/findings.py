"""Compares sides with the baseline: rows in common, contrasts, other differences, repeats of the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalsuite.comparison.alignment import dataset_pairs, unpaired_datasets
from evalsuite.comparison.conditions import Difference, dataset_differences, run_differences
from evalsuite.comparison.contrasts import (
    Contrast,
    DatasetComparison,
    add_noise_floor,
    adjust_p_values,
    compare_dataset,
)
from evalsuite.comparison.flips import Flips, find_flips
from evalsuite.comparison.row_scores import read_tables
from evalsuite.comparison.sides import Side, choose_baseline, did_you_mean
from evalsuite.errors import InputError


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """What to compare."""

    baseline: str | None = None
    """The name of the baseline; by default the first side."""
    metrics: tuple[str, ...] = ()
    """The metrics that get a verdict; by default the primary ones."""
    gated: tuple[str, ...] = ()
    """Metrics of gates, which get a verdict too."""


@dataclass(frozen=True)
class VariantComparison:
    """One side compared with the baseline."""

    side: Side
    datasets: tuple[DatasetComparison, ...]
    differences: tuple[Difference, ...]
    unpaired: tuple[list[str], list[str]]
    """The names of datasets that only the baseline has, and of those that only the side has."""
    is_repeat: bool
    """Whether the side is the baseline run again: the same model with the same requests."""


@dataclass(frozen=True)
class Findings:
    """All that a comparison found. `contrasts` are those of all datasets, with adjusted p-values."""

    request: ComparisonRequest
    baseline: Side
    sides: tuple[Side, ...]
    others: tuple[VariantComparison, ...]
    contrasts: tuple[Contrast, ...]

    def flips(self) -> Iterator[Flips]:
        """Yield the rows behind the numbers."""
        for other in self.others:
            for dataset in other.datasets:
                if flips := find_flips(self.baseline, other.side, dataset, self.contrasts):
                    yield flips


def compare_sides(sides: Sequence[Side], request: ComparisonRequest) -> Findings:
    """Compare every side with the baseline. Raises `InputError` if a side has no row in common with it."""
    baseline = choose_baseline(sides, request.baseline)
    _check_metrics(sides, request.metrics, "--metric")
    _check_metrics(sides, request.gated, "--fail-on-regression")
    judged = _judged_metrics(sides, request)
    tables = read_tables(sides)
    others = []
    for side in sides:
        if side is not baseline:
            datasets = [
                compare_dataset(baseline, side, names, tables, judged)
                for names in dataset_pairs(baseline, side)
            ]
            others.append(_compare_side(baseline, side, datasets))
    repeats = [other.side.label for other in others if other.is_repeat]
    contrasts = [one for other in others for dataset in other.datasets for one in dataset.contrasts]
    contrasts = add_noise_floor(adjust_p_values(contrasts, repeats), repeats)
    return Findings(request, baseline, tuple(sides), tuple(others), tuple(contrasts))


def _compare_side(baseline: Side, side: Side, datasets: Sequence[DatasetComparison]) -> VariantComparison:
    differences = list(run_differences(baseline, side))
    for dataset in datasets:
        differences += dataset_differences(baseline, side, dataset.names)
    _require_common_rows(baseline, side, datasets, differences)
    repeats = _is_repeat(baseline, side, datasets, differences)
    return VariantComparison(
        side, tuple(datasets), tuple(differences), unpaired_datasets(baseline, side), repeats
    )


def _judged_metrics(sides: Sequence[Side], request: ComparisonRequest) -> set[str]:
    """The metrics that get a verdict; empty means the primary ones."""
    if request.metrics or not request.gated:
        return {*request.metrics, *request.gated}
    datasets = [dataset for side in sides for dataset in side.datasets.values()]
    return {metric.name for dataset in datasets for metric in dataset.metrics if metric.primary}.union(
        request.gated
    )


def _check_metrics(sides: Sequence[Side], wanted: Sequence[str], option: str) -> None:
    datasets = [dataset for side in sides for dataset in side.datasets.values()]
    names: Mapping[str, None] = dict.fromkeys(
        metric.name for dataset in datasets for metric in dataset.metrics
    )
    for name in wanted:
        if name not in names:
            hint = did_you_mean(name, names)
            raise InputError(f"{option} {name}: none of the compared datasets has this metric.{hint}")


def _require_common_rows(
    baseline: Side, side: Side, datasets: Sequence[DatasetComparison], differences: Sequence[Difference]
) -> None:
    """Raise `InputError` if the side has no row in common with the baseline."""
    if any(len(dataset.alignment.before) for dataset in datasets):
        return
    if not datasets:
        asked = (
            ", ".join(f"{name} ({dataset.task.kind})" for name, dataset in one.datasets.items()) or "nothing"
            for one in (baseline, side)
        )
        first, second = asked
        raise InputError(
            f"nothing to compare: {baseline.label} has {first}; {side.label} has {second}. "
            "Run both on the same data, with the same name and kind."
        )
    changed = sum(len(dataset.alignment.changed) for dataset in datasets)
    why = (
        f"{changed} rows have the same id but another question or gold answer: the data differ."
        if changed
        else "they have no ids in common."
    )
    listed = "; ".join(f"{one.what} {one.baseline} → {one.variant}" for one in differences if one.warns)
    differing = f" What differs: {listed}." if listed else ""
    raise InputError(
        f"nothing to compare: no row of {side.label} is also in {baseline.label}; {why}{differing}"
    )


def _is_repeat(
    baseline: Side, side: Side, datasets: Sequence[DatasetComparison], differences: Sequence[Difference]
) -> bool:
    """Whether the side is the baseline run again: the same fingerprint and requests in another run."""
    same_model = baseline.described.fingerprint == side.described.fingerprint
    asked_alike = not any(dataset.alignment.different_prompts for dataset in datasets)
    judged_alike = not any(one.warns for one in differences)
    return same_model and asked_alike and judged_alike and baseline.run.path != side.run.path
