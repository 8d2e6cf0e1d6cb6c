"""What running, scoring and rescoring end in: results counted, written, rendered, held against the gates."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from evalsuite._version import __version__
from evalsuite.config import RunConfig
from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.errors import ConfigError, EvalsuiteError, GateFailed, RunDirectoryError, RunIncomplete
from evalsuite.metrics.gates import Gate
from evalsuite.options.checks import parse_price
from evalsuite.options.running import OnError
from evalsuite.report.run_page import render_run
from evalsuite.runs import summary as summaries
from evalsuite.runs.directory import REPORT_FILE, RUN_FILE, SUMMARY_CSV, SUMMARY_JSON, RunDirectory
from evalsuite.runs.journal import read_journal
from evalsuite.runs.plan import DatasetPlan
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.run import Run, load_run
from evalsuite.runs.summary import DatasetResults
from evalsuite.runs.usage import UsageTotals
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

    def times(self, progress: RunProgress, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """When and how fast samples were had: by this start, or, where it had none to get, by the one `before`."""
        if before and "totals" in before and not (progress.requests or progress.done or progress.imported):
            totals = before["totals"]
            return {name: before.get(name) for name in ("started", "finished")} | {
                name: totals.get(name)
                for name in (
                    "wall_s",
                    "requests_per_s",
                    "completion_tokens_per_s",
                    "concurrency",
                    "throughput",
                )
            }
        seconds = self._working_s if progress.requests else 0.0
        wall_s = time.perf_counter() - self._clock
        finished = self._started + timedelta(seconds=wall_s)  # the wall clock may have been set since
        return {
            "started": utc(self._started),
            "finished": utc(finished),
            "wall_s": round(wall_s, 3),
            "requests_per_s": round(_samples(progress) / seconds, 3) if seconds else None,
            "completion_tokens_per_s": round(_tokens(progress) / seconds, 2) if seconds else None,
            "concurrency": progress.concurrency,
            "throughput": progress.throughput.described(),
        }


def _samples(progress: RunProgress) -> int:
    """Had by this start, whatever restarts of a server there were."""
    return sum(throughput.samples for throughput in progress.speeds.values())


def _tokens(progress: RunProgress) -> int:
    return sum(throughput.completion_tokens for throughput in progress.speeds.values())


def speeds(progress: RunProgress, before: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """How fast each variant answered: in this start, or, where it had nothing to be asked, in the one `before`."""
    earlier = (before or {}).get("variants") or {}
    found = {name: entry["speed"] for name, entry in earlier.items() if "speed" in entry}
    for name, throughput in progress.speeds.items():
        if throughput.samples and throughput.seconds:
            found[name] = {
                "samples": throughput.samples,
                "seconds": round(throughput.seconds, 3),
                "samples_per_s": round(throughput.samples / throughput.seconds, 3),
                "completion_tokens_per_s": round(throughput.completion_tokens / throughput.seconds, 2),
            }
    return found


def build_run_info(
    config: RunConfig,
    variants: Sequence[Mapping[str, Any]],
    plans: Sequence[DatasetPlan],
    environment_info: Mapping[str, Any],
) -> dict[str, Any]:
    """run.json: what was asked of whom, by what and where (`provenance.environment_info`); no secret and no time."""
    return {
        "format": RUN_FORMAT,
        "evalsuite": __version__,
        "command": config.command(),
        "config": config.recorded(),
        "variants": list(variants),
        "datasets": [plan.described() for plan in plans],
        **environment_info,
        **({} if config.step is None else {"step": config.step}),
    }


def check_baseline(baseline: str | None, variants: Sequence[str]) -> None:
    """Refuse a `--baseline` that is no variant of the run, before anything is sent. Raises `ConfigError`."""
    if baseline is not None and baseline not in variants:
        raise ConfigError(
            f"--baseline {baseline}: the run has no such variant; there are: {', '.join(variants)}."
        )


def collect_results(works: Sequence[Work], on_error: OnError) -> list[DatasetResults]:
    """What each variant scored on each dataset, and how many samples it still owes."""
    found = []
    for work in works:
        for plan in work.plans:
            outcomes = work.aggregates[plan.name].outcomes()
            had = sum(outcomes.values()) - (outcomes["error"] if on_error == "fail" else 0)
            found.append(DatasetResults(work.variant.name, plan, work.aggregates[plan.name], plan.rows - had))
    return found


def incomplete_error(
    results: Sequence[DatasetResults], progress: RunProgress, advice: str
) -> RunIncomplete | None:
    """Samples that are owed although nothing broke: each of them failed by itself."""
    owed = sum(found.owed for found in results)
    if not owed:
        return None
    causes = "; ".join(f"{count} × {message}" for (_, message), count in progress.failures.most_common(3))
    return RunIncomplete(f"{owed} of {progress.total} samples could not be had ({causes}). {advice}")


def finish_run(
    directory: RunDirectory,
    results: Sequence[DatasetResults],
    progress: RunProgress,
    stopwatch: Stopwatch,
    config: RunConfig,
    problem: EvalsuiteError | None,
) -> Run:
    """Write everything and return the run. Raises the problem, or `GateFailed`, with the results written."""
    try:
        before = _summary_before(directory)
        times = stopwatch.times(progress, before)
        fast = speeds(progress, before)
        write_results(
            directory, results, progress, times, problem, fast, command=config.command(with_output=True)
        )
    except RunDirectoryError as error:
        raise problem or error from error
    return apply_gates(load_run(directory.path), config.gates, problem)


def _summary_before(directory: RunDirectory) -> dict[str, Any] | None:
    """What the start before wrote; a broken file is about to be replaced anyway."""
    try:
        found: dict[str, Any] | None = directory.read_json(SUMMARY_JSON)
    except RunDirectoryError:
        return None
    return found if isinstance(found, dict) else None


def apply_gates(run: Run, gates: Sequence[Gate], problem: EvalsuiteError | None) -> Run:
    """The run; raises the problem, or `GateFailed`, naming its directory."""
    problem = problem or _failed_gate(run, gates)
    if problem:
        problem.run_directory = run.path
        raise problem
    return run


def write_results(
    directory: RunDirectory,
    results: Sequence[DatasetResults],
    progress: RunProgress,
    times: Mapping[str, Any],
    problem: EvalsuiteError | None,
    fast: Mapping[str, Mapping[str, Any]],
    *,
    command: str | None = None,
) -> None:
    """summary.csv, summary.json and report.html, from the results, run.json and the journal.

    `fast`: see `speeds`. `command` is the one the report shows, where it is not run.json's.
    """
    info = directory.read_json(RUN_FILE)
    rows = list(summaries.csv_rows(directory.name, results))
    summary = build_summary(directory, info, rows, results, progress, times, problem, fast)
    directory.write(
        SUMMARY_CSV,
        summaries.to_csv(rows, results, summary["accounts"], info["config"].get("csv_for", "any")),
    )
    directory.write_json(SUMMARY_JSON, summary)
    directory.write(REPORT_FILE, report_page(directory, info, summary, command))


def report_page(
    directory: RunDirectory, info: Mapping[str, Any], summary: Mapping[str, Any], command: str | None = None
) -> bytes:
    """report.html."""
    shown = {**info, "command": command} if command else info
    return render_run(shown, summary, partial(read_journal, directory.journal)).encode("utf-8", "replace")


def build_summary(
    directory: RunDirectory,
    info: dict[str, Any],
    rows: Sequence[Mapping[str, Any]],
    results: Sequence[DatasetResults],
    progress: RunProgress,
    times: Mapping[str, Any],
    problem: EvalsuiteError | None,
    fast: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """summary.json: `rows`, the lines of summary.csv, nested, and what the run took; `fast`: see `speeds`."""
    throughput = dict(times)
    failures = progress.failures + progress.earlier.failures
    usage = progress.earlier.usage.merged_with(progress.usage)
    prices = parse_price(info["config"].get("price"))
    took = list(usage.described(prices))
    summary = {
        "run": directory.name,
        "complete": problem is None,
        "problem": str(problem) if problem else None,
        "started": throughput.pop("started"),
        "finished": throughput.pop("finished"),
        "variants": {
            name: entry | ({"speed": fast[name]} if name in fast else {})
            for name, entry in summaries.nested(rows, results).items()
        },
        "totals": _totals(results, progress, usage, prices) | throughput,
        "accounts": took,
        "errors": [
            {"class": failure, "message": message, "count": count}
            for (failure, message), count in failures.most_common()
        ],
        "warnings": [*_served_warnings(info), *summaries.advice(results, rows)],
    }
    if len(info["variants"]) > 1:
        from evalsuite.evaluation.compare import compare_run  # not what a run of one variant should wait for

        comparison = compare_run(Run(directory.path, info, summary), info["config"].get("baseline"))
        summary |= {"comparison": comparison} if comparison else {}
    return summary


def _served_warnings(info: Mapping[str, Any]) -> list[str]:
    """What was found wrong with what was served, as run.json keeps it."""
    return [str(warning) for variant in info["variants"] for warning in variant.get("warnings", ())]


def _totals(
    results: Sequence[DatasetResults],
    progress: RunProgress,
    usage: UsageTotals,
    prices: tuple[float, float] | None,
) -> dict[str, Any]:
    """What the samples took, those of earlier starts included."""
    found = usage.whole().described(prices)
    if not (found["judge_prompt_tokens"] or found["judge_completion_tokens"]):
        del found["judge_prompt_tokens"], found["judge_completion_tokens"]
    return {
        "samples": progress.total,
        "reused": progress.reused,
        "owed": sum(found.owed for found in results),
        "errors": sum(found.aggregate.outcomes()["error"] for found in results),
        **found,
        "requests": progress.requests + progress.earlier.requests,  # those of no sample's included
        "retries": progress.retries + progress.earlier.retries,
    }


def _failed_gate(run: Run, gates: Sequence[Gate]) -> GateFailed | None:
    failed = []
    for gate in gates:
        known = False
        for variant, entry in run.summary["variants"].items():
            for dataset, results in entry["datasets"].items():
                found = results["subsets"][WHOLE_DATASET]["metrics"].get(gate.metric)
                known = known or (bool(found) and gate.dataset in (None, dataset))
                if (
                    found
                    and gate.dataset in (None, dataset)
                    and (found["value"] is None or found["value"] < gate.value)
                ):
                    failed.append(
                        f"{variant} on {dataset}: {gate.metric} is {_plain(found['value'])}, under {gate.value:g}"
                    )
        if not known:
            failed.append(f"no dataset of this run was measured by {gate.metric}")
    return GateFailed("--fail-under: " + "; ".join(failed)) if failed else None


def utc(moment: datetime) -> str:
    """A moment as summary.json has it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4g}"
