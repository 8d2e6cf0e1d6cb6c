"""Environments of suites: made, found again, told apart when they are not whole. No network is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from run_helpers import call

from evalsuite.errors import EvalsuiteError, InputError
from evalsuite.suites.environments import COMPLETE_MARK, find_environment, ready_environment
from evalsuite.suites.install import install
from evalsuite.suites.registry import SUITES, Suite


class Small(Suite):
    """A suite that is pip itself, and whose driver does nothing."""

    @property
    def driver(self) -> Path:
        return Path(__file__).with_name("does_nothing.py")


@pytest.fixture
def small(tmp_path: Any, monkeypatch: Any) -> Small:
    monkeypatch.setenv("EVALSUITE_SUITES", str(tmp_path / "suites"))
    monkeypatch.delenv("EVALSUITE_SMALL_PYTHON", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr("shutil.which", lambda _: None)
    return Small("small", "Small", "pip", "0.0", (), "20 MB")


def test_suite_environment_environment_is_made_once_and_known_by_its_version(
    small: Small, logged: pytest.LogCaptureFixture
) -> None:
    made = install(small, fresh=False)
    assert made.state == "wrong version"
    assert made.version
    major, minor = made.version.split(".")[:2]
    right = Small("small", "Small", "pip", f"{major}.{minor}", (), "20 MB")
    assert ready_environment(right).python.is_file()
    logged.clear()
    install(right, fresh=False)
    assert len(logged.messages) == 1
    assert "is there" in logged.messages[0]
    with pytest.raises(InputError, match=r"tested are 0\.0.*suites install small --fresh"):
        ready_environment(small)


def test_failed_install_quotes_the_last_lines_and_is_recognised_as_broken(
    small: Small, tmp_path: Path
) -> None:
    wanting = Small("small", "Small", "pip", "0.0", ("no-such-package-at-all==1.0",), "20 MB")
    with pytest.raises(
        EvalsuiteError, match=r"(?s)no-such-package-at-all.*install\.log|install\.log.*no-such-package-at-all"
    ):
        install(wanting, fresh=False)
    found = find_environment(wanting)
    assert found.state == "broken"
    assert "interrupted install" in found.detail
    assert not (tmp_path / "suites" / "small" / COMPLETE_MARK).exists()


def test_suite_environment_interpreter_of_ones_own_is_never_written_to(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSUITE_SMALL_PYTHON", "/usr/bin/python3")
    with pytest.raises(EvalsuiteError, match="your own interpreter"):
        install(small, fresh=False)


def test_suite_environment_interpreter_that_is_invalid_is_broken(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSUITE_SMALL_PYTHON", "/nowhere/python")
    assert find_environment(small).state == "broken"
    with pytest.raises(InputError, match=r"EVALSUITE_SMALL_PYTHON.*does not run"):
        ready_environment(small)


def test_suite_environment_there_is_no_other_suite() -> None:
    done = call(["suites", "install", "helm"])
    assert done.returncode == 2
    assert "evalscope, opencompass, vlmeval" in done.stderr


def test_suite_environment_every_suite_has_its_driver() -> None:
    assert all(suite.driver.is_file() for suite in SUITES.values())
