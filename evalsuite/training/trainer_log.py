"""Writes to the trainer's own log: its history, its progress bar, TensorBoard, Weights & Biases.

A callback is not told which other callbacks exist. The handler that calls it knows them; `find_handler` finds it in the caller's
frame, once, when the training begins.
"""

from __future__ import annotations

import copy
import inspect
import logging
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from transformers.trainer_callback import CallbackHandler, EarlyStoppingCallback, TrainerCallback

TRAINING_LOGGER = "evalsuite.training"


class ProgressBarHandler(logging.Handler):
    """Writes records to standard error, above the trainer's progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        from tqdm import tqdm

        tqdm.write(f"evalsuite: {self.format(record)}", file=sys.stderr)


def show_training_notes() -> None:
    """Show what the checks log, on top of whatever else listens; a second call changes nothing."""
    logger = logging.getLogger(TRAINING_LOGGER)
    if not any(isinstance(handler, ProgressBarHandler) for handler in logger.handlers):
        logger.addHandler(ProgressBarHandler(logging.INFO))
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def find_handler(callback: TrainerCallback) -> CallbackHandler | None:
    """The handler that calls this callback; None if the caller is not a trainer."""
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        found = frame.f_locals.get("self")
        if isinstance(found, CallbackHandler) and any(one is callback for one in found.callbacks):
            return found
        frame = frame.f_back
    return None


def before_early_stopping(handler: CallbackHandler, callback: TrainerCallback) -> None:
    """Move a callback before `EarlyStoppingCallback`, which reads an evaluation's metrics when it is called.

    The list is replaced, not changed: the handler may be iterating over it.
    """
    others = [one for one in handler.callbacks if one is not callback]
    place = next(
        (number for number, one in enumerate(others) if isinstance(one, EarlyStoppingCallback)), None
    )
    if place is not None and handler.callbacks.index(callback) > place:
        handler.callbacks = [*others[:place], callback, *others[place:]]


def log(
    handler: CallbackHandler | None,
    metrics: Mapping[str, float],
    event_arguments: tuple[Any, Any, Any],
    *,
    step: int,
    epoch: float | None,
) -> None:
    """Log metrics at a step, which may be an earlier one. `event_arguments`: arguments, state and control of an event.

    Does what the trainer's `log` does, which callbacks cannot call, without the additions of subclasses.
    """
    args, state, control = event_arguments
    logs = dict(metrics) if epoch is None else {**metrics, "epoch": epoch}
    state.log_history.append({**logs, "step": step})
    if handler is not None:
        then = copy.copy(state)
        then.global_step, then.epoch = step, epoch
        handler.on_log(args, then, copy.copy(control), logs)
