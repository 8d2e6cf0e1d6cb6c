"""Detects a GPU without importing what would use it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from evalsuite._util.processes import read_output

QUERY_TIMEOUT_SECONDS = 10


def has_gpu() -> bool:
    """Whether CUDA or ROCm has a device that this process may use."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):
        return False
    if Path("/dev/kfd").exists():
        return True
    if shutil.which("nvidia-smi") is None:
        return False
    return "GPU" in (read_output(["nvidia-smi", "--list-gpus"], QUERY_TIMEOUT_SECONDS) or "")
