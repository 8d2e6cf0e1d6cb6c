"""Small commands of the machine that are asked something and may not be there."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


def read_output(words: Sequence[str], seconds: float) -> str | None:
    """What a command prints, without white space around it; None where it is absent, fails or takes longer."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
