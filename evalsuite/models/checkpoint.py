"""`Checkpoint`: one form of one model, as it will be served. `recognise` finds it from what the user names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

Form: TypeAlias = Literal[
    "served",
    "gguf",
    "gguf-lora",
    "original",
    "lora",
    "stacked",
    "bitsandbytes",
    "gptq",
    "awq",
    "hqq",
    "eetq",
    "aqlm",
    "fp8",
    "compressed-tensors",
    "torchao",
    "load-bitsandbytes",
    "load-torchao",
    "load-fp8",
]
"""What an engine must be able to load.

`served`: someone else serves it. `original`: a Hugging Face folder as it was saved, merged models and LLaMA-Pro included.
`lora`: a peft adapter on its base. `stacked`: several adapters on each other. Names of methods: saved in quantized form.
`load-…`: quantized while it is loaded (`--quant`).
"""
FORMS: tuple[Form, ...] = get_args(Form)
Step: TypeAlias = Literal["merge", "llama-pro", "gguf"]
"""A step before a checkpoint can be served: merge its adapters, write ms-swift's LLaMA-Pro blocks into their base, convert
to GGUF for llama.cpp."""

FINGERPRINT_DIGITS = 16
ARGUMENTS_WITHOUT_EFFECT = frozenset(
    {"port", "n_threads", "n_threads_batch", "n_parallel", "max_batch", "device"}
    | {"max_num_seqs", "gpu_memory_utilization", "max_running_requests", "mem_fraction_static"}
    | {"max_batch_size", "cache_max_entry_count"}
)
"""Arguments of a server that change its speed but not its replies."""

_BASE_NAME = re.compile(r"[-_.](?:base|pt|pretrain(?:ed)?)(?:[-_.]|$)", re.IGNORECASE)
"""`Qwen3-8B-Base`, `gemma-3-4b-pt`."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A peft adapter's folder, or a LoRA in a GGUF file."""

    path: Path
    fingerprint: str
    method: str = "LORA"
    """`peft_type`, in capitals."""
    rank: int | None = None
    base: str | None = None
    """The base in its configuration: a path or a hub id on the machine it was trained on."""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One form of one model. `path` is None for a model that someone else serves.

    `name` labels its results; `model` is the name it is served under. `path`: the Hugging Face folder or GGUF file, of the
    base if there are `adapters`. With a `recipe`, path and adapters are what the checkpoint is made from. `quant`: the method
    that quantizes it while loading. `details`: facts to show to the user.
    """

    name: str
    model: str
    source: str
    form: Form
    fingerprint: str
    path: Path | None = None
    adapters: tuple[Adapter, ...] = ()
    quant: str | None = None
    recipe: tuple[Step, ...] = ()
    base_form: Form | None = None
    """The form of the base, if there are adapters."""
    base_fingerprint: str = ""
    """The fingerprint of the base alone, if there are adapters."""
    chat_template: str | None = None
    """A Jinja template that renders the messages; None for the checkpoint's own."""
    address: str = ""
    """The base URL of a model that someone else serves."""
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def looks_like_base(self) -> bool:
        """Whether its name is that of a base model and no adapter was trained on it."""
        place = Path(self.source if self.path is None or self.recipe else str(self.path))
        return (
            not self.adapters
            and not self.recipe
            and bool(_BASE_NAME.search(place.name.removesuffix(".gguf")))
        )

    @property
    def needed(self) -> tuple[Form, ...]:
        """Every form that an engine must support to serve this checkpoint."""
        return tuple(dict.fromkeys(form for form in (self.base_form, self.form) if form))


def served_checkpoint(base_url: str, model: str, revision: str | None = None) -> Checkpoint:
    """A model behind a URL: its address and name are known, and its revision if the user gives it."""
    fingerprint = combine_fingerprints(base_url, model, *([revision] if revision else []))
    return Checkpoint(
        short_name(model),
        model,
        f"{model} at {base_url}",
        "served",
        fingerprint,
        address=base_url,
        details={"revision": revision} if revision else {},
    )


def served_fingerprint(checkpoint: Checkpoint, engine: str, arguments: Mapping[str, str]) -> str:
    """Identify what answers: the checkpoint, the engine if several could serve it, and the arguments that may change replies."""
    relevant = {name: text for name, text in arguments.items() if name not in ARGUMENTS_WITHOUT_EFFECT}
    if checkpoint.chat_template is not None:
        relevant["chat_template"] = checkpoint.chat_template
    only_one = checkpoint.form in ("served", "gguf", "gguf-lora")
    parts = [*([] if only_one else [engine]), *([str(sorted(relevant.items()))] if relevant else [])]
    return combine_fingerprints(checkpoint.fingerprint, *parts) if parts else checkpoint.fingerprint


def combine_fingerprints(*parts: str) -> str:
    """Combine several texts into one fingerprint."""
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=FINGERPRINT_DIGITS // 2).hexdigest()


def short_name(source: str) -> str:
    """The last part of a path or hub id, usable as a variant's name."""
    name = Path(source.rstrip("/")).name
    return re.sub(r"[^\w.+-]+", "-", name.removesuffix(".gguf")) or "model"
