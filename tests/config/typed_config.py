"""Ways to build a configuration that type checkers must accept, and some that they must not; see `[tool.mypy] files`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from evalsuite import RunConfig

one = RunConfig(ckpt="smollm2", datasets=["mcq_en"])
several = RunConfig(
    ckpt=("a=x.gguf", "smollm2"),
    datasets="mcq_en",
    backend_arg={"n_ctx": 4096, "warmup": False},
    columns={"question": "Q"},
    concurrency="auto",
    temperature=0.5,
    stop=["END"],
    out="reports",
    cache=Path("cache"),
)
texts: tuple[str, ...] = one.ckpt
folder: Path = several.out
arguments: dict[str, str] = several.backend_arg
limit: int | None = replace(one, limit=3).limit

RunConfig(ckpt=5, datasets="mcq_en")  # type: ignore[arg-type]
RunConfig(ckpt="smollm2", datasets="mcq_en", backend="vlm")  # type: ignore[arg-type]
RunConfig(ckpt="smollm2", dataset="mcq_en")  # type: ignore[call-arg]
