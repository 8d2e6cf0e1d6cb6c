"""The `evalsuite` command: the list of commands, and how errors end."""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer

from evalsuite._util.log_handlers import write_log
from evalsuite._version import __version__
from evalsuite.cli.global_options import split_global_options
from evalsuite.errors import EvalsuiteError

logger = logging.getLogger(__name__)

INTERRUPTED = 130
COLLECT_AFTER_ALLOCATIONS = 100_000
"""Modules live as long as the command, so searching them for garbage again and again is wasted. Leaving them out makes a
short run a tenth faster (measured with benchmarks/engine.py)."""

COMMANDS = {
    "run": "evalsuite.cli.run",
    "score": "evalsuite.cli.score",
    "rescore": "evalsuite.cli.rescore",
    "report": "evalsuite.cli.report",
    "import": "evalsuite.cli.import_results",
    "compare": "evalsuite.cli.compare",
    "view": "evalsuite.cli.view",
    "deploy": "evalsuite.cli.deploy",
    "export": "evalsuite.cli.export",
    "validate": "evalsuite.cli.validate",
    "datasets": "evalsuite.cli.datasets",
    "doctor": "evalsuite.cli.doctor",
    "suites": "evalsuite.cli.suites",
}
"""The module of each command, which adds the command with `register(app)`."""


def application(words: Sequence[str] = ()) -> typer.Typer:
    """Build the command line for these words.

    It holds only the command that they begin with, since typer takes milliseconds to build each; without one, all.
    """
    app = typer.Typer(
        name="evalsuite",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Evaluate a language model as it will be deployed: serve it, ask it, score it and report it.",
        epilog="Exit codes: 0 complete · 2 bad input, nothing was sent · 3 incomplete, run the command again to resume · "
        "4 the model server did not start or died · 100 a --fail-under or --fail-on-regression gate failed. "
        "With every command: --verbose, --quiet, --log-file FILE, --debug (show the traceback of an error).",
        callback=options,
    )
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        import_module(COMMANDS[name]).register(app)
    return app


def _leave_out_options(app: typer.Typer) -> None:
    """Keep only the names and descriptions of commands, which is all that `evalsuite --help` shows.

    typer takes milliseconds to read the options of each command.
    """
    for command in app.registered_commands:
        command.callback = _without_options(command.callback)


def _without_options(command: Callable[..., Any] | None) -> Callable[[], None]:
    def listed() -> None:
        """Show up in the list of commands."""

    listed.__doc__, listed.__name__ = command.__doc__, getattr(command, "__name__", "")
    return listed


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"evalsuite {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Evaluate a language model as it will be deployed: serve it, ask it, score it and report it."""


def main() -> None:
    """Run the command line. An expected error ends as one paragraph on standard error and its exit code."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_ALLOCATIONS)
    try:
        options, words = split_global_options(sys.argv[1:])
        with write_log(options.level, options.log_file):
            _run(words, debug=options.debug)
    except EvalsuiteError as error:  # of the global options themselves
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        gc.freeze()


def _run(words: Sequence[str], *, debug: bool) -> None:
    """Run a command; an error that ends it is logged and becomes the exit code."""
    try:
        app = application(words)
        if not words or words[0] not in COMMANDS:
            _leave_out_options(app)
        app(args=words)
    except EvalsuiteError as error:
        if debug:
            traceback.print_exc()
        _end(f"error: {error}", error.exit_code)
    except OSError as error:
        if debug:
            raise
        place = error.filename or "standard output"
        _end(f"error: {place}: {error.strerror or error}", EvalsuiteError.exit_code)
    except KeyboardInterrupt:
        if debug:
            raise
        _end("interrupted", INTERRUPTED)


def _end(message: str, exit_code: int) -> NoReturn:
    logger.error("%s", message)
    sys.exit(exit_code)
