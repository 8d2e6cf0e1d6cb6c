"""Servers started by an engine's own command, on a reserved port; ready once they list their models.

An `EngineCommand` describes how vLLM, LMDeploy and SGLang differ: their command lines and how to select an adapter.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalsuite._util.http.transport import TransportError
from evalsuite.backends.base import (
    NO_VARIABLES,
    Availability,
    ServedModel,
    Server,
    base_name,
    have_same_base,
)
from evalsuite.backends.interpreters import installed, interpreter, variable
from evalsuite.backends.ports import HOST, LAST_PORT, reserved_port
from evalsuite.backends.process import ProcessServer, ServerProcess
from evalsuite.errors import CheckpointError, ConfigError, ServerError
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.models.templates import TEMPLATE_FILE, find_template, template_hash

logger = logging.getLogger(__name__)

START_TIMEOUT_SECONDS = 3600.0
"""Loading a large model from a network disk and compiling take long; a process that dies ends the wait at once."""
ANSWER_TIMEOUT_SECONDS = 1.0
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
STAGES: Sequence[tuple[str, re.Pattern[str]]] = (
    ("capturing CUDA graphs", re.compile(r"[Cc]aptur(?:e|ing) (?:CUDA|cuda) graph")),
    ("compiling", re.compile(r"Dynamo bytecode|[Cc]ompiling a graph|torch\.compile took")),
    (
        "loading the weights",
        re.compile(r"Loading safetensors|Loading weights|Load weight begin|Loading model"),
    ),
)
"""Stage → words in the engines' logs; the latest stage first."""
DTYPE = re.compile(r"\bdtype=(?:torch\.|')?(\w+)")
PLAIN_METHOD = "LORA"


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """The parts of a command line."""

    path: Path
    name: str
    """The base's name on the server."""
    port: int
    adapters: Mapping[str, Path] = field(default_factory=dict)
    rank: int = 0
    """The highest rank of the adapters that state one; 0 without adapters."""
    quant: str | None = None
    template: Path | None = None
    """A file with the chat template to use instead of the checkpoint's own."""


@dataclass(frozen=True, slots=True)
class EngineCommand:
    """An engine's server: its name, how it is started and asked."""

    name: str
    """The name that `--backend` takes; also the module to import."""
    title: str
    distributions: tuple[str, ...]
    build_command: Callable[[LaunchSpec], list[str]]
    """Builds the command line after the interpreter."""
    reserved_options: frozenset[str]
    """Options that evalsuite sets itself; the user may not."""
    quantization_methods: frozenset[str] = frozenset()
    """Methods of `--quant` that it supports."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables to set unless the user has set them."""
    memory_advice: str = ""
    """A sentence: which of its options reduce the memory it needs."""
    max_rank: int | None = None
    adapter_field: str | None = None
    """The request's field that selects an adapter; None if the model's name does."""
    slots_argument: str | None = None
    accepts_jinja: bool = True
    """Whether it renders messages with a Jinja template: the checkpoint's own, or a given one."""
    has_negated_flags: bool = False
    """Whether `KEY=false` is written as `--no-KEY`."""


