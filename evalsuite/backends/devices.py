"""Whether there is a GPU, without importing what would use it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

QUERY_TIMEOUT_SECONDS = 10


def has_gpu() -> bool:
    """Whether CUDA (or ROCm) has a device that this process may see."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):
        return False
    if Path("/dev/kfd").exists():
        return True
    if shutil.which("nvidia-smi") is None:
        return False
    try:
        done = subprocess.run(
            ["nvidia-smi", "--list-gpus"],
            capture_output=True,
            text=True,
            timeout=QUERY_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0 and "GPU" in done.stdout
