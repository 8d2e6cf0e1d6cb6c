"""The files of a run: summary.json, summary.csv and report.html, made from its results, run.json and the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from msgspec import UNSET, structs, to_builtins

from evalsuite._version import __version__
from evalsuite.config import RunConfig
from evalsuite.errors import ConfigError, EvalsuiteError
from evalsuite.evaluation.timing import RunTimes
from evalsuite.options.checks import parse_price
from evalsuite.options.running import OnError
from evalsuite.report.run_page import render_run
from evalsuite.runs.advice import advice
from evalsuite.runs.counting import DatasetCount
from evalsuite.runs.directory import REPORT_FILE, SUMMARY_CSV, SUMMARY_JSON, RunDirectory
from evalsuite.runs.journal import read_journal
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.provenance import RunEnvironment
from evalsuite.runs.run import Run
from evalsuite.runs.schema import (
    FORMAT,
    DatasetInfo,
    ErrorCount,
    RescoreSummary,
    RunInfo,
    SpeedSummary,
    Summary,
    Totals,
    VariantInfo,
)
from evalsuite.runs.scored_dataset import ScoredDataset
from evalsuite.runs.summary import DatasetResults, summarize_variants
from evalsuite.runs.summary_csv import summary_csv
from evalsuite.runs.usage import UsageTotals


@dataclass(frozen=True)
class Outcome:
    """What a command found out about a run: everything that summary.json is made from, beside run.json."""

    results: Sequence[DatasetResults]
    progress: RunProgress
    times: RunTimes
    speeds: Mapping[str, SpeedSummary] = field(default_factory=dict)
    problem: EvalsuiteError | None = None
    """Why the run is not complete."""
    notes: Sequence[str] = ()
    rescored: RescoreSummary | None = None


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The content of a run's result files."""

    csv: bytes
    summary: Summary
    page: bytes

    def write(self, directory: RunDirectory) -> None:
        """Write summary.csv, summary.json and report.html. Raises `RunDirectoryError`."""
        directory.write(SUMMARY_CSV, self.csv)
        directory.write_document(SUMMARY_JSON, self.summary)
        directory.write(REPORT_FILE, self.page)


def build_run_info(
    config: RunConfig,
    variants: Sequence[VariantInfo],
    datasets: Iterable[DatasetInfo],
    environment: RunEnvironment,
) -> RunInfo:
    """Build run.json: what was asked of whom, by what and where. It holds no secret and no time."""
    return RunInfo(
        format=FORMAT,
        evalsuite=__version__,
        command=config.command(),
        config=config.recorded(),
        variants=tuple(variants),
        datasets=tuple(datasets),
        versions=environment.versions,
        git=environment.git,
        step=config.step,
    )


def check_baseline(baseline: str | None, variants: Sequence[str]) -> None:
    """Refuse a `--baseline` that is not a variant of the run. Raises `ConfigError`."""
    if baseline is not None and baseline not in variants:
        raise ConfigError(
            f"--baseline {baseline}: the run has no such variant; there are: {', '.join(variants)}."
        )


def collect_results(counts: Iterable[DatasetCount[ScoredDataset]], on_error: OnError) -> list[DatasetResults]:
    """What each variant scored on each dataset, and how many samples it still owes."""
    found = []
    for count in counts:
        outcomes = count.aggregate.outcomes()
        finished = sum(outcomes.values()) - (outcomes["error"] if on_error == "fail" else 0)
        owed = count.dataset.rows - finished
        found.append(DatasetResults(count.variant, count.dataset, count.aggregate, owed))
    return found


def build_summary(directory: RunDirectory, info: RunInfo, outcome: Outcome) -> Summary:
    """Build summary.json, with the comparison of the run's own variants."""
    progress = outcome.progress
    failures = progress.failures + progress.earlier.failures
    usage = progress.earlier.usage.merged_with(progress.usage)
    prices = parse_price(info.price)
    summary = Summary(
        run=directory.name,
        complete=outcome.problem is None,
        problem=str(outcome.problem) if outcome.problem else None,
        started=outcome.times.started,
        finished=outcome.times.finished,
        variants=summarize_variants(outcome.results, outcome.speeds),
        totals=_totals(outcome, usage, prices),
        accounts=tuple(usage.summaries(prices)),
        errors=tuple(
            ErrorCount(kind=failure, message=message, count=count)
            for (failure, message), count in failures.most_common()
        ),
        warnings=(
            *(warning for variant in info.variants for warning in variant.warnings),
            *advice(outcome.results),
            *outcome.notes,
        ),
        rescored=outcome.rescored,
    )
    if len(info.variants) > 1:
        from evalsuite.evaluation.compare import compare_run  # a run of one variant should not wait for it

        comparison = compare_run(Run(directory.path, info, summary), info.baseline)
        summary = structs.replace(summary, comparison=comparison)
    return summary


def _totals(outcome: Outcome, usage: UsageTotals, prices: tuple[float, float] | None) -> Totals:
    """What all samples took, those of earlier starts included."""
    progress, times = outcome.progress, outcome.times
    fields = usage.whole().summary_fields(prices)
    if not (fields["judge_prompt_tokens"] or fields["judge_completion_tokens"]):
        fields |= {"judge_prompt_tokens": UNSET, "judge_completion_tokens": UNSET}
    # requests that belong to no sample are in the counters alone
    fields["requests"] = progress.requests + progress.earlier.requests
    fields["retries"] = progress.retries + progress.earlier.retries
    return Totals(
        samples=progress.total,
        reused=progress.reused,
        owed=sum(found.owed for found in outcome.results),
        errors=sum(found.aggregate.outcomes()["error"] for found in outcome.results),
        **fields,
        wall_s=times.wall_s,
        requests_per_s=times.requests_per_s,
        completion_tokens_per_s=times.completion_tokens_per_s,
        concurrency=times.concurrency,
        throughput=times.throughput,
    )


def make_files(
    directory: RunDirectory, info: RunInfo, summary: Summary, command: str | None = None
) -> RunFiles:
    """Make the result files of a run. `command` is what the report shows in place of run.json's."""
    shown = structs.replace(info, command=command) if command else info
    page = render_run(
        to_builtins(shown), to_builtins(summary), partial(read_journal, directory.journal)
    ).encode("utf-8", "replace")
    return RunFiles(summary_csv(summary, info.csv_for), summary, page)
