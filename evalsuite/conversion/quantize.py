"""Quantizes a Hugging Face folder with the library of a method, and saves it.

`scripts/quantize_transformers.py` and `scripts/quantize_llmcompressor.py` do the work in a process of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite.conversion.fidelity import compare_readings
from evalsuite.conversion.requirements import find_library
from evalsuite.conversion.staging import find_small_files
from evalsuite.conversion.verification import ConversionResult, read_model_folder, require_close
from evalsuite.conversion.worker import Worker
from evalsuite.models.quantization import EXPORT_METHODS


def quantize_into(
    source: Path,
    method: str,
    target: Path,
    worker: Worker,
    prompts: Sequence[Mapping[str, Any]],
    max_tokens: int,
) -> ConversionResult:
    """Write a folder quantized by a method of `EXPORT_METHODS` to a new folder `target`.

    `prompts`: for methods that are calibrated, `max_tokens` of each are used. Raises `ServerError`, `FidelityError`.
    """
    how = EXPORT_METHODS[method]
    library, python = find_library(method)
    staging = target.parent
    before = read_model_folder(source, "the original", staging, worker, python)
    target.mkdir()
    job = {
        "source": str(source),
        "target": str(target),
        "method": method,
        "scheme": how.scheme,
        "how": how.how,
        "packages": library.distributions,
        "prompts": list(prompts),
        "most_tokens": max_tokens,
        "files": find_small_files([source]),
    }
    found = worker.run_script(library.script, job, staging, f"quantizing by {library.module}", python)
    after = read_model_folder(target, "what was saved", staging, worker, python, answers=True)
    fidelity = compare_readings(before, after)
    require_close(fidelity, method)
    return ConversionResult(found["made_with"], found["settings"], fidelity)
