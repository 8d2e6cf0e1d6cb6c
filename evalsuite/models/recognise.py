"""Recognises what the user names: `[NAME=]PATH|HUB_ID` → `Checkpoint`, or an error that says what was found instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import CheckpointError
from evalsuite.models.adapters import GGUF_MAGIC, LLAMA_PRO, check_fits, llama_pro_folder, read_adapter
from evalsuite.models.checkpoint import Adapter, Checkpoint, Form, combine_fingerprints, short_name
from evalsuite.models.fingerprints import file_fingerprint, folder_fingerprint
from evalsuite.models.folder import ADAPTER_CONFIG, CONFIG, ModelFolder, read_folder
from evalsuite.models.hub import cached_folder, hub_cache, looks_like_hub_id
from evalsuite.models.quantization import FORM_OF_METHOD, saved_method
from evalsuite.models.trainers import find_trainer
from evalsuite.models.weights import BUILTIN_WEIGHTS, fetch_weights

SERVE_IT = "Serve it yourself (for instance `vllm serve`) and give --base-url URL --model NAME"
NAMED = re.compile(r"^(?P<name>[\w.+-]+)=(?P<path>.+)$")


def find_checkpoint(text: str) -> Checkpoint:
    """Recognise `[NAME=]PATH|HUB_ID`. Raises `CheckpointError` that says what was found instead."""
    named = NAMED.match(text)
    given, source = (named["name"], named["path"]) if named and not Path(text).exists() else (None, text)
    name = given or short_name(source)
    option = f"--ckpt {source}"
    path = find_path(source, option)
    if path.is_file():
        return Checkpoint(name, name, source, "gguf", _gguf_fingerprint(path, option), path)
    if llama_pro_folder(path, option) is not None:
        return _adapter_with_base(name, source, path, option)
    if (path / ADAPTER_CONFIG).is_file() and not (path / CONFIG).is_file():
        return _adapter_with_base(name, source, path, option)
    return _folder_checkpoint(name, source, read_folder(path, option), option)


def find_path(source: str, option: str) -> Path:
    """Find the path of a source: a path, a built-in name, or a hub id in the local cache. Raises `CheckpointError`."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    if source in BUILTIN_WEIGHTS:
        return fetch_weights(source)
    if looks_like_hub_id(source):
        if found := cached_folder(source):
            return found
        raise CheckpointError(
            f"{option}: no such folder, and the hub's model of that name is not in the local cache ({hub_cache()}). "
            f"evalsuite downloads no models: run `hf download {source}` first (or `modelscope download {source}`), or give a folder."
        )
    names = ", ".join(BUILTIN_WEIGHTS)
    raise CheckpointError(
        f"{option}: no such file. Give a Hugging Face folder, an adapter's folder, a .gguf file, ORG/NAME of a downloaded model, "
        f"or one of the built-in names: {names}."
    )


def with_adapters(
    base: Checkpoint, name: str, source: str, adapters: tuple[Adapter, ...], option: str
) -> Checkpoint:
    """Build a variant: a base with adapters on it, in order. Raises `CheckpointError` if they do not fit together."""
    gguf = [adapter.path.is_file() for adapter in adapters]
    if base.form == "gguf" and not all(gguf):
        raise CheckpointError(
            f"{option}: the base {base.source} is a GGUF file, and llama.cpp requires adapters as .gguf as well. Convert it with llama.cpp's "
            f"convert_lora_to_gguf.py, or give the base as a Hugging Face folder and take --backend transformers."
        )
    if base.form != "gguf" and any(gguf):
        raise CheckpointError(
            f"{option}: a LoRA in a GGUF file needs a base in a GGUF file, and {base.source} is not one."
        )
    if base.path is None or base.adapters:
        raise CheckpointError(
            f"{option}: its base {base.source} is of the form '{base.form}'; give the model it was trained on."
        )
    if base.form != "gguf":
        folder = read_folder(base.path, f"--ckpt {base.source}")
        for adapter in adapters:
            check_fits(adapter, folder, option)
    form: Form = "gguf-lora" if base.form == "gguf" else "stacked" if len(adapters) > 1 else "lora"
    fingerprint = combine_fingerprints(base.fingerprint, *(adapter.fingerprint for adapter in adapters))
    details = {**base.details, "base": base.source}
    for adapter in adapters:
        details |= {**adapter.details, **({"rank": str(adapter.rank)} if adapter.rank else {})}
    if any(adapter.method == LLAMA_PRO for adapter in adapters):
        return _with_new_blocks(base, name, source, adapters, fingerprint, details, option)
    return Checkpoint(
        name,
        name,
        source,
        form,
        fingerprint,
        base.path,
        adapters,
        base.quant,
        base_form=base.form,
        base_fingerprint=base.fingerprint,
        details=details,
    )


