"""What vLLM, LMDeploy and SGLang are started with and how their adapters are requested: pure functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalsuite.backends import lmdeploy, open_backend, sglang, vllm
from evalsuite.backends.base import ServedModel
from evalsuite.backends.command import build_launch, build_served, option_arguments
from evalsuite.errors import CheckpointError, ConfigError
from evalsuite.models.checkpoint import Adapter, Checkpoint

ENGINES = {"vllm": vllm.ENGINE, "lmdeploy": lmdeploy.ENGINE, "sglang": sglang.ENGINE}
MODEL, LORA = Path("/models/base"), Path("/adapters/rank=8, v2")
BASE = Checkpoint("base", "base", str(MODEL), "original", "f", MODEL)


def tuned(*adapters: Any, name: Any = "sft") -> Any:
    return Checkpoint(
        name, name, str(adapters[0].path), "lora", "g", MODEL, tuple(adapters), base_form="original"
    )


def lora(rank: Any = 8, **more: Any) -> Any:
    return Adapter(LORA, "g", rank=rank, **more)


def words(name: Any, *checkpoints: Any) -> Any:
    return ENGINES[name].build_command(build_launch(ENGINES[name], checkpoints, 8123))


def after(found: Any, option: Any) -> Any:
    return found[found.index(option) + 1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "vllm",
            "-m vllm.entrypoints.openai.api_server --model /models/base --served-model-name base --host 127.0.0.1 --port 8123",
        ),
        (
            "lmdeploy",
            "-m lmdeploy serve api_server /models/base --model-name base --server-name 127.0.0.1 --server-port 8123",
        ),
        (
            "sglang",
            "-m sglang.launch_server --model-path /models/base --served-model-name base --host 127.0.0.1 --port 8123",
        ),
    ],
)
def test_command_line_checkpoint_alone(name: str, expected: str) -> None:
    assert words(name, BASE) == expected.split()


def test_vllm_command_quotes_adapter_paths() -> None:
    found = words("vllm", BASE, tuned(lora(rank=9)), tuned(lora(rank=33), name="dpo"))
    assert after(found, "--max-lora-rank") == "64"
    assert after(found, "--max-loras") == "2"
    place = found.index("--lora-modules")
    assert [json.loads(word) for word in found[place + 1 :]] == [
        {"name": "sft", "path": str(LORA)},
        {"name": "dpo", "path": str(LORA)},
    ]


def test_command_line_adapters_of_the_others() -> None:
    found = words("lmdeploy", BASE, tuned(lora()))
    assert found[-4:] == ["--backend", "pytorch", "--adapters", f"sft={LORA}"]
    found = words("sglang", BASE, tuned(lora(rank=48)))
    assert after(found, "--max-lora-rank") == "48"
    assert json.loads(found[-1]) == {"lora_name": "sft", "lora_path": str(LORA), "pinned": False}


def test_command_line_adapter_of_unknown_rank_leaves_the_limit_to_sglang() -> None:
    assert "--max-lora-rank" not in words("sglang", tuned(lora(rank=None)))


def test_command_line_base_that_is_no_variant_gets_a_name_that_no_variant_has() -> None:
    assert after(words("vllm", tuned(lora(), name="base")), "--served-model-name") == "base-base"


@pytest.mark.parametrize(
    ("name", "quant", "expected"),
    [
        ("vllm", "fp8", ["--quantization", "fp8"]),
        ("vllm", "bnb-nf4", ["--quantization", "bitsandbytes"]),
        ("sglang", "bnb-nf4", ["--quantization", "bitsandbytes", "--load-format", "bitsandbytes"]),
    ],
)
def test_command_line_quantized_while_loading(name: str, quant: str, expected: list[Any]) -> None:
    found = words(name, Checkpoint("q", "q", "", "load-fp8", "f", MODEL, quant=quant))
    assert found[-len(expected) :] == expected


@pytest.mark.parametrize("name", ENGINES)
def test_command_line_method_that_would_be_another_one_there_is_refused(name: str) -> None:
    """Their bitsandbytes makes 4 bits of `bnb-int8` as well."""
    with pytest.raises(CheckpointError, match="does not quantize with bnb-int8"):
        words(name, Checkpoint("q", "q", "", "load-bitsandbytes", "f", MODEL, quant="bnb-int8"))


@pytest.mark.parametrize(
    ("adapters", "said"),
    [
        ((lora(), lora()), "several adapters on each other"),
        ((lora(details={"DoRA": "yes"}),), "DoRA"),
        ((lora(details={"saved whole": "lm_head"}),), "saved whole"),
        ((Adapter(LORA, "g", method="IA3"),), "IA3"),
    ],
)
@pytest.mark.parametrize("name", ENGINES)
def test_command_line_is_no_plain_lora_is_refused(name: str, adapters: tuple[Any, ...], said: str) -> None:
    with pytest.raises(CheckpointError, match=f"{said}.*Take --merge"):
        words(name, BASE, tuned(*adapters))


def test_command_line_rank_above_the_limit_is_refused_before_anything_starts() -> None:
    with pytest.raises(CheckpointError, match=r"has rank 1024, and vLLM serves at most 512.*--merge"):
        words("vllm", tuned(lora(rank=1024)))


def test_command_line_arguments_are_options() -> None:
    given = {"max_model_len": "4096", "trust_remote_code": "true", "x-y": "-1", "port": "80"}
    assert option_arguments(vllm.ENGINE, given) == ["--max-model-len=4096", "--trust-remote-code", "--x-y=-1"]
    assert option_arguments(vllm.ENGINE, {"enable_prefix_caching": "False"}) == ["--no-enable-prefix-caching"]
    assert option_arguments(sglang.ENGINE, {"disable_radix_cache": "false"}) == []


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("vllm", "host"),
        ("vllm", "served_model_name"),
        ("lmdeploy", "server_name"),
        ("sglang", "--model-path"),
    ],
)
def test_command_line_evalsuite_sets_nobody_else_sets(name: str, key: str) -> None:
    with pytest.raises(ConfigError, match="evalsuite sets that itself"):
        option_arguments(ENGINES[name], {key: "0.0.0.0"})


def test_command_line_remote_code_is_not_run_unless_asked_for() -> None:
    for name in ENGINES:
        assert not any("trust" in word for word in words(name, BASE, tuned(lora())))


def test_command_line_adapter_is_asked_for_by_name_or_by_a_field() -> None:
    base = ServedModel("http://h/v1", "base", {"name": "engine"})
    by_name = build_served(vllm.ENGINE, tuned(lora()), base)
    assert (by_name.model, by_name.fields, by_name.without_adapter) == ("sft", {}, base)
    by_field = build_served(sglang.ENGINE, tuned(lora()), base)
    assert (by_field.model, by_field.fields, by_field.without_adapter) == ("base", {"lora_path": "sft"}, base)
    assert by_field.engine["adapter"] == LORA.name
    assert build_served(sglang.ENGINE, BASE, base) == base


def test_command_line_one_base_shares_a_server_and_another_does_not() -> None:
    other = Checkpoint("other", "other", "", "original", "f", MODEL / "other")
    for name in ENGINES:
        assert open_backend(name).shares(BASE, tuned(lora()))
        assert not open_backend(name).shares(BASE, other)
