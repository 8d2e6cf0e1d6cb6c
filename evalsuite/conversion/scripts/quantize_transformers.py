"""Quantizes while loading, with bitsandbytes or torchao through transformers, and saves the result.

The job: `source`, `target` (an empty folder), `method`, `files` (name → path of the small files that go along). The model
must not generate before it is saved: bitsandbytes repacks 4-bit weights for the CPU at the first token, and saving them
afterwards writes noise.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from evalsuite.conversion.scripts import copy_small_files, read_job, report, say
from evalsuite.models.load_time_quantization import load_time_config

KEPT = frozenset({"generation_config.json"})


def main() -> None:
    """Quantize as the job says."""
    job = read_job()
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(job["source"], local_files_only=True)
    dtype = getattr(config, "dtype", None) or torch.float32
    say(f"loading and quantizing ({job['method']})")
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        job["source"],
        dtype=dtype,
        local_files_only=True,
        quantization_config=load_time_config(job["method"], dtype),
        **({"device_map": "auto"} if torch.cuda.is_available() else {}),
    )
    say("saving")
    target = Path(job["target"])
    model.generation_config = transformers.GenerationConfig()  # one that contradicts itself cannot be saved
    model.save_pretrained(target)
    copy_small_files(job["files"], target, instead=KEPT)
    report(
        {
            "made_with": {name: version(name) for name in ("torch", "transformers", *job["packages"])},
            "settings": {},
        }
    )
