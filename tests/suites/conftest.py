"""A suite whose environment is a script of the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FAKE = Path(__file__).with_name("fake_suite.py")


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """EvalScope is this script; nothing is kept in the user's cache."""
    python = tmp_path / "suite-python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("EVALSUITE_EVALSCOPE_PYTHON", str(python))
    for other in ("OPENCOMPASS", "VLMEVAL"):
        monkeypatch.delenv(f"EVALSUITE_{other}_PYTHON", raising=False)
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EVALSUITE_SUITES", str(tmp_path / "suites"))
    return python
