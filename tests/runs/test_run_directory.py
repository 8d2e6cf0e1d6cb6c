"""One process at a time, whole files only, and errors of the file system in words."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mock_server import WAIT_SECONDS

from evalsuite.errors import InputError, RunDirectoryError
from evalsuite.runs.directory import RunDirectory, lock_run_directory
from evalsuite.runs.journal import LineIndex
from evalsuite.runs.run import load_run

FINISHED = Path(__file__).parents[1] / "fixtures" / "run_format_1" / "finished"
HOLDER = """
import sys
from pathlib import Path
from evalsuite.runs.directory import lock_run_directory
with lock_run_directory(Path(sys.argv[1]), fresh=False):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_with_the_firsts_pid_until_it_ends(tmp_path: Path) -> None:
    run = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        for fresh in (False, True):
            with (
                pytest.raises(RunDirectoryError, match=f"pid {holder.pid}"),
                lock_run_directory(run, fresh=fresh),
            ):
                pass
        holder.kill()
        holder.wait(WAIT_SECONDS)
    with lock_run_directory(run, fresh=False) as held:
        assert held.name == "run"


def test_the_same_process_is_refused_as_well(tmp_path: Path) -> None:
    with (
        lock_run_directory(tmp_path / "run", fresh=False),
        pytest.raises(RunDirectoryError, match=f"pid {os.getpid()}"),
        lock_run_directory(tmp_path / "run", fresh=False),
    ):
        pass


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for fresh in (False, True):
        with pytest.raises(InputError, match="not a run"), lock_run_directory(tmp_path, fresh=fresh):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_path_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    for path in (tmp_path / "out", tmp_path / "out" / "run"):
        with pytest.raises(InputError, match="--out"), lock_run_directory(path, fresh=False):
            pass


def test_a_name_longer_than_the_file_system_takes_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(RunDirectoryError, match="File name too long"),
        lock_run_directory(tmp_path / ("x" * 300), fresh=False),
    ):
        pass


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.write("summary.csv", b"old")

    def full(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        RunDirectoryError, match=r"summary\.csv: cannot write \(no space left\)\. Free some space"
    ):
        directory.write_with("summary.csv", full)
    assert [path.name for path in tmp_path.iterdir()] == ["summary.csv"]
    assert (tmp_path / "summary.csv").read_bytes() == b"old"


def test_a_broken_or_foreign_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"it lacks run\.json"):
        load_run(tmp_path / "nothing")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"run\.json: not as evalsuite writes it .*`format`"):
        load_run(tmp_path)
    shutil.copy(FINISHED / "run.json", tmp_path)
    with pytest.raises(InputError, match=r"it lacks summary\.json"):
        load_run(tmp_path)
    (tmp_path / "summary.json").write_text('{"half')
    with pytest.raises(RunDirectoryError, match=r"summary\.json: not JSON"):
        load_run(tmp_path)


def test_a_journal_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").mkdir()
    with (
        pytest.raises(RunDirectoryError, match=r"samples\.jsonl: cannot read \(Is a directory\)"),
        LineIndex(tmp_path / "samples.jsonl"),
    ):
        pass


def test_a_run_is_read_back(tmp_path: Path) -> None:
    for file in ("run.json", "summary.json"):
        shutil.copy(FINISHED / file, tmp_path)
    run = load_run(str(tmp_path))
    assert (run.name, run.complete, list(run.samples())) == (tmp_path.name, True, [])
    assert run.metric("accuracy") == run.metric("accuracy", dataset="letters", variant="mock-model") == 0.75
    for wrong in ({"dataset": "x"}, {"variant": "x"}, {"subset": "x"}):
        with pytest.raises(KeyError, match="accuracy"):
            run.metric("accuracy", **wrong)


def test_a_run_set_aside_between_opening_and_locking_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    take = fcntl.flock

    def rename_first(descriptor: int, operation: int) -> None:
        path.rename(tmp_path / "aside")
        take(descriptor, operation)

    monkeypatch.setattr("fcntl.flock", rename_first)
    with (
        pytest.raises(RunDirectoryError, match="setting this run aside"),
        lock_run_directory(path, fresh=False),
    ):
        pytest.fail("the folder is another one by now")
    assert not path.exists()
