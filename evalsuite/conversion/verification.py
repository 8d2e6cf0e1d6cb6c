"""Reloads a result and compares it with its source, so that nothing broken gets a name.

`scripts/read.py` reads a Hugging Face folder in a process of its own, `gguf_probe` a GGUF file; `fidelity` compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.conversion.fidelity import Fidelity, Reading
from evalsuite.conversion.worker import Worker
from evalsuite.errors import FidelityError

MAX_DIVERGENCE = 3.0
"""Nats between a quantized model and its source: 4 bits cost a small model about 0.3, noise is 8 and more away."""


@dataclass(frozen=True, slots=True)
class ConversionResult:
    """What made a result, with which settings, and how close the result is to its source."""

    made_with: Mapping[str, str]
    settings: Mapping[str, Any]
    fidelity: Fidelity
    changed: Fidelity | None = None
    """How a merged model compares with its base; None for other conversions."""

    def to_json(self) -> dict[str, Any]:
        """The entries of the manifest."""
        found: dict[str, Any] = {"settings": dict(self.settings), "made_with": dict(self.made_with)}
        found["probe"] = self.fidelity.to_json()
        if self.changed:
            found["probe_against_base"] = self.changed.to_json()
        return found


def read_model_folder(
    path: Path,
    what: str,
    staging: Path,
    worker: Worker,
    python: str,
    *,
    device: str | None = None,
    answers: bool = False,
) -> Reading:
    """Load a Hugging Face folder in another process and read its predictions. `what` names it in log lines.

    `device`: None takes a GPU if there is one. `answers`: also ask the model a question.
    """
    job = {"path": str(path), "what": what, "device": device, "answers": answers}
    return Reading.parse(worker.run_script("read", job, staging, f"reading {what}", python)["reading"])


def require_close(fidelity: Fidelity, method: str) -> None:
    """Raise `FidelityError` if a quantized model has little in common with its source."""
    if not fidelity.divergence <= MAX_DIVERGENCE:
        raise FidelityError(
            f"{method}: the reloaded result does not predict what the original predicts ({fidelity}; it answers {fidelity.answer!r}). "
            "Nothing was kept. Take more bits, or calibrate it with more rows."
        )
