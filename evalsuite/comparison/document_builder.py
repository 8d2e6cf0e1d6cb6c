"""Builds the document of a comparison from what was found."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import to_builtins

from evalsuite.comparison import wording
from evalsuite.comparison.alignment import row_names
from evalsuite.comparison.conditions import Difference
from evalsuite.comparison.contrasts import Contrast, DatasetComparison
from evalsuite.comparison.document import (
    ComparisonDocument,
    DifferenceEntry,
    PairingEntry,
    ResultEntry,
    RowList,
    SideEntry,
    UnpairedDatasets,
    VerdictEntry,
)
from evalsuite.comparison.findings import Findings, VariantComparison
from evalsuite.comparison.row_scores import ScoreTable
from evalsuite.comparison.sides import Side
from evalsuite.comparison.training import training_curves
from evalsuite.metrics.verdicts import SIGNIFICANCE_LEVEL

CONFIDENCE = 0.95


def comparison_document(findings: Findings) -> ComparisonDocument:
    """Build the document. Reads the journal lines of unmatched rows."""
    baseline = findings.baseline
    others = {other.side.label: other for other in findings.others}
    names = {
        (label, dataset.name): dataset.names for label, other in others.items() for dataset in other.datasets
    }
    results = tuple(
        _result(baseline, others[one.variant].side, names[one.variant, one.dataset], one)
        for one in findings.contrasts
    )
    rows = tuple(
        _pairing(baseline, other.side, dataset) for other in findings.others for dataset in other.datasets
    )
    differences = tuple(
        _difference(other.side.label, one) for other in findings.others for one in other.differences
    )
    repeats = {other.side.label for other in findings.others if other.is_repeat}
    return ComparisonDocument(
        baseline=baseline.label,
        confidence=CONFIDENCE,
        significant=SIGNIFICANCE_LEVEL,
        sides=tuple(_side(side, repeats_baseline=side.label in repeats) for side in findings.sides),
        verdicts=tuple(
            VerdictEntry(
                variant=result.variant,
                dataset=result.dataset,
                metric=result.metric,
                verdict=result.verdict,
                sentence=wording.verdict_sentence(result, baseline.label),
            )
            for result in results
            if result.verdict
        ),
        warnings=tuple(_warnings(findings, differences, rows)),
        results=results,
        rows=rows,
        unpaired_datasets=tuple(_unpaired(other) for other in findings.others if any(other.unpaired)),
        differences=differences,
        training=training_curves(findings.sides),
    )


def _unpaired(other: VariantComparison) -> UnpairedDatasets:
    only_baseline, only_variant = other.unpaired
    return UnpairedDatasets(
        variant=other.side.label, baseline=tuple(only_baseline), of_variant=tuple(only_variant)
    )


def _warnings(
    findings: Findings, differences: tuple[DifferenceEntry, ...], rows: tuple[PairingEntry, ...]
) -> Iterator[str]:
    baseline = findings.baseline
    yield from wording.difference_sentences(differences, baseline.label)
    for name in dict.fromkeys(side.run_name for side in findings.sides if not side.is_complete):
        yield wording.incomplete_sentence(name)
    for other in findings.others:
        if names := [*other.unpaired[0], *other.unpaired[1]]:
            yield wording.unpaired_sentence(other.side.label, names)
    yield from wording.row_sentences(rows, baseline.label)
    repeats = [other.side for other in findings.others if other.is_repeat]
    for side in repeats:
        yield wording.repeat_sentence(side.label, baseline.label, rows)
    for side in repeats:
        if baseline.used_cache or side.used_cache:
            yield wording.repeated_from_cache_sentence(side.label)


def _side(side: Side, *, repeats_baseline: bool) -> SideEntry:
    return SideEntry(
        label=side.label,
        run=side.run_name,
        variant=side.variant,
        complete=side.is_complete,
        repeats_baseline=repeats_baseline,
        command=side.run.info.command,
        described=to_builtins(side.described),
    )


def _result(baseline: Side, side: Side, names: tuple[str, str], contrast: Contrast) -> ResultEntry:
    paired, metric = contrast.paired, contrast.metric
    delta = paired.delta
    return ResultEntry(
        variant=contrast.variant,
        dataset=contrast.dataset,
        subset=contrast.subset,
        metric=metric.name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        primary=metric.primary,
        detail=metric.detail,
        baseline_value=paired.before,
        variant_value=paired.after,
        delta=delta.value,
        stderr=delta.stderr,
        ci_low=delta.low,
        ci_high=delta.high,
        n=delta.n,
        n_one_sided=contrast.one_sided,
        wins=paired.wins if metric.higher_is_better else paired.losses,
        ties=paired.ties,
        losses=paired.losses if metric.higher_is_better else paired.wins,
        test=paired.test,
        p=paired.p,
        p_adjusted=contrast.p_adjusted,
        detectable=paired.detectable,
        rows_for_one_point=contrast.rows_for_one_point,
        noise_floor=contrast.noise_floor,
        verdict=contrast.verdict,
        baseline_signature=_signature(baseline, names[0], metric.name),
        variant_signature=_signature(side, names[1], metric.name),
    )


def _signature(side: Side, dataset: str, metric: str) -> str | None:
    results = side.run.summary.dataset(side.variant, dataset)
    found = results.metrics().get(metric) if results else None
    return found.signature if found else None


def _pairing(baseline: Side, side: Side, dataset: DatasetComparison) -> PairingEntry:
    alignment = dataset.alignment
    baseline_scores, variant_scores = dataset.tables
    return PairingEntry(
        variant=side.label,
        dataset=dataset.name,
        matched=len(alignment.before),
        different_prompts=alignment.different_prompts,
        different_replies=alignment.different_replies,
        errors=dataset.errors,
        changed=_row_list(baseline, baseline_scores, alignment.changed.tolist()),
        only_baseline=_row_list(baseline, baseline_scores, alignment.only_before.tolist()),
        only_variant=_row_list(side, variant_scores, alignment.only_after.tolist()),
    )


def _row_list(side: Side, table: ScoreTable, rows: list[int]) -> RowList:
    return RowList(len(rows), tuple(row_names(side, table, rows)))


def _difference(label: str, difference: Difference) -> DifferenceEntry:
    return DifferenceEntry(
        variant=label,
        dataset=difference.dataset,
        kind=difference.kind,
        what=difference.what,
        baseline_value=difference.baseline,
        variant_value=difference.variant,
        warns=difference.warns,
    )
