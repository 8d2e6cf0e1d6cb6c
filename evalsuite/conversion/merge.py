"""Merges a LoRA, or the new blocks of ms-swift's LLaMA-Pro, into its base model.

`scripts/merge.py` (peft) and `scripts/llama_pro.py` (ms-swift) do the work in a process of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalsuite.backends.interpreters import interpreter
from evalsuite.conversion.fidelity import Reading, compare_readings
from evalsuite.conversion.requirements import SWIFT
from evalsuite.conversion.staging import find_small_files
from evalsuite.conversion.verification import ConversionResult
from evalsuite.conversion.worker import Worker
from evalsuite.errors import FidelityError
from evalsuite.models.checkpoint import Checkpoint

MERGE_ROUNDING = 0.1
"""Nats that storing a merged model in 16 bits costs at most."""
MERGE_SHARE = 0.5
"""A merged model may be this share of the distance between base and adapter away from the adapter."""


def merge_into(checkpoint: Checkpoint, target: Path, worker: Worker) -> ConversionResult:
    """Write a checkpoint's base with its adapters (or new blocks) merged into it to a new folder `target`.

    Raises `ServerError` if merging fails, `FidelityError` if the result differs from the adapter on its base.
    """
    assert checkpoint.path
    target.mkdir()
    job: dict[str, Any] = {"base": str(checkpoint.path), "target": str(target)}
    if "llama-pro" in checkpoint.recipe:
        (tuner,) = checkpoint.adapters
        files = find_small_files([checkpoint.path, tuner.path.parent])
        job |= {"tuner": str(tuner.path.parent), "name": tuner.path.name, "files": files}
        python = interpreter(SWIFT)
        found = worker.run_script("llama_pro", job, target.parent, "writing the new blocks in", python)
    else:
        adapters = [adapter.path for adapter in checkpoint.adapters]
        job |= {
            "adapters": list(map(str, adapters)),
            "files": find_small_files([checkpoint.path, *adapters]),
        }
        found = worker.run_script("merge", job, target.parent, "the merge")
    base, source, result = (Reading.parse(found["readings"][name]) for name in ("base", "source", "result"))
    fidelity, change = compare_readings(source, result), compare_readings(source, base)
    if not fidelity.divergence <= max(MERGE_ROUNDING, MERGE_SHARE * change.divergence):
        raise FidelityError(
            f"the merged model does not predict what {checkpoint.name} predicts ({fidelity}; the base itself: {change}). Nothing was kept. "
            "Base and adapter may not belong together, or this version of peft cannot merge this kind; serve the adapter unmerged, or try another version."
        )
    return ConversionResult(found["made_with"], {}, fidelity, compare_readings(base, result))
