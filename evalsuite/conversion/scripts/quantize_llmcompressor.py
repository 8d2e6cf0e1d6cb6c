"""Quantizes with llm-compressor, to compressed-tensors.

The job: `source`, `target` (an empty folder), `files` (name → path of the small files that go along), `scheme` and `how` of the
method, `prompts` (none where it is not calibrated) and `most_tokens` of each. A group of weights has to divide every row, so
the size that the scheme names is halved until it does.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from evalsuite.conversion.scripts import copy_small_files, read_job, report, say
from evalsuite.conversion.scripts.calibration import tokenize_prompts

KEPT = frozenset({"generation_config.json"})
LEAST_GROUP = 32
NOT_QUANTIZED = ["lm_head"]


def main() -> None:
    """Quantize as the job says."""
    job = read_job()
    import torch
    import transformers
    from datasets import Dataset
    from llmcompressor import oneshot

    say("loading")
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        job["source"], dtype="auto", local_files_only=True
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["source"], local_files_only=True)
    scheme, settings = _scheme(job["scheme"], model)
    more: dict[str, Any] = {}
    if job["prompts"]:
        rows = tokenize_prompts(job["prompts"], tokenizer, job["most_tokens"])
        more = {
            "dataset": Dataset.from_list(
                [{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows]
            ),
            "max_seq_length": job["most_tokens"],
            "num_calibration_samples": len(rows),
        }
        settings["calibration_tokens"] = sum(map(len, rows))
    say(f"quantizing ({job['method']})")
    oneshot(model=model, recipe=_recipe(job["how"], scheme), **more)
    say("saving")
    target = Path(job["target"])
    model.generation_config = transformers.GenerationConfig()  # one that contradicts itself cannot be saved
    with torch.inference_mode():
        model.save_pretrained(target, save_compressed=True)
    copy_small_files(job["files"], target, instead=KEPT)
    names = ("llmcompressor", "compressed-tensors", "torch", "transformers")
    report({"made_with": {name: version(name) for name in names}, "settings": settings})


def _scheme(name: str, model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of a modifier, and the settings to record."""
    from compressed_tensors.quantization.quant_scheme import preset_name_to_scheme

    preset = preset_name_to_scheme(name, targets=["Linear"])
    group = getattr(preset.weights, "group_size", None)
    if not group or group < 0:
        return {"scheme": name, "targets": ["Linear"]}, {"scheme": name}
    rows = {layer.in_features for layer in model.modules() if type(layer).__name__ == "Linear"}
    while group > LEAST_GROUP and any(length % group for length in rows):
        group //= 2
    preset.weights.group_size = group
    return {"config_groups": {"group_0": preset}}, {"scheme": name, "group_size": group}


def _recipe(how: str, scheme: dict[str, Any]) -> Any:
    if how == "gptq":
        from llmcompressor.modifiers.quantization import GPTQModifier

        return GPTQModifier(ignore=NOT_QUANTIZED, **scheme)
    from llmcompressor.modifiers.quantization import QuantizationModifier

    rounded = QuantizationModifier(ignore=NOT_QUANTIZED, **scheme)
    if how != "awq":
        return rounded
    from llmcompressor.modifiers.transform.awq import AWQModifier

    return [AWQModifier(), rounded]