@dataclass(frozen=True, slots=True)
class CommandBackend:
    """Starts an engine's own server for one base and its adapters."""

    engine: EngineCommand

    @property
    def name(self) -> str:
        """See `Backend.name`."""
        return self.engine.name

    def availability(self) -> Availability:
        """Whether it is installed, in this Python or in the one that the environment names."""
        found = self._installed()
        return Availability(self.name, found is not None, found or self._absent())

    def shares(self, first: Checkpoint, second: Checkpoint) -> bool:
        """Whether they are one base with its adapters: each request selects one."""
        return have_same_base(first, second)

    @contextmanager
    def serve(
        self,
        checkpoints: Sequence[Checkpoint],
        arguments: Mapping[str, str],
        log: Path,
        environment: Mapping[str, str] = NO_VARIABLES,
    ) -> Iterator[Server]:
        """See `Backend.serve`. `arguments`: `port`, or any option of the engine's server: `KEY=VALUE` is its `--KEY=VALUE`."""
        package = self._installed()
        if package is None:
            raise ServerError(f"--backend {self.name}: {self._absent()}")
        options = option_arguments(self.engine, arguments)
        defaults = OFFLINE | dict(self.engine.environment)
        variables = {name: os.environ.get(name, value) for name, value in defaults.items()} | dict(
            environment
        )
        began = time.monotonic()
        with reserved_port(_port(arguments)) as port:
            template = _template_file(self.engine, checkpoints[0], log.parent)
            launch = build_launch(self.engine, checkpoints, port, template)
            command = [interpreter(self.name), *self.engine.build_command(launch), *options]
            url = f"http://{HOST}:{port}/v1"
            with ServerProcess(
                command, log, variables, what=self.engine.title, memory_advice=self.engine.memory_advice
            ) as process:
                stages = _Stages(process)
                names = {launch.name, *(() if self.engine.adapter_field else launch.adapters)}
                process.wait_until(
                    lambda: stages.report() or names <= list_served_names(url), START_TIMEOUT_SECONDS
                )
                stages.report()
                logger.info("ready in %.0f s: %s", time.monotonic() - began, package)
                facts = {"name": self.engine.title, "package": package} | stages.facts
                facts["chat_template"] = _template_hash(self.engine, checkpoints[0])
                base = ServedModel(url, launch.name, facts, _slots(self.engine, arguments))
                yield ProcessServer(
                    process, {one.name: build_served(self.engine, one, base) for one in checkpoints}
                )

    def _installed(self) -> str | None:
        return installed(self.name, self.name, self.engine.distributions)

    def _absent(self) -> str:
        named = os.environ.get(variable(self.name))
        if named and shutil.which(named) is None:
            return f"{variable(self.name)}={named} is not a Python that can be run; give the path of one that has {self.name}"
        place = f" in {named}" if named else ""
        return (
            f"{self.name} is not installed{place}; run: pip install 'evalsuite[{self.name}]', "
            f"or set {variable(self.name)}=PATH to the Python that has it"
        )


def build_launch(
    engine: EngineCommand, checkpoints: Sequence[Checkpoint], port: int, template: Path | None = None
) -> LaunchSpec:
    """The launch for checkpoints of one base. Raises `CheckpointError` for what the engine does not serve."""
    first = checkpoints[0]
    assert first.path
    _refuse_method(engine, first)
    adapted = [one for one in checkpoints if one.adapters]
    for one in adapted:
        _refuse_adapter(engine, one)
    ranks = [adapter.rank or 0 for one in adapted for adapter in one.adapters]
    return LaunchSpec(
        first.path,
        base_name(checkpoints),
        port,
        {one.model: one.adapters[0].path for one in adapted},
        max(ranks, default=0),
        first.quant,
        template,
    )


def _template_file(engine: EngineCommand, checkpoint: Checkpoint, folder: Path) -> Path | None:
    """Write a given chat template into the folder, since engines take it as a file."""
    if checkpoint.chat_template is None:
        return None
    if not engine.accepts_jinja:
        raise CheckpointError(
            f"{checkpoint.name}: {engine.title} does not accept a Jinja template; leave out --chat-template, or take another --backend."
        )
    path = folder / TEMPLATE_FILE
    path.write_text(checkpoint.chat_template, encoding="utf-8")
    return path


def _template_hash(engine: EngineCommand, checkpoint: Checkpoint) -> str:
    """The hash of the template that the engine uses: the given one, or that of the base's folder."""
    if checkpoint.chat_template is not None:
        return template_hash(checkpoint.chat_template)
    assert checkpoint.path
    return template_hash(find_template(checkpoint.path)) if engine.accepts_jinja else "not told"


def option_arguments(engine: EngineCommand, arguments: Mapping[str, str]) -> list[str]:
    """`KEY=VALUE` as options of a command line; `true` and `false` are flags. Raises `ConfigError` for a reserved option."""
    words: list[str] = []
    for key, text in arguments.items():
        option = key.replace("_", "-").lstrip("-")
        if option in engine.reserved_options:
            raise ConfigError(f"--backend-arg {key}: evalsuite sets that itself; leave it out.")
        if option == "port":
            continue
        if text.lower() == "true":
            words.append(f"--{option}")
        elif text.lower() != "false":
            words.append(f"--{option}={text}")
        elif engine.has_negated_flags:
            words.append(f"--no-{option}")
    return words


