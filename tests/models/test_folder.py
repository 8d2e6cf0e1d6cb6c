"""A Hugging Face folder is whole, or it is said in which way it is not and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_folders import CONFIG, hf_folder, make_old, model_shapes, write_safetensors

from evalsuite.errors import CheckpointError
from evalsuite.models.folder import read_folder
from evalsuite.models.recognise import find_checkpoint
from evalsuite.models.safetensors_headers import BrokenWeights, read_header


def refusal(path: object) -> str:
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(str(path))
    return str(caught.value)


def cut(path: Any, count: Any) -> None:
    path.write_bytes(path.read_bytes()[:-count])


class TestSafetensors:
    def test_names_shapes_and_parameters_are_read_without_the_numbers(self, tmp_path: Path) -> None:
        header = read_header(
            write_safetensors(tmp_path / "m.safetensors", {"a": (2, 3), "b": (), "c": (0, 9)})
        )
        assert header.shapes == {"a": (2, 3), "b": (), "c": (0, 9)}
        assert header.parameters == 7
        assert set(header.dtypes.values()) == {"F32"}

    @pytest.mark.parametrize("count", [1, 3, 24])
    def test_a_file_that_is_cut_off(self, tmp_path: Path, count: int) -> None:
        path = write_safetensors(tmp_path / "m.safetensors", {"a": (2, 3)})
        cut(path, count)
        with pytest.raises(BrokenWeights, match="is cut off"):
            read_header(path)

    def test_bytes_too_many_are_no_whole_file_either(self, tmp_path: Path) -> None:
        path = write_safetensors(tmp_path / "m.safetensors", {"a": (2, 3)})
        path.write_bytes(path.read_bytes() + b"12")
        with pytest.raises(BrokenWeights, match="2 bytes more"):
            read_header(path)

    @given(st.binary(max_size=200))
    def test_any_bytes_are_a_header_or_broken(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "any.safetensors"
        path.write_bytes(content)
        with pytest.raises(BrokenWeights):
            read_header(path)

    @given(st.integers(0, 10_000))
    def test_every_truncation_is_noticed(self, tmp_path_factory: pytest.TempPathFactory, kept: int) -> None:
        path = write_safetensors(tmp_path_factory.getbasetemp() / "t.safetensors", model_shapes(1, 4))
        whole = path.read_bytes()
        path.write_bytes(whole[: min(kept, len(whole) - 1)])
        with pytest.raises(BrokenWeights):
            read_header(path)


class TestWhole:
    @pytest.mark.parametrize("shards", [1, 3])
    def test_a_folder_with_all_its_weights(self, tmp_path: Path, shards: int) -> None:
        folder = read_folder(hf_folder(tmp_path / "m", shards=shards), "--ckpt m")
        assert (len(folder.weights), len(folder.headers)) == (shards, shards)
        assert folder.shapes == model_shapes()
        assert folder.architecture == "LlamaForCausalLM"

    def test_pickled_weights_are_taken_as_they_are(self, tmp_path: Path) -> None:
        path = hf_folder(tmp_path / "m")
        (path / "model.safetensors").unlink()
        (path / "pytorch_model.bin").write_bytes(b"PK\x03\x04rest")
        assert find_checkpoint(str(path)).form == "original"

    def test_the_name_form_and_facts(self, tmp_path: Path) -> None:
        found = find_checkpoint(str(hf_folder(tmp_path / "out" / "checkpoint-500")))
        assert (found.name, found.form, found.recipe) == ("checkpoint-500", "original", ())
        assert found.details["architecture"] == "LlamaForCausalLM"
        assert found.details["parameters"] == f"{300 * 32 + 2 * (32 * 32 + 32 * 64):,}"


class TestBroken:
    def test_a_missing_shard(self, tmp_path: Path) -> None:
        path = hf_folder(tmp_path / "m", shards=3)
        (path / "model-00002-of-00003.safetensors").unlink()
        make_old(path)
        assert "1 of its 3 shards is missing (model-00002-of-00003.safetensors)" in refusal(path)
        assert refusal(path).endswith("Save or copy it again, or name an earlier checkpoint.")

    def test_a_truncated_shard(self, tmp_path: Path) -> None:
        path = hf_folder(tmp_path / "m", shards=2)
        cut(path / "model-00001-of-00002.safetensors", 10)
        make_old(path)
        assert "model-00001-of-00002.safetensors is cut off" in refusal(path)
        assert "copy it again" in refusal(path)

    def test_what_changed_a_moment_ago_is_still_being_written(self, tmp_path: Path) -> None:
        path = hf_folder(tmp_path / "m")
        cut(path / "model.safetensors", 10)
        assert "probably still being written: wait until the trainer has saved it" in refusal(path)

    def test_an_index_of_another_checkpoint(self, tmp_path: Path) -> None:
        path = hf_folder(tmp_path / "m", shards=2)
        index = json.loads((path / "model.safetensors.index.json").read_text())
        index["weight_map"]["model.layers.9.x"] = "model-00001-of-00002.safetensors"
        (path / "model.safetensors.index.json").write_text(json.dumps(index))
        make_old(path)
        assert (
            "lacks 1 tensors that model.safetensors.index.json says are in it (such as model.layers.9.x)"
            in refusal(path)
        )

    def test_shards_without_their_index(self, tmp_path: Path) -> None:
        path = hf_folder(tmp_path / "m", shards=2)
        (path / "model.safetensors.index.json").unlink()
        assert "no model.safetensors.index.json that says which shards" in refusal(path)

    @pytest.mark.parametrize("content", ["", "{", "[]", '"x"'])
    def test_a_configuration_that_is_half_written(self, tmp_path: Path, content: str) -> None:
        path = hf_folder(tmp_path / "m")
        (path / "config.json").write_text(content)
        assert "config.json is not" in refusal(path)

    @pytest.mark.parametrize("content", ["{}", '{"weight_map": {}}', '{"weight_map": 3}'])
    def test_an_index_that_names_nothing(self, tmp_path: Path, content: str) -> None:
        path = hf_folder(tmp_path / "m", shards=2)
        (path / "model.safetensors.index.json").write_text(content)
        assert "names no shards" in refusal(path)

    def test_no_weights(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(json.dumps(CONFIG))
        assert "it has config.json but no weights" in refusal(tmp_path)

    def test_a_download_page_in_place_of_weights(self, tmp_path: Path) -> None:
        path = hf_folder(tmp_path / "m")
        (path / "model.safetensors").unlink()
        (path / "pytorch_model.bin").write_bytes(b"<html>")
        assert "pytorch_model.bin is not a file of weights" in refusal(path)

    def test_a_git_lfs_pointer(self, tmp_path: Path) -> None:
        path = hf_folder(tmp_path / "m")
        (path / "model.safetensors").write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        )
        assert "is no safetensors file" in refusal(path)


class TestOtherFolders:
    def test_a_trainer_s_output_folder_names_the_newest_checkpoint(self, tmp_path: Path) -> None:
        for number in (100, 500):
            hf_folder(tmp_path / f"checkpoint-{number}")
        assert (
            f"with 2 checkpoints in it; name one, such as the newest: --ckpt {tmp_path / 'checkpoint-500'}"
            in refusal(tmp_path)
        )

    @pytest.mark.parametrize(
        ("file", "said"),
        [
            ("zero_to_fp32.py", "sharded training state of DeepSpeed"),
            ("pytorch_model_fsdp_0/__0_0.distcp", "accelerate merge-weights"),
            ("latest_checkpointed_iteration.txt", "a checkpoint of Megatron"),
            ("model.safetensors", "it has weights but neither config.json nor adapter_config.json"),
            ("readme", "a folder without a model"),
        ],
    )
    def test_what_it_is_and_what_to_do(self, tmp_path: Path, file: str, said: str) -> None:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
        assert said in refusal(tmp_path)


class TestFingerprints:
    def test_two_fine_tunes_with_equal_headers_differ(self, tmp_path: Path) -> None:
        first, second = hf_folder(tmp_path / "a"), hf_folder(tmp_path / "b", fill=b"\1")
        assert find_checkpoint(str(first)).fingerprint != find_checkpoint(str(second)).fingerprint

    def test_the_same_content_elsewhere_and_later_is_the_same(self, tmp_path: Path) -> None:
        first, second = hf_folder(tmp_path / "a"), make_old(hf_folder(tmp_path / "b"))
        assert find_checkpoint(str(first)).fingerprint == find_checkpoint(f"x={second}").fingerprint

    @pytest.mark.parametrize(
        "file", ["config.json", "tokenizer.json", "chat_template.jinja", "generation_config.json"]
    )
    def test_what_replies_depend_on_is_part_of_it(self, tmp_path: Path, file: str) -> None:
        path = hf_folder(tmp_path / "a")
        before = find_checkpoint(str(path)).fingerprint
        (path / file).write_text('{"architectures": []}')
        assert find_checkpoint(str(path)).fingerprint != before

    def test_what_a_trainer_leaves_beside_is_not(self, tmp_path: Path) -> None:
        path = hf_folder(tmp_path / "a")
        before = find_checkpoint(str(path)).fingerprint
        for name in ("optimizer.pt", "trainer_state.json", "README.md", "rng_state.pth"):
            (path / name).write_text("x")
        assert find_checkpoint(str(path)).fingerprint == before
