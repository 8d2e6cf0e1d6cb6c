"""`evalsuite score`: score predictions that already exist, without a model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from evalsuite._util.event_loop import run_to_end
from evalsuite.config import ScoreConfig
from evalsuite.data.spec import parse_spec
from evalsuite.endpoint.reply_cache import Wrap, open_cache, wrap_with_cache
from evalsuite.errors import ConfigError, InputError
from evalsuite.evaluation.pipeline import execute_and_finish
from evalsuite.evaluation.rescore import rescore
from evalsuite.evaluation.results import build_run_info, check_baseline, collect_results
from evalsuite.evaluation.timing import Stopwatch
from evalsuite.runs.directory import RUN_FILE, RunDirectory, find_run_directory, lock_run_directory
from evalsuite.runs.inference import NO_PREDICTION, Inference
from evalsuite.runs.journal import Journal
from evalsuite.runs.predictions import PredictedSample, PredictionPlan, plan_predictions
from evalsuite.runs.progress import Progress, RunProgress, no_progress
from evalsuite.runs.provenance import environment_info
from evalsuite.runs.records import failed_score, sample_line
from evalsuite.runs.resume import PreviousReplies, reconcile
from evalsuite.runs.run import Run
from evalsuite.runs.schema import ErrorEntry, VariantInfo, encode_line
from evalsuite.runs.work import Job, Work, new_work
from evalsuite.serving.endpoints import judge_endpoint, probe_judge
from evalsuite.tasks import KINDS
from evalsuite.types import Party

if TYPE_CHECKING:
    from evalsuite.endpoint.reply_store import ReplyStore

logger = logging.getLogger(__name__)

MISSING = "missing_prediction"
FILL_IN = (
    "Add the predictions and run the command again, "
    "or add --on-error skip (leave the rows out) or --on-error wrong (count them as wrong)."
)
SCORED = "predictions"
"""The `form` of a variant whose replies were read from files."""


@dataclass(frozen=True)
class PreparedScore:
    """Predictions that have been checked. Nothing has been written yet."""

    config: ScoreConfig
    plans: tuple[PredictionPlan, ...]
    path: Path


def prepare_score(config: ScoreConfig) -> PreparedScore:
    """Check every row of every file. Raises `InputError`."""
    plans = plan_predictions(config)
    check_baseline(config.baseline, list(dict.fromkeys(plan.variant.name for plan in plans)))
    label = "+".join(dict.fromkeys(plan.variant.name for plan in plans))
    return PreparedScore(config, plans, config.out / (config.name or f"{label}-{config.identity()}"))


def score(
    config: ScoreConfig,
    *,
    progress: Progress = no_progress,
) -> Run:
    """Score predictions into a run directory and return the run. Raises `EvalsuiteError`, as `evaluate` does.

    Named the directory or the journal of a run, it judges that again, into a directory of its own.
    """
    run = _named_run(config)
    if run:
        policy = config.on_error if "on_error" in config.given else None
        beside = config.out / (config.name or f"{run.resolve().name}-rescored")
        return rescore(
            run, beside=beside, on_error=policy, profiles=config.profile, fail_under=config.fail_under
        )
    prepared = prepare_score(config)
    for plan in prepared.plans:
        told = ", told from the columns" if plan.recognised else ""
        logger.info(
            "%s: %d rows of kind %s, %s layout%s",
            plan.spec.target,
            plan.rows,
            plan.task.kind,
            plan.layout,
            told,
        )
    with lock_run_directory(prepared.path, fresh=config.fresh) as directory:
        _refuse_run_of_a_model(directory)
        return _scored(prepared, directory, progress)


def _named_run(config: ScoreConfig) -> Path | None:
    """The run whose journal is named, if one is. Raises `ConfigError` if it is named with other files."""
    targets = [parse_spec(text, list(KINDS)).target for text in config.datasets]
    runs = [run for target in targets if (run := find_run_directory(target))]
    if runs and len(targets) > 1:
        raise ConfigError(f"{runs[0]}: the journal of a run is scored by itself; leave out the other files.")
    if runs and (config.limit or config.lang != "auto" or config.fresh):
        raise ConfigError(
            f"{runs[0]}: the journal of a run is scored as it is; leave out --limit, --lang and --fresh."
        )
    return runs[0] if runs else None


def _refuse_run_of_a_model(directory: RunDirectory) -> None:
    """Raise `InputError` if the directory holds a model's run, whose replies cost requests."""
    before = directory.read_info()
    if before and any(variant.form != SCORED for variant in before.variants):
        raise InputError(f"{directory.path}: holds the run of a model. Choose another --name or --out.")