def build_served(engine: EngineCommand, checkpoint: Checkpoint, base: ServedModel) -> ServedModel:
    """How to ask for a checkpoint on the server of its base."""
    facts = dict(base.engine)
    if checkpoint.quant or "quantization" in checkpoint.details:
        facts["quantization"] = checkpoint.quant or checkpoint.details["quantization"]
    base = replace(base, engine=facts)
    if not checkpoint.adapters:
        return base
    adapted = {**facts, "adapter": checkpoint.adapters[0].path.name}
    if engine.adapter_field is None:
        return replace(base, model=checkpoint.model, engine=adapted, without_adapter=base)
    return replace(
        base, fields={engine.adapter_field: checkpoint.model}, engine=adapted, without_adapter=base
    )


def list_served_names(url: str) -> frozenset[str]:
    """The names in a server's `/models`; empty while it does not answer."""
    from evalsuite._util.http.calls import call, read_json  # what only a server of ours needs

    try:
        found = read_json(call("GET", f"{url}/models", ANSWER_TIMEOUT_SECONDS))
    except (TransportError, ValueError):
        return frozenset()
    entries = found.get("data") if isinstance(found, dict) else None
    return frozenset(str(entry.get("id")) for entry in entries or () if isinstance(entry, dict))


class _Stages:
    """Says how starting goes on, by the words in the server's log, and keeps the facts among them."""

    def __init__(self, process: ServerProcess) -> None:
        self._process = process
        self._said = ""
        self.facts: dict[str, str] = {}

    def report(self) -> bool:
        """Say a stage that is new; never true, so that it can stand before what is waited for."""
        with suppress(OSError):
            words = self._process.log_text()
            stage = next((stage for stage, pattern in STAGES if pattern.search(words)), "")
            if stage and stage != self._said:
                self._said = stage
                logger.info("%s …", stage)
            if (dtype := DTYPE.search(words)) and dtype[1] != "auto":
                self.facts.setdefault("dtype", dtype[1])
        return False


def _refuse_method(engine: EngineCommand, checkpoint: Checkpoint) -> None:
    if checkpoint.quant and checkpoint.quant not in engine.quantization_methods:
        known = ", ".join(sorted(engine.quantization_methods)) or "none"
        raise CheckpointError(
            f"{checkpoint.name}: {engine.title} does not quantize with {checkpoint.quant} while loading (it supports: {known}). "
            "Take --backend transformers."
        )


def _refuse_adapter(engine: EngineCommand, checkpoint: Checkpoint) -> None:
    """Refuse what these engines would silently ignore or fail at: several LoRAs on each other, DoRA, fully saved modules."""
    adapter = checkpoint.adapters[0]
    odd = sorted({"DoRA", "saved whole"} & set(adapter.details))
    if len(checkpoint.adapters) > 1 or adapter.method != PLAIN_METHOD or odd:
        what = (
            "several adapters on each other"
            if len(checkpoint.adapters) > 1
            else ", ".join(odd) or adapter.method
        )
        raise CheckpointError(
            f"{checkpoint.name}: {engine.title} serves plain LoRA adapters, and {adapter.path} is not one ({what}). "
            "Take --merge, or --backend transformers."
        )
    if engine.max_rank and (adapter.rank or 0) > engine.max_rank:
        raise CheckpointError(
            f"{checkpoint.name}: {adapter.path} has rank {adapter.rank}, and {engine.title} serves at most {engine.max_rank}. "
            "Take --merge, or --backend transformers."
        )


def _port(arguments: Mapping[str, str]) -> int:
    text = arguments.get("port", "0")
    if not (text.isascii() and text.isdecimal() and int(text) <= LAST_PORT):
        raise ConfigError(f"--backend-arg port={text}: not a whole number from 0 to {LAST_PORT}.")
    return int(text)


def _slots(engine: EngineCommand, arguments: Mapping[str, str]) -> int | None:
    given = {key.replace("_", "-"): text for key, text in arguments.items()}
    text = given.get(engine.slots_argument or "", "")
    return int(text) if text.isascii() and text.isdecimal() and int(text) else None
