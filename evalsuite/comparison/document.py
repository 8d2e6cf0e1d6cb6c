"""All that a comparison found out, as one JSON document. Every output shows parts of it, and nothing else.

    {"baseline", "confidence", "significant",
     "sides": [{"label", "run", "variant", "complete", "repeats_baseline", "command", "described"}],
     "verdicts": [{"variant", "dataset", "metric", "verdict", "sentence"}],
     "warnings": [sentence],
     "results": [{"variant", "dataset", "subset", "metric", "unit", "higher_is_better", "primary", "detail",
                  "baseline_value", "variant_value", "delta", "stderr", "ci_low", "ci_high", "n", "n_one_sided",
                  "wins", "ties", "losses", "test", "p", "p_adjusted", "detectable", "rows_for_one_point",
                  "noise_floor", "verdict", "baseline_signature", "variant_signature"}],
     "rows": [{"variant", "dataset", "matched", "different_prompts", "different_replies", "errors",
               "changed" | "only_baseline" | "only_variant": {"count", "rows": [{"subset", "id"}]}}],
     "unpaired_datasets": [{"variant", "baseline": […], "of_variant": […]}],
     "differences": [{"variant", "dataset", "kind", "what", "baseline_value", "variant_value", "warns"}],
     "training": [{"dataset", "metric", "unit", "lines": [{"name", "points": [{"step", "value", "ci_low", "ci_high", "n"}]}]}]}

`training` is empty unless the runs are of two training steps or more; its values are each run's own, over all its rows.
Values are in the metric's own unit (0..1 for shares) and, `training` apart, over the paired rows. `verdict` is null for what is not judged;
`p_adjusted` is Holm's over all that is. Wins are rows that got better, whichever way the metric points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalsuite.comparison import wording as words
from evalsuite.comparison.alignment import named_rows
from evalsuite.comparison.conditions import Difference
from evalsuite.comparison.contrasts import SIGNIFICANT, Contrast, DatasetComparison
from evalsuite.comparison.findings import Findings, VariantComparison
from evalsuite.comparison.sides import Side
from evalsuite.comparison.training import training_curves
from evalsuite.data.subsets import WHOLE_DATASET

CONFIDENCE = 0.95


def comparison_document(findings: Findings) -> dict[str, Any]:
    """The document. Reads the journals' lines of unmatched rows."""
    baseline = findings.baseline
    against = {other.side.label: other for other in findings.others}
    names = {
        (label, dataset.name): dataset.names for label, other in against.items() for dataset in other.datasets
    }
    results = [
        _result(baseline, against[one.variant].side, names[one.variant, one.dataset], one)
        for one in findings.contrasts
    ]
    rows = [_rows(baseline, other.side, dataset) for other in findings.others for dataset in other.datasets]
    differences = [
        _difference_entry(other.side.label, one) for other in findings.others for one in other.differences
    ]
    repeats = {other.side.label for other in findings.others if other.repeats}
    return {
        "baseline": baseline.label,
        "confidence": CONFIDENCE,
        "significant": SIGNIFICANT,
        "sides": [_side(side, repeats=side.label in repeats) for side in findings.sides],
        "verdicts": [_verdict(result, baseline.label) for result in results if result["verdict"]],
        "warnings": _warnings(findings, differences, rows),
        "results": results,
        "rows": rows,
        "unpaired_datasets": [_unpaired(other) for other in findings.others if any(other.unpaired)],
        "differences": differences,
        "training": training_curves(findings.sides),
    }


def _verdict(result: dict[str, Any], baseline: str) -> dict[str, Any]:
    named = {name: result[name] for name in ("variant", "dataset", "metric", "verdict")}
    return named | {"sentence": words.verdict_sentence(result, baseline)}


def _unpaired(other: VariantComparison) -> dict[str, Any]:
    return {"variant": other.side.label, "baseline": other.unpaired[0], "of_variant": other.unpaired[1]}


