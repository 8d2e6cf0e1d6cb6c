"""The steps that every command takes with a run directory; each command leaves some of them out.

                prepare  reconcile  execute  replay  collect  write  gates
    run            x         x         x        .        x       x      x     evaluation/evaluate.py
    score          x         x         x        .        x       x      x     evaluation/score.py
    rescore        .         .         .        x        x       x      x     evaluation/rescore.py
    report         .         .         .        x        x       x      .     evaluation/rebuild.py
    import         x         .         .        .        x       x      .     evaluation/import_results.py

prepare     check the options and the data, plan what is asked
reconcile   match the plan with the journal: what is finished is counted, the rest is owed (`runs.resume`)
execute     send the owed requests, score the replies, append them to the journal
replay      read the journal back, each sample once (`runs.replay`)
collect     turn counts into results (`evaluation.results`)
write       summary.json, summary.csv, report.html (`evaluation.results`)
gates       raise if a metric is below its bound (`evaluation.gate_results`)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evalsuite.config import RunConfig
from evalsuite.errors import EvalsuiteError, InputError, RunDirectoryError, RunIncomplete
from evalsuite.evaluation.gate_results import apply_gates
from evalsuite.evaluation.results import Outcome, build_summary, make_files
from evalsuite.evaluation.timing import Stopwatch, variant_speeds
from evalsuite.runs.directory import RunDirectory
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.run import Run, load_run
from evalsuite.runs.schema import Summary
from evalsuite.runs.summary import DatasetResults

INTERRUPTED = "interrupted. Run the same command again: it resumes."


def execute_and_finish(
    directory: RunDirectory,
    config: RunConfig,
    progress: RunProgress,
    stopwatch: Stopwatch,
    *,
    execute: Callable[[], None],
    collect: Callable[[], Sequence[DatasetResults]],
    advice: str,
) -> Run:
    """Execute, collect, write and apply the gates. `advice` says what to do about samples that failed.

    Raises what `execute` raised, or `RunIncomplete`, or `GateFailed`, with the results written. The directory of a run
    without a single answer is removed.
    """
    problem = _problem_of(execute)
    results = collect()
    if problem and not (progress.done or progress.reused or progress.imported):
        directory.remove_if_empty()
        raise problem
    problem = problem or incomplete_error(results, progress, advice)
    try:
        before = _previous_summary(directory)
        info = directory.read_info()
        assert info
        outcome = Outcome(
            results, progress, stopwatch.times(progress, before), variant_speeds(progress, before), problem
        )
        summary = build_summary(directory, info, outcome)
        make_files(directory, info, summary, config.command(with_output=True)).write(directory)
    except RunDirectoryError as error:
        raise problem or error from error
    return apply_gates(load_run(directory.path), config.gates, problem)


def _problem_of(execute: Callable[[], None]) -> EvalsuiteError | None:
    try:
        execute()
    except KeyboardInterrupt:
        return RunIncomplete(INTERRUPTED)
    except EvalsuiteError as error:
        return error
    return None


def incomplete_error(
    results: Sequence[DatasetResults], progress: RunProgress, advice: str
) -> RunIncomplete | None:
    """The error of a run with samples that are still owed; None if there are none."""
    owed = sum(found.owed for found in results)
    if not owed:
        return None
    causes = "; ".join(f"{count} × {message}" for (_, message), count in progress.failures.most_common(3))
    return RunIncomplete(f"{owed} of {progress.total} samples failed ({causes}). {advice}")


def _previous_summary(directory: RunDirectory) -> Summary | None:
    """What the start before wrote. A broken file is about to be replaced, so it counts as none."""
    try:
        return directory.read_summary()
    except (RunDirectoryError, InputError):
        return None
