"""Reads a Hugging Face folder: its configuration, its weights, and whether it is complete.

Errors distinguish what is wrong: no model at all, a trainer's output folder, sharded training state, a missing shard, a
truncated file, a checkpoint that is still being written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from evalsuite.errors import CheckpointError
from evalsuite.models.safetensors_headers import BrokenWeights, Header, read_header

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
MANIFEST = "evalsuite-export.json"
"""Written into a folder that evalsuite made (or appended to a file's name): its sources, settings and fidelity."""
SINGLE_FILES = ("model.safetensors", "pytorch_model.bin")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
TEXT_PATTERNS = (
    "*config.json",
    "tokenizer*.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.jinja",
    "*.py",
)
"""Small files that replies depend on: architecture, tokenizer, chat template, generation defaults, a model's own code."""
RECENT_SECONDS = 120.0
"""A broken folder that changed this recently is treated as still being written."""
SHOWN_NAMES = 4
PICKLE_MAGICS = (b"PK\x03\x04", b"\x80")
"""First bytes of files from `torch.save`: a zip, or a bare pickle of old versions."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A complete Hugging Face checkpoint on disk. `headers`: those of its safetensors files, by file name."""

    path: Path
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    headers: Mapping[str, Header]

    @property
    def texts(self) -> tuple[Path, ...]:
        """The small files that replies depend on."""
        return text_files(self.path)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of its tensors by name; empty for `.bin` files."""
        return {name: shape for header in self.headers.values() for name, shape in header.shapes.items()}

    @property
    def text_config(self) -> Mapping[str, Any]:
        """The language model's part of the configuration."""
        nested = self.config.get("text_config")
        return nested if isinstance(nested, Mapping) else self.config

    @property
    def architecture(self) -> str:
        """For example `LlamaForCausalLM`; empty if the configuration does not name it."""
        named = self.config.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else ""


def text_files(path: Path) -> tuple[Path, ...]:
    """The small files of a folder that replies depend on."""
    return tuple(sorted({file for pattern in TEXT_PATTERNS for file in path.glob(pattern) if file.is_file()}))


def read_folder(path: Path, option: str) -> ModelFolder:
    """Read and check a folder. Raises `CheckpointError`. `option`: how the user named it, such as `--ckpt DIR`."""
    if not (path / CONFIG).is_file():
        raise CheckpointError(f"{option}: {_explain_folder(path)}")
    config = read_json(path / CONFIG, option)
    try:
        weights = tuple(_weights(path, option))
        headers = {file.name: _header(file, option) for file in weights if file.suffix == ".safetensors"}
        for file in weights:
            if file.suffix == ".bin":
                _check_pickle(file, option)
    except OSError as error:
        raise CheckpointError(
            f"{option}: cannot read {error.filename} ({error.strerror}); check its permissions."
        ) from error
    _check_index(path, headers, option)
    return ModelFolder(path, config, weights, headers)


def read_json(path: Path, option: str) -> dict[str, Any]:
    """Read a JSON object of a checkpoint. Raises `CheckpointError`."""
    try:
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"{option}: cannot read {path} ({error.strerror}); check its permissions."
        ) from error
    except orjson.JSONDecodeError as error:
        raise CheckpointError(
            f"{option}: {path.name} is not JSON ({error}). {_next_step(path.parent)}"
        ) from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{option}: {path.name} is not a JSON object. {_next_step(path.parent)}")
    return found


def _weights(path: Path, option: str) -> Iterator[Path]:
    for index in INDEXES:
        if (path / index).is_file():
            yield from _shards(path, index, option)
            return
    for name in SINGLE_FILES:
        if (path / name).is_file():
            yield path / name
            return
    shards = sorted(path.glob("model-*-of-*.safetensors")) or sorted(path.glob("pytorch_model-*-of-*.bin"))
    if shards:
        raise CheckpointError(
            f"{option}: it has {shards[0].name} but no {INDEXES[0]} that says which shards belong to it. {_next_step(path)}"
        )
    raise CheckpointError(
        f"{option}: it has {CONFIG} but no weights ({' or '.join(SINGLE_FILES)}). {_next_step(path)}"
    )


