"""`RunConfig`: the one description of a run that the command line, a YAML file and Python all build.

The options are declared in `evalsuite.options`, one module a panel of `--help`; field names are the option names with
underscores. This module composes them, converts and checks values, and writes a configuration down.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import Field, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from evalsuite.errors import ConfigError
from evalsuite.options.conversion import convert_value, to_plain
from evalsuite.options.fields import described_options, field_default, option_name, option_set
from evalsuite.options.judge import SELF_JUDGE, JudgeOptions
from evalsuite.options.model import ModelOptions
from evalsuite.options.running import RunningOptions
from evalsuite.options.sampling import SamplingOptions
from evalsuite.options.work import WorkOptions


@option_set
class RunConfig(RunningOptions, JudgeOptions, SamplingOptions, ModelOptions, WorkOptions):
    """Everything a run needs. Raises `ConfigError` that names every wrong value.

    Frozen: make a changed copy with `dataclasses.replace`.
    """

    command_name: ClassVar[str] = "run"
    no_datasets_message: ClassVar[str] = (
        "no dataset: give at least one -d [kind:]name-or-path (`evalsuite datasets` lists the built-in ones)"
    )

    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """Names of the options that were given, even with their default values. Not an option itself."""

    def __post_init__(self) -> None:
        if faults := list(self._convert()):
            raise ConfigError("\n".join(faults))
        changed = {one.name for one in self.options() if getattr(self, one.name) != field_default(one)}
        object.__setattr__(self, "given", self.given | changed)
        self.check_model()
        self._check_combinations()
        self.check_judge()
        _ = self.gates
        self._check_encoding()

    def _convert(self) -> Iterator[str]:
        """Convert and check every option by itself; yields an error message for each that is wrong."""
        annotations = described_options(type(self))
        for name, (annotation, option) in annotations.items():
            value = getattr(self, name)
            try:
                converted = convert_value(annotation, option.read(value) if option.read else value)
                if option.check and converted is not None:
                    converted = option.check(converted)
                object.__setattr__(self, name, converted)
            except ValueError as error:
                shown = "" if option.secret else f" {value!r}"
                yield f"{option_name(name)}{shown}: {error}"
        if self.no_datasets_message and self.datasets == ():
            yield self.no_datasets_message

    @classmethod
    def options(cls) -> tuple[Field[Any], ...]:
        """The fields that are options of the command, in the order of run.json."""
        return tuple(one for one in fields(cls) if one.compare)

    def _check_combinations(self) -> None:
        """Raise `ConfigError` for options of different parts that exclude each other."""
        if self.completions and self.chat_template is not None:
            raise ConfigError(
                "--chat-template is for chat, and --completions sends flat prompts; leave one of them out"
            )
        if self.completions and self.agent_format == "openai-tools":
            raise ConfigError(
                "--agent-format openai-tools names tools in chat requests; leave out --completions or use "
                "--agent-format toolbench"
            )

    def _check_encoding(self) -> None:
        """Refuse bytes that are not UTF-8: command lines and folder names may hold them, requests and files cannot."""
        for one in self.options():
            value = getattr(self, one.name)
            for text in value if isinstance(value, tuple) else (value,):
                if not str(text).isprintable() and any(
                    "\ud800" <= letter <= "\udfff" for letter in str(text)
                ):
                    raise ConfigError(f"{option_name(one.name)}: it holds bytes that are not UTF-8")

    def identity(self) -> str:
        """Eight hexadecimal digits that name what is asked of whom: the same for a resumed run."""
        left_out, described = set(), described_options(type(self))
        for one in self.options():
            part = described[one.name][1].identity
            if not part or (part == "unless default" and getattr(self, one.name) == field_default(one)):
                left_out.add(one.name)
        asked = self._values_without(left_out)
        return hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=4).hexdigest()

    def recorded(self) -> dict[str, Any]:
        """The configuration as run.json holds it. It holds no secret: API keys are only named by their variables."""
        return self._values_without(self._names(output=True))

    @classmethod
    def _names(cls, **wanted: Any) -> frozenset[str]:
        """Names of the options whose description has these values."""
        described = described_options(cls).items()
        return frozenset(
            name
            for name, (_, option) in described
            if all(getattr(option, key) == value for key, value in wanted.items())
        )

    def _values_without(self, left_out: Collection[str]) -> dict[str, Any]:
        names = (one.name for one in self.options() if one.name not in left_out)
        return {name: to_plain(getattr(self, name)) for name in names}

    def command(self, *, with_output: bool = False) -> str:
        """The command line that gives this configuration; with `with_output`, in the same folder."""
        left_out = {"fresh"} if with_output else self._names(output=True)
        words = (shlex.quote(word) for word in self._words(left_out))
        return " ".join([f"evalsuite {self.command_name}", *words])

    def _words(self, left_out: Collection[str]) -> Iterator[str]:
        for one in self.options():
            value = getattr(self, one.name)
            if one.name not in left_out and value != field_default(one):
                yield from self._option_words(one.name, value)

    def _option_words(self, name: str, value: Any) -> Iterator[str]:
        word = "-d" if name == "datasets" else option_name(name)
        if name == "datasets" and self.command_name == "score":
            yield from value
        elif value is True:
            yield word
        elif name == "columns":
            yield from (word, ",".join(f"{role}={column}" for role, column in value.items()))
        elif isinstance(value, dict):
            for key, text in value.items():
                yield from (word, f"{key}={text}")
        elif isinstance(value, tuple):
            for text in value:
                yield from (word, text)
        else:
            yield from (word, str(value))


class ScoreConfig(RunConfig):
    """A configuration for predictions that exist already: options that say what a model is asked are refused."""

    command_name: ClassVar[str] = "score"
    no_datasets_message: ClassVar[str] = (
        "no predictions: name at least one [kind:]path, such as qa:answers.jsonl"
    )

    def check_model(self) -> None:
        """Raise `ConfigError` where a model is named, or something that only a model would be asked."""
        if self.judge_model == SELF_JUDGE:
            raise ConfigError(
                f"--judge-model {SELF_JUDGE}: no model is asked here; name a judge with --judge-base-url URL --judge-model NAME"
            )
        refused = self._names(scoring=False) | (
            frozenset() if self.judge_model else self._names(scoring="judge")
        )
        if unused := sorted(refused & self.given):
            names = " ".join(map(option_name, unused))
            raise ConfigError(f"{names}: predictions are scored as they are; no model is asked")

    def recorded(self) -> dict[str, Any]:
        """See `RunConfig.recorded`."""
        return self._values_without(
            self._names(output=True) | self._names(scoring=False) | self._names(scoring="judge")
        )


class DeployConfig(RunConfig):
    """Models to serve, without datasets."""

    command_name: ClassVar[str] = "deploy"
    no_datasets_message: ClassVar[str] = ""

    def check_model(self) -> None:
        """Raise `ConfigError` unless checkpoints are named that can be served."""
        if not self.ckpt:
            raise ConfigError("no model: give at least one --ckpt PATH (smollm2 is a small built-in one)")
        super().check_model()


class ValidateConfig(RunConfig):
    """Data to check, without a model."""

    command_name: ClassVar[str] = "validate"

    def check_model(self) -> None:
        """No model is named."""


class LiveConfig(RunConfig):
    """A run on a model in memory, in the middle of its training. No model is named."""

    def check_model(self) -> None:
        """Raise `ConfigError` where a model is named."""
        source = {
            "ckpt",
            "adapter",
            "merge",
            "quant",
            "backend",
            "backend_arg",
            "base_url",
            "model",
            "api_key_env",
        }
        if named := sorted(source & self.given):
            raise ConfigError(f"{', '.join(named)}: the model in training is evaluated; leave it out")


ConfigT = TypeVar("ConfigT", bound=RunConfig)


def build_config(values: Mapping[str, Any], source: str = "") -> RunConfig:
    """Build a `RunConfig` from option values. Raises `ConfigError` that names every wrong one, and `source`."""
    return _build(RunConfig, values, source)


def build_score_config(values: Mapping[str, Any], source: str = "") -> ScoreConfig:
    """Build a `ScoreConfig` from option values. Raises `ConfigError`, as `build_config` does."""
    return _build(ScoreConfig, values, source)


def build_validate_config(values: Mapping[str, Any]) -> ValidateConfig:
    """Build a `ValidateConfig` from option values. Raises `ConfigError`, as `build_config` does."""
    return _build(ValidateConfig, values, "")


def build_live_config(values: Mapping[str, Any]) -> LiveConfig:
    """Build a `LiveConfig` from option values. Raises `ConfigError`, as `build_config` does."""
    return _build(LiveConfig, values, "")


def build_deploy_config(values: Mapping[str, Any]) -> DeployConfig:
    """Build a `DeployConfig` from option values. Raises `ConfigError`, as `build_config` does."""
    return _build(DeployConfig, values, "")


def _build(form: type[ConfigT], values: Mapping[str, Any], source: str) -> ConfigT:
    """Build a configuration; the keys may be spelled `dataset` and `max-tokens` as well."""
    named = {str(key).replace("-", "_"): value for key, value in values.items()}
    if "dataset" in named:
        named["datasets"] = named.pop("dataset")
    names = [one.name for one in form.options()]
    unknown = [_unknown_option(name, names) for name in named if name not in names]
    known = {name: value for name, value in named.items() if name in names}
    try:
        config = form(**known, given=frozenset(known))
    except ConfigError as error:
        raise _config_error([*unknown, str(error)], source) from error
    if unknown:
        raise _config_error(unknown, source)
    return config


def _config_error(faults: list[str], source: str) -> ConfigError:
    return ConfigError((f"{source}: " if source else "") + "\n".join(faults))


def _unknown_option(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else f" The keys are: {', '.join(names)}."
    return f"'{name}' is not an option.{hint}"


def read_config_file(path: Path) -> dict[str, Any]:
    """Read the options in a YAML file, without checking them. Raises `ConfigError` when the file cannot be read."""
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the configuration ({error.strerror}); check the path after --config."
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML ({error})") from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: expected option names with their values, one a line, such as 'ckpt: smollm2'"
        )
    return {str(key).replace("-", "_"): value for key, value in values.items()}
