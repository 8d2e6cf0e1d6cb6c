"""When a check is due: with every save, every evaluation, every N steps, or every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from evalsuite.errors import ConfigError

Every: TypeAlias = Literal["save", "evaluate", "epoch"] | int
Event: TypeAlias = Literal["save", "evaluate", "epoch", "step"]
Mode: TypeAlias = Literal["inprocess", "server", "subprocess"]
MODES: tuple[Mode, ...] = ("inprocess", "server", "subprocess")


@dataclass(frozen=True, slots=True)
class Schedule:
    """The schedule; `every` as the user gave it."""

    every: Every

    def due(self, event: Event, step: int) -> bool:
        """Whether a check is due at an event."""
        if event == "step":
            return isinstance(self.every, int) and step % self.every == 0
        return event == self.every

    def never(self, args: Any) -> str:
        """Why no check will ever be due with these training arguments; empty if one will."""
        if self.every == "save" and _is_off(args.save_strategy):
            return 'every="save", and the training saves nothing (save_strategy is "no")'
        if self.every == "evaluate" and _is_off(args.eval_strategy):
            return 'every="evaluate", and the training never evaluates (eval_strategy is "no")'
        return ""


def read_every(value: Any, mode: Mode, *, saved_weights: bool) -> Schedule:
    """Check `every` against the mode. `saved_weights`: only saved checkpoints can be evaluated. Raises `ConfigError`."""
    named = value in ("save", "evaluate", "epoch")
    if not named and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigError(f'every={value!r}: write "save", "evaluate", "epoch" or a number of steps.')
    if saved_weights and value != "save":
        raise ConfigError(
            f'every={value!r}: mode={mode!r} evaluates saved checkpoints; write every="save" and let the trainer\'s save_steps say when.'
        )
    return Schedule(value)


def _is_off(strategy: Any) -> bool:
    return str(getattr(strategy, "value", strategy)) == "no"