def _with_new_blocks(
    base: Checkpoint,
    name: str,
    source: str,
    adapters: tuple[Adapter, ...],
    fingerprint: str,
    details: Mapping[str, str],
    option: str,
) -> Checkpoint:
    """ms-swift's LLaMA-Pro: new blocks that must be written into their base, which is then an ordinary model."""
    if len(adapters) > 1 or base.form != "original":
        raise CheckpointError(
            f"{option}: new blocks of ms-swift's LLaMA-Pro are written into an original Hugging Face folder, alone; "
            f"here the base is of the form '{base.form}' and there are {len(adapters)} adapters."
        )
    return Checkpoint(
        name,
        name,
        source,
        "original",
        fingerprint,
        base.path,
        adapters,
        recipe=("llama-pro",),
        base_fingerprint=base.fingerprint,
        details=details,
    )


def _folder_checkpoint(name: str, source: str, folder: ModelFolder, option: str) -> Checkpoint:
    form, details = _form(folder, option)
    try:
        fingerprint = folder_fingerprint(folder.texts, folder.weights)
    except OSError as error:
        raise CheckpointError(
            f"{option}: cannot read {error.filename} ({error.strerror}); check its permissions."
        ) from error
    return Checkpoint(name, name, source, form, fingerprint, folder.path, details=details)


def _form(folder: ModelFolder, option: str) -> tuple[Form, dict[str, str]]:
    parameters = sum(header.parameters for header in folder.headers.values())
    details: dict[str, Any] = {
        "architecture": folder.architecture,
        "parameters": f"{parameters:,}" if parameters else "",
        "trained by": find_trainer(folder.path),
        "own code": "yes" if folder.config.get("auto_map") else "",
    }
    form: Form = "original"
    if saved := saved_method(folder.config):
        method, details["quantization"] = saved[0], " ".join(filter(None, saved))
        if method not in FORM_OF_METHOD:
            raise CheckpointError(
                f"{option}: quantized by '{method}', which is not among the methods known here ({', '.join(sorted(set(FORM_OF_METHOD.values())))}). {SERVE_IT}."
            )
        form = FORM_OF_METHOD[method]
    return form, {key: str(text) for key, text in details.items() if text}


def _adapter_with_base(name: str, source: str, path: Path, option: str) -> Checkpoint:
    adapter = read_adapter(path, option)
    give_it = f"Name it yourself: --ckpt base=PATH --adapter {name}={source}"
    if adapter.base is None:
        raise CheckpointError(f"{option}: an adapter whose {ADAPTER_CONFIG} names no base. {give_it}")
    try:
        base = find_checkpoint(str(_resolve_base(adapter.base, path)))
    except CheckpointError as error:
        raise CheckpointError(
            f"{option}: an adapter, and its base {adapter.base} cannot be used from here. {give_it}\n  ({error})"
        ) from error
    return with_adapters(base, name, source, (adapter,), option)


def _resolve_base(base: str, adapter: Path) -> Path | str:
    """Resolve a base whose path is relative to the adapter's folder."""
    beside = adapter / base
    return beside if not Path(base).is_absolute() and not Path(base).exists() and beside.exists() else base


def _gguf_fingerprint(path: Path, option: str) -> str:
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(GGUF_MAGIC))
        if magic == GGUF_MAGIC:
            return file_fingerprint(path)
    except OSError as error:
        raise CheckpointError(
            f"{option}: cannot read {path} ({error.strerror}); check its permissions."
        ) from error
    raise CheckpointError(f"{option}: not a GGUF file (it begins with {magic!r}). {SERVE_IT}.")
