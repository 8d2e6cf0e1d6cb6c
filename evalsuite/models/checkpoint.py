"""A checkpoint as the user named it → its form, its path, its fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from evalsuite.errors import CheckpointError
from evalsuite.models.weights import BUILTIN_WEIGHTS, fetch_weights

Form: TypeAlias = Literal["gguf", "served"]
GGUF_MAGIC = b"GGUF"
FINGERPRINT_DIGITS = 16
CHUNK_BYTES = 1 << 20
ARGUMENTS_WITHOUT_EFFECT = frozenset({"port", "n_threads", "n_threads_batch", "n_parallel"})
"""Arguments of a server that change its speed, not its replies."""
SAMPLED_CHUNKS = 256
"""A file of up to so many MiB is hashed whole."""
SERVE_IT = "Serve it yourself (for instance `vllm serve`) and give --base-url URL --model NAME"
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
    return Checkpoint(name, name, source, "gguf", _gguf_fingerprint(path, source), path)


def served_checkpoint(base_url: str, model: str) -> Checkpoint:
    """A model behind a URL: all that is known of it is where it is and what it is called."""
    digest = hashlib.blake2b(f"{base_url}\n{model}".encode(), digest_size=FINGERPRINT_DIGITS // 2)
    return Checkpoint(_short_name(model), model, f"{model} at {base_url}", "served", digest.hexdigest())


def served_fingerprint(checkpoint: Checkpoint, arguments: Mapping[str, str]) -> str:
    """Who is asked: the checkpoint, and the server's arguments that may change its replies."""
    telling = {name: text for name, text in arguments.items() if name not in ARGUMENTS_WITHOUT_EFFECT}
    if not telling:
        return checkpoint.fingerprint
    text = f"{checkpoint.fingerprint}\n{sorted(telling.items())}"
    return hashlib.blake2b(text.encode(), digest_size=FINGERPRINT_DIGITS // 2).hexdigest()


def _short_name(source: str) -> str:
    name = Path(source.rstrip("/")).name
    return re.sub(r"[^\w.+-]+", "-", name.removesuffix(".gguf")) or "model"


def _refuse_others(path: Path, source: str) -> None:
    if not path.exists():
        names = ", ".join(BUILTIN_WEIGHTS)
        raise CheckpointError(
            f"--ckpt {source}: no such file. Give the path of a .gguf file, or one of the built-in names: {names}."
        )
    if not path.is_dir():
        return
    files = sorted(path.glob("*.gguf"))
    if files:
        raise CheckpointError(f"--ckpt {source}: a folder; name the file in it: --ckpt {files[0]}")
    raise CheckpointError(
        f"--ckpt {source}: {_folder_form(path)}; this version starts GGUF files only. {SERVE_IT}, or convert it to GGUF."
    )


def _folder_form(path: Path) -> str:
    if (path / "adapter_config.json").exists():
        return "an adapter"
    return "a Hugging Face checkpoint" if (path / "config.json").exists() else "a folder without a model"


def _gguf_fingerprint(path: Path, source: str) -> str:
    """A hash of the size and of chunks spread over the whole file.

    Two fine-tunes of one model are equal in size and in their first megabytes, but differ all over; reading all
    of a 40 GB file at every start would take a minute.
    """
    digest = hashlib.blake2b(digest_size=FINGERPRINT_DIGITS // 2)
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(GGUF_MAGIC))
            if magic != GGUF_MAGIC:
                raise CheckpointError(
                    f"--ckpt {source}: not a GGUF file (it begins with {magic!r}). {SERVE_IT}."
                )
            size = path.stat().st_size
            digest.update(str(size).encode())
            for offset in _sampled_offsets(size):
                stream.seek(offset)
                digest.update(stream.read(CHUNK_BYTES))
    except OSError as error:
        raise CheckpointError(
            f"--ckpt {source}: cannot read {path} ({error.strerror}); check its permissions."
        ) from error
    return digest.hexdigest()


def _sampled_offsets(size: int) -> Iterator[int]:
    """Where to read: every chunk of a small file, else evenly spread ones, the first and the last among them."""
    chunks = max(1, -(-size // CHUNK_BYTES))
    taken = min(chunks, SAMPLED_CHUNKS)
    return (number * (chunks - 1) // max(1, taken - 1) * CHUNK_BYTES for number in range(taken))
