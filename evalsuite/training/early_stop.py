"""Ends a training whose metric dropped by more than chance: a paired test over the same rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers.trainer_callback import TrainerCallback

from evalsuite.comparison.document import ResultEntry
from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.errors import ConfigError, EvalsuiteError
from evalsuite.evaluation.compare import compare
from evalsuite.formatting.numbers import format_delta, format_delta_interval
from evalsuite.metrics.verdicts import gain
from evalsuite.training.callback import FOLDER
from evalsuite.training.distributed import Ranks, find_ranks
from evalsuite.training.results import PREFIX, logged_name
from evalsuite.training.trainer_log import show_training_notes

logger = logging.getLogger(__name__)

CHECK_SECONDS = 600.0


class EarlyStop(TrainerCallback):
    """Ends the training after `patience` checks in a row that are significantly worse than the best one so far.

    `metric` is one that an `EvalCallback` logs, such as "gsm8k_accuracy". "Worse" is what `evalsuite compare`
    reports (a paired test over the same rows, p < 0.05), by more than `min_delta` in the metric's unit. A check that is not
    worse resets the count. A distributed training is only examined when a checkpoint is saved or an evaluation ends.
    """

    def __init__(self, metric: str, *, min_delta: float = 0.0, patience: int = 1) -> None:
        if patience < 1:
            raise ConfigError(f"patience={patience}: must be at least 1.")
        if min_delta < 0:
            raise ConfigError(f"min_delta={min_delta}: must not be negative.")
        self._metric = metric if metric.startswith(PREFIX) else PREFIX + metric
        self._min_delta = min_delta
        self._patience = patience
        self._ranks = Ranks()
        self._read = 0
        self._best: tuple[float, int] | None = None
        self._worse = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Find the other processes; start with what a resumed training has logged."""
        show_training_notes()
        self._ranks = find_ranks(CHECK_SECONDS)
        self._read, self._best, self._worse = 0, None, 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Examine the log, if there is no other process to agree with."""
        if self._ranks.count == 1:
            self._look(args, state, control)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Examine the log."""
        self._look(args, state, control)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Examine the log."""
        self._look(args, state, control)

    def _look(self, args: Any, state: Any, control: Any) -> None:
        """Read what was logged since the last call. All processes reach the same decision."""
        entries, self._read = state.log_history[self._read :], len(state.log_history)
        stop = False
        if self._ranks.first:
            for entry in entries:
                if self._metric in entry:
                    stop |= self._judged(Path(args.output_dir) / FOLDER, entry)
        if self._ranks.broadcast(stop):
            control.should_training_stop = True

    def _judged(self, folder: Path, entry: Mapping[str, Any]) -> bool:
        """Whether this check ends the training."""
        step, value = int(entry["step"]), float(entry[self._metric])
        if self._best is None:
            self._best = value, step
            return False
        best = self._best[1]
        try:
            found = _difference(folder / f"step-{best}", folder / f"step-{step}", self._metric)
        except EvalsuiteError as error:
            logger.warning("step %d: cannot be compared with step %d: %s", step, best, error)
            return False
        if found is None or found.delta is None:
            return False
        if found.verdict == "worse" and abs(found.delta) > self._min_delta:
            self._worse += 1
            if self._worse >= self._patience:
                logger.info(
                    "step %d: %s worse than at step %d: the training ends.", step, _words(found), best
                )
                return True
            return False
        self._worse = 0
        if gain(found.delta, higher_is_better=found.higher_is_better) > 0:
            self._best = value, step
        return False


def _difference(before: Path, after: Path, metric: str) -> ResultEntry | None:
    """The comparison's result for one metric; None if the runs do not share it. Raises `EvalsuiteError`."""
    for result in compare(before, after).document.results:
        named = logged_name(result.dataset, result.metric)
        if named == metric and result.subset == WHOLE_DATASET and result.delta is not None:
            return result
    return None


def _words(result: ResultEntry) -> str:
    interval = format_delta_interval(result.unit, result.ci_low, result.ci_high)
    return f"{result.metric} is {format_delta(result.unit, result.delta)} (95 % interval {interval})"
