"""Describes what on this machine may change an engine's replies, without starting it."""

from __future__ import annotations

import os
import shutil
from functools import cache

from evalsuite._util.processes import read_output
from evalsuite.backends.interpreters import interpreter

TIMEOUT_SECONDS = 30
INSTALLED = """
import platform, sys
sys.path[:] = filter(None, sys.path)
from importlib.metadata import distributions
found = sorted(f"{one.metadata['Name']} {one.version}" for one in distributions())
sys.stdout.write("\\n".join([sys.version, platform.platform(), *found]))
"""
GPUS = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
ENGINE_VARIABLE_PREFIXES = (
    "CUDA_", "GGML_", "HF_", "HIP_", "LD_", "LLAMA_", "LMDEPLOY_", "OMP_", "PYTORCH_", "ROCR_", "SGLANG_", "TORCH", "TRANSFORMERS_",
    "VLLM_",
)  # fmt: skip
"""Prefixes of the environment variables that engines and their libraries read."""


def describe_machine(engine: str) -> str | None:
    """Python and every package beside the engine, the system, the GPUs with their driver, the engine's variables.

    None if that cannot be found out. Starts the engine's Python once per process.
    """
    packages, gpus = _packages(interpreter(engine)), _gpus()
    if not packages or gpus is None:
        return None
    variables = sorted(
        f"{name}={value}" for name, value in os.environ.items() if name.startswith(ENGINE_VARIABLE_PREFIXES)
    )
    return "\n".join([packages, gpus, *variables])


@cache
def _packages(python: str) -> str | None:
    return read_output([python, "-c", INSTALLED], TIMEOUT_SECONDS)


@cache
def _gpus() -> str | None:
    return read_output(GPUS, TIMEOUT_SECONDS) if shutil.which(GPUS[0]) else ""
