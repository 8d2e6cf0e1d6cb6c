"""Merges adapters into their base with peft: one Hugging Face folder that every engine serves.

The job: `base`, `adapters`, `target` (an existing empty folder), `files` (name → path of the small files to copy). Runs on the
CPU, since a server may use the GPU. Reports three readings: of the base, of the base with its adapters, and of the saved
result, loaded from the disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalsuite.conversion.scripts import copy_small_files, read_job, report, say
from evalsuite.conversion.scripts.reading import read_model

KEPT = frozenset({"generation_config.json"})
"""Copied unchanged: transformers drops entries that its version does not know."""


def main() -> None:
    """Merge as the job says. The weights keep the base's data type."""
    job = read_job()
    import peft
    import torch
    import transformers

    target = Path(job["target"])
    say("loading the base")
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        job["base"], dtype="auto", local_files_only=True
    )
    copy_small_files(job["files"], target)
    tokenizer = transformers.AutoTokenizer.from_pretrained(target, local_files_only=True)
    readings = {"base": read_model(model.eval(), tokenizer)}
    for number, adapter in enumerate(job["adapters"], start=1):
        say(f"merging adapter {number} of {len(job['adapters'])}")
        adapted: Any = peft.PeftModel.from_pretrained(model, adapter, local_files_only=True)
        if number == len(job["adapters"]):
            readings["source"] = read_model(adapted.eval(), tokenizer)
        model = adapted.merge_and_unload(safe_merge=True)
    say("saving")
    model.generation_config = transformers.GenerationConfig()  # one that contradicts itself cannot be saved
    with torch.inference_mode():
        model.save_pretrained(target)
    copy_small_files(job["files"], target, instead=KEPT)
    del model, adapted
    say("loading it again")
    again: Any = transformers.AutoModelForCausalLM.from_pretrained(
        target, dtype="auto", local_files_only=True
    )
    readings["result"] = read_model(
        again.eval(), transformers.AutoTokenizer.from_pretrained(target, local_files_only=True), answers=True
    )
    versions = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
    }
    report({"made_with": versions, "readings": readings})