def _shards(path: Path, index: str, option: str) -> Iterator[Path]:
    named = read_json(path / index, option).get("weight_map")
    if not isinstance(named, dict) or not named:
        raise CheckpointError(f"{option}: {index} names no shards. {_next_step(path)}")
    files = sorted({str(name) for name in named.values()})
    absent = [name for name in files if not (path / name).is_file()]
    if absent:
        listed = ", ".join(absent[:SHOWN_NAMES]) + (", …" if len(absent) > SHOWN_NAMES else "")
        raise CheckpointError(
            f"{option}: {len(absent)} of its {len(files)} shards {'is' if len(absent) == 1 else 'are'} missing ({listed}). {_next_step(path)}"
        )
    yield from (path / name for name in files)


def _header(file: Path, option: str) -> Header:
    try:
        return read_header(file)
    except BrokenWeights as error:
        raise CheckpointError(f"{option}: {file.name} {error}. {_next_step(file.parent)}") from error


def _check_pickle(file: Path, option: str) -> None:
    with file.open("rb") as stream:
        start = stream.read(4)
    if not start.startswith(PICKLE_MAGICS):
        raise CheckpointError(
            f"{option}: {file.name} is not a file of weights (it begins with {start!r}). {_next_step(file.parent)}"
        )


def _check_index(path: Path, headers: Mapping[str, Header], option: str) -> None:
    """Check that every tensor is in the shard that the index names."""
    index = path / INDEXES[0]
    if not headers or not index.is_file():
        return
    named: Mapping[str, str] = read_json(index, option).get("weight_map", {})
    lost = [tensor for tensor, file in named.items() if tensor not in headers[file].shapes]
    if lost:
        raise CheckpointError(
            f"{option}: {named[lost[0]]} lacks {len(lost)} tensors that {index.name} says are in it (such as {lost[0]}): "
            f"index and shards belong to two checkpoints. {_next_step(path)}"
        )


def _next_step(path: Path) -> str:
    """What to do about a broken folder: wait if it is still being written."""
    age = time.time() - max((file.stat().st_mtime for file in path.iterdir() if file.is_file()), default=0.0)
    if age < RECENT_SECONDS:
        return (
            f"It changed {max(0.0, age):.0f} s ago, so it is probably still being written: wait until the trainer has saved it, "
            "then run the command again."
        )
    return "Save or copy it again, or name an earlier checkpoint."


def _explain_folder(path: Path) -> str:
    """Explain what a folder without a config.json is, and what to do."""
    files = sorted(path.glob("*.gguf"))
    if files:
        return f"a folder; name the file in it: --ckpt {files[0]}"
    inner = sorted(
        (folder for folder in path.glob("checkpoint-*") if folder.is_dir()),
        key=lambda folder: folder.stat().st_mtime,
    )
    if inner:
        return f"a trainer's output folder with {len(inner)} checkpoints in it; name one, such as the newest: --ckpt {inner[-1]}"
    if (path / "zero_to_fp32.py").exists() or any(path.glob("global_step*")):
        return (
            f"sharded training state of DeepSpeed, not a model. Gather it: python {path}/zero_to_fp32.py {path} OUT, "
            "with the configuration and tokenizer of the base copied beside."
        )
    if any(path.glob("**/*.distcp")) or any(path.glob("pytorch_model_fsdp*")):
        return f"sharded training state of FSDP, not a model. Gather it: accelerate merge-weights {path} OUT"
    if (path / "latest_checkpointed_iteration.txt").exists():
        return "a checkpoint of Megatron. Convert it to a Hugging Face folder first (ms-swift: swift export --to_hf true)."
    if any(path.glob("*.safetensors")) or any(path.glob("*.bin")):
        return f"it has weights but neither {CONFIG} nor {ADAPTER_CONFIG}. {_next_step(path)}"
    return f"a folder without a model (neither {CONFIG} nor {ADAPTER_CONFIG} is in it); give the folder that the trainer saved it to."
