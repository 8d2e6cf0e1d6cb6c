"""Reads the output of small system commands that may not exist."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


def read_output(words: Sequence[str], seconds: float) -> str | None:
    """Return what a command prints, stripped; None if it does not exist, fails, or takes longer than `seconds`."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
