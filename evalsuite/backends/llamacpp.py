"""llama.cpp through `xllamacpp`: the embedded default, for GGUF files, without a GPU.

The server runs in a child process on 127.0.0.1 and reports the port that the system gave it. It answers to any model name,
so ours is set and checked. Each variant has its own server: one that switches a LoRA on and off reuses the other's cache
("Querys" for "Query" or "Keys", measured with llama.cpp of 2026-10).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalsuite.backends.base import NO_VARIABLES, Availability, ServedModel, Server
from evalsuite.backends.ports import HOST, LAST_PORT, refuse_taken_port
from evalsuite.backends.process import ProcessServer, ServerProcess
from evalsuite.errors import ConfigError, ServerError
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.models.gguf_metadata import TEMPLATE_KEY, UnreadableGguf, read_texts
from evalsuite.models.templates import NO_TEMPLATE, template_hash

START_TIMEOUT_SECONDS = 900.0
DEFAULT_SLOTS = 4
"""On a CPU four simultaneous replies are as fast as eight, and a few-shot prefix is read half as often."""
DEFAULT_CONTEXT_TOKENS = 8192
FEW_CORES = 4
"""With up to this many cores, batches (prompts, several replies at once) use them all. A thread per core everywhere makes the
spin barrier collapse when two other processes are busy (148 to 5 tokens/s on two cores), so single replies leave
one core free; with batches alone on every core the same is 134 to 35, against 83 to 56 with one core left free."""
CHILD = "import sys; sys.path[:] = filter(None, sys.path); from evalsuite.backends import llamacpp_child as child; child.main()"
"""Not `python -m`: it looks for modules in the current folder first, where the user may have a `json.py`."""
LESS_MEMORY = "Lower --backend-arg n_ctx=N or n_parallel=N."
OWN_TEMPLATE = f"{NO_TEMPLATE} (llama.cpp takes ChatML)"
INSTALL = "pip install 'evalsuite[llamacpp]'"


@dataclass(frozen=True, slots=True)
class LlamaCppBackend:
    """Starts `evalsuite.backends.llamacpp_child` for one GGUF file and its adapters."""

    name: str = "llamacpp"

    def availability(self) -> Availability:
        """Whether xllamacpp is installed."""
        ready = importlib.util.find_spec("xllamacpp") is not None
        version = f"xllamacpp {importlib.metadata.version('xllamacpp')}" if ready else ""
        return Availability(self.name, ready, version or f"xllamacpp is not installed; run: {INSTALL}")

    def shares(self, first: Checkpoint, second: Checkpoint) -> bool:
        """Never; see the module's docstring."""
        return False

    @contextmanager
    def serve(
        self,
        checkpoints: Sequence[Checkpoint],
        arguments: Mapping[str, str],
        log: Path,
        environment: Mapping[str, str] = NO_VARIABLES,
    ) -> Iterator[Server]:
        """See `Backend.serve`. `arguments`: `n_ctx` (tokens a request), `n_parallel`, `n_threads`, `n_threads_batch`, `port`, or any parameter of llama.cpp."""
        (checkpoint,) = checkpoints
        if not self.availability().ready:
            raise ServerError(f"--backend llamacpp: {self.availability().detail}")
        parameters = child_parameters(checkpoint, arguments)
        refuse_taken_port(parameters["port"])
        command = [sys.executable, "-c", CHILD, json.dumps(parameters)]
        with ServerProcess(command, log, environment, memory_advice=LESS_MEMORY) as process:
            template = _template_hash(checkpoint)  # while the child loads
            note = json.loads(process.wait_for_note(START_TIMEOUT_SECONDS))
            if "error" in note:
                raise ConfigError(f"--backend-arg: {note['error']}")
            engine = {"name": "llama.cpp", "package": f"xllamacpp {importlib.metadata.version('xllamacpp')}"}
            engine["chat_template"] = template
            if checkpoint.adapters:
                engine["adapter"] = " + ".join(adapter.path.name for adapter in checkpoint.adapters)
            served = ServedModel(
                f"{note['address']}/v1",
                checkpoint.model,
                engine,
                parameters["n_parallel"],
                continues_turns=True,
            )
            yield ProcessServer(process, {checkpoint.name: _with_adapters(served, len(checkpoint.adapters))})


def _template_hash(checkpoint: Checkpoint) -> str:
    """The hash of the given template, or of the one in the file."""
    assert checkpoint.path
    if checkpoint.chat_template is not None:
        return template_hash(checkpoint.chat_template)
    with contextlib.suppress(OSError, UnreadableGguf):  # the server says what is wrong with it
        found = template_hash(read_texts(checkpoint.path, {TEMPLATE_KEY}).get(TEMPLATE_KEY))
        return found if found != NO_TEMPLATE else OWN_TEMPLATE
    return NO_TEMPLATE


def _with_adapters(served: ServedModel, count: int) -> ServedModel:
    """Every request says whether adapters are active; otherwise llama.cpp reuses the cache of the previous request."""
    if not count:
        return served

    def scaled(scale: float) -> dict[str, Any]:
        return {"lora": [{"id": number, "scale": scale} for number in range(count)]}

    return replace(served, fields=scaled(1.0), without_adapter=replace(served, fields=scaled(0.0)))


def child_parameters(checkpoint: Checkpoint, arguments: Mapping[str, str]) -> dict[str, Any]:
    """The child's parameters. Raises `ConfigError` for an invalid number."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    extra = dict(arguments)
    return {
        "model": str(checkpoint.path),
        "alias": checkpoint.model,
        "chat_template": checkpoint.chat_template,
        "adapters": [str(adapter.path) for adapter in checkpoint.adapters],
        "host": HOST,
        "port": _number(extra, "port", 0, at_least=0, at_most=LAST_PORT),
        "n_parallel": _number(extra, "n_parallel", DEFAULT_SLOTS),
        "n_ctx": _number(extra, "n_ctx", DEFAULT_CONTEXT_TOKENS),
        "n_threads": _number(extra, "n_threads", max(1, cores - 1)),
        "n_threads_batch": _number(extra, "n_threads_batch", cores if cores <= FEW_CORES else cores - 1),
        "extra": extra,
    }


def _number(
    arguments: dict[str, str], name: str, default: int, *, at_least: int = 1, at_most: int = 2**31 - 1
) -> int:
    text = arguments.pop(name, str(default))
    if not text.isdecimal() or not at_least <= int(text) <= at_most:
        raise ConfigError(f"--backend-arg {name}={text}: not a whole number from {at_least} to {at_most}.")
    return int(text)
