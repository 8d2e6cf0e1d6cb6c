"""Writes the new blocks of ms-swift's LLaMA-Pro into their model, with ms-swift itself.

The job: `base`, `tuner` (the folder that holds the tuner's), `name` (the tuner's folder in it), `target` (an empty folder), `files`
(name → path of the small files to copy). Reports the same readings as `merge`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalsuite.conversion.scripts import copy_small_files, read_job, report, say
from evalsuite.conversion.scripts.reading import read_model

KEPT = frozenset({"generation_config.json"})


def main() -> None:
    """Write the blocks in, as the job says."""
    job = read_job()
    from importlib.metadata import version

    import torch
    import transformers
    from swift.tuners import Swift

    target = Path(job["target"])
    copy_small_files(job["files"], target)
    say("loading the base")
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        job["base"], dtype="auto", local_files_only=True
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(target, local_files_only=True)
    readings = {"base": read_model(model.eval(), tokenizer)}
    say("putting the new blocks in")
    Swift.from_pretrained(model, job["tuner"], adapter_name=[job["name"]])
    readings["source"] = read_model(model.eval(), tokenizer)
    say("saving")
    model.generation_config = transformers.GenerationConfig()  # one that contradicts itself cannot be saved
    with torch.inference_mode():
        model.save_pretrained(target)
    copy_small_files(job["files"], target, instead=KEPT)
    del model
    say("loading it again")
    again: Any = transformers.AutoModelForCausalLM.from_pretrained(
        target, dtype="auto", local_files_only=True
    )
    readings["result"] = read_model(again.eval(), tokenizer, answers=True)
    names = ("ms-swift", "torch", "transformers")
    report({"made_with": {name: version(name) for name in names}, "readings": readings})
