"""`EvalCallback`: runs evalsuite in the middle of a training and logs the results like the trainer's own.

A check never raises into the training (unless `on_error="raise"`). A problem is logged with its step, and the training
continues with the weights, modes and random numbers it would have had without the check.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from transformers.trainer_callback import CallbackHandler, TrainerCallback

from evalsuite.config import RunConfig, build_config, build_live_config
from evalsuite.errors import ConfigError, InputError
from evalsuite.runs.plan import plan_datasets
from evalsuite.runs.run import Run, load_run
from evalsuite.training.adapter_server import adapter_command, served_name
from evalsuite.training.background_checks import (
    BackgroundChecks,
    DueCheck,
    FinishedCheck,
    Overlap,
    run_command,
)
from evalsuite.training.distributed import Ranks, find_ranks
from evalsuite.training.inprocess import NoTokenizer, check_in_process, refuse_sharded_weights
from evalsuite.training.results import PREFIX, logged_metrics, metric_names, result_lines
from evalsuite.training.schedule import MODES, Event, Mode, read_every
from evalsuite.training.trainer_log import before_early_stopping, find_handler, log, show_training_notes

logger = logging.getLogger(__name__)

OnProblem: TypeAlias = Literal["warn", "raise"]
FOLDER = "evalsuite"
"""Subfolder of the training's output folder, with one run directory `step-N` per check."""
DEFAULT_TIMEOUT_SECONDS = 1800.0
DEFAULT_BATCH_SIZE = 16
RESERVED_OPTIONS = frozenset(
    {"ckpt", "adapter", "merge", "quant", "out", "name", "fresh", "step", "baseline"}
)
"""Options of a run that a check sets itself."""
INTERRUPTED = "interrupted: the check is given up, the training goes on (Ctrl-C once more ends it)"


@dataclass(frozen=True, slots=True)
class TrainerEvent:
    """The arguments of a trainer's event."""

    args: Any
    state: Any
    control: Any

    @property
    def all(self) -> tuple[Any, Any, Any]:
        """The arguments in the order of events."""
        return self.args, self.state, self.control


@dataclass
class _Training:
    """One training, from its beginning to its end."""

    folder: Path
    ranks: Ranks
    handler: CallbackHandler | None
    resumed: bool
    background: BackgroundChecks | None = None
    latest: tuple[int, Run] | None = None
    done: dict[int, dict[str, float]] = field(default_factory=dict)


