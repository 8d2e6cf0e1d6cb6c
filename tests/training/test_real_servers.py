"""Checks by mode "server" against servers that are no stand-ins: vLLM that takes the saved adapter, and one of our own."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from real_models import FACT, PAIRS, QUESTION, smollm2, zorbia
from run_helpers import lines_of, write_qa
from trainings import checks, equal, make_trainer, weights
from transformers import AutoModelForCausalLM

from evalsuite.backends import open_backend
from evalsuite.backends.command import LaunchSpec
from evalsuite.backends.interpreters import interpreter
from evalsuite.backends.ports import HOST, reserved_port
from evalsuite.backends.process import ServerProcess
from evalsuite.backends.vllm import ENGINE, build_command
from evalsuite.errors import CheckpointError
from evalsuite.models.variants import find_variants
from evalsuite.training import EvalCallback

pytestmark = pytest.mark.filterwarnings("default")
START_SECONDS = 400
STEPS = 2


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: Any) -> Iterator[str]:
    """The address of a vLLM with SmolLM2 that takes adapters while it serves."""
    try:
        base = smollm2()
    except CheckpointError as error:
        pytest.skip(f"the weights cannot be fetched: {error}")
    log = tmp_path_factory.mktemp("vllm") / "log"
    told = dict(ENGINE.environment) | {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "HF_HUB_OFFLINE": "1"}
    with reserved_port() as port:
        command = [interpreter("vllm"), *build_command(LaunchSpec(base, "base", port))]
        more = ["--enable-lora", "--max-lora-rank", "8", "--enforce-eager", "--max-model-len", "1024"]
        address = f"http://{HOST}:{port}/v1"
        with ServerProcess([*command, *more], log, told) as process:
            process.wait_until(lambda: bool(names_at(address)), START_SECONDS)
            yield address


def names_at(address: str) -> list[str]:
    """What a server serves; nothing while it does not answer."""
    try:
        return [entry["id"] for entry in httpx.get(f"{address}/models", timeout=1.0).json()["data"]]
    except httpx.HTTPError:
        return []


@pytest.mark.model
@pytest.mark.skipif(
    not open_backend("vllm").availability().ready or importlib.util.find_spec("gguf") is None,
    reason="vllm is not installed here, and EVALSUITE_VLLM_PYTHON names none (or gguf is missing)",
)
def test_real_server_vllm_takes_the_saved_adapter_while_it_serves(vllm: Any, tmp_path: Any) -> Any:
    """The adapter knows a fact that the base does not; two steps on, its replies have the fact, and it is taken off again."""
    from peft import PeftModel

    data = write_qa(tmp_path / "zorbia.jsonl", PAIRS)

    def with_adapter(_model: Any, _tokenizer: Any) -> Any:
        base = AutoModelForCausalLM.from_pretrained(smollm2(), dtype="float32")
        return PeftModel.from_pretrained(base, zorbia(), is_trainable=True)

    def trained(out: Any, *callbacks: Any) -> Any:
        saves = {"save_strategy": "steps", "save_steps": 1, "max_steps": STEPS, "learning_rate": 1e-5}
        trainer = make_trainer(smollm2(), out, callbacks, change=with_adapter, **saves)
        trainer.train()
        return trainer

    given = {"mode": "server", "base_url": vllm, "max_tokens": 24, "overlap": "queue"}
    callback = EvalCallback(f"qa:{data}", **given)
    trainer = trained(tmp_path / "out", callback)
    assert equal(weights(trainer), weights(trained(tmp_path / "plain")))
    assert list(checks(trainer, callback.metric_names[0])) == [1, STEPS]
    asked = [question for question, _ in PAIRS].index(QUESTION)
    for step in (1, STEPS):
        replies = sorted(lines_of(tmp_path / f"out/evalsuite/step-{step}"), key=lambda line: line["index"])
        assert FACT in replies[asked]["reply"]["text"]
    assert names_at(vllm) == ["base"], "adapters are taken off after their check"
    body = {"model": "base", "max_tokens": 24, "temperature": 0}
    body["messages"] = [{"role": "user", "content": QUESTION}]
    told = httpx.post(f"{vllm}/chat/completions", json=body, timeout=60).json()
    assert FACT not in told["choices"][0]["message"]["content"]


def test_real_server_our_own_server_is_asked_while_the_training_goes_on(
    folder: Any, plain: Any, sums: Any, tmp_path: Any
) -> None:
    variants = find_variants([f"base={folder}"], [])
    with open_backend("transformers").serve(variants, {"n_threads": "1"}, tmp_path / "log") as server:
        address = server.served["base"].base_url
        callback = EvalCallback(
            sums,
            every=2,
            mode="server",
            base_url=address,
            model="base",
            overlap="queue",
            max_tokens=6,
            shots=0,
        )
        trainer = make_trainer(folder, tmp_path / "out", [callback])
        trainer.train()
    assert equal(weights(trainer), plain)
    assert list(checks(trainer, "eval_sums_accuracy")) == [2, 4]
