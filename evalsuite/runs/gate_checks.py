"""Checks of `--fail-under` before anything is sent: can the run pass or fail the gate at all?"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from evalsuite.errors import ConfigError
from evalsuite.metrics.gates import Gate
from evalsuite.runs.scored_dataset import ScoredDataset
from evalsuite.tasks.metric import Metric


def check_gates(gates: Sequence[Gate], datasets: Sequence[ScoredDataset]) -> None:
    """Refuse a gate that no dataset of the run can pass or fail. Raises `ConfigError`."""
    for gate in gates:
        applies = [dataset for dataset in datasets if gate.dataset in (None, dataset.name)]
        metrics = {metric.name: metric for dataset in applies for metric in dataset.metrics}
        if not applies:
            names = ", ".join(dataset.name for dataset in datasets)
            raise ConfigError(f"--fail-under: this run has no dataset '{gate.dataset}'; there are: {names}.")
        if gate.metric not in metrics and any(
            dataset.task.capabilities.scored_elsewhere for dataset in applies
        ):
            continue  # what another suite measures is known when it has
        if gate.metric not in metrics:
            close = difflib.get_close_matches(gate.metric, metrics, n=1)
            hint = f" Did you mean {close[0]}?" if close else f" There are: {', '.join(metrics)}."
            raise ConfigError(f"--fail-under {gate.metric}: no dataset of this run has that metric.{hint}")
        _check_bound(gate, metrics[gate.metric])
        if not metrics[gate.metric].higher_is_better:
            raise ConfigError(
                f"--fail-under {gate.metric}: lower is better for this metric, so a lower bound makes no sense."
            )


def _check_bound(gate: Gate, metric: Metric) -> None:
    """Refuse a bound that every value of the metric passes or fails."""
    highest = metric.highest
    share = highest == 1.0
    if gate.percent and not share:
        raise ConfigError(f"--fail-under {gate.metric}: it is not a share, so write its value without %.")
    if gate.value > highest:
        form = "0.4 or 40%" if share else "27.5"
        raise ConfigError(
            f"--fail-under {gate.metric}={gate.value:g}: the metric lies between 0 and {highest:g}; write {form}, for instance."
        )
