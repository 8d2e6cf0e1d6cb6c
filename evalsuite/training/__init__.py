"""Checks in the middle of a training, and metrics and rewards from the same scorers.

    EvalCallback      a transformers callback: evaluates datasets while the model trains, in one of three modes
    EarlyStop         ends a training if its metric drops by more than chance
    compute_metrics   `acc` and `nlg` for `Trainer` and `Seq2SeqTrainer`
    rewards           reward functions for GRPO, as TRL and ms-swift call them
    StepRewards       splits a reply into steps; a reward endpoint rates each

The modules behind them:

    callback       when a check is due → what is done   schedule             which step is due
    inprocess      a check with the model in memory     live_model           that model as a server
    decode_rounds  rows decoded by all processes        distributed          the processes of a training
    state_guard    restores modes and random numbers    fingerprint          identifies the weights
    results        a finished run → numbers, sentences  background_checks    checks in processes of their own
    trainer_log    writes to the trainer's own log      adapter_server       an adapter on a running vLLM

Needs torch and transformers (the extra `training`). Importing this package imports neither: names are loaded when used.

May import: every other folder but the command line.
Must not import: `cli`, `viewer`.
"""

from __future__ import annotations

import importlib.util
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite.training import rewards
    from evalsuite.training.callback import EvalCallback
    from evalsuite.training.early_stop import EarlyStop
    from evalsuite.training.metrics import compute_metrics, text_metrics
    from evalsuite.training.step_rewards import StepRewards, split_steps

if absent := [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]:
    raise ImportError(
        f"evalsuite.training needs {' and '.join(absent)}: run pip install 'evalsuite[training]', "
        "in the environment that trains."
    )

_PLACES = {
    "EarlyStop": "early_stop",
    "EvalCallback": "callback",
    "StepRewards": "step_rewards",
    "compute_metrics": "metrics",
    "split_steps": "step_rewards",
    "text_metrics": "metrics",
}
__all__ = [
    "EarlyStop",
    "EvalCallback",
    "StepRewards",
    "compute_metrics",
    "rewards",
    "split_steps",
    "text_metrics",
]


def __getattr__(name: str) -> Any:
    if name == "rewards":
        return import_module("evalsuite.training.rewards")
    if name not in _PLACES:
        raise AttributeError(f"module 'evalsuite.training' has no attribute {name!r}")
    return getattr(import_module(f"evalsuite.training.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
