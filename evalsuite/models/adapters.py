"""Reads a LoRA (or another peft adapter) and checks that it fits its base.

A peft tensor `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight` belongs to the base's
`model.layers.0.self_attn.q_proj.weight`; of a base weight of shape (out, in), A is (rank, in) and B is (out, rank).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import CheckpointError
from evalsuite.models.checkpoint import Adapter
from evalsuite.models.fingerprints import file_fingerprint, folder_fingerprint
from evalsuite.models.folder import ADAPTER_CONFIG, ModelFolder, read_json, text_files
from evalsuite.models.safetensors_headers import BrokenWeights, Header, read_header
from evalsuite.models.trainers import find_trainer, value_head

GGUF_MAGIC = b"GGUF"
WEIGHT_FILES = ("adapter_model.safetensors", "adapter_model.bin")
PROMPT_METHODS = frozenset({"PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING", "CPT"})
"""Methods that put virtual tokens before the prompt; no supported engine serves them."""
_PREFIX = re.compile(r"^(?:base_model\.model\.)?")
_LORA = re.compile(r"\.lora_(?P<half>A|B)(?:\.[^.]+)?\.weight$")
_LAYER = re.compile(r"(?:^|\.)(?P<tail>(?:layers|h|blocks)\.(?P<number>\d+)\..+)$")
CUSTOM_SCALING = "scales of its own"
"""A detail of adapters that are scaled by more than alpha / rank."""
SWIFT_ARGUMENTS = "args.json"
LLAMA_PRO = "LLAMAPRO"
"""ms-swift's `swift_type` for new blocks that are saved without their model."""
LAYER_COUNTS = ("num_hidden_layers", "n_layer", "num_layers")


def read_adapter(path: Path, option: str) -> Adapter:
    """Read an adapter's folder, or a GGUF file with a LoRA. Raises `CheckpointError`."""
    if path.is_file():
        return _gguf_adapter(path, option)
    if not path.exists():
        raise CheckpointError(f"{option}: no such folder. Give the folder with {ADAPTER_CONFIG} in it.")
    path = llama_pro_folder(path, option) or path
    if not (path / ADAPTER_CONFIG).is_file():
        raise CheckpointError(
            f"{option}: no adapter ({ADAPTER_CONFIG} is not in it). {_inner_adapters(path)}"
        )
    config = read_json(path / ADAPTER_CONFIG, option)
    weights = next((path / name for name in WEIGHT_FILES if (path / name).is_file()), None)
    if weights is None:
        raise CheckpointError(
            f"{option}: it has {ADAPTER_CONFIG} but no weights ({' or '.join(WEIGHT_FILES)}): not yet saved, or not whole. "
            "Wait for the trainer or copy it again."
        )
    method = str(config.get("peft_type") or config.get("swift_type") or "LORA").upper()
    if method in PROMPT_METHODS:
        raise CheckpointError(
            f"{option}: an adapter of the method {method} puts virtual tokens before the prompt; no engine here serves that. "
            "LoRA and similar methods are supported."
        )
    header(path, option)
    try:
        fingerprint = folder_fingerprint(text_files(path), [weights])
    except OSError as error:
        raise CheckpointError(
            f"{option}: cannot read {error.filename} ({error.strerror}); check its permissions."
        ) from error
    base = config.get("base_model_name_or_path") or _base_of_arguments(path)
    return Adapter(
        path,
        fingerprint,
        method,
        _highest_rank(config),
        str(base) if base else None,
        _details(path, config),
    )


def _highest_rank(config: Mapping[str, Any]) -> int | None:
    """The highest rank of its modules; `rank_pattern` sets some of them apart."""
    own = config.get("rank_pattern")
    ranks = [config.get("r"), *(own.values() if isinstance(own, Mapping) else ())]
    return max((rank for rank in ranks if isinstance(rank, int)), default=None)


def header(path: Path, option: str) -> Header | None:
    """Read the header of an adapter's weights; None for `.bin`. Raises `CheckpointError` for a broken file."""
    file = path / WEIGHT_FILES[0]
    if not file.is_file():
        return None
    try:
        return read_header(file)
    except BrokenWeights as error:
        raise CheckpointError(
            f"{option}: {file.name} {error}: not yet saved, or not whole. Wait for the trainer or copy it again."
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"{option}: cannot read {file} ({error.strerror}); check its permissions."
        ) from error


def llama_pro_folder(path: Path, option: str) -> Path | None:
    """The tuner's folder of an unmerged LLaMA-Pro of ms-swift: `path` itself or its `default`. Raises `CheckpointError`."""
    for folder in (path, path / "default"):
        if (folder / ADAPTER_CONFIG).is_file():
            told = read_json(folder / ADAPTER_CONFIG, option).get("swift_type")
            return folder if str(told or "").upper() == LLAMA_PRO else None
    return None


