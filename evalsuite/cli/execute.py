"""What each command does once its options are read: call one function, show progress, print the result."""

from __future__ import annotations

import gc
import io
import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from evalsuite.backends.base import ServedModel
from evalsuite.cli.dry_run import print_plan
from evalsuite.cli.progress import show_progress
from evalsuite.config import build_config, build_deploy_config, build_score_config, read_config_file
from evalsuite.errors import EvalsuiteError, ServerError
from evalsuite.evaluation.evaluate import evaluate, prepare
from evalsuite.runs.directory import REPORT_FILE, SUMMARY_JSON, find_run_directory
from evalsuite.runs.run import Run, load_run

if TYPE_CHECKING:
    from evalsuite.evaluation.export import Destination, ExportResult

logger = logging.getLogger(__name__)

EXPORT_LOG_PREFIX = "evalsuite-export-"


def execute_run(given: Mapping[str, Any], *, config_file: Path | None, dry_run: bool, as_json: bool) -> None:
    """Build the configuration, run it, print the results. Raises `EvalsuiteError`, with what there is printed."""
    replace_unencodable_output()
    config = build_config(*_values(given, config_file))
    if dry_run:
        print_plan(prepare(config))
        return
    _handle_as_interrupt(signal.SIGTERM)
    gc.freeze()
    _print_run(lambda: evaluate(config, progress=show_progress), as_json=as_json)


def execute_deploy(
    given: Mapping[str, Any], show: Callable[[Sequence[tuple[str, ServedModel]]], None]
) -> None:
    """Serve until Ctrl-C, which is the normal end once every model answers. Raises `EvalsuiteError`."""
    from evalsuite.serving.deploy import deploy

    config = build_deploy_config(given)
    _handle_as_interrupt(signal.SIGTERM)
    is_ready = False

    def ready(answering: Sequence[tuple[str, ServedModel]]) -> None:
        nonlocal is_ready
        is_ready = True
        show(answering)

    try:
        deploy(config, ready)
    except KeyboardInterrupt:
        if not is_ready:
            raise
        logger.info("stopped")


def execute_export(
    work: Callable[[Destination, Path], ExportResult],
    out: Path,
    *,
    force: bool,
    show: Callable[[ExportResult], None],
) -> None:
    """Export a model and show the result. The log is kept only after a failure, whose error names it. Raises `EvalsuiteError`."""
    from evalsuite.evaluation.export import Destination

    replace_unencodable_output()
    _handle_as_interrupt(signal.SIGTERM)
    folder = Path(tempfile.mkdtemp(prefix=EXPORT_LOG_PREFIX))
    keep = False
    try:
        exported = work(Destination(out.expanduser(), force), folder / "export.log")
    except ServerError:
        keep = (folder / "export.log").exists()
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    show(exported)


def execute_score(given: Mapping[str, Any], *, config_file: Path | None, as_json: bool) -> None:
    """Score predictions, print the results. Raises `EvalsuiteError`, as `execute_run` does."""
    from evalsuite.evaluation.score import score

    replace_unencodable_output()
    config = build_score_config(*_values(given, config_file))
    _handle_as_interrupt(signal.SIGTERM)
    gc.freeze()
    _print_run(lambda: score(config, progress=show_progress), as_json=as_json)


def execute_rescore(
    run: Path, *, out: Path | None, name: str | None, profiles: Sequence[str], as_json: bool
) -> None:
    """Score a run again, in place or as another run, and print what changed."""
    from evalsuite.evaluation.rescore import rescore

    replace_unencodable_output()
    _handle_as_interrupt(signal.SIGTERM)
    source = find_run_directory(str(run)) or run
    beside = (out or source.parent) / (name or source.resolve().name) if out or name else None
    _print_run(lambda: rescore(source, beside=beside, profiles=profiles), as_json=as_json)


def execute_report(run: Path, *, as_json: bool) -> None:
    """Write a run's report again and print its results."""
    from evalsuite.evaluation.rebuild import rebuild

    replace_unencodable_output()
    rendered = rebuild(run)
    _print_results(rendered.path, as_json=as_json)
    if not rendered.complete:
        logger.warning("incomplete: %s", rendered.summary.problem)


def execute_view(folder: Path, port: int | None) -> None:
    """Serve the page until Ctrl-C. Raises `EvalsuiteError`."""
    from evalsuite.viewer.server import view

    _handle_as_interrupt(signal.SIGTERM)

    def ready(address: str) -> None:
        print(f"{address}  shows the runs of {folder}. Press Ctrl-C to stop.", flush=True)

    try:
        view(folder, port, ready)
    except KeyboardInterrupt:
        logger.info("stopped")


def execute_import(
    path: Path, *, data: Path | None, out: Path, name: str | None, fresh: bool, as_json: bool
) -> None:
    """Import another tool's results as a run and print them."""
    from evalsuite.evaluation.import_results import import_results

    replace_unencodable_output()
    _print_run(lambda: import_results(path, out=out, name=name, data=data, fresh=fresh), as_json=as_json)


def _values(given: Mapping[str, Any], config_file: Path | None) -> tuple[dict[str, Any], str]:
    """The options of the file and, over them, of the command line; and the file that an error message should name."""
    from_file = read_config_file(config_file) if config_file else {}
    if "dataset" in from_file:
        from_file["datasets"] = from_file.pop("dataset")
    return {**from_file, **given}, str(config_file) if config_file and not given else ""


def _print_run(work: Callable[[], Run], *, as_json: bool) -> None:
    """Print the results of a run, also of one that ends in an error."""
    path: Path | None = None
    try:
        path = work().path
    except EvalsuiteError as error:
        path = error.run_directory
        raise
    finally:
        if path:
            _print_results(path, as_json=as_json)


def replace_unencodable_output() -> None:
    """Let a terminal without UTF-8 show question marks instead of losing the results to an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _print_results(path: Path, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.buffer.write((path / SUMMARY_JSON).read_bytes())
        sys.stdout.flush()
        return
    from evalsuite.cli.tables import print_changes, print_results, print_speeds, print_usage

    run = load_run(path)
    print_results(run)
    print_usage(run)
    print_changes(run)
    print_speeds(run)
    for verdict in (run.summary.comparison or {}).get("verdicts", ()):
        print(verdict["sentence"])
    for warning in run.summary.warnings:
        print(f"note: {warning}")
    print(f"report: {path / REPORT_FILE}")


def _handle_as_interrupt(number: signal.Signals) -> None:
    """Let a signal end the command as Ctrl-C does: servers are stopped, results so far are written."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(number, interrupt)
