"""serve → infer → score → report: the one function behind the command line, YAML files and Python."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from evalsuite._version import __version__
from evalsuite.backends import llamacpp, remote
from evalsuite.backends.base import Ability, Backend, Served, Server
from evalsuite.config import RunConfig
from evalsuite.data.dataset import WHOLE_DATASET
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.loop import run_to_end
from evalsuite.endpoint.retries import RetryPolicy
from evalsuite.endpoint.wire import Generation, encode
from evalsuite.errors import (
    ConfigError,
    EndpointError,
    EvalsuiteError,
    GateFailed,
    RunDirectoryError,
    RunIncomplete,
)
from evalsuite.models.checkpoint import Checkpoint, find_checkpoint, served_checkpoint
from evalsuite.report.html import render
from evalsuite.runs import summary as summaries
from evalsuite.runs.directory import (
    REPORT_FILE,
    RUN_FILE,
    SUMMARY_CSV,
    SUMMARY_JSON,
    RunDirectory,
    hold_run_directory,
)
from evalsuite.runs.inference import Inference
from evalsuite.runs.journal import Journal, read_journal
from evalsuite.runs.meter import Meter
from evalsuite.runs.plan import DatasetPlan, plan_datasets
from evalsuite.runs.provenance import git_state, versions
from evalsuite.runs.resume import reconcile
from evalsuite.runs.run import Run, load_run
from evalsuite.runs.summary import DatasetResults
from evalsuite.runs.tally import Tally
from evalsuite.runs.work import Variant, Work
from evalsuite.types import Prompt

REMOTE_CONCURRENCY = 32
"""`--concurrency auto` for a server that does not say how many requests it works on at a time."""
RUN_FORMAT = 1

Notify = Callable[[str], None]
Display = Callable[[Meter], AbstractContextManager[object]]


@dataclass(frozen=True)
class Prepared:
    """A checked run that has not sent anything yet."""

    config: RunConfig
    plans: tuple[DatasetPlan, ...]
    checkpoints: tuple[Checkpoint, ...]
    path: Path


def prepare(config: RunConfig) -> Prepared:
    """Check everything that can be checked without a request to a model: data, checkpoints, gates.

    Raises `InputError`. Only where `--model` is left out is the endpoint asked what it serves.
    """
    plans = plan_datasets(config)
    checkpoints = _checkpoints(config)
    label = "+".join(checkpoint.name for checkpoint in checkpoints)
    name = config.name or f"{label}-{config.identity()}"
    return Prepared(config, plans, checkpoints, config.out / name)


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
        self._started = datetime.now(timezone.utc)
        self._clock = time.perf_counter()
        self._asking_s = 0.0

    def run(self) -> Run:
        works = self._reconciled()
        self._directory.write_json(RUN_FILE, self._described())
        self._meter.total = sum(plan.rows for work in works for plan in work.plans)
        self._meter.reused = self._meter.total - sum(_owed(work) for work in works)
        if self._meter.reused:
            self._notify(
                f"{self._meter.reused} of {self._meter.total} samples are finished already; {self._meter.owed} are asked."
            )
        problem: EvalsuiteError | None = None
        try:
            self._infer(works)
        except KeyboardInterrupt:
            problem = RunIncomplete("interrupted. Run the same command again: it resumes.")
        except EvalsuiteError as error:
            problem = error
        results = self._results(works)
        problem = problem or self._missing(results)
        try:
            self._write(results, problem)
        except RunDirectoryError as error:
            raise problem or error from error
        run = load_run(self._directory.path)
        problem = problem or self._failed_gate(run)
        if problem:
            problem.run_directory = self._directory.path
            raise problem
        return run

    def _reconciled(self) -> list[Work]:
        """What earlier starts of this run finished, counted; the rest is owed."""
        previous = self._directory.read_json(RUN_FILE) or {}
        judged_by = {entry["name"]: entry.get("scorers") for entry in previous.get("datasets", ())}
        rejudge = {
            plan.name
            for plan in self._prepared.plans
            if judged_by.get(plan.name, plan.scorers()) != plan.scorers()
        }
        works = [
            Work(
                Variant(checkpoint.name, checkpoint.fingerprint),
                self._prepared.plans,
                {
                    plan.name: Tally(plan.metrics, self._config.on_error, plan.task.breakdowns())
                    for plan in self._prepared.plans
                },
                dict.fromkeys(plan.name for plan in self._prepared.plans),
            )
            for checkpoint in self._prepared.checkpoints
        ]
        keep_errors = self._config.on_error != "fail"
        return reconcile(works, self._directory, self._meter, keep_errors=keep_errors, rejudge=rejudge)

    def _described(self) -> dict[str, Any]:
        """run.json: nothing secret, nothing that differs between two starts of the same run."""
        return {
            "format": RUN_FORMAT,
            "evalsuite": __version__,
            "command": self._config.command(),
            "config": self._config.recorded(),
            "variants": [
                _described_variant(checkpoint, self._config) for checkpoint in self._prepared.checkpoints
            ],
            "datasets": [plan.described() for plan in self._prepared.plans],
            "versions": versions(),
            "git": git_state(),
        }

    def _infer(self, works: Sequence[Work]) -> None:
        with ExitStack() as stack:
            shown = False
            for checkpoint, work in zip(self._prepared.checkpoints, works, strict=True):
                if not _owed(work):
                    continue
                with self._served(checkpoint) as server, Journal(self._directory.journal) as journal:
                    if not shown:
                        stack.enter_context(self._display(self._meter))
                        shown = True
                    run_to_end(self._ask(work, server, journal))

    def _served(self, checkpoint: Checkpoint) -> AbstractContextManager[Server]:
        backend = _backend(self._config, checkpoint)
        if backend.name != "remote":
            self._notify(f"starting {backend.name} for {checkpoint.name} …")
        return backend.serve(
            checkpoint, self._config.backend_arg, self._directory.server_log(checkpoint.name)
        )

    async def _ask(self, work: Work, server: Server, journal: Journal) -> None:
        async with _endpoint(self._config, server.served) as endpoint:
            await check_endpoint(endpoint, work.plans[0].generation, completions=self._config.completions)
            started = time.perf_counter()
            try:
                await Inference(work, endpoint, journal, self._meter, server.check).run()
            finally:
                self._asking_s += time.perf_counter() - started

    def _results(self, works: Sequence[Work]) -> list[DatasetResults]:
        found = []
        for work in works:
            for plan in work.plans:
                outcomes = work.tallies[plan.name].outcomes()
                had = sum(outcomes.values()) - (outcomes["error"] if self._config.on_error == "fail" else 0)
                found.append(
                    DatasetResults(work.variant.name, plan, work.tallies[plan.name], plan.rows - had)
                )
        return found

    def _missing(self, results: Sequence[DatasetResults]) -> EvalsuiteError | None:
        """Samples that are owed although nothing broke: each of them failed by itself."""
        owed = sum(found.owed for found in results)
        if not owed:
            return None
        causes = "; ".join(
            f"{count} × {message}" for (_, message), count in self._meter.failures.most_common(3)
        )
        return RunIncomplete(
            f"{owed} of {self._meter.total} samples could not be had ({causes}). Run the same command again to ask for them, "
            "or add --on-error skip (leave them out) or --on-error wrong (count them as wrong)."
        )

    def _write(self, results: Sequence[DatasetResults], problem: EvalsuiteError | None) -> None:
        rows = list(summaries.csv_rows(self._directory.name, results))
        times = self._times()
        failures = self._meter.failures + self._meter.earlier.failures
        summary = {
            "run": self._directory.name,
            "complete": problem is None,
            "problem": str(problem) if problem else None,
            "started": times.pop("started"),
            "finished": times.pop("finished"),
            "variants": summaries.nested(rows, results),
            "totals": self._totals(results) | times,
            "errors": [
                {"class": failure, "message": message, "count": count}
                for (failure, message), count in failures.most_common()
            ],
            "warnings": summaries.advice(results),
        }
        self._directory.write(SUMMARY_CSV, summaries.to_csv(rows))
        self._directory.write_json(SUMMARY_JSON, summary)
        info = self._directory.read_json(RUN_FILE)
        page = render(info, summary, read_journal(self._directory.journal))
        self._directory.write(REPORT_FILE, page.encode("utf-8", "replace"))

    def _totals(self, results: Sequence[DatasetResults]) -> dict[str, Any]:
        """What the samples took, those of earlier starts included."""
        meter, earlier = self._meter, self._meter.earlier
        return {
            "samples": meter.total,
            "reused": meter.reused,
            "owed": sum(found.owed for found in results),
            "requests": meter.requests + earlier.requests,
            "retries": meter.retries + earlier.retries,
            "errors": sum(found.tally.outcomes()["error"] for found in results),
            "prompt_tokens": meter.prompt_tokens + earlier.prompt_tokens,
            "completion_tokens": meter.completion_tokens + earlier.completion_tokens,
        }

    def _times(self) -> dict[str, Any]:
        """When and how fast samples were asked: by this start, or, where it asked none, by the one before."""
        meter, seconds = self._meter, self._asking_s
        before = None if meter.requests else self._directory.read_json(SUMMARY_JSON)
        if before and "totals" in before:
            totals = before["totals"]
            return {name: before.get(name) for name in ("started", "finished")} | {
                name: totals.get(name) for name in ("wall_s", "requests_per_s", "completion_tokens_per_s")
            }
        return {
            "started": _utc(self._started),
            "finished": _utc(datetime.now(timezone.utc)),
            "wall_s": round(time.perf_counter() - self._clock, 3),
            "requests_per_s": round(meter.done / seconds, 3) if seconds else None,
            "completion_tokens_per_s": round(meter.completion_tokens / seconds, 2) if seconds else None,
        }

    def _failed_gate(self, run: Run) -> EvalsuiteError | None:
        failed = []
        for gate in self._config.gates:
            for variant, entry in run.summary["variants"].items():
                for dataset, results in entry["datasets"].items():
                    found = results["subsets"][WHOLE_DATASET]["metrics"].get(gate.metric)
                    if (
                        found
                        and gate.dataset in (None, dataset)
                        and (found["value"] is None or found["value"] < gate.value)
                    ):
                        failed.append(
                            f"{variant} on {dataset}: {gate.metric} is {_plain(found['value'])}, under {gate.value:g}"
                        )
        return GateFailed("--fail-under: " + "; ".join(failed)) if failed else None


def abilities() -> tuple[Ability, ...]:
    """What this machine can serve, one entry a backend."""
    return (llamacpp.ability(), remote.ability())


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
        served.base_url, served.model, RetryPolicy(config.timeout), concurrency, key, config.stream
    )


def _api_key(config: RunConfig) -> str | None:
    """The key, without the newline that `$(cat key.txt)` and .env files leave; None where there is none."""
    key = os.environ.get(config.api_key_env, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"the environment variable {config.api_key_env} holds characters that no key has (a line break, a letter outside ASCII); "
            "set it to the key alone."
        )
    return key or None


def _checkpoints(config: RunConfig) -> tuple[Checkpoint, ...]:
    if config.base_url:
        model = config.model or run_to_end(_only_model(config))
        return (served_checkpoint(config.base_url, model),)
    found = tuple(find_checkpoint(text) for text in config.ckpt)
    names = [checkpoint.name for checkpoint in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"--ckpt: two checkpoints are called '{name}'; name them: --ckpt first=PATH --ckpt second=PATH"
            )
    return found


async def _only_model(config: RunConfig) -> str:
    """What the endpoint serves, where it serves one model."""
    assert config.base_url
    async with _endpoint(config, Served(config.base_url, "")) as endpoint:
        names = await endpoint.served_models()
    if names and len(names) == 1:
        return names[0]
    listed = f"It serves: {', '.join(names)}." if names else "It does not list its models."
    raise EndpointError(f"{config.base_url}: which model? Give --model NAME. {listed}")


def _backend(config: RunConfig, checkpoint: Checkpoint) -> Backend:
    if checkpoint.form == "served":
        assert config.base_url
        return remote.RemoteBackend(config.base_url)
    return llamacpp.LlamaCppBackend()


def _described_variant(checkpoint: Checkpoint, config: RunConfig) -> dict[str, Any]:
    return {
        "name": checkpoint.name,
        "model": checkpoint.model,
        "source": checkpoint.source,
        "form": checkpoint.form,
        "backend": _backend(config, checkpoint).name,
        "fingerprint": checkpoint.fingerprint,
    }


def _owed(work: Work) -> int:
    return sum(work.owed_rows(plan) for plan in work.plans)


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4g}"
