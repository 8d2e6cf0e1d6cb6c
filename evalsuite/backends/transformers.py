"""transformers behind a thin server of our own: any Hugging Face folder, on any machine, adapters by name.

`transformers serve` (5.23) does not list a local model, serve adapters or give log-probabilities, and answers one request
after another. `evalsuite.backends.transformers_server` does all of that. It runs in a child process on 127.0.0.1 and reports
the port that the system gave it.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evalsuite.backends.base import (
    NO_VARIABLES,
    Availability,
    ServedModel,
    Server,
    base_name,
    have_same_base,
)
from evalsuite.backends.process import ProcessServer, ServerProcess
from evalsuite.errors import CheckpointError, ConfigError, ServerError
from evalsuite.models.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

START_TIMEOUT_SECONDS = 3600.0
"""Loading a large model from a network disk takes long; a child that dies ends the wait at once."""
CHILD = "import sys; sys.path[:] = filter(None, sys.path); from evalsuite.backends.transformers_server import child; child.main()"
"""Not `python -m`: it looks for modules in the current folder first."""
LESS_MEMORY = "Lower --backend-arg max_batch=N or max_model_len=N, or take --backend-arg dtype=bfloat16."
INSTALL = "pip install 'evalsuite[transformers]'"
NEEDED = ("torch", "transformers")
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
NUMBERS = {"max_batch": 1, "max_model_len": 2, "n_threads": 1, "port": 0}
"""Integer arguments → least value."""


@dataclass(frozen=True, slots=True)
class TransformersBackend:
    """Starts `evalsuite.backends.transformers_server` for one base and its adapters."""

    name: str = "transformers"

    def availability(self) -> Availability:
        """Whether torch and transformers are installed."""
        absent = [package for package in NEEDED if importlib.util.find_spec(package) is None]
        if absent:
            return Availability(
                self.name, ready=False, detail=f"{' and '.join(absent)} not installed; run: {INSTALL}"
            )
        return Availability(
            self.name, ready=True, detail=", ".join(f"{name} {_version(name)}" for name in NEEDED)
        )

    def shares(self, first: Checkpoint, second: Checkpoint) -> bool:
        """Whether they are one base with adapters of one method, which peft can switch between requests."""
        methods = {adapter.method for one in (first, second) for adapter in one.adapters}
        return have_same_base(first, second) and len(methods) <= 1

    @contextmanager
    def serve(
        self,
        checkpoints: Sequence[Checkpoint],
        arguments: Mapping[str, str],
        log: Path,
        environment: Mapping[str, str] = NO_VARIABLES,
    ) -> Iterator[Server]:
        """See `Backend.serve`.

        `arguments`: `device`, `dtype`, `max_batch` (rows at a time), `max_model_len` (tokens), `n_threads`, `port`,
        `trust_remote_code`, or any keyword of `from_pretrained`.
        """
        if not self.availability().ready:
            raise ServerError(f"--backend transformers: {self.availability().detail}")
        _refuse_stacked_dora(checkpoints)
        parameters = child_parameters(checkpoints, arguments)
        variables = ENVIRONMENT | dict(environment)
        if "n_threads" in arguments:
            variables["OMP_NUM_THREADS"] = arguments["n_threads"]
        began = time.monotonic()
        command = [sys.executable, "-c", CHILD, json.dumps(parameters)]
        with ServerProcess(command, log, variables, memory_advice=LESS_MEMORY) as process:
            note = json.loads(process.wait_for_note(START_TIMEOUT_SECONDS))
            if "error" in note:
                raise ConfigError(f"--backend-arg: {note['error']}")
            logger.info("ready in %.0f s: %s on %s", time.monotonic() - began, note["dtype"], note["device"])
            served = {one.name: _served(one, parameters["models"][0]["name"], note) for one in checkpoints}
            yield ProcessServer(process, served)


def child_parameters(checkpoints: Sequence[Checkpoint], arguments: Mapping[str, str]) -> dict[str, Any]:
    """The child's parameters. Raises `ConfigError` for an invalid argument.

    `models` lists the base first, then one entry for each variant with adapters.
    """
    first = checkpoints[0]
    models: list[dict[str, Any]] = [{"name": base_name(checkpoints), "adapters": []}]
    models += [
        {"name": one.model, "adapters": [str(adapter.path) for adapter in one.adapters]}
        for one in checkpoints
        if one.adapters
    ]
    extra = dict(arguments)
    numbers = {name: _number(extra, name, least) for name, least in NUMBERS.items()}
    return {
        "path": str(first.path),
        "quant": first.quant,
        "chat_template": first.chat_template,
        "models": models,
        "device": extra.pop("device", None),
        "dtype": extra.pop("dtype", None),
        "extra": {name: _value(text) for name, text in extra.items()},
        **numbers,
    }


def _served(checkpoint: Checkpoint, own_name: str, note: Mapping[str, Any]) -> ServedModel:
    engine = {
        "name": "transformers",
        "package": f"transformers {note['transformers']}, torch {note['torch']}",
        "dtype": note["dtype"],
        "device": note["device"],
        "chat_template": note["templates"][checkpoint.model],
    }
    if checkpoint.quant or "quantization" in checkpoint.details:
        engine["quantization"] = checkpoint.quant or checkpoint.details["quantization"]
    served = ServedModel(note["address"], checkpoint.model, engine, note["slots"], continues_turns=True)
    if not checkpoint.adapters:
        return served
    engine["adapter"] = " + ".join(adapter.path.name for adapter in checkpoint.adapters)
    engine["peft"] = note["peft"]
    return replace(served, without_adapter=replace(served, model=own_name))


def _refuse_stacked_dora(checkpoints: Sequence[Checkpoint]) -> None:
    """Refuse adapters that cannot be stacked: LoRAs add up in any order, but DoRA and fully saved modules do not."""
    for one in checkpoints:
        odd = [
            adapter
            for adapter in one.adapters
            if {"DoRA", "saved whole"} & set(adapter.details) or adapter.method != "LORA"
        ]
        if len(one.adapters) > 1 and odd:
            raise CheckpointError(
                f"{one.name}: {odd[0].path} does not simply add to what is under it ({', '.join(odd[0].details) or odd[0].method}), "
                "so it cannot be stacked while serving. Take --merge, which merges one after the other."
            )


def _number(arguments: dict[str, str], name: str, least: int) -> int | None:
    text = arguments.pop(name, None)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= 2**31 - 1):
        raise ConfigError(f"--backend-arg {name}={text}: not a whole number from {least}.")
    return int(text)


def _value(text: str) -> Any:
    """Parse `true`, `3`, `{"a": 1}` as JSON; anything else is a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"
