"""Where models are made: nothing looks finished that is not, nothing of the user's is touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from evalsuite.conversion.staging import check_space, publish, staging_folder
from evalsuite.conversion.worker import Worker
from evalsuite.errors import CheckpointError, ServerError

NOBODY = 999_999_999


def test_staging_folder_is_beside_its_target_and_removed_in_any_case(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with staging_folder(target, "advice.") as bench:
        (bench / "out").mkdir()
        assert bench.parent == target.parent
        assert bench.name.startswith(".")
    with pytest.raises(KeyboardInterrupt), staging_folder(target, "advice."):
        raise KeyboardInterrupt
    assert not list(target.parent.iterdir())


def test_staging_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left, file = tmp_path / f".out.{NOBODY}", tmp_path / f".out.before.{NOBODY}"
    (left / "half").mkdir(parents=True)
    file.touch()
    kept = [
        tmp_path / name
        for name in (".out.backup", f".outer.{NOBODY}", f".out.{os.getppid()}", f"out.{NOBODY}")
    ]
    for path in kept:
        path.mkdir()
    with staging_folder(tmp_path / "out", "advice."):
        pass
    assert sorted(tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize("name", ["out", "[o]ut*", "out.gguf"])
def test_staging_result_takes_the_place_of_the_one_before(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.mkdir()
    (target / "old").touch()
    with staging_folder(target, "advice.") as bench:
        (bench / name).mkdir()
        (bench / name / "new").touch()
        publish(bench / name, target)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [path.name for path in target.iterdir()] == ["new"]


def test_staging_no_space_says_how_much_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**30))
    check_space(tmp_path / "not" / "there" / "out", 2**29, "advice.")
    assert not (tmp_path / "not").exists()
    with pytest.raises(
        CheckpointError, match=r"no space for .*: 2\.2 GiB are needed and 1\.0 GiB are free.*advice\."
    ):
        check_space(tmp_path / "out", 2**31, "advice.")


def test_staging_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(CheckpointError, match=r"cannot write there \(.+\); advice\."),
        staging_folder(tmp_path / "file" / "out", "advice."),
    ):
        pass


def test_staging_program_that_is_not_there_or_fails_says_so_and_is_named(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "log")
    with pytest.raises(
        ServerError,
        match=r"the try ended by itself(.|\n)*No module named 'evalsuite.conversion.scripts.nosuch'",
    ):
        worker.run_script("nosuch", {}, tmp_path, "the try")


def test_staging_program_s_progress_is_said_while_it_works(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    import sys

    script = (
        "import os; print('evalsuite: half way', flush=True); print('noise', flush=True); print('evalsuite: done', flush=True)\n"
        "os.write(int(os.environ['EVALSUITE_NOTE_FD']), b'done\\n')"
    )
    assert Worker(tmp_path / "log").run([sys.executable, "-c", script], "the try") == "done"
    assert logged.messages == ["half way …", "done …"]
