"""`--verbose`, `--quiet`, `--log-file` and `--debug`: with every command, anywhere among its words."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from run_helpers import arguments, call

from evalsuite.cli.global_options import GlobalOptions, split_global_options
from evalsuite.errors import ConfigError


@pytest.mark.parametrize(
    ("words", "options", "rest"),
    [
        (["run", "-d", "x"], GlobalOptions(), ["run", "-d", "x"]),
        (["--verbose", "run"], GlobalOptions(level=logging.DEBUG), ["run"]),
        (["run", "--quiet", "-d", "x"], GlobalOptions(level=logging.WARNING), ["run", "-d", "x"]),
        (["run", "--log-file", "a.log"], GlobalOptions(log_file=Path("a.log")), ["run"]),
        (["run", "--log-file=a.log", "--debug"], GlobalOptions(debug=True, log_file=Path("a.log")), ["run"]),
        (["score", "--", "--quiet"], GlobalOptions(), ["score", "--", "--quiet"]),
    ],
)
def test_split_global_options_anywhere_takes_them_out(
    words: list[Any], options: Any, rest: list[Any]
) -> None:
    assert split_global_options(words) == (options, rest)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--log-file"], "--log-file: name the file"),
        (["run", "--log-file="], "--log-file: name the file"),
        (["--quiet", "run", "--verbose"], "--verbose and --quiet exclude each other"),
    ],
)
def test_split_global_options_wrong_is_refused(words: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split_global_options(words)


def test_quiet_run_prints_nothing_on_standard_error_and_logs_to_the_file(
    server: Any, data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "run.log"
    words = arguments(server, tmp_path / "out", data)
    first = call([*words, "--limit", "6"])
    assert "samples" in first.stderr, "progress"
    quiet = call([*words, "--fresh", "--quiet", "--log-file", str(file)])
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert "report:" in quiet.stdout
    again = call([*words, "--log-file", str(file)])
    assert "12 of 12 samples are finished already" in again.stderr
    assert "INFO evalsuite.evaluation.evaluate: 12 of 12 samples are finished already" in file.read_text(
        "utf-8"
    )


def test_wrong_global_option_ends_with_code_2_and_no_traceback() -> None:
    done = call(["doctor", "--quiet", "--verbose"])
    assert done.returncode == 2
    assert done.stderr == "error: --verbose and --quiet exclude each other; give one of them\n"


def test_error_of_a_command_is_written_to_the_log_file(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    done = call(["report", str(tmp_path / "nowhere"), "--log-file", str(file)])
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.removeprefix("error: ").strip().splitlines()[0] in file.read_text("utf-8")
