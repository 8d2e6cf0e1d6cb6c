"""serve → infer → score → report: the one function behind the command line, YAML files and Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalsuite.backends.base import Served, Server
from evalsuite.config import RunConfig
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.logprobs import find_logprob_form
from evalsuite.endpoint.loop import run_to_end
from evalsuite.endpoints import check_judge, check_model, judge_endpoint, model_endpoint
from evalsuite.errors import EndpointError, EvalsuiteError, RunIncomplete
from evalsuite.models.checkpoint import Checkpoint, served_checkpoint
from evalsuite.results import Stopwatch, check_baseline, conclude, dataset_results, missing, run_file
from evalsuite.runs.directory import RUN_FILE, RunDirectory, hold_run_directory
from evalsuite.runs.inference import Inference
from evalsuite.runs.journal import Journal
from evalsuite.runs.meter import Earlier, Meter
from evalsuite.runs.plan import DatasetPlan, Judge, plan_datasets
from evalsuite.runs.resume import FirstReplies, reconcile
from evalsuite.runs.run import Run
from evalsuite.runs.work import Variant, Work, new_work
from evalsuite.serving import ServedFacts, Serving, liveness, plan_serving, serving_of, start
from evalsuite.types import LogprobForm, Party

SAME_SERVED_MODEL = "A served model is known by its address and name alone: if another checkpoint answers there now, use --fresh."
LETTER_ALONE = (
    "The server does not go on with a turn of the assistant that was begun for it: "
    "--mcq-mode logprob asks for the letter as the whole reply (logprob:letter in signatures)."
)
ASK_AGAIN = (
    "Run the same command again to ask for them, "
    "or add --on-error skip (leave them out) or --on-error wrong (count them as wrong)."
)

Notify = Callable[[str], None]
Display = Callable[[Meter], AbstractContextManager[object]]


@dataclass(frozen=True)
class Prepared:
    """A checked run that has not sent anything yet."""

    config: RunConfig
    plans: tuple[DatasetPlan, ...]
    serving: Serving
    path: Path

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Its variants."""
        return self.serving.checkpoints


def prepare(config: RunConfig, serving: Serving | None = None) -> Prepared:
    """Check everything that can be checked without a request to a model: data, checkpoints, gates.

    Raises `InputError`. Only where `--model` is left out is the endpoint asked what it serves.
    """
    plans = plan_datasets(config)
    serving = serving or _serving(config)
    names = [checkpoint.name for checkpoint in serving.checkpoints]
    check_baseline(config.baseline, names)
    label = "+".join(names)
    name = config.name or f"{label}-{config.identity()}"
    return Prepared(config, plans, serving, config.out / name)


def evaluate(
    config: RunConfig,
    *,
    display: Display | None = None,
    notify: Notify | None = None,
    serving: Serving | None = None,
) -> Run:
    """Run an evaluation, or resume it, and return it with its results.

    `display` shows a `Meter` while requests go on; `notify` takes sentences about what happens; `serving` is who
    answers, where the configuration does not name it (a model in memory). Raises
    `EvalsuiteError`; where results were written all the same (`RunIncomplete`, `ServerError`, `GateFailed`), the
    error's `run_directory` names them, and the same call resumes.
    """
    prepared = prepare(config, serving)
    with hold_run_directory(prepared.path, fresh=config.fresh) as directory:
        return _Evaluation(
            prepared, directory, display or (lambda _: nullcontext()), notify or (lambda _: None)
        ).run()


