"""serve → infer → score → report: the one function behind the command line, YAML files and Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.backends.base import Served, Server
from evalsuite.config import RunConfig
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.loop import run_to_end
from evalsuite.endpoint.retries import RetryPolicy
from evalsuite.endpoint.wire import Generation, encode
from evalsuite.errors import ConfigError, EndpointError, EvalsuiteError, RunIncomplete
from evalsuite.models.checkpoint import Checkpoint, served_checkpoint
from evalsuite.results import Stopwatch, conclude, dataset_results, missing, run_file
from evalsuite.runs.directory import RUN_FILE, RunDirectory, hold_run_directory
from evalsuite.runs.inference import Inference
from evalsuite.runs.journal import Journal
from evalsuite.runs.meter import Meter
from evalsuite.runs.plan import DatasetPlan, plan_datasets
from evalsuite.runs.resume import reconcile
from evalsuite.runs.run import Run
from evalsuite.runs.work import Variant, Work, new_work
from evalsuite.serving import ServedFacts, Serving, liveness, plan_serving, serving_of, start
from evalsuite.types import Prompt

REMOTE_CONCURRENCY = 32
"""`--concurrency auto` for a server that does not say how many requests it works on at a time."""
SAME_SERVED_MODEL = "A served model is known by its address and name alone: if another checkpoint answers there now, use --fresh."
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


def prepare(config: RunConfig) -> Prepared:
    """Check everything that can be checked without a request to a model: data, checkpoints, gates.

    Raises `InputError`. Only where `--model` is left out is the endpoint asked what it serves.
    """
    plans = plan_datasets(config)
    serving = _serving(config)
    label = "+".join(checkpoint.name for checkpoint in serving.checkpoints)
    name = config.name or f"{label}-{config.identity()}"
    return Prepared(config, plans, serving, config.out / name)


def evaluate(config: RunConfig, *, display: Display | None = None, notify: Notify | None = None) -> Run:
    """Run an evaluation, or resume it, and return it with its results.

    `display` shows a `Meter` while requests go on; `notify` takes sentences about what happens. Raises
    `EvalsuiteError`; where results were written all the same (`RunIncomplete`, `ServerError`, `GateFailed`), the
    error's `run_directory` names them, and the same call resumes.
    """
    prepared = prepare(config)
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
        works = self._reconciled()
        self._directory.write_json(RUN_FILE, self._described())
        self._meter.total = sum(plan.rows for work in works for plan in work.plans)
        self._meter.reused = self._meter.total - sum(work.all_owed for work in works)
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
        """What earlier starts of this run finished, counted; the rest is owed."""
        works = [
            new_work(
                Variant(checkpoint.name, self._prepared.serving.fingerprint(checkpoint)),
                self._prepared.plans,
                self._config.on_error,
            )
            for checkpoint in self._prepared.checkpoints
        ]
        return reconcile(works, self._directory, self._meter, keep_errors=self._config.on_error != "fail")

    def _described(self) -> dict[str, Any]:
        """run.json: nothing secret, nothing that differs between two starts of the same run."""
        return run_file(
            self._config, self._prepared.serving.described(self._facts.by_variant), self._prepared.plans
        )

    def _infer(self, works: Sequence[Work]) -> None:
        by_name = {work.variant.name: work for work in works if work.all_owed}
        with ExitStack() as stack:
            shown = False
            for plan in self._prepared.serving.servers:
                owed = [checkpoint for checkpoint in plan.checkpoints if checkpoint.name in by_name]
                if not owed:
                    continue
                with (
                    start(plan, owed, self._config.backend_arg, self._directory, self._notify) as server,
                    Journal(self._directory.journal) as journal,
                ):
                    if not shown:
                        stack.enter_context(self._display(self._meter))
                        shown = True
                    for checkpoint in owed:
                        run_to_end(self._ask(checkpoint, by_name[checkpoint.name], server, journal))

    async def _ask(self, checkpoint: Checkpoint, work: Work, server: Server, journal: Journal) -> None:
        served = server.served[checkpoint.name]
        async with _endpoint(self._config, served) as endpoint:
            await check_endpoint(endpoint, work.plans[0].generation, completions=self._config.completions)
            live = await liveness(served, work.plans, completions=self._config.completions)
            if warning := self._facts.add(checkpoint, served, live):
                self._notify(warning)
            self._directory.write_json(RUN_FILE, self._described())
            with self._stopwatch.working():
                await Inference(work, endpoint, journal, self._meter, server.check).run()


async def check_endpoint(endpoint: Endpoint, generation: Generation, *, completions: bool) -> None:
    """The name is served and a one-token request is answered; raises `EndpointError` or `ServerError`."""
    await endpoint.check_model()
    prompt = Prompt(text="Hello") if completions else Prompt(messages=[{"role": "user", "content": "Hello"}])
    await endpoint.probe(
        encode(
            prompt, Generation(1, generation.temperature, generation.top_p, generation.seed, generation.stop)
        )
    )


def _endpoint(config: RunConfig, served: Served) -> Endpoint:
    concurrency = served.slots or REMOTE_CONCURRENCY if config.concurrency == "auto" else config.concurrency
    key = _api_key(config) if config.base_url else None
    return Endpoint(
        served.base_url,
        served.model,
        RetryPolicy(config.timeout),
        concurrency,
        key,
        config.stream,
        fields=served.fields,
    )


def _api_key(config: RunConfig) -> str | None:
    """The key, without the newline that `$(cat key.txt)` and .env files leave; None where there is none."""
    key = os.environ.get(config.api_key_env, "").strip()
    if not key and config.api_key_env != RunConfig.model_fields["api_key_env"].default:
        raise ConfigError(f"--api-key-env {config.api_key_env}: that environment variable is not set.")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"the environment variable {config.api_key_env} holds characters that no key has (a line break, a letter outside ASCII); "
            "set it to the key alone."
        )
    return key or None


def _serving(config: RunConfig) -> Serving:
    if not config.base_url:
        return plan_serving(config)
    model = config.model or run_to_end(_only_model(config))
    return serving_of([served_checkpoint(config.base_url, model)], "remote", {})


async def _only_model(config: RunConfig) -> str:
    """What the endpoint serves, where it serves one model."""
    assert config.base_url
    async with _endpoint(config, Served(config.base_url, "")) as endpoint:
        names = await endpoint.served_models()
    if names and len(names) == 1:
        return names[0]
    listed = f"It serves: {', '.join(names)}." if names else "It does not list its models."
    raise EndpointError(f"{config.base_url}: which model? Give --model NAME. {listed}")
