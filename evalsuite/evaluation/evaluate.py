"""`evalsuite run`: serve the model, send the requests, score the replies, write the report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite._util.event_loop import run_to_end
from evalsuite.backends.base import ServedModel
from evalsuite.config import RunConfig
from evalsuite.data.spec import is_suite_spec
from evalsuite.endpoint.probe import list_models
from evalsuite.errors import EndpointError
from evalsuite.evaluation.executor import Executor
from evalsuite.evaluation.pipeline import execute_and_finish
from evalsuite.evaluation.results import check_baseline, collect_results
from evalsuite.evaluation.run_state import RunState
from evalsuite.evaluation.timing import Stopwatch
from evalsuite.models.checkpoint import Checkpoint, served_checkpoint
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.directory import RunDirectory, lock_run_directory
from evalsuite.runs.plan import plan_datasets
from evalsuite.runs.progress import Progress, no_progress
from evalsuite.runs.run import Run
from evalsuite.runs.summary import DatasetResults
from evalsuite.serving.endpoints import model_endpoint
from evalsuite.serving.variants import ServingPlan, build_serving, plan_serving

if TYPE_CHECKING:
    from evalsuite.suites.jobs import SuiteJob

logger = logging.getLogger(__name__)

SERVED_MODEL_NOTE = (
    "A served model is known by its address and name alone: if another checkpoint answers there now, "
    "say which (--model-revision) or use --fresh."
)
INCOMPLETE_ADVICE = (
    "Run the same command again to ask for them, "
    "or add --on-error skip (leave them out) or --on-error wrong (count them as wrong)."
)


@dataclass(frozen=True)
class Prepared:
    """A run that has been checked. Nothing has been sent yet."""

    config: RunConfig
    plans: tuple[DatasetPlan, ...]
    serving: ServingPlan
    path: Path
    suites: tuple[SuiteJob, ...] = ()
    """Benchmarks that other suites run."""

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The variants of the run."""
        return self.serving.checkpoints


def prepare(config: RunConfig, serving: ServingPlan | None = None) -> Prepared:
    """Check everything that can be checked without a request to a model: data, checkpoints, gates.

    Raises `InputError`. Only where `--model` is left out is the endpoint asked what it serves.
    """
    plans = plan_datasets(config)
    suites = _suites(config, plans)
    serving = serving or _serving(config)
    names = [checkpoint.name for checkpoint in serving.checkpoints]
    check_baseline(config.baseline, names)
    label = "+".join(names)
    name = config.name or f"{label}-{config.identity()}"
    return Prepared(config, plans, serving, config.out / name, suites)


def _suites(config: RunConfig, plans: Sequence[DatasetPlan]) -> tuple[SuiteJob, ...]:
    """Plan the benchmarks of other suites. Their modules are imported only if one is named."""
    texts = [text for text in config.datasets if is_suite_spec(text)]
    if not texts:
        return ()
    from evalsuite.suites.jobs import check_suite_gates, plan_suites

    jobs = plan_suites(texts, config, [plan.name for plan in plans])
    check_suite_gates(config.gates, plans, jobs)
    return jobs


def evaluate(
    config: RunConfig,
    *,
    progress: Progress = no_progress,
    serving: ServingPlan | None = None,
) -> Run:
    """Run an evaluation, or resume it, and return it with its results.

    `progress` shows a `RunProgress` while requests go on (see `runs.progress.Progress`); notes about the run are logged; `serving` is who
    answers, where the configuration does not name it (a model in memory). Raises
    `EvalsuiteError`; where results were written all the same (`RunIncomplete`, `ServerError`, `GateFailed`), the
    error's `run_directory` names them, and the same call resumes.
    """
    prepared = prepare(config, serving)
    with lock_run_directory(prepared.path, fresh=config.fresh) as directory:
        return _Evaluation(prepared, directory, progress).run()


class _Evaluation:
    """One pass over all variants of a prepared run."""

    def __init__(self, prepared: Prepared, directory: RunDirectory, progress: Progress) -> None:
        self._config = prepared.config
        self._directory = directory
        self._stopwatch = Stopwatch()
        self._state = RunState(prepared.config, prepared.serving, prepared.plans, directory, prepared.suites)
        self._executor = Executor(self._state, progress, self._stopwatch)

    def run(self) -> Run:
        progress = self._state.progress
        unknown = self._config.base_url and not self._config.model_revision
        if progress.reused:
            logger.info(
                "%d of %d samples are finished already; %d are asked.%s",
                progress.reused,
                progress.total,
                progress.owed,
                f" {SERVED_MODEL_NOTE}" if unknown else "",
            )
        return execute_and_finish(
            self._directory,
            self._config,
            progress,
            self._stopwatch,
            execute=self._execute,
            collect=self._collect,
            advice=INCOMPLETE_ADVICE,
        )

    def _execute(self) -> None:
        self._executor.run_all()
        if self._state.suites and (problem := self._state.suites.problem()):
            raise problem

    def _collect(self) -> list[DatasetResults]:
        state = self._state
        counts = [count for work in state.works for count in work.counts()]
        results = collect_results(counts, self._config.on_error)
        if state.suites:
            results += state.suites.results()
            state.record()
        return results


def _serving(config: RunConfig) -> ServingPlan:
    if not config.base_url:
        return plan_serving(config)
    model = config.model or run_to_end(_only_model(config))
    return build_serving([served_checkpoint(config.base_url, model, config.model_revision)], "remote", {})


async def _only_model(config: RunConfig) -> str:
    """The name of the only model that the endpoint serves. Raises `EndpointError` if there are several."""
    assert config.base_url
    async with model_endpoint(config, ServedModel(config.base_url, "")) as endpoint:
        names = list(await list_models(endpoint) or ())
    if names and len(names) == 1:
        return names[0]
    listed = f"It serves: {', '.join(names)}." if names else "It does not list its models."
    raise EndpointError(f"{config.base_url}: which model? Give --model NAME. {listed}")
