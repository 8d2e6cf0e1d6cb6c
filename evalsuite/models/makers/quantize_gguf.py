"""Quantize a GGUF file by llama.cpp's own function, through the package cyllama, where its program is not at hand.

The job: `source`, `target` (files), `type` (as llama-quantize calls it, `Q4_K_M`).
"""

from __future__ import annotations

import os
from importlib.metadata import version

from evalsuite.models.makers import report, say, told


def main() -> None:
    """Quantize as the job says."""
    job = told()
    from cyllama.llama import llama_cpp
    from gguf import LlamaFileType

    say(f"quantizing to {job['type']}")
    parameters = llama_cpp.LlamaModelQuantizeParams()
    parameters.ftype = int(LlamaFileType[f"MOSTLY_{job['type']}"])
    parameters.nthread = os.cpu_count() or 1
    llama_cpp.model_quantize(job["source"], job["target"], parameters)
    report({"made_with": {"cyllama": version("cyllama")}})
