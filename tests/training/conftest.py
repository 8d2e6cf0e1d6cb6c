"""These tests train. They need torch, transformers, peft and accelerate (make test-models)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, NoReturn

import pytest

NEEDED = ("torch", "transformers", "peft", "accelerate")
absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]


class Skipped(pytest.Module):
    """A file of tests that cannot be imported here."""

    def collect(self) -> NoReturn:
        pytest.skip(f"{', '.join(absent)} not installed (make test-models)", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skip, with a reason, before a file imports what is not there."""
    return Skipped.from_parent(parent, path=module_path) if absent else None


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model."""
    from trainings import model_folder

    made: Path = model_folder(tmp_path_factory.mktemp("model") / "tiny")
    return made


@pytest.fixture(scope="session")
def plain(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The weights after the training without a check."""
    from trainings import make_trainer, weights

    trainer = make_trainer(folder, tmp_path_factory.mktemp("plain"))
    trainer.train()
    return weights(trainer)


@pytest.fixture
def sums(tmp_path: Path) -> str:
    """A dataset SPEC."""
    from trainings import write_sums

    return f"gsm8k:{write_sums(tmp_path / 'sums.jsonl')}"
