"""The cache: nothing half-written, nothing unchecked."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from evalsuite._util.user_cache import cache_folder, file_sha256, verified_download
from evalsuite.errors import InputError

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALSUITE_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder("a", "b") == Path("/own/a/b")
    monkeypatch.delenv("EVALSUITE_CACHE")
    assert cache_folder("a") == Path("/xdg/evalsuite/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/evalsuite")


def test_verified_download_is_renamed_when_its_hash_matches(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.bin"
    with verified_download(target, SHA256) as temporary:
        temporary.write_bytes(CONTENT)
        assert not target.exists()
    assert file_sha256(target) == SHA256
    assert list(target.parent.iterdir()) == [target]


def test_verified_download_with_wrong_hash_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"before")
    with (
        pytest.raises(InputError, match="not the pinned file"),
        verified_download(target, SHA256) as temporary,
    ):
        temporary.write_bytes(b"other")
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ValueError("mine")])
def test_verified_download_interrupted_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)), verified_download(tmp_path / "file.bin", SHA256):
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_verified_download_to_unwritable_folder_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="set EVALSUITE_CACHE"),
        verified_download(tmp_path / "file" / "x", SHA256),
    ):
        pytest.fail("nothing to fill")


def test_verified_download_on_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(InputError, match=r"No space left on device\); set EVALSUITE_CACHE"),
        verified_download(tmp_path / "x", SHA256),
    ):
        raise full
    assert list(tmp_path.iterdir()) == []
