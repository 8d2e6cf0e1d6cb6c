"""A checkpoint is recognised, or it is said what was found instead; its fingerprint tells two files apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalsuite.errors import CheckpointError
from evalsuite.models.checkpoint import served_checkpoint
from evalsuite.models.fingerprints import CHUNK_BYTES, sampled_offsets
from evalsuite.models.recognise import find_checkpoint


def gguf(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF" + content)
    return path


def refusal(text: object) -> str:
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(str(text))
    return str(caught.value)


class TestNames:
    def test_the_name_is_the_file_s(self, tmp_path: Path) -> None:
        path = gguf(tmp_path / "My Model.Q4.gguf")
        found = find_checkpoint(str(path))
        assert (found.name, found.model, found.form, found.path) == (
            "My-Model.Q4",
            "My-Model.Q4",
            "gguf",
            path,
        )
        assert found.source == str(path)

    def test_a_name_of_one_s_own(self, tmp_path: Path) -> None:
        path = gguf(tmp_path / "m.gguf")
        found = find_checkpoint(f"sft-500={path}")
        assert (found.name, found.source) == ("sft-500", str(path))

    def test_a_path_with_an_equals_sign(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        gguf(tmp_path / "lr=1e-4.gguf")
        assert find_checkpoint("lr=1e-4.gguf").source == "lr=1e-4.gguf"
        assert find_checkpoint("a=lr=1e-4.gguf").name == "a"

    def test_the_home_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        gguf(tmp_path / "m.gguf")
        assert find_checkpoint("~/m.gguf").path == tmp_path / "m.gguf"


class TestFingerprints:
    def test_two_fine_tunes_of_equal_size_and_equal_beginning_differ(self, tmp_path: Path) -> None:
        head = bytes(3 << 20)
        first, second = (
            gguf(tmp_path / "a.gguf", head + b"1" + head),
            gguf(tmp_path / "b.gguf", head + b"2" + head),
        )
        assert find_checkpoint(str(first)).fingerprint != find_checkpoint(str(second)).fingerprint

    def test_a_huge_file_is_sampled_from_its_first_to_its_last_chunk(self) -> None:
        offsets = list(sampled_offsets(40 << 30))
        assert len(offsets) == len(set(offsets)) == 256
        assert (offsets[0], offsets[-1]) == (0, (40 << 30) - CHUNK_BYTES)

    def test_the_same_content_elsewhere_is_the_same_model(self, tmp_path: Path) -> None:
        first, second = gguf(tmp_path / "a.gguf", b"x"), gguf(tmp_path / "deep" / "b.gguf", b"x")
        assert find_checkpoint(str(first)).fingerprint == find_checkpoint(f"n={second}").fingerprint

    def test_a_served_model_is_its_address_and_name(self) -> None:
        first = served_checkpoint("http://h/v1", "org/model")
        assert (first.name, first.model, first.form, first.path) == ("model", "org/model", "served", None)
        others = [
            served_checkpoint("http://h/v1", "org/other"),
            served_checkpoint("http://i/v1", "org/model"),
        ]
        assert len({checkpoint.fingerprint for checkpoint in (first, *others)}) == 3
        assert first == served_checkpoint("http://h/v1", "org/model")


class TestRefusals:
    def test_nothing_there(self) -> None:
        assert refusal("no/such.gguf") == (
            "--ckpt no/such.gguf: no such file. Give a Hugging Face folder, an adapter's folder, a .gguf file, ORG/NAME of a "
            "downloaded model, or one of the built-in names: smollm2."
        )

    @pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04", b"<html>"])
    def test_a_file_that_is_no_gguf(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "m.gguf").write_bytes(content)
        text = refusal(tmp_path / "m.gguf")
        assert f"not a GGUF file (it begins with {content[:4]!r})" in text
        assert "--base-url URL --model NAME" in text

    def test_a_folder_with_the_file_in_it(self, tmp_path: Path) -> None:
        gguf(tmp_path / "b.gguf")
        first = gguf(tmp_path / "a.gguf")
        assert refusal(tmp_path).endswith(f"name the file in it: --ckpt {first}")

    def test_a_file_that_may_not_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = gguf(tmp_path / "m.gguf")

        def denied(self: Path, *_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", denied)
        assert "cannot read" in refusal(path)
        assert "Permission denied" in refusal(path)
