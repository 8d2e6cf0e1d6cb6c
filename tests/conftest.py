"""What the tests share: an environment without the user's key, and never a proxy before 127.0.0.1."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from mock_server import MockServer
from nltk_model import using_model, write_tiny_model
from run_helpers import numbered, write_qa


def pytest_configure() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C, and so would every command that tests interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of the user reaches a mock server, no proxy stands between, no terminal decides a width."""
    for name in ("OPENAI_API_KEY", "COLUMNS", "LINES", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What evalsuite logs during the test, from INFO on: `logged.messages`."""
    caplog.set_level(logging.INFO, logger="evalsuite")
    return caplog


@pytest.fixture
def server() -> Iterator[MockServer]:
    """A mock server that answers as it should."""
    with MockServer() as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve rows that it answers right."""
    return write_qa(tmp_path / "qa.jsonl", numbered(12))


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sentence model for NLTK that knows "Dr." and "Mr."; the folder NLTK_DATA would name."""
    pytest.importorskip("nltk", reason="nltk is not installed; it comes with the extra [profiles]")
    folder = write_tiny_model(tmp_path_factory.mktemp("nltk_data"))
    with using_model(folder):
        yield folder
