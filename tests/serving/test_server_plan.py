"""The table of forms and engines is whole, and `--backend auto` chooses by it and says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalsuite.backends import BACKENDS, open_backend
from evalsuite.backends.base import Availability
from evalsuite.backends.compatibility import COMPATIBILITY, find_obstacle
from evalsuite.backends.llamacpp import LlamaCppBackend
from evalsuite.backends.transformers import TransformersBackend
from evalsuite.errors import CheckpointError, ServerError
from evalsuite.models.checkpoint import FORMS, Adapter, Checkpoint, served_checkpoint
from evalsuite.serving.server_plan import plan_servers


@pytest.fixture(autouse=True)
def _all_installed(monkeypatch: Any) -> None:
    for backend in (LlamaCppBackend, TransformersBackend):
        monkeypatch.setattr(
            backend, "availability", lambda self: Availability(self.name, ready=True, detail="")
        )
    monkeypatch.setattr("evalsuite.backends.compatibility.find_spec", lambda name: object())


def checkpoint(
    name: Any, form: Any, path: Any, *, base_form: Any = None, adapters: Any = (), **more: Any
) -> Any:
    return Checkpoint(name, name, str(path), form, name, path, adapters, base_form=base_form, **more)


@pytest.fixture
def lora(tmp_path: Any) -> Any:
    return checkpoint("sft", "lora", tmp_path, base_form="original", adapters=(Adapter(tmp_path / "a", "f"),))


@pytest.fixture
def original(tmp_path: Any) -> Any:
    return checkpoint("base", "original", tmp_path)


def test_plan_servers_every_engine_says_something_of_every_form() -> None:
    for engine, row in COMPATIBILITY.items():
        assert set(row) == set(FORMS) - {"served"}, engine
        for form, way in row.items():
            assert (way.verb == "serves") != bool(way.advice), (engine, form)


def test_plan_servers_every_backend_can_be_opened_and_has_a_column() -> None:
    for name in BACKENDS:
        assert open_backend(name).name == name
        assert name in COMPATIBILITY or name == "remote"


def test_plan_servers_adapters_of_one_base_share_a_server_of_transformers(original: Any, lora: Any) -> None:
    (plan,) = plan_servers([original, lora], "auto", gpu=False)
    assert (plan.backend.name, plan.checkpoints) == ("transformers", (original, lora))
    assert "serves original and lora" in plan.why


def test_plan_servers_has_to_be_made_first_and_other_weights_do_not(
    original: Any, lora: Any, tmp_path: Path
) -> None:
    merged = checkpoint("sft-merged", "original", tmp_path, adapters=lora.adapters, recipe=("merge",))
    quantized = checkpoint("q", "load-bitsandbytes", tmp_path, quant="bnb-int8")
    other = checkpoint("other", "original", tmp_path / "other")
    plans = plan_servers([original, merged, lora, quantized, other], "transformers", gpu=False)
    assert [[one.name for one in plan.checkpoints] for plan in plans] == [
        ["base", "sft"],
        ["sft-merged"],
        ["q"],
        ["other"],
    ]


def test_plan_servers_llama_cpp_has_a_server_for_each_variant(tmp_path: Path) -> None:
    base = checkpoint("base", "gguf", tmp_path)
    tuned = checkpoint(
        "sft", "gguf-lora", tmp_path, base_form="gguf", adapters=(Adapter(tmp_path / "a", "f"),)
    )
    plans = plan_servers([base, tuned], "auto", gpu=False)
    assert [plan.backend.name for plan in plans] == ["llamacpp", "llamacpp"]


def test_plan_servers_uses_several_engines_if_none_serves_all(original: Any, tmp_path: Path) -> None:
    gguf = checkpoint("small", "gguf", tmp_path)
    first, second = plan_servers([original, gguf], "auto", gpu=False)
    assert (first.backend.name, second.backend.name) == ("transformers", "llamacpp")
    assert "no ready engine serves all variants" in first.why


def test_plan_servers_named_engine_without_the_form_gives_advice(original: Any, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"llamacpp does not serve the form 'original'.*evalsuite\[gguf\]"
    ):
        plan_servers([original], "llamacpp", gpu=False)
    with pytest.raises(CheckpointError, match="take --backend llamacpp"):
        plan_servers([checkpoint("small", "gguf", tmp_path)], "transformers", gpu=False)


def test_plan_servers_no_engine_serves_lists_each_engine_s_reason(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no engine here serves the form 'fp8'") as caught:
        plan_servers([checkpoint("small", "fp8", tmp_path)], "auto", gpu=False)
    assert "vllm serves the form 'fp8' on a GPU only" in str(caught.value)
    assert "llama.cpp has quantizations of its own" in str(caught.value)
    assert "--base-url URL" in str(caught.value)


def test_plan_servers_forms_for_a_gpu_are_refused_without_one(tmp_path: Path) -> None:
    awq = checkpoint("awq", "awq", tmp_path)
    assert "on a GPU only" in str(find_obstacle("transformers", awq, gpu=False))
    assert find_obstacle("transformers", awq, gpu=True) is None


def test_find_obstacle_checks_base_and_adapter_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "evalsuite.backends.compatibility.find_spec", lambda name: None if name == "peft" else object()
    )
    tuned = checkpoint("sft", "lora", tmp_path, base_form="awq", adapters=(Adapter(tmp_path / "a", "f"),))
    assert "'awq' on a GPU only" in str(find_obstacle("transformers", tuned, gpu=False))
    assert "needs the package peft for the form 'lora'" in str(find_obstacle("transformers", tuned, gpu=True))


def test_plan_servers_engine_that_is_not_installed_says_what_to_install(
    original: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        TransformersBackend,
        "availability",
        lambda self: Availability(self.name, ready=False, detail="run: pip install X"),
    )
    for wanted in ("transformers", "auto"):
        with pytest.raises(ServerError, match="run: pip install X"):
            plan_servers([original], wanted, gpu=False)


def test_plan_servers_served_model_needs_no_engine() -> None:
    (plan,) = plan_servers([served_checkpoint("http://h/v1", "m")], "auto", gpu=False)
    assert plan.backend.name == "remote"
