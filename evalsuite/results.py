"""What running, scoring and rescoring end in: results counted, written, rendered, held against the gates."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from evalsuite._version import __version__
from evalsuite.config import OnError, RunConfig
from evalsuite.data.dataset import WHOLE_DATASET
from evalsuite.errors import ConfigError, EvalsuiteError, GateFailed, RunDirectoryError, RunIncomplete
from evalsuite.gates import Gate
from evalsuite.report.html import render
from evalsuite.runs import summary as summaries
from evalsuite.runs.directory import REPORT_FILE, RUN_FILE, SUMMARY_CSV, SUMMARY_JSON, RunDirectory
from evalsuite.runs.journal import read_journal
from evalsuite.runs.meter import Meter
from evalsuite.runs.plan import DatasetPlan
from evalsuite.runs.provenance import git_state, versions
from evalsuite.runs.run import Run, load_run
from evalsuite.runs.summary import DatasetResults
from evalsuite.runs.work import Work

RUN_FORMAT = 1


class Stopwatch:
    """When results were made and how long it took."""

    def __init__(self) -> None:
        self._started = datetime.now(timezone.utc)
        self._clock = time.perf_counter()
        self._working_s = 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the block's time as the one in which samples get finished."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._working_s += time.perf_counter() - began

    def times(self, meter: Meter, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """When and how fast samples were had: by this start, or, where it had none to get, by the one `before`."""
        if before and "totals" in before and not (meter.requests or meter.done):
            totals = before["totals"]
            return {name: before.get(name) for name in ("started", "finished")} | {
                name: totals.get(name)
                for name in ("wall_s", "requests_per_s", "completion_tokens_per_s", "concurrency")
            }
        seconds = self._working_s if meter.requests else 0.0
        return {
            "started": _utc(self._started),
            "finished": _utc(datetime.now(timezone.utc)),
            "wall_s": round(time.perf_counter() - self._clock, 3),
            "requests_per_s": round(meter.done / seconds, 3) if seconds else None,
            "completion_tokens_per_s": round(meter.completion_tokens / seconds, 2) if seconds else None,
            "concurrency": meter.concurrency,
        }


def run_file(
    config: RunConfig, variants: Sequence[Mapping[str, Any]], plans: Sequence[DatasetPlan]
) -> dict[str, Any]:
    """run.json: what was asked of whom, by what; no secret and no time."""
    return {
        "format": RUN_FORMAT,
        "evalsuite": __version__,
        "command": config.command(),
        "config": config.recorded(),
        "variants": list(variants),
        "datasets": [plan.described() for plan in plans],
        "versions": versions(),
        "git": git_state(),
        **({} if config.step is None else {"step": config.step}),
    }


def check_baseline(baseline: str | None, variants: Sequence[str]) -> None:
    """Refuse a `--baseline` that is no variant of the run, before anything is sent. Raises `ConfigError`."""
    if baseline is not None and baseline not in variants:
        raise ConfigError(
            f"--baseline {baseline}: the run has no such variant; there are: {', '.join(variants)}."
        )


def dataset_results(works: Sequence[Work], on_error: OnError) -> list[DatasetResults]:
    """What each variant scored on each dataset, and how many samples it still owes."""
    found = []
    for work in works:
        for plan in work.plans:
            outcomes = work.tallies[plan.name].outcomes()
            had = sum(outcomes.values()) - (outcomes["error"] if on_error == "fail" else 0)
            found.append(DatasetResults(work.variant.name, plan, work.tallies[plan.name], plan.rows - had))
    return found


def missing(results: Sequence[DatasetResults], meter: Meter, advice: str) -> RunIncomplete | None:
    """Samples that are owed although nothing broke: each of them failed by itself."""
    owed = sum(found.owed for found in results)
    if not owed:
        return None
    causes = "; ".join(f"{count} × {message}" for (_, message), count in meter.failures.most_common(3))
    return RunIncomplete(f"{owed} of {meter.total} samples could not be had ({causes}). {advice}")


def conclude(
    directory: RunDirectory,
    results: Sequence[DatasetResults],
    meter: Meter,
    stopwatch: Stopwatch,
    config: RunConfig,
    problem: EvalsuiteError | None,
) -> Run:
    """Write everything and return the run. Raises the problem, or `GateFailed`, with the results written."""
    try:
        times = stopwatch.times(meter, _summary_before(directory))
        write_results(directory, results, meter, times, problem, command=config.command(landing=True))
    except RunDirectoryError as error:
        raise problem or error from error
    return judged_by_gates(load_run(directory.path), config.gates, problem)


def _summary_before(directory: RunDirectory) -> dict[str, Any] | None:
    """What the start before wrote; a broken file is about to be replaced anyway."""
    try:
        found: dict[str, Any] | None = directory.read_json(SUMMARY_JSON)
    except RunDirectoryError:
        return None
    return found if isinstance(found, dict) else None


def judged_by_gates(run: Run, gates: Sequence[Gate], problem: EvalsuiteError | None) -> Run:
    """The run; raises the problem, or `GateFailed`, naming its directory."""
    problem = problem or _failed_gate(run, gates)
    if problem:
        problem.run_directory = run.path
        raise problem
    return run


def write_results(
    directory: RunDirectory,
    results: Sequence[DatasetResults],
    meter: Meter,
    times: Mapping[str, Any],
    problem: EvalsuiteError | None,
    *,
    command: str | None = None,
) -> None:
    """summary.csv, summary.json and report.html, from the results, run.json and the journal.

    `command` is the one the report shows, where it is not run.json's.
    """
    info = directory.read_json(RUN_FILE)
    rows = list(summaries.csv_rows(directory.name, results))
    pace = dict(times)
    failures = meter.failures + meter.earlier.failures
    summary = {
        "run": directory.name,
        "complete": problem is None,
        "problem": str(problem) if problem else None,
        "started": pace.pop("started"),
        "finished": pace.pop("finished"),
        "variants": summaries.nested(rows, results),
        "totals": _totals(results, meter) | pace,
        "errors": [
            {"class": failure, "message": message, "count": count}
            for (failure, message), count in failures.most_common()
        ],
        "warnings": [*_served_warnings(info), *summaries.advice(results)],
    }
    info = directory.read_json(RUN_FILE)
    if len(info["variants"]) > 1:
        from evalsuite.comparing import compare_run  # not what a run of one variant should wait for

        comparison = compare_run(Run(directory.path, info, summary), info["config"].get("baseline"))
        summary |= {"comparison": comparison} if comparison else {}
    directory.write(SUMMARY_CSV, summaries.to_csv(rows))
    directory.write_json(SUMMARY_JSON, summary)
    page = render(info | ({"command": command} if command else {}), summary, read_journal(directory.journal))
    directory.write(REPORT_FILE, page.encode("utf-8", "replace"))


def _served_warnings(info: Mapping[str, Any]) -> list[str]:
    """What was found wrong with what was served, as run.json keeps it."""
    return [str(warning) for variant in info["variants"] for warning in variant.get("warnings", ())]


def _totals(results: Sequence[DatasetResults], meter: Meter) -> dict[str, Any]:
    """What the samples took, those of earlier starts included."""
    earlier = meter.earlier
    judge = {
        "judge_prompt_tokens": meter.judge_prompt_tokens + earlier.judge_prompt_tokens,
        "judge_completion_tokens": meter.judge_completion_tokens + earlier.judge_completion_tokens,
    }
    return {
        "samples": meter.total,
        "reused": meter.reused,
        "owed": sum(found.owed for found in results),
        "requests": meter.requests + earlier.requests,
        "retries": meter.retries + earlier.retries,
        "errors": sum(found.tally.outcomes()["error"] for found in results),
        "prompt_tokens": meter.prompt_tokens + earlier.prompt_tokens,
        "completion_tokens": meter.completion_tokens + earlier.completion_tokens,
        **(judge if any(judge.values()) else {}),
    }


def _failed_gate(run: Run, gates: Sequence[Gate]) -> GateFailed | None:
    failed = []
    for gate in gates:
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


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4g}"
