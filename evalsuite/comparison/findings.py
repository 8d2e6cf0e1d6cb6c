"""Sides → everything that is found out about them: rows in common, numbers, what else differs, which are the same twice."""

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
    """What is to be found out: which side is the `baseline` (the first by default), which `metrics` are judged (the
    primary ones by default), and which `gated` ones are judged beside them.
    """

    baseline: str | None = None
    metrics: tuple[str, ...] = ()
    gated: tuple[str, ...] = ()


@dataclass(frozen=True)
class VariantComparison:
    """One side held against the baseline. `repeats`: it is the baseline again, the same model asked the same."""

    side: Side
    datasets: tuple[DatasetComparison, ...]
    differences: tuple[Difference, ...]
    unpaired: tuple[list[str], list[str]]
    """Datasets that only the baseline has, and those that only the side has."""
    repeats: bool


@dataclass(frozen=True)
class Findings:
    """All that was found. `contrasts` are those of all datasets, with their adjusted p-values."""

    question: ComparisonRequest
    baseline: Side
    sides: tuple[Side, ...]
    others: tuple[VariantComparison, ...]
    contrasts: tuple[Contrast, ...]

    def flips(self) -> Iterator[Flips]:
        """The rows behind the numbers."""
        for other in self.others:
            for dataset in other.datasets:
                if flips := find_flips(self.baseline, other.side, dataset, self.contrasts):
                    yield flips


def compare_sides(sides: Sequence[Side], question: ComparisonRequest) -> Findings:
    """Hold every side against the baseline. Raises `InputError` where a side has no row in common with it."""
    baseline = choose_baseline(sides, question.baseline)
    _check_metrics(sides, question.metrics, "--metric")
    _check_metrics(sides, question.gated, "--fail-on-regression")
    judged = _judged_metrics(sides, question)
    tables = read_tables(sides)
    others = []
    for side in sides:
        if side is not baseline:
            datasets = [
                compare_dataset(baseline, side, names, tables, judged)
                for names in dataset_pairs(baseline, side)
            ]
            others.append(_compare_side(baseline, side, datasets))
    repeats = [other.side.label for other in others if other.repeats]
    contrasts = [one for other in others for dataset in other.datasets for one in dataset.contrasts]
    contrasts = add_noise_floor(adjust_p_values(contrasts, repeats), repeats)
    return Findings(question, baseline, tuple(sides), tuple(others), tuple(contrasts))


def _compare_side(baseline: Side, side: Side, datasets: Sequence[DatasetComparison]) -> VariantComparison:
    differences = list(run_differences(baseline, side))
    for dataset in datasets:
        differences += dataset_differences(baseline, side, dataset.names)
    _require_common_rows(baseline, side, datasets, differences)
    repeats = _is_repeat(baseline, side, datasets, differences)
    return VariantComparison(
        side, tuple(datasets), tuple(differences), unpaired_datasets(baseline, side), repeats
    )


def _judged_metrics(sides: Sequence[Side], question: ComparisonRequest) -> set[str]:
    """The metrics that carry a verdict; empty for the primary ones."""
    if question.metrics or not question.gated:
        return {*question.metrics, *question.gated}
    plans = [plan for side in sides for plan in side.plans.values()]
    return {metric.name for plan in plans for metric in plan.metrics if metric.primary}.union(question.gated)


def _check_metrics(sides: Sequence[Side], wanted: Sequence[str], option: str) -> None:
    plans = [plan for side in sides for plan in side.plans.values()]
    names: Mapping[str, None] = dict.fromkeys(metric.name for plan in plans for metric in plan.metrics)
    for name in wanted:
        if name not in names:
            hint = did_you_mean(name, names)
            raise InputError(f"{option} {name}: no dataset that is compared has that metric.{hint}")


def _require_common_rows(
    baseline: Side, side: Side, datasets: Sequence[DatasetComparison], differences: Sequence[Difference]
) -> None:
    """A side without one row in common with the baseline cannot be compared."""
    if any(len(dataset.alignment.before) for dataset in datasets):
        return
    if not datasets:
        asked = (
            ", ".join(f"{name} ({plan.task.kind})" for name, plan in one.plans.items()) or "nothing"
            for one in (baseline, side)
        )
        first, second = asked
        raise InputError(
            f"nothing to compare: {baseline.label} was asked {first}; {side.label} was asked {second}. "
            "Run both on the same data, under the same name and kind."
        )
    changed = sum(len(dataset.alignment.changed) for dataset in datasets)
    why = (
        f"{changed} rows have the same id but another question or gold answer: the data is another one."
        if changed
        else "the ids have nothing in common: the rows are other ones."
    )
    listed = "; ".join(f"{one.what} {one.baseline} → {one.variant}" for one in differences if one.warns)
    told = f" What differs: {listed}." if listed else ""
    raise InputError(f"nothing to compare: no row of {side.label} is one of {baseline.label}; {why}{told}")


def _is_repeat(
    baseline: Side, side: Side, datasets: Sequence[DatasetComparison], differences: Sequence[Difference]
) -> bool:
    """The same fingerprint, asked the same in another run."""
    same_model = baseline.described.get("fingerprint") == side.described.get("fingerprint")
    asked_alike = not any(dataset.alignment.different_prompts for dataset in datasets)
    judged_alike = not any(one.warns for one in differences)
    return same_model and asked_alike and judged_alike and baseline.run.path != side.run.path
