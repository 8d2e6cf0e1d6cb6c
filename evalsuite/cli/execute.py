"""What commands do once their options are parsed: call one function, show progress, print the results."""

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
from evalsuite.cli.progress import show_progress
from evalsuite.config import build_config, build_deploy_config, build_score_config, read_config_file
from evalsuite.errors import EvalsuiteError, ServerError
from evalsuite.evaluation.evaluate import Prepared, evaluate, prepare
from evalsuite.formatting.texts import dump, message_text
from evalsuite.runs.directory import REPORT_FILE, SUMMARY_JSON, find_run_directory
from evalsuite.runs.run import Run, load_run
from evalsuite.types import Prompt, Reply

if TYPE_CHECKING:
    from evalsuite.evaluation.export import Destination, ExportResult

logger = logging.getLogger(__name__)

EXPORT_LOG_PREFIX = "evalsuite-export-"
PLACEHOLDER_REPLY = "(the model's reply)"
"""For what a judge would read, in a dry run."""


def execute_run(given: Mapping[str, Any], *, config_file: Path | None, dry_run: bool, as_json: bool) -> None:
    """Build the configuration, run it, print. Raises `EvalsuiteError` after having printed what there is."""
    replace_unencodable_output()
    config = build_config(*_values(given, config_file))
    if dry_run:
        _print_plan(prepare(config))
        return
    _handle_as_interrupt(signal.SIGTERM)
    gc.freeze()
    _print_run(lambda: evaluate(config, progress=show_progress), as_json=as_json)


def execute_deploy(
    given: Mapping[str, Any], show: Callable[[Sequence[tuple[str, ServedModel]]], None]
) -> None:
    """Serve and hold; being interrupted once everything answers is how it is meant to end. Raises `EvalsuiteError`."""
    from evalsuite.serving.deploy import deploy

    config = build_deploy_config(given)
    _handle_as_interrupt(signal.SIGTERM)
    holding = False

    def ready(answering: Sequence[tuple[str, ServedModel]]) -> None:
        nonlocal holding
        holding = True
        show(answering)

    try:
        deploy(config, ready)
    except KeyboardInterrupt:
        if not holding:
            raise
        logger.info("ended")


def execute_export(
    work: Callable[[Destination, Path], ExportResult],
    out: Path,
    *,
    force: bool,
    show: Callable[[ExportResult], None],
) -> None:
    """Make it, and show what was made. The log is kept only where something failed, which its error names. Raises `EvalsuiteError`."""
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
    """The same for predictions that are there already."""
    from evalsuite.evaluation.score import score

    replace_unencodable_output()
    config = build_score_config(*_values(given, config_file))
    _handle_as_interrupt(signal.SIGTERM)
    gc.freeze()
    _print_run(lambda: score(config, progress=show_progress), as_json=as_json)


def execute_rescore(
    run: Path, *, out: Path | None, name: str | None, profiles: Sequence[str], as_json: bool
) -> None:
    """Judge a run again, in place or beside, and say what changed."""
    from evalsuite.evaluation.rescore import rescore

    replace_unencodable_output()
    _handle_as_interrupt(signal.SIGTERM)
    source = find_run_directory(str(run)) or run
    beside = (out or source.parent) / (name or source.resolve().name) if out or name else None
    _print_run(lambda: rescore(source, beside=beside, profiles=profiles), as_json=as_json)


def execute_report(run: Path, *, as_json: bool) -> None:
    """Render a run again and show its results."""
    from evalsuite.evaluation.rebuild import rebuild

    replace_unencodable_output()
    rendered = rebuild(run)
    _print_results(rendered.path, as_json=as_json)
    if not rendered.complete:
        logger.warning("incomplete: %s", rendered.summary["problem"])


def execute_view(folder: Path, port: int | None) -> None:
    """Serve the page; being interrupted is how it is meant to end. Raises `EvalsuiteError`."""
    from evalsuite.viewer.server import view

    _handle_as_interrupt(signal.SIGTERM)

    def ready(address: str) -> None:
        print(f"{address}  shows the runs of {folder}. Ctrl-C ends it.", flush=True)

    try:
        view(folder, port, ready)
    except KeyboardInterrupt:
        logger.info("ended")


def execute_import(
    path: Path, *, data: Path | None, out: Path, name: str | None, fresh: bool, as_json: bool
) -> None:
    """Make a run of what another tool left."""
    from evalsuite.evaluation.import_results import import_results

    replace_unencodable_output()
    _print_run(lambda: import_results(path, out=out, name=name, data=data, fresh=fresh), as_json=as_json)


def _values(given: Mapping[str, Any], config_file: Path | None) -> tuple[dict[str, Any], str]:
    """The options of the file under those of the command line, and where a fault in them is."""
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
    """A terminal without UTF-8 shows question marks; it is no reason to lose the results."""
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
    for verdict in (run.summary.get("comparison") or {}).get("verdicts", ()):
        print(verdict["sentence"])
    for warning in run.summary["warnings"]:
        print(f"note: {warning}")
    print(f"report: {path / REPORT_FILE}")


def _print_plan(prepared: Prepared) -> None:
    """The dry run: what would be asked of whom, and one prompt a dataset."""
    for checkpoint in prepared.checkpoints:
        print(f"model {checkpoint.name}: {checkpoint.source} (fingerprint {checkpoint.fingerprint})")
        plan_of_server = prepared.serving.plan_of(checkpoint)
        if plan_of_server.why:
            print(f"  {checkpoint.form}, served by {plan_of_server.backend.name}: {plan_of_server.why}")
    for plan in prepared.plans:
        style = plan.style
        tries = f" x {plan.repeats}" if plan.repeats > 1 else ""
        print(
            f"\n{plan.name}: {plan.task.kind}, {plan.rows // plan.repeats} rows{tries}, {style.shots}-shot, {style.lang}, max_tokens {plan.generation.max_tokens}"
        )
        for note in plan.dataset.notes:
            print(f"  note: {note}")
        sample, shots = next(plan.samples())
        prompt, _ = plan.request(sample, shots)
        _print_prompt(prompt)
        for ask in plan.task.follow_up_requests(sample.row, Reply(PLACEHOLDER_REPLY), style):
            print(f"  then, of {'the judge' if ask.of == 'judge' else 'the model'}:")
            _print_prompt(ask.prompt)
    print(f"\nNothing was sent. Results would land in {prepared.path}")


def _print_prompt(prompt: Prompt) -> None:
    if prompt.measure:
        print(f"  [measured: {prompt.measure}]")
    if prompt.tools is not None:
        print(f"  [tools] {dump(list(prompt.tools))}")
    for message in prompt.messages or [{"role": "prompt", "content": prompt.text}]:
        print(f"  [{message['role']}] {message_text(message).replace(chr(10), chr(10) + '    ')}")


def _handle_as_interrupt(number: signal.Signals) -> None:
    """A polite kill ends a run as Ctrl-C does: servers stopped, results so far written."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(number, interrupt)
