"""Settings that make transformers quantize while it loads: for `run --quant`, and for `export quantize`, which then saves."""

from __future__ import annotations

from typing import Any


def load_time_config(method: str, dtype: Any) -> Any:
    """The `quantization_config` of a method of `quantization.LOAD_TIME_METHODS`; `dtype`: that of the arithmetic. Raises `KeyError`."""
    import transformers

    if method == "bnb-int8":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    if method == "bnb-nf4":
        return transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    if method == "torchao-int8":
        from torchao.quantization import Int8WeightOnlyConfig

        return transformers.TorchAoConfig(Int8WeightOnlyConfig())
    if method == "fp8":
        return transformers.FineGrainedFP8Config()
    raise KeyError(method)