def _warnings(
    findings: Findings, differences: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]
) -> list[str]:
    label = findings.baseline.label
    incomplete = dict.fromkeys(
        side.run_name for side in findings.sides if not side.run.summary.get("complete", True)
    )
    alone = [(other.side.label, [*other.unpaired[0], *other.unpaired[1]]) for other in findings.others]
    return [
        *words.difference_sentences(differences, label),
        *(words.incomplete_sentence(name) for name in incomplete),
        *(words.unpaired_sentence(variant, names) for variant, names in alone if names),
        *words.row_sentences(rows, label),
        *(words.repeat_sentence(other.side.label, label, rows) for other in findings.others if other.repeats),
        *(
            words.repeated_from_cache_sentence(other.side.label)
            for other in findings.others
            if other.repeats and any(map(_from_cache, (findings.baseline, other.side)))
        ),
    ]


def _from_cache(side: Side) -> bool:
    return bool(side.run.summary.get("totals", {}).get("from_cache"))


def _side(side: Side, *, repeats: bool = False) -> dict[str, Any]:
    return {
        "label": side.label,
        "run": side.run_name,
        "variant": side.variant,
        "complete": bool(side.run.summary.get("complete", True)),
        "repeats_baseline": repeats,
        "command": side.run.info.get("command"),
        "described": dict(side.described),
    }


def _result(baseline: Side, side: Side, names: tuple[str, str], contrast: Contrast) -> dict[str, Any]:
    paired, metric = contrast.paired, contrast.metric
    delta = paired.delta
    return {
        "variant": contrast.variant,
        "dataset": contrast.dataset,
        "subset": contrast.subset,
        "metric": metric.name,
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
        "primary": metric.primary,
        "detail": metric.detail,
        "baseline_value": paired.before,
        "variant_value": paired.after,
        "delta": delta.value,
        "stderr": delta.stderr,
        "ci_low": delta.low,
        "ci_high": delta.high,
        "n": delta.n,
        "n_one_sided": contrast.one_sided,
        "wins": paired.wins if metric.higher_is_better else paired.losses,
        "ties": paired.ties,
        "losses": paired.losses if metric.higher_is_better else paired.wins,
        "test": paired.test,
        "p": paired.p,
        "p_adjusted": contrast.p_adjusted,
        "detectable": paired.detectable,
        "rows_for_one_point": contrast.rows_for_one_point,
        "noise_floor": contrast.noise_floor,
        "verdict": contrast.verdict,
        "baseline_signature": _signature(baseline, names[0], contrast),
        "variant_signature": _signature(side, names[1], contrast),
    }


def _signature(side: Side, dataset: str, contrast: Contrast) -> str | None:
    found = side.run.summary["variants"].get(side.variant, {}).get("datasets", {}).get(dataset, {})
    metrics = found.get("subsets", {}).get(WHOLE_DATASET, {}).get("metrics", {})
    signature: str | None = metrics.get(contrast.metric.name, {}).get("signature")
    return signature


def _rows(baseline: Side, side: Side, dataset: DatasetComparison) -> dict[str, Any]:
    alignment = dataset.alignment
    listed = {
        "changed": (baseline, dataset.tables[0], alignment.changed),
        "only_baseline": (baseline, dataset.tables[0], alignment.only_before),
        "only_variant": (side, dataset.tables[1], alignment.only_after),
    }
    return {
        "variant": side.label,
        "dataset": dataset.name,
        "matched": len(alignment.before),
        "different_prompts": alignment.different_prompts,
        "different_replies": alignment.different_replies,
        "errors": dataset.errors,
        **{
            name: {"count": len(rows), "rows": named_rows(owner, table, rows.tolist())}
            for name, (owner, table, rows) in listed.items()
        },
    }


def _difference_entry(label: str, one: Difference) -> dict[str, Any]:
    return {
        "variant": label,
        "dataset": one.dataset,
        "kind": one.kind,
        "what": one.what,
        "baseline_value": one.baseline,
        "variant_value": one.variant,
        "warns": one.warns,
    }