class _Evaluation:
    """One pass over all variants of a prepared run."""

    def __init__(self, prepared: Prepared, directory: RunDirectory, display: Display, notify: Notify) -> None:
        self._prepared = prepared
        self._config = prepared.config
        self._directory = directory
        self._display = display
        self._notify = notify
        self._meter = Meter()
        self._stopwatch = Stopwatch()
        self._facts = ServedFacts(prepared.serving, directory.read_json(RUN_FILE))

    def run(self) -> Run:
        if _recorded_form(self._directory) == "letter":
            self._plan_in_form("letter")
        works = self._reconciled()
        if self._meter.reused:
            self._notify(
                f"{self._meter.reused} of {self._meter.total} samples are finished already; {self._meter.owed} are asked."
                + (f" {SAME_SERVED_MODEL}" if self._config.base_url else "")
            )
        problem: EvalsuiteError | None = None
        try:
            self._infer(works)
        except KeyboardInterrupt:
            problem = RunIncomplete("interrupted. Run the same command again: it resumes.")
        except EvalsuiteError as error:
            problem = error
        if problem and not self._meter.done and not self._meter.reused:
            self._directory.discard_empty()
            raise problem
        results = dataset_results(works, self._config.on_error)
        problem = problem or missing(results, self._meter, ASK_AGAIN)
        return conclude(self._directory, results, self._meter, self._stopwatch, self._config, problem)

    def _reconciled(self) -> list[Work]:
        """What earlier starts of this run finished, counted; the rest is owed. Writes run.json."""
        self._meter.earlier = Earlier()
        works = [
            new_work(
                Variant(checkpoint.name, self._prepared.serving.fingerprint(checkpoint)),
                self._prepared.plans,
                self._config.on_error,
            )
            for checkpoint in self._prepared.checkpoints
        ]
        keep_errors = self._config.on_error != "fail"
        works = reconcile(works, self._directory, self._meter, keep_errors=keep_errors)
        self._directory.write_json(RUN_FILE, self._described())
        self._meter.total = sum(plan.rows for work in works for plan in work.plans)
        self._meter.reused = self._meter.total - sum(work.all_owed for work in works)
        return works

    def _described(self) -> dict[str, Any]:
        """run.json: nothing secret, nothing that differs between two starts of the same run."""
        return run_file(
            self._config, self._prepared.serving.described(self._facts.by_variant), self._prepared.plans
        )

    def _infer(self, works: list[Work]) -> None:
        judge = next((work.judge for work in works if work.judge), None)
        if judge and judge.base_url and not self._config.base_url:
            run_to_end(self._reach(judge))  # before minutes are spent on starting a server
        places = {checkpoint.name: place for place, checkpoint in enumerate(self._prepared.checkpoints)}
        with ExitStack() as stack:
            shown = False
            for plan in self._prepared.serving.servers:
                owed = [one for one in plan.checkpoints if works[places[one.name]].all_owed]
                if not owed:
                    continue
                log = self._directory.server_log(owed[0].name)
                with start(plan, owed, self._config.backend_arg, log, self._notify) as server:
                    if not shown:
                        stack.enter_context(self._display(self._meter))
                        shown = True
                    for checkpoint in owed:
                        run_to_end(self._ask(works, places[checkpoint.name], server))

    async def _reach(self, judge: Judge) -> None:
        async with judge_endpoint(self._config, judge) as endpoint:
            await check_judge(endpoint)

    async def _ask(self, works: list[Work], place: int, server: Server) -> None:
        checkpoint = self._prepared.checkpoints[place]
        served = server.served[checkpoint.name]
        async with AsyncExitStack() as stack:
            endpoint = await stack.enter_async_context(model_endpoint(self._config, served))
            parties = await self._parties(works[place].judge, endpoint, stack)
            owed = [plan for plan in works[place].plans if works[place].owed_rows(plan)]
            await check_model(endpoint, owed)
            await self._prove(checkpoint, served, owed)
            await self._settle_form(works, place, endpoint, served)
            work = works[place]
            replies = stack.enter_context(FirstReplies(self._directory)) if work.in_steps else None
            with Journal(self._directory.journal) as journal, self._stopwatch.working():
                await Inference(work, parties, journal, self._meter, server.check, replies).run()

    async def _prove(self, checkpoint: Checkpoint, served: Served, plans: Sequence[DatasetPlan]) -> None:
        """Record what answers, and whether its adapter makes a difference."""
        live = await liveness(served, plans, completions=self._config.completions)
        if warning := self._facts.add(checkpoint, served, live):
            self._notify(warning)
        self._directory.write_json(RUN_FILE, self._described())

    async def _parties(
        self, judge: Judge | None, endpoint: Endpoint, stack: AsyncExitStack
    ) -> dict[Party, Endpoint]:
        """Whom to ask: the model, and a judge that has been checked, unless the model is to judge itself."""
        parties: dict[Party, Endpoint] = {"model": endpoint, "judge": endpoint}
        if judge and judge.base_url:
            parties["judge"] = await stack.enter_async_context(judge_endpoint(self._config, judge))
            await check_judge(parties["judge"])
        return parties

    async def _settle_form(self, works: list[Work], place: int, endpoint: Endpoint, served: Served) -> None:
        """Where letters' probabilities are owed, plan them in a form that this server can be asked in."""
        plan = works[place].logprob_plan
        if plan is None or plan.style.logprob is None:
            return
        form = await find_logprob_form(
            endpoint,
            plan.generation,
            plan.style.logprob,
            completions=self._config.completions,
            continues=served.continues_turns,
        )
        if form != plan.style.logprob:
            self._notify(LETTER_ALONE)
            self._plan_in_form(form)
            works[:] = self._reconciled()

    def _plan_in_form(self, form: LogprobForm) -> None:
        plans = tuple(plan.in_form(form) for plan in self._prepared.plans)
        self._prepared = replace(self._prepared, plans=plans)


def _recorded_form(directory: RunDirectory) -> LogprobForm | None:
    """The form in which an earlier start of the run asked for letters' probabilities."""
    found = directory.read_json(RUN_FILE) or {}
    forms = (entry.get("style", {}).get("logprob") for entry in found.get("datasets", ()))
    return next((form for form in forms if form), None)


def _serving(config: RunConfig) -> Serving:
    if not config.base_url:
        return plan_serving(config)
    model = config.model or run_to_end(_only_model(config))
    return serving_of([served_checkpoint(config.base_url, model)], "remote", {})


async def _only_model(config: RunConfig) -> str:
    """What the endpoint serves, where it serves one model."""
    assert config.base_url
    async with model_endpoint(config, Served(config.base_url, "")) as endpoint:
        names = await endpoint.served_models()
    if names and len(names) == 1:
        return names[0]
    listed = f"It serves: {', '.join(names)}." if names else "It does not list its models."
    raise EndpointError(f"{config.base_url}: which model? Give --model NAME. {listed}")