class EvalCallback(TrainerCallback):
    """Evaluates `datasets` (as `-d` of `evalsuite run`) while a model trains.

    `every`: "save", "evaluate", "epoch", or a number of steps. `mode`: "inprocess" generates with the model in memory;
    "subprocess" runs `evalsuite run` on the saved checkpoint, on `devices` ("cpu", or as CUDA_VISIBLE_DEVICES); "server"
    makes a running vLLM at `base_url` load the saved adapter, or asks `model` there if it already serves the new weights.
    `timeout`: seconds for a whole check. `overlap`: a check that is due while another runs is skipped ("skip") or waits
    ("queue"). `batch_size`: rows decoded together, on each process. `tokenizer`: needed if the trainer has none.
    Further `options` are those of `evalsuite run` (`shots`, `max_tokens`, `backend_arg`, …), with underscores.

    Raises `InputError` at once if the options or the data are wrong.
    """

    def __init__(
        self,
        *datasets: str,
        every: Literal["save", "evaluate", "epoch"] | int = "save",
        mode: Mode = "inprocess",
        limit: int | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        on_error: OnProblem = "warn",
        overlap: Overlap = "skip",
        batch_size: int = DEFAULT_BATCH_SIZE,
        tokenizer: Any = None,
        base_url: str | None = None,
        model: str | None = None,
        devices: str | None = None,
        **options: Any,
    ) -> None:
        _check_words(mode=mode, on_error=on_error, overlap=overlap)
        if taken := sorted(RESERVED_OPTIONS & options.keys()):
            raise ConfigError(f"{', '.join(taken)}: a check sets that itself; leave it out.")
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size}: must be at least 1.")
        if (mode == "server") != (base_url is not None):
            raise ConfigError('mode="server" and base_url="http://HOST:8000/v1" go together.')
        self._training: _Training | None = None
        self._mode = mode
        self._timeout = timeout
        self._on_error = on_error
        self._overlap = overlap
        self._batch_size = batch_size
        self._tokenizer = tokenizer
        self._base_url, self._model = base_url, model
        self._devices = devices
        self._options = {"timeout": timeout, **options, "datasets": datasets, "limit": limit}
        saved_weights = mode == "subprocess" or (mode == "server" and model is None)
        self._schedule = read_every(every, mode, saved_weights=saved_weights)
        self._saved_weights = saved_weights
        plans = plan_datasets(self._configured(DueCheck(0, None, Path()), Path("checkpoint"), Path()))
        self.metric_names = tuple(metric_names({plan.name: plan.metrics for plan in plans}))
        """The headline metrics as they are logged; `metric_for_best_model` takes one of them."""

    # --- what the trainer calls

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Prepare the checks. Refuses, before anything is trained, what cannot be checked."""
        show_training_notes()
        ranks = find_ranks(self._timeout)
        if self._mode == "inprocess":
            refuse_sharded_weights(args, model)
        handler = find_handler(self)
        if handler:
            before_early_stopping(handler, self)
        folder = Path(args.output_dir) / FOLDER
        training = self._training = _Training(folder, ranks, handler, resumed=state.global_step > 0)
        if (why := self._schedule.never(args)) and ranks.first:
            logger.warning("no check will be made: %s.", why)
        if self._mode != "inprocess" and ranks.first:
            training.background = self._background(training, args)
            self._catch_up(TrainerEvent(args, state, control))

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Log finished checks; check if one is due every N steps."""
        self._poll(TrainerEvent(args, state, control))
        self._event("step", TrainerEvent(args, state, control), more)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Check if one is due every epoch."""
        self._event("epoch", TrainerEvent(args, state, control), more)

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Check if one is due with every checkpoint."""
        self._event("save", TrainerEvent(args, state, control), more)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **more: Any
    ) -> None:
        """Check if one is due with every evaluation, and add its metrics before the best model is chosen."""
        trainer_event = TrainerEvent(args, state, control)
        self._event("evaluate", trainer_event, more)
        if metrics is not None and self._training is not None and self._schedule.every == "evaluate":
            metrics.update(self._training.done.get(state.global_step, {}))
            self._fill_in(args.metric_for_best_model, metrics)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Wait for the last checks, no longer than their timeout."""
        training, trainer_event = self._training, TrainerEvent(args, state, control)
        if training and training.background:
            try:
                for finished in training.background.finish():
                    self._conclude(finished, trainer_event)
            except KeyboardInterrupt:
                for finished in training.background.cancel_all(INTERRUPTED):
                    self._conclude(finished, trainer_event)
        self._training = None

    # --- what is done

    def _event(self, event: Event, trainer_event: TrainerEvent, more: Mapping[str, Any]) -> None:
        training, step = self._training, trainer_event.state.global_step
        if training is None or not self._schedule.due(event, step) or self._is_done(trainer_event.state):
            return
        if self._mode == "inprocess":
            self._check_now(training, trainer_event, more)
        elif training.background:
            checkpoint = (
                Path(trainer_event.args.output_dir) / f"checkpoint-{step}" if self._saved_weights else None
            )
            training.background.request(DueCheck(step, trainer_event.state.epoch, checkpoint))
            self._poll(trainer_event)

    def _is_done(self, state: Any) -> bool:
        """Whether this step's results are already logged: by an evaluation of several sets, or before a resume."""
        step = state.global_step
        assert self._training
        return step in self._training.done or any(
            entry.get("step") == step and all(name in entry for name in self.metric_names)
            for entry in reversed(state.log_history)
        )

    def _check_now(self, training: _Training, trainer_event: TrainerEvent, more: Mapping[str, Any]) -> None:
        step = trainer_event.state.global_step
        wanted = DueCheck(step, trainer_event.state.epoch, None)
        model = more.get("model")
        tokenizer = self._tokenizer or more.get("processing_class") or more.get("tokenizer")
        failure: Exception | None = None
        try:
            run = check_in_process(
                self._configured(wanted, None, training.folder),
                model,
                getattr(tokenizer, "tokenizer", tokenizer),
                training.ranks,
                batch_size=self._batch_size,
                timeout=self._timeout,
            )
            finished = FinishedCheck(wanted, run)
        except KeyboardInterrupt:
            finished = FinishedCheck(wanted, None, INTERRUPTED)
        except NoTokenizer as error:
            finished = FinishedCheck(wanted, None, str(error))
        except Exception as error:  # noqa: BLE001 - no error of a check may end the training
            finished, failure = FinishedCheck(wanted, None, _words(error)), error
        metrics = training.ranks.broadcast(logged_metrics(finished.run) if finished.run else {})
        if failure and self._on_error == "raise":
            raise failure
        self._conclude(finished, trainer_event, metrics)

    def _poll(self, trainer_event: TrainerEvent) -> None:
        if self._training and (background := self._training.background) and background.busy:
            for finished in background.poll():
                self._conclude(finished, trainer_event)

    def _conclude(
        self, finished: FinishedCheck, trainer_event: TrainerEvent, metrics: dict[str, float] | None = None
    ) -> None:
        """Log a check's results at its step, in every process, and note them in the first."""
        training, wanted = self._training, finished.wanted
        assert training
        if metrics is None:
            metrics = logged_metrics(finished.run) if finished.run else {}
        training.done[wanted.step] = metrics
        if metrics:
            log(training.handler, metrics, trainer_event.all, step=wanted.step, epoch=wanted.epoch)
        if not training.ranks.first:
            return
        if finished.run is None:
            logger.warning("step %d: no result. %s", wanted.step, finished.problem)
            if self._on_error == "raise":
                raise InputError(f"step {wanted.step}: {finished.problem}")
            return
        for line in result_lines(finished.run, wanted.step, training.latest):
            logger.info("%s", line)
        training.latest = (wanted.step, finished.run)

    def _fill_in(self, wanted: str | None, metrics: dict[str, float]) -> None:
        """Add the metric of `metric_for_best_model` after a failed check, as NaN, which is never best."""
        name = wanted if wanted is None or wanted.startswith(PREFIX) else PREFIX + wanted
        if name in self.metric_names and name not in metrics:
            metrics[name] = math.nan

    # --- how a check is run

    def _configured(self, wanted: DueCheck, source: Path | None, folder: Path) -> RunConfig:
        """The configuration of one check. `source`: the folder of its weights, None if they are in memory or served."""
        values = {key: value for key, value in self._options.items() if value is not None}
        values |= {"out": folder, "name": f"step-{wanted.step}", "step": wanted.step}
        if self._mode == "inprocess":
            return build_live_config(values)
        if self._mode == "subprocess":
            return build_config(values | {"ckpt": (f"step-{wanted.step}={source}",)})
        name = self._model or served_name(wanted.step)
        resumed = self._training is not None and self._training.resumed
        return build_config(values | {"base_url": self._base_url, "model": name, "fresh": not resumed})

    def _background(self, training: _Training, args: Any) -> BackgroundChecks:
        by_adapter = self._mode == "server" and self._model is None
        return BackgroundChecks(
            training.folder,
            lambda wanted, source: self._configured(wanted, source, training.folder),
            adapter_command if by_adapter else run_command,
            self._timeout,
            self._overlap,
            devices=self._devices,
            hold=args.save_total_limit is not None,
        )

    def _catch_up(self, trainer_event: TrainerEvent) -> None:
        """After a resume: run or log the check of the checkpoint it resumed from, if that was never finished."""
        training, step = self._training, trainer_event.state.global_step
        assert training
        checkpoint = Path(trainer_event.args.output_dir) / f"checkpoint-{step}"
        if not (training.resumed and self._saved_weights and checkpoint.is_dir()) or self._is_done(
            trainer_event.state
        ):
            return
        try:
            run = load_run(training.folder / f"step-{step}")
        except InputError:
            run = None
        if run is not None and run.complete:
            self._conclude(
                FinishedCheck(DueCheck(step, trainer_event.state.epoch, checkpoint), run), trainer_event
            )
        elif training.background:
            training.background.request(DueCheck(step, trainer_event.state.epoch, checkpoint))


def _check_words(**given: str) -> None:
    known = {"mode": MODES, "on_error": ("warn", "raise"), "overlap": ("skip", "queue")}
    for name, value in given.items():
        if value not in known[name]:
            raise ConfigError(f"{name}={value!r}: write one of {', '.join(map(repr, known[name]))}.")


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
