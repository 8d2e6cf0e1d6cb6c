"""A checkpoint as the user named it → its form, its path, its fingerprint."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from evalsuite.errors import CheckpointError
from evalsuite.models.weights import BUILTIN_WEIGHTS, fetch_weights

Form: TypeAlias = Literal["gguf", "served"]
GGUF_MAGIC = b"GGUF"
FINGERPRINT_HEAD_BYTES = 1 << 20
"""A GGUF file's metadata and the beginning of its tensor table: enough to tell two files of one size apart."""
FINGERPRINT_DIGITS = 16
_NAMED = re.compile(r"^(?P<name>[\w.+-]+)=(?P<path>.+)$")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One form of one model. `path` is None for a model that someone else serves.

    `name` is what results stand under, `model` the name it is served by.
    """

    name: str
    model: str
    source: str
    form: Form
    fingerprint: str
    path: Path | None = None


def find_checkpoint(text: str) -> Checkpoint:
    """Recognise `[NAME=]PATH`; raises `CheckpointError` that says what was found instead."""
    named = _NAMED.match(text)
    given, source = (named["name"], named["path"]) if named and not Path(text).exists() else (None, text)
    path = Path(source).expanduser()
    if not path.exists() and source in BUILTIN_WEIGHTS:
        path = fetch_weights(source)
    _refuse_others(path, source)
    name = given or _short_name(source)
    return Checkpoint(name, name, source, "gguf", _gguf_fingerprint(path), path)


def served_checkpoint(base_url: str, model: str) -> Checkpoint:
    """A model behind a URL: all that is known of it is where it is and what it is called."""
    digest = hashlib.blake2b(f"{base_url}\n{model}".encode(), digest_size=FINGERPRINT_DIGITS // 2)
    return Checkpoint(_short_name(model), model, f"{model} at {base_url}", "served", digest.hexdigest())


def _short_name(source: str) -> str:
    name = Path(source.rstrip("/")).name
    return re.sub(r"[^\w.+-]+", "-", name.removesuffix(".gguf")) or "model"


def _refuse_others(path: Path, source: str) -> None:
    serve_it = "Serve it yourself (for instance `vllm serve`) and give --base-url URL --model NAME"
    if not path.exists():
        names = ", ".join(BUILTIN_WEIGHTS)
        raise CheckpointError(
            f"--ckpt {source}: no such file. Give the path of a .gguf file, or one of the built-in names: {names}."
        )
    if path.is_dir():
        found = next((sorted(path.glob(pattern)) for pattern in ("*.gguf",) if any(path.glob(pattern))), [])
        if found:
            raise CheckpointError(f"--ckpt {source}: a folder; name the file in it: --ckpt {found[0]}")
        kind = (
            "an adapter"
            if (path / "adapter_config.json").exists()
            else "a Hugging Face checkpoint"
            if (path / "config.json").exists()
            else "a folder without a model"
        )
        raise CheckpointError(
            f"--ckpt {source}: {kind}; this version starts GGUF files only. {serve_it}, or convert it to GGUF."
        )
    with path.open("rb") as stream:
        magic = stream.read(len(GGUF_MAGIC))
    if magic != GGUF_MAGIC:
        raise CheckpointError(f"--ckpt {source}: not a GGUF file (it begins with {magic!r}). {serve_it}.")


def _gguf_fingerprint(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(FINGERPRINT_HEAD_BYTES)
    digest = hashlib.blake2b(head, digest_size=FINGERPRINT_DIGITS // 2)
    digest.update(str(path.stat().st_size).encode())
    return digest.hexdigest()
