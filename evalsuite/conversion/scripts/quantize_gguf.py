"""Quantizes a GGUF file with llama.cpp's own function, through the package cyllama.

The job: `source`, `target` (files), `type` (as llama-quantize calls it, `Q4_K_M`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version

from evalsuite.conversion.scripts import read_job, report, say

FILE_TYPES: Mapping[str, int] = {
    "Q4_0": 2, "Q4_1": 3, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12, "Q3_K_L": 13, "Q4_K_S": 14,
    "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ4_NL": 25, "IQ4_XS": 30,
}  # fmt: skip
"""Source: `enum llama_ftype` of llama.cpp's llama.h."""


def main() -> None:
    """Quantize as the job says."""
    job = read_job()
    from cyllama.llama import llama_cpp

    say(f"quantizing to {job['type']}")
    parameters = llama_cpp.LlamaModelQuantizeParams()
    parameters.ftype = FILE_TYPES[job["type"]]
    parameters.nthread = os.cpu_count() or 1
    llama_cpp.model_quantize(job["source"], job["target"], parameters)
    report({"made_with": {"cyllama": version("cyllama")}})
