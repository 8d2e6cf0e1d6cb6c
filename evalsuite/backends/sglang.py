"""SGLang, started as `python -m sglang.launch_server`. Needs a GPU, so only its command line and life cycle are tested.

Options: SGLang 0.5's documentation. A request selects an adapter with the field `lora_path`.
"""

from __future__ import annotations

import json

from evalsuite.backends.command import CommandBackend, EngineCommand, LaunchSpec
from evalsuite.backends.ports import HOST

QUANTIZATIONS = {
    "bnb-nf4": ["--quantization", "bitsandbytes", "--load-format", "bitsandbytes"],
    "fp8": ["--quantization", "fp8"],
}
"""Methods of `--quant` that it supports while loading → its options."""


def build_command(launch: LaunchSpec) -> list[str]:
    """The command line after the interpreter."""
    found = ["-m", "sglang.launch_server", "--model-path", str(launch.path)]
    found += ["--served-model-name", launch.name, "--host", HOST, "--port", str(launch.port)]
    if launch.template:
        found += ["--chat-template", str(launch.template)]
    if launch.quant:
        found += QUANTIZATIONS[launch.quant]
    if launch.adapters:
        found += [
            "--enable-lora",
            *(["--max-lora-rank", str(launch.rank)] if launch.rank else []),
            "--lora-paths",
        ]
        # JSON, since a path may have an equals sign in it
        found += [
            json.dumps({"lora_name": name, "lora_path": str(path), "pinned": False})
            for name, path in launch.adapters.items()
        ]
    return found


ENGINE = EngineCommand(
    name="sglang",
    title="SGLang",
    distributions=("sglang",),
    build_command=build_command,
    reserved_options=frozenset(
        {"host", "model-path", "model", "served-model-name", "lora-paths", "enable-lora"}
    ),
    quantization_methods=frozenset(QUANTIZATIONS),
    adapter_field="lora_path",
    memory_advice="Lower --backend-arg context_length=N, max_running_requests=N or mem_fraction_static=0.7.",
    slots_argument="max-running-requests",
)


def backend() -> CommandBackend:
    """`--backend sglang`."""
    return CommandBackend(ENGINE)
