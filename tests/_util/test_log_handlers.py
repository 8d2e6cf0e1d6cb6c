"""What the command line shows of the log: levels, the file, and nothing left behind."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from evalsuite._util.log_handlers import write_log
from evalsuite.errors import InputError

logger = logging.getLogger("evalsuite.somewhere")


def write_each_level() -> None:
    logger.debug("a detail")
    logger.info("a note")
    logger.warning("a warning")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (logging.DEBUG, "a detail\na note\na warning\n"),
        (logging.INFO, "a note\na warning\n"),
        (logging.WARNING, "a warning\n"),
    ],
)
def test_write_log_shows_records_from_its_level_on(
    level: int, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with write_log(level):
        write_each_level()
    captured = capsys.readouterr()
    assert (captured.err, captured.out) == (shown, "")


def test_write_log_file_holds_every_level_with_its_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "evalsuite.log"
    for _ in range(2):
        with write_log(logging.WARNING, file):
            write_each_level()
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 2)[2] for line in lines[:3]] == [
        "DEBUG evalsuite.somewhere: a detail",
        "INFO evalsuite.somewhere: a note",
        "WARNING evalsuite.somewhere: a warning",
    ]
    assert len(lines) == 6, "a second command appends"
    assert capsys.readouterr().err == "a warning\n" * 2


def test_write_log_leaves_the_logger_as_it_was(tmp_path: Path) -> None:
    root = logging.getLogger("evalsuite")
    before = (root.level, list(root.handlers))
    with write_log(logging.DEBUG, tmp_path / "x.log"):
        assert (root.level, list(root.handlers)) != before
    assert (root.level, list(root.handlers)) == before


def test_write_log_to_an_unwritable_file_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--log-file .*cannot write there"), write_log(file=tmp_path):
        pass


def test_a_python_caller_without_logging_sees_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    logger.warning("a warning")
    assert capfd.readouterr().err == ""
