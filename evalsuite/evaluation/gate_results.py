"""Holds a finished run against its gates (`--fail-under`)."""

from __future__ import annotations

from collections.abc import Sequence

from evalsuite.errors import EvalsuiteError, GateFailed
from evalsuite.metrics.gates import Gate
from evalsuite.runs.run import Run


def apply_gates(run: Run, gates: Sequence[Gate], problem: EvalsuiteError | None) -> Run:
    """Return the run. Raises `problem` if there is one, or `GateFailed`; the error names the run directory."""
    problem = problem or _failed_gates(run, gates)
    if problem:
        problem.run_directory = run.path
        raise problem
    return run


def _failed_gates(run: Run, gates: Sequence[Gate]) -> GateFailed | None:
    failed = [sentence for gate in gates for sentence in _failures(run, gate)]
    return GateFailed("--fail-under: " + "; ".join(failed)) if failed else None


def _failures(run: Run, gate: Gate) -> list[str]:
    found = [
        (variant, dataset, metric.value)
        for variant, of_variant in run.summary.variants.items()
        for dataset, results in of_variant.datasets.items()
        if gate.dataset in (None, dataset) and (metric := results.metrics().get(gate.metric))
    ]
    if not found:
        return [f"no dataset of this run was measured by {gate.metric}"]
    return [
        f"{variant} on {dataset}: {gate.metric} is {_format(value)}, under {gate.value:g}"
        for variant, dataset, value in found
        if value is None or value < gate.value
    ]


def _format(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4g}"
