"""Quantized checkpoints by the name their configuration has for the method, and the methods of `--quant`.

Source of the names: transformers 5.23, `quantizers/auto.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalsuite.models.checkpoint import Form

METHODS: Mapping[str, Form] = {
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
    """A way to quantize while the model is loaded."""

    form: Form
    says: str


LOAD_TIME: Mapping[str, LoadTimeMethod] = {
    "bnb-int8": LoadTimeMethod("load-bitsandbytes", "bitsandbytes LLM.int8()"),
    "bnb-nf4": LoadTimeMethod("load-bitsandbytes", "bitsandbytes 4-bit NormalFloat"),
    "torchao-int8": LoadTimeMethod("load-torchao", "torchao int8, weights only"),
    "fp8": LoadTimeMethod("load-fp8", "8-bit floats, on a GPU"),
}
"""`--quant METHOD`."""


def saved_method(config: Mapping[str, Any]) -> tuple[str, str] | None:
    """(method, what it says of itself) of a quantized checkpoint's configuration; None for one that is not quantized.

    ModelOpt and older compressed-tensors write `compression_config`.
    """
    found = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(found, Mapping):
        return None
    method = str(found.get("quant_method") or _told_by_keys(found))
    bits = found.get("bits") or found.get("w_bit") or (4 if found.get("load_in_4bit") else None)
    bits = bits or (8 if found.get("load_in_8bit") else None)
    words = [
        f"{bits} bits" if bits else "",
        str(found.get("format") or found.get("bnb_4bit_quant_type") or ""),
    ]
    if bits == 8 and method == "bitsandbytes":
        words = ["8 bits"]
    return method, ", ".join(filter(None, words))


def _told_by_keys(found: Mapping[str, Any]) -> str:
    """Older checkpoints of bitsandbytes and AutoGPTQ do not name their method."""
    if "load_in_8bit" in found or "load_in_4bit" in found:
        return "bitsandbytes"
    if "desc_act" in found:
        return "gptq"
    return "compressed-tensors" if "config_groups" in found else "unknown"
