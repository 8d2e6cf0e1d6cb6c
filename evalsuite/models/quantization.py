"""Quantization methods: those of saved checkpoints (by the name in their configuration), of `--quant` and of `export`.

Source of the names: transformers 5.23, `quantizers/auto.py`. docs/export.md lists which methods work where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalsuite.models.checkpoint import Form

FORM_OF_METHOD: Mapping[str, Form] = {
    "bitsandbytes": "bitsandbytes",
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "gptq": "gptq",
    "awq": "awq",
    "hqq": "hqq",
    "eetq": "eetq",
    "aqlm": "aqlm",
    "fp8": "fp8",
    "fbgemm_fp8": "fp8",
    "compressed-tensors": "compressed-tensors",
    "torchao": "torchao",
}
"""`quant_method` → form."""


@dataclass(frozen=True, slots=True)
class LoadTimeMethod:
    """A method that quantizes while the model is loaded."""

    form: Form
    description: str


LOAD_TIME_METHODS: Mapping[str, LoadTimeMethod] = {
    "bnb-int8": LoadTimeMethod("load-bitsandbytes", "bitsandbytes LLM.int8()"),
    "bnb-nf4": LoadTimeMethod("load-bitsandbytes", "bitsandbytes 4-bit NormalFloat"),
    "torchao-int8": LoadTimeMethod("load-torchao", "torchao int8, weights only"),
    "fp8": LoadTimeMethod("load-fp8", "8-bit floats, on a GPU"),
}
"""`--quant METHOD`."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library that quantizes and saves, and the module of `conversion.scripts` that calls it."""

    script: str
    module: str
    distributions: tuple[str, ...]
    install_advice: str
    """A sentence: how to install it."""
    separate_python: bool = False
    """Whether it may have its own Python, since it pins versions."""


LIBRARIES: Mapping[str, Library] = {
    "bitsandbytes": Library(
        "quantize_transformers", "bitsandbytes", ("bitsandbytes",), "Run: pip install 'evalsuite[quantize]'"
    ),
    "torchao": Library(
        "quantize_transformers", "torchao", ("torchao",), "Run: pip install 'evalsuite[quantize]'"
    ),
    "transformers": Library(
        "quantize_transformers",
        "transformers",
        ("transformers",),
        "Run: pip install 'evalsuite[transformers]'",
    ),
    "llmcompressor": Library(
        "quantize_llmcompressor",
        "llmcompressor",
        ("llmcompressor",),
        "It pins an older transformers, so give it an environment of its own (python -m venv ENV && ENV/bin/pip install llmcompressor) "
        "and name its Python: EVALSUITE_LLMCOMPRESSOR_PYTHON=ENV/bin/python",
        separate_python=True,
    ),
}


@dataclass(frozen=True, slots=True)
class ExportMethod:
    """A method that quantizes a checkpoint and saves it."""

    library: str
    form: Form
    description: str
    share: float
    """Size of the result at most, as a share of the 16-bit checkpoint (embeddings are not quantized)."""
    scheme: str = ""
    how: str = "rtn"
    calibrated: bool = False
    without_gpu: str = ""
    """The method to use without a GPU, if this one requires one; empty if it does not."""


EXPORT_METHODS: Mapping[str, ExportMethod] = {
    "bnb-int8": ExportMethod("bitsandbytes", "bitsandbytes", LOAD_TIME_METHODS["bnb-int8"].description, 0.8),
    "bnb-nf4": ExportMethod("bitsandbytes", "bitsandbytes", LOAD_TIME_METHODS["bnb-nf4"].description, 0.7),
    "torchao-int8": ExportMethod("torchao", "torchao", LOAD_TIME_METHODS["torchao-int8"].description, 0.8),
    "fp8": ExportMethod(
        "transformers", "fp8", LOAD_TIME_METHODS["fp8"].description, 0.8, without_gpu="fp8-dynamic"
    ),
    "w8a8": ExportMethod(
        "llmcompressor", "compressed-tensors", "int8 weights and activations, rounded", 0.8, "W8A8"
    ),
    "w8a16": ExportMethod("llmcompressor", "compressed-tensors", "int8 weights, rounded", 0.8, "W8A16"),
    "w4a16": ExportMethod("llmcompressor", "compressed-tensors", "int4 weights, rounded", 0.7, "W4A16"),
    "fp8-dynamic": ExportMethod(
        "llmcompressor", "compressed-tensors", "8-bit floats, weights and activations", 0.8, "FP8_DYNAMIC"
    ),
    "w8a8-gptq": ExportMethod(
        "llmcompressor",
        "compressed-tensors",
        "int8 weights and activations, by GPTQ",
        0.8,
        "W8A8",
        "gptq",
        calibrated=True,
    ),
    "w4a16-gptq": ExportMethod(
        "llmcompressor", "compressed-tensors", "int4 weights, by GPTQ", 0.7, "W4A16", "gptq", calibrated=True
    ),
    "w4a16-awq": ExportMethod(
        "llmcompressor",
        "compressed-tensors",
        "int4 weights, by AWQ, on a GPU",
        0.7,
        "W4A16_ASYM",
        "awq",
        calibrated=True,
        without_gpu="w4a16-gptq",
    ),
}
"""`export quantize --method NAME`."""


def saved_method(config: Mapping[str, Any]) -> tuple[str, str] | None:
    """(method, details) from a quantized checkpoint's configuration; None if it is not quantized.

    ModelOpt and older compressed-tensors write `compression_config`.
    """
    found = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(found, Mapping):
        return None
    method = str(found.get("quant_method") or _infer_method(found))
    bits = found.get("bits") or found.get("w_bit") or (4 if found.get("load_in_4bit") else None)
    bits = bits or (8 if found.get("load_in_8bit") else None)
    words = [
        f"{bits} bits" if bits else "",
        str(found.get("format") or found.get("bnb_4bit_quant_type") or ""),
    ]
    if bits == 8 and method == "bitsandbytes":
        words = ["8 bits"]
    return method, ", ".join(filter(None, words))


def _infer_method(found: Mapping[str, Any]) -> str:
    """Older checkpoints of bitsandbytes and AutoGPTQ do not name their method."""
    if "load_in_8bit" in found or "load_in_4bit" in found:
        return "bitsandbytes"
    if "desc_act" in found:
        return "gptq"
    return "compressed-tensors" if "config_groups" in found else "unknown"