def check_fits(adapter: Adapter, base: ModelFolder, option: str) -> None:
    """Refuse an adapter of another base, by its layers, names or shapes. Raises `CheckpointError`.

    What cannot be read without loading is not checked: weights in `.bin`, shapes of a quantized base.
    """
    found = header(adapter.path, option)
    if found is None:
        return
    named = f" It was trained on {adapter.base}." if adapter.base else ""
    advice = f"{named} Give that base: --ckpt base=PATH --adapter {option.partition(' ')[2] or adapter.path}"
    deepest = max((number for name in found.shapes if (number := _layer(name)) is not None), default=None)
    layers = next((base.text_config[key] for key in LAYER_COUNTS if key in base.text_config), None)
    if isinstance(layers, int):
        layers += int(adapter.details.get("new blocks", 0))
    if deepest is not None and isinstance(layers, int) and deepest >= layers:
        raise CheckpointError(
            f"{option}: an adapter of another base: it changes layer {deepest}, and {base.path} has {layers} layers.{advice}"
        )
    if not base.headers or base.config.get("quantization_config"):
        return
    _check_tensors(found, base, option, advice)


def _check_tensors(found: Header, base: ModelFolder, option: str, advice: str) -> None:
    shapes = base.shapes
    by_tail = {_tail(name): shape for name, shape in shapes.items()}
    matched, unmatched = 0, ""
    for module, half, shape in _halves(found):
        weight = shapes.get(f"{module}.weight") or by_tail.get(_tail(f"{module}.weight"))
        if weight is None or len(weight) != 2 or len(shape) != 2:
            unmatched = unmatched or module
            continue
        matched += 1
        length, wanted = (shape[1], weight[1]) if half == "A" else (shape[0], weight[0])
        if length != wanted and length not in weight:
            raise CheckpointError(
                f"{option}: an adapter of another base: for {module} it has {length} {'inputs' if half == 'A' else 'outputs'}, "
                f"the base {base.path} has {wanted}.{advice}"
            )
    if unmatched and not matched:
        raise CheckpointError(
            f"{option}: an adapter of another base: {base.path} has no {unmatched}, which it changes.{advice}"
        )


def _halves(found: Header) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(module of the base, `A` or `B`, shape) of every LoRA matrix."""
    for name, shape in found.shapes.items():
        match = _LORA.search(name)
        if match:
            yield _PREFIX.sub("", name[: match.start()]), match["half"], shape


def _tail(name: str) -> str:
    """The part from the layers on: the prefix differs between versions of transformers."""
    match = _LAYER.search(name)
    return match["tail"] if match else name


def _layer(name: str) -> int | None:
    match = _LAYER.search(name)
    return int(match["number"]) if match else None


def _base_of_arguments(path: Path) -> str | None:
    """The base in ms-swift's args.json, which is in the checkpoint's folder, above the tuner's."""
    for folder in (path, path.parent):
        if (folder / SWIFT_ARGUMENTS).is_file():
            with contextlib.suppress(OSError, ValueError, AttributeError):
                told = json.loads((folder / SWIFT_ARGUMENTS).read_bytes())
                return str(told.get("model_dir") or told.get("model") or "") or None
    return None


def _details(path: Path, config: Mapping[str, Any]) -> dict[str, str]:
    kept = config.get("modules_to_save")
    found = {
        "trained by": find_trainer(path) or ("ms-swift" if config.get("swift_type") else None),
        "DoRA": "yes" if config.get("use_dora") else None,
        CUSTOM_SCALING: "yes" if config.get("alpha_pattern") or config.get("use_rslora") else None,
        "saved whole": ", ".join(map(str, kept)) if isinstance(kept, list) and kept else None,
        "value head": head.name if (head := value_head(path)) else None,
        "new blocks": str(config["num_new_blocks"]) if config.get("num_new_blocks") else None,
    }
    return {name: text for name, text in found.items() if text}


def _gguf_adapter(path: Path, option: str) -> Adapter:
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(GGUF_MAGIC))
        if magic == GGUF_MAGIC:
            return Adapter(path, file_fingerprint(path))
    except OSError as error:
        raise CheckpointError(
            f"{option}: cannot read {path} ({error.strerror}); check its permissions."
        ) from error
    raise CheckpointError(
        f"{option}: not a GGUF file (it begins with {magic!r}); give the folder with {ADAPTER_CONFIG} in it, or a LoRA as .gguf."
    )


def _inner_adapters(path: Path) -> str:
    inner = [folder for folder in sorted(path.glob("*/")) if (folder / ADAPTER_CONFIG).is_file()]
    if inner:
        return f"{len(inner)} folders in it have one; name one, such as {inner[-1]}"
    return "Give the folder that the trainer saved the adapter to."
