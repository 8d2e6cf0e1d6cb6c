"""Which servers of a run can run at the same time: the memory they need, estimated from their weights, and what is free.

It is an estimate: activations and caches depend on the prompts. So a server that does not even fit alone is started anyway;
only the servers beside it have to wait.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.serving.server_plan import ServerPlan

logger = logging.getLogger(__name__)

GIB = 1 << 30
WEIGHT_FACTOR = {"transformers": 2.0}
"""On a CPU, 16-bit weights are held in float32."""
OVERHEAD_GIB = {"llamacpp": 0.5, "transformers": 1.0, "vllm": 3.0}
"""Memory beyond the weights and vLLM's cache: SmolLM2 (0.25 GiB) took 0.4, 1.2 and 4.7 GiB, 2 of these cache."""
OTHER_OVERHEAD_GIB = 3.0
VLLM_CACHE = "VLLM_CPU_KVCACHE_SPACE"
DEFAULT_VLLM_CACHE_GIB = 2.0
SPARE = 1.2
"""A further server needs this multiple of its estimate to be free."""
PARALLEL_ARGUMENTS = frozenset(
    {"tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "tp", "tp_size", "dp_size"}
)
"""Arguments that make a server use several GPUs."""
WEIGHT_PATTERNS = ("*.safetensors", "*.bin")
QUERY = ("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits")
QUERY_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class PlacedServer:
    """A server and the GPU reserved for it, if any."""

    plan: ServerPlan
    gpu: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Extra environment variables of its process."""
        return {} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": self.gpu}


def group_servers(
    plans: Sequence[ServerPlan], servers: int | None, arguments: Sequence[str]
) -> list[list[PlacedServer]]:
    """Group the servers of a run into those that run at the same time, in their order.

    `servers`: the maximum at a time; None for one per GPU, or one after another without GPUs (servers that share cores only
    slow each other down). `arguments`: the names of `--backend-arg`.
    """
    if len(plans) == 1 or servers == 1 or all(plan.backend.name == "remote" for plan in plans):
        return [[PlacedServer(plan)] for plan in plans]
    gpus = {} if PARALLEL_ARGUMENTS & {name.replace("-", "_") for name in arguments} else free_gpus()
    if len(gpus) > 1:
        return _on_gpus(plans, min(servers or len(gpus), len(gpus)), gpus)
    if servers is None:
        return [[PlacedServer(plan)] for plan in plans]
    return _in_memory(plans, servers)


def _on_gpus(plans: Sequence[ServerPlan], most: int, gpus: dict[str, int]) -> list[list[PlacedServer]]:
    """One GPU for each; a server that fits on no single GPU runs alone."""
    groups: list[list[PlacedServer]] = []
    for plan in plans:
        group = groups[-1] if groups else []
        taken = {placed.gpu for placed in group}
        own = next(
            (
                name
                for name, free in gpus.items()
                if name not in taken and estimate_bytes(plan) * SPARE <= free
            ),
            None,
        )
        if own is not None and group and len(group) < most and None not in taken:
            group.append(PlacedServer(plan, own))
        else:
            alone = next((name for name, free in gpus.items() if estimate_bytes(plan) * SPARE <= free), None)
            groups.append([PlacedServer(plan, alone)])
    return groups


def _in_memory(plans: Sequence[ServerPlan], most: int) -> list[list[PlacedServer]]:
    free, groups = free_memory(), [[PlacedServer(plans[0])]]
    for plan in plans[1:]:
        together = sum(estimate_bytes(placed.plan) for placed in groups[-1]) + estimate_bytes(plan)
        if len(groups[-1]) >= most:
            groups.append([PlacedServer(plan)])
        elif together * SPARE > free:
            logger.info(
                "--servers %d: %s waits: with the servers before it, it would need about %.1f GiB, and %.1f GiB are free",
                most,
                plan.name,
                together / GIB,
                free / GIB,
            )
            groups.append([PlacedServer(plan)])
        else:
            groups[-1].append(PlacedServer(plan))
    return groups


def estimate_bytes(plan: ServerPlan) -> int:
    """A rough estimate of the bytes a server needs."""
    name = plan.backend.name
    weights = _weight_bytes(plan.checkpoints[0].path) * WEIGHT_FACTOR.get(name, 1.0)
    cache = DEFAULT_VLLM_CACHE_GIB * GIB if name == "vllm" else 0.0
    if name == "vllm" and os.environ.get(VLLM_CACHE, "").isdecimal():
        cache = float(os.environ[VLLM_CACHE]) * GIB
    adapters = sum(_weight_bytes(adapter.path) for one in plan.checkpoints for adapter in one.adapters)
    return int(weights + adapters + cache + OVERHEAD_GIB.get(name, OTHER_OVERHEAD_GIB) * GIB)


def _weight_bytes(path: Path | None) -> int:
    if path is None:
        return 0
    files = [path] if path.is_file() else [file for pattern in WEIGHT_PATTERNS for file in path.glob(pattern)]
    return sum(file.stat().st_size for file in files)


def free_memory() -> int:
    """Bytes available to new processes without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def free_gpus() -> dict[str, int]:
    """Free bytes of each GPU that this process may use, by its name in CUDA_VISIBLE_DEVICES; empty without GPUs."""
    try:
        done = subprocess.run(
            QUERY, capture_output=True, text=True, timeout=QUERY_TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    found = {
        str(number): int(text) * (1 << 20)
        for number, text in enumerate(done.stdout.split())
        if text.isdecimal()
    }
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return found if seen is None else {name: found[name] for name in seen.split(",") if name in found}