def _scored(
    prepared: PreparedScore,
    directory: RunDirectory,
    show_progress: Progress,
) -> Run:
    config, progress, stopwatch = prepared.config, RunProgress(), Stopwatch()
    works = [new_work(plan.variant, [plan], config.on_error) for plan in prepared.plans]
    works = reconcile(works, directory, progress, keep_errors=config.on_error != "fail")
    infos = [plan.info() for plan in prepared.plans]
    info = build_run_info(config, _variants(prepared.plans), infos, environment_info())
    directory.write_document(RUN_FILE, info)
    progress.total = sum(plan.rows for plan in prepared.plans)
    progress.reused = progress.total - sum(work.owed_total for work in works)

    def execute() -> None:
        if progress.owed:
            with show_progress(progress), Journal(directory.journal) as journal, stopwatch.working():
                _score_owed(config, works, directory, journal, progress)

    return execute_and_finish(
        directory,
        config,
        progress,
        stopwatch,
        execute=execute,
        collect=lambda: collect_results(
            [count for work in works for count in work.counts()], config.on_error
        ),
        advice=FILL_IN,
    )


def _score_owed(
    config: ScoreConfig,
    works: Sequence[Work],
    directory: RunDirectory,
    journal: Journal,
    progress: RunProgress,
) -> None:
    """Score the owed predictions, those without a judge first."""
    for job in _jobs(work for work in works if not work.judge):
        journal.append(_judged(job, progress))
    judged = [work for work in works if work.judge]
    with open_cache(config.cache if judged else None) as cache:
        for work in judged:
            run_to_end(_ask_judge(config, work, directory, journal, progress, cache), work.owed_total)


async def _ask_judge(
    config: ScoreConfig,
    work: Work,
    directory: RunDirectory,
    journal: Journal,
    progress: RunProgress,
    cache: ReplyStore | None,
) -> None:
    """Ask the judge about the predictions of a file."""
    assert work.judge
    async with judge_endpoint(config, work.judge) as endpoint:
        await probe_judge(endpoint)
        wrap = wrap_with_cache(cache, endpoint, work.judge.fingerprint)
        cache_wrappers: dict[Party, Wrap] = {"judge": wrap} if wrap else {}
        with PreviousReplies(directory) as replies:
            inference = Inference(
                work,
                {"judge": endpoint},
                journal,
                progress,
                previous_replies=replies,
                cache_wrappers=cache_wrappers,
            )
            await inference.run()
    progress.throughput.pause()


def _jobs(works: Iterable[Work]) -> Iterator[Job]:
    return (job for work in works for job in work.jobs() if job is not None)


def _judged(job: Job, progress: RunProgress) -> bytes:
    """Score a prediction and count it; return its journal line."""
    assert isinstance(job.sample, PredictedSample)
    reply = job.sample.reply
    if reply is None:
        judgement = failed_score(job)
        error = ErrorEntry(kind=MISSING, message=NO_PREDICTION)
        progress.failures[MISSING, NO_PREDICTION] += 1
    else:
        judgement = job.plan.task.score_and_label(job.sample.row, reply, job.plan.style)
        error = None
    job.count(judgement)
    progress.done += 1
    progress.outcomes[judgement.outcome] += 1
    return encode_line(sample_line(job, reply, judgement, error=error))


def _variants(plans: Sequence[PredictionPlan]) -> list[VariantInfo]:
    """The variants of run.json: each set of predictions, with its files."""
    found: dict[str, VariantInfo] = {}
    for plan in plans:
        source, name, fingerprint = plan.spec.target, plan.variant.name, plan.variant.fingerprint
        known = found.get(name)
        if known is None:
            found[name] = VariantInfo(
                name=name, model=None, source=source, form=SCORED, backend=None, fingerprint=fingerprint
            )
        elif known.source != source:
            found[name] = structs.replace(
                known, source=f"{known.source}, {source}", fingerprint=f"{known.fingerprint}+{fingerprint}"
            )
    return list(found.values())
