"""Which form of a checkpoint works on which engine, and what to do if it does not: one table to choose, refuse and show.

Sources: each engine's documentation of quantization and LoRA (vLLM 0.32, SGLang 0.5, LMDeploy 0.18, transformers 5.23,
llama.cpp); docs/serving.md lists what was tried here. A cell says what an engine supports in general, not for every architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, TypeAlias

from evalsuite.backends.interpreters import runs_here
from evalsuite.models.checkpoint import Checkpoint, Form

Verb: TypeAlias = Literal["serves", "merge", "convert", "no"]


@dataclass(frozen=True, slots=True)
class FormSupport:
    """How an engine supports a form."""

    verb: Verb
    advice: str = ""
    """A sentence: what to do instead; empty if it is served."""
    package: str | None = None
    """A module that is required besides the engine."""
    gpu: bool = False
    """Whether it requires a CUDA device."""

    @property
    def word(self) -> str:
        """The cell of the table for users."""
        marks = [mark for mark in (self.package, "GPU" if self.gpu else None) if mark]
        return f"{self.verb} ({', '.join(marks)})" if marks else self.verb


SERVES = FormSupport("serves")
SERVES_ON_GPU = FormSupport("serves", gpu=True)
MERGE = FormSupport(
    "merge", "Merge the adapter into its base: add --merge, or export the merged model first."
)
TO_GGUF = FormSupport(
    "convert",
    "llama.cpp serves GGUF files. With its converters installed (pip install 'evalsuite[gguf]', or EVALSUITE_LLAMA_CPP=FOLDER of a checkout "
    "of llama.cpp) evalsuite converts base, adapters and merged models itself; otherwise give .gguf files, or take --backend transformers.",
)
GGUF_ELSEWHERE = FormSupport("no", "A GGUF file is llama.cpp's: take --backend llamacpp.")
UNQUANTIZE = FormSupport(
    "no", "llama.cpp has quantizations of its own: convert the original checkpoint to GGUF and quantize that."
)
ELSEWHERE = FormSupport("no", "Take --backend transformers or vllm.")
BY_TRANSFORMERS = FormSupport("no", "Take --backend transformers.")
HAS_ITS_OWN = FormSupport(
    "no", "--quant is for Hugging Face folders; of GGUF there are quantized files: give one with --ckpt."
)


def with_package(package: str, *, gpu: bool = False) -> FormSupport:
    """Served if a further package is installed."""
    return FormSupport("serves", package=package, gpu=gpu)


COMPATIBILITY: Mapping[str, Mapping[Form, FormSupport]] = {
    "llamacpp": {
        "gguf": SERVES,
        "gguf-lora": SERVES,
        "original": TO_GGUF,
        "lora": TO_GGUF,
        "stacked": TO_GGUF,
        **dict.fromkeys(
            ("bitsandbytes", "gptq", "awq", "hqq", "eetq", "aqlm", "fp8", "compressed-tensors", "torchao"),
            UNQUANTIZE,
        ),
        **dict.fromkeys(("load-bitsandbytes", "load-torchao", "load-fp8"), HAS_ITS_OWN),
    },
    "transformers": {
        "gguf": GGUF_ELSEWHERE,
        "gguf-lora": GGUF_ELSEWHERE,
        "original": SERVES,
        "lora": with_package("peft"),
        "stacked": with_package("peft"),
        "bitsandbytes": with_package("bitsandbytes"),
        "gptq": with_package("gptqmodel", gpu=True),
        "awq": with_package("gptqmodel", gpu=True),
        "hqq": with_package("hqq"),
        "eetq": with_package("kernels", gpu=True),
        "aqlm": with_package("aqlm", gpu=True),
        "fp8": SERVES_ON_GPU,
        "compressed-tensors": with_package("compressed_tensors"),
        "torchao": with_package("torchao"),
        "load-bitsandbytes": with_package("bitsandbytes"),
        "load-torchao": with_package("torchao"),
        "load-fp8": SERVES_ON_GPU,
    },
    "vllm": {
        "gguf": GGUF_ELSEWHERE,
        "gguf-lora": GGUF_ELSEWHERE,
        "original": SERVES,
        "lora": SERVES,
        "stacked": MERGE,
        "bitsandbytes": with_package("bitsandbytes", gpu=True),
        "gptq": SERVES,
        "awq": SERVES,
        "hqq": BY_TRANSFORMERS,
        "eetq": BY_TRANSFORMERS,
        "aqlm": BY_TRANSFORMERS,
        "fp8": SERVES_ON_GPU,
        "compressed-tensors": SERVES,
        "torchao": with_package("torchao"),
        "load-bitsandbytes": with_package("bitsandbytes", gpu=True),
        "load-torchao": BY_TRANSFORMERS,
        "load-fp8": SERVES_ON_GPU,
    },
    "lmdeploy": {
        "gguf": GGUF_ELSEWHERE,
        "gguf-lora": GGUF_ELSEWHERE,
        "original": SERVES_ON_GPU,
        "lora": SERVES_ON_GPU,
        "stacked": MERGE,
        "gptq": SERVES_ON_GPU,
        "awq": SERVES_ON_GPU,
        "fp8": SERVES_ON_GPU,
        **dict.fromkeys(("bitsandbytes", "hqq", "eetq", "aqlm", "compressed-tensors", "torchao"), ELSEWHERE),
        **dict.fromkeys(("load-bitsandbytes", "load-torchao", "load-fp8"), ELSEWHERE),
    },
    "sglang": {
        "gguf": GGUF_ELSEWHERE,
        "gguf-lora": GGUF_ELSEWHERE,
        "original": SERVES_ON_GPU,
        "lora": SERVES_ON_GPU,
        "stacked": MERGE,
        "bitsandbytes": with_package("bitsandbytes", gpu=True),
        "gptq": SERVES_ON_GPU,
        "awq": SERVES_ON_GPU,
        "fp8": SERVES_ON_GPU,
        "compressed-tensors": SERVES_ON_GPU,
        "torchao": with_package("torchao", gpu=True),
        **dict.fromkeys(("hqq", "eetq", "aqlm"), BY_TRANSFORMERS),
        "load-bitsandbytes": with_package("bitsandbytes", gpu=True),
        "load-torchao": BY_TRANSFORMERS,
        "load-fp8": SERVES_ON_GPU,
    },
}
"""Engine → form → support. A model that someone else serves (`served`) has no engine here."""


def find_obstacle(engine: str, checkpoint: Checkpoint, *, gpu: bool) -> str | None:
    """Why an engine cannot serve a checkpoint on this machine and what to do, in sentences; None if it can."""
    for form in checkpoint.needed:
        way = COMPATIBILITY[engine][form]
        if way.verb != "serves":
            return f"{engine} does not serve the form '{form}'. {way.advice}"
        if way.package and runs_here(engine) and find_spec(way.package) is None:
            return f"{engine} needs the package {way.package} for the form '{form}'. Run: pip install {way.package.replace('_', '-')}"
        if way.gpu and not gpu:
            return f"{engine} serves the form '{form}' on a GPU only, and there is none here."
    return None
