"""`RunConfig`: the one description of a run that the command line, a YAML file and Python all build.

Field names are the option names with underscores. Defaults stand here and nowhere else.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

from evalsuite._util.conversion import (
    Count,
    CountOrZero,
    NonEmptyText,
    NonNegativeNumber,
    PositiveNumber,
    Probability,
    convert_value,
    field_annotations,
    field_default,
    to_plain,
)
from evalsuite.endpoint.base_url import complete_url
from evalsuite.errors import ConfigError
from evalsuite.metrics.gates import Gate
from evalsuite.types import AgentFormat

Backend: TypeAlias = Literal["auto", "remote", "llamacpp", "transformers", "vllm", "lmdeploy", "sglang"]
OnError: TypeAlias = Literal["fail", "skip", "wrong"]
McqMode: TypeAlias = Literal["generate", "logprob"]
LangOption: TypeAlias = Literal["auto", "zh", "en"]
PreferenceMode: TypeAlias = Literal["logprob", "reward"]
SELF_JUDGE = "self"
"""`--judge-model self`: the model under test judges its own replies, because the user said so."""

OPENAI_KEY_VARIABLE = "OPENAI_API_KEY"
"""The variable that every client of such endpoints reads."""

DEFAULT_OUT = Path("reports")
"""The folder of all runs."""

OUTPUT_FIELDS = frozenset({"out", "name", "fresh"})
"""Where results land: not part of what was run, so not in run.json."""
NON_IDENTITY_FIELDS = (
    OUTPUT_FIELDS
    | {"api_key_env", "judge_api_key_env", "concurrency", "timeout", "stream"}
    | {"on_error", "fail_under", "profile", "baseline", "cache", "price", "servers", "suite_timeout", "step"}
)
"""What may change between two starts of the same run without making it another one: nothing else is asked."""
OMITTED_AT_DEFAULT_FIELDS = frozenset({"model_revision", "judge_revision", "chat_template", "repeats"})
"""With their defaults they leave a run's name what it was before there were such options."""
MODEL_FIELDS = frozenset(
    {"ckpt", "adapter", "merge", "quant", "backend", "backend_arg", "base_url", "model", "api_key_env"}
)
"""Who is asked."""
REQUEST_FIELDS = frozenset(
    MODEL_FIELDS
    | {"chat_template", "model_revision", "cache", "price"}
    | {"shots", "cot", "mcq_mode", "preference_mode", "repeats"}
    | {"temperature", "max_tokens", "top_p", "seed", "stop", "completions"}
    | {"concurrency", "timeout", "stream", "servers", "suite_timeout"}
)
"""Who is asked and how: of no use where predictions are there already."""
JUDGE_REQUEST_FIELDS = frozenset({"concurrency", "timeout", "cache"})
"""Those of them that a judge of predictions needs as well."""
UNQUOTED_FIELDS = frozenset({"api_key_env", "backend_arg", "base_url", "judge_api_key_env", "judge_base_url"})
"""A wrong value may be a key, or hold one, so an error does not repeat it."""
FLAG_FIELDS = frozenset({"merge", "cot", "completions", "stream", "fresh"})
_SECRET = re.compile(r"api_?key|password|secret|(^|_)(token|auth|authorization|bearer)$")
_PRICE = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*,\s*(\d+(?:\.\d+)?|\.\d+)\s*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything a run needs. Raises `ConfigError` that names every wrong value.

    Frozen: a changed copy is made with `dataclasses.replace`.
    """

    command_name: ClassVar[str] = "run"
    no_datasets_message: ClassVar[str] = (
        "no dataset: give at least one -d [kind:]name-or-path (`evalsuite datasets` lists the built-in ones)"
    )

    datasets: tuple[str, ...] = ()
    ckpt: tuple[str, ...] = ()
    adapter: tuple[str, ...] = ()
    merge: bool = False
    quant: tuple[str, ...] = ()
    backend: Backend = "auto"
    backend_arg: dict[str, str] = field(default_factory=dict)
    chat_template: str | None = None
    servers: Count | Literal["auto"] = "auto"
    base_url: str | None = None
    model: str | None = None
    model_revision: NonEmptyText | None = None
    api_key_env: str = OPENAI_KEY_VARIABLE

    limit: Count | None = None
    shots: CountOrZero | None = None
    cot: bool = False
    lang: LangOption = "auto"
    repeats: Count = 1
    profile: tuple[str, ...] = ()
    mcq_mode: McqMode = "generate"
    agent_format: AgentFormat = "react"

    temperature: NonNegativeNumber = 0.0
    max_tokens: Count | None = None
    top_p: Probability | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    completions: bool = False
    preference_mode: PreferenceMode = "logprob"

    judge_base_url: str | None = None
    judge_model: str | None = None
    judge_revision: NonEmptyText | None = None
    judge_api_key_env: str = OPENAI_KEY_VARIABLE
    judge_max_tokens: Count = 2048

    concurrency: Count | Literal["auto"] = "auto"
    timeout: PositiveNumber = 600.0
    on_error: OnError = "fail"
    stream: bool = False
    cache: Path | None = None
    price: str | None = None
    suite_timeout: PositiveNumber | None = None
    step: CountOrZero | None = None

    out: Path = DEFAULT_OUT
    name: str | None = None
    fresh: bool = False
    fail_under: tuple[str, ...] = ()
    baseline: str | None = None

    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """Names of the options that were said, be it with their default values; no option itself."""

    def __post_init__(self) -> None:
        if faults := list(self._convert()):
            raise ConfigError("\n".join(faults))
        changed = {one.name for one in self.options() if getattr(self, one.name) != field_default(one)}
        object.__setattr__(self, "given", self.given | changed)
        self._check_source()
        self._check_judge()
        _ = self.gates
        self._check_encoding()

    def _convert(self) -> Iterator[str]:
        """Make every option what its annotation says; yields what is wrong with those that cannot be."""
        annotations = field_annotations(type(self))
        for option in self.options():
            value = getattr(self, option.name)
            try:
                value = self._check_value(option.name, convert_value(annotations[option.name], value))
                object.__setattr__(self, option.name, value)
            except ValueError as error:
                yield _value_error(option.name, value, str(error))
        if self.no_datasets_message and self.datasets == ():
            yield self.no_datasets_message

    @classmethod
    def options(cls) -> tuple[Field[Any], ...]:
        """The fields that are options of the command, in the order of run.json."""
        return tuple(option for option in fields(cls) if option.compare)

    def _check_value(self, name: str, value: Any) -> Any:
        """A value of the right type, completed, and refused by `ValueError` where it cannot be meant."""
        if name in ("base_url", "judge_base_url") and value is not None:
            return complete_url(value)
        if name in ("api_key_env", "judge_api_key_env") and not _VARIABLE.fullmatch(value):
            raise ValueError("the name of an environment variable is meant, never the key itself")
        if name == "backend_arg" and any(_SECRET.search(key.lower().replace("-", "_")) for key in value):
            raise ValueError("a key is never an option's value; servers read it from the environment")
        if name == "backend_arg" and any(map(_is_template, value, value.values())):
            raise ValueError(
                "chat_template has an option of its own, which engines understand: --chat-template FILE"
            )
        if name == "stop" and "" in value:
            raise ValueError("an empty stop string would end every reply at once")
        if name == "price" and value is not None and parse_price(value) is None:
            raise ValueError(
                "two prices for a million tokens, of prompts and of replies, such as 0.15,0.6 (in any currency)"
            )
        if name == "name" and value is not None and _is_bad_folder_name(value):
            raise ValueError("a run's name is one folder's name; use --out for the folder above it")
        return value

    def _check_source(self) -> None:
        """Exactly one model is named."""
        if self.ckpt and self.base_url:
            raise ConfigError("--ckpt and --base-url are two ways to name the model; give one of them")
        if not self.ckpt and not self.base_url:
            raise ConfigError(
                "no model: give --ckpt PATH (smollm2 is a small built-in one) or --base-url URL --model NAME"
            )
        if (self.adapter or self.merge or self.quant) and not self.ckpt:
            raise ConfigError(
                "--adapter, --merge and --quant are for servers that evalsuite starts; name the base with --ckpt PATH"
            )
        if self.backend == "remote" and not self.base_url:
            raise ConfigError("--backend remote needs --base-url URL")
        if self.base_url and self.backend not in ("auto", "remote"):
            raise ConfigError(f"--backend {self.backend} starts a server of its own; leave out --base-url")
        if self.base_url and self.backend_arg:
            raise ConfigError(
                "--backend-arg is for servers that evalsuite starts; with --base-url there is none"
            )
        if self.chat_template is not None:
            self._check_template()
        if self.model and not self.base_url:
            raise ConfigError(
                "--model names a model at --base-url URL; a checkpoint is named by --ckpt NAME=PATH"
            )
        if self.model_revision and not self.base_url:
            raise ConfigError(
                "--model-revision tells apart what is served at --base-url; a checkpoint is known by its files"
            )
        if self.completions and self.agent_format == "openai-tools":
            raise ConfigError(
                "--agent-format openai-tools names tools in chat requests; leave out --completions or take "
                "--agent-format toolbench"
            )

    def _check_template(self) -> None:
        """It is for a server that is started here, and for chat."""
        if self.base_url:
            raise ConfigError(
                "--chat-template: the server at --base-url renders messages by its own template; start it with another one, "
                "or name the checkpoint with --ckpt and evalsuite starts it"
            )
        if self.completions:
            raise ConfigError(
                "--chat-template is for chat, and --completions sends flat prompts; leave one of them out"
            )
        if self.backend == "lmdeploy":
            raise ConfigError(
                "--chat-template: LMDeploy takes no Jinja template; write one in its own form and give --backend-arg chat_template=FILE.json"
            )

    def _check_judge(self) -> None:
        """A judge is named whole, or not at all."""
        if self.judge_revision and not self.judge_base_url:
            raise ConfigError(
                "--judge-revision tells apart what is served at --judge-base-url; name that too"
            )
        itself = self.judge_model == SELF_JUDGE
        if self.judge_base_url and (not self.judge_model or itself):
            raise ConfigError(
                "--judge-base-url is where a judge is: name it with --judge-model NAME"
                + (f"; '{SELF_JUDGE}' is the model under test" if itself else "")
            )
        if self.judge_model and not itself and not self.judge_base_url:
            raise ConfigError(
                f"--judge-model {self.judge_model}: where is it? Add --judge-base-url URL, "
                f"or say --judge-model {SELF_JUDGE} to let the model under test judge its own replies"
            )

    def _check_encoding(self) -> None:
        """Command lines and folder names may hold bytes that are not UTF-8; requests and files cannot."""
        for option in self.options():
            value = getattr(self, option.name)
            for text in value if isinstance(value, tuple) else (value,):
                if not str(text).isprintable() and any(
                    "\ud800" <= letter <= "\udfff" for letter in str(text)
                ):
                    raise ConfigError(f"{_option_name(option.name)}: it holds bytes that are not UTF-8")

    @property
    def gates(self) -> tuple[Gate, ...]:
        """`fail_under`, parsed; raises `ConfigError` for one that cannot be read."""
        return tuple(Gate.parse(text) for text in self.fail_under)

    def identity(self) -> str:
        """Eight hexadecimal digits that name what is asked of whom: the same for a resumed run."""
        later = (one for one in self.options() if one.name in OMITTED_AT_DEFAULT_FIELDS)
        unset = {one.name for one in later if getattr(self, one.name) == field_default(one)}
        asked = self._values_without(NON_IDENTITY_FIELDS | unset)
        return hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=4).hexdigest()

    def recorded(self) -> dict[str, Any]:
        """The configuration as run.json holds it. It has no secret in it: a key is only ever named."""
        return self._values_without(OUTPUT_FIELDS)

    def _values_without(self, left_out: Collection[str]) -> dict[str, Any]:
        names = (option.name for option in self.options() if option.name not in left_out)
        return {name: to_plain(getattr(self, name)) for name in names}

    def command(self, *, with_output: bool = False) -> str:
        """The command line that gives this configuration; with `with_output`, in the same folder."""
        left_out = {"fresh"} if with_output else OUTPUT_FIELDS
        words = (shlex.quote(word) for word in self._words(left_out))
        return " ".join([f"evalsuite {self.command_name}", *words])

    def _words(self, left_out: Collection[str]) -> Iterator[str]:
        for declared in self.options():
            name, value = declared.name, getattr(self, declared.name)
            if name in left_out or value == field_default(declared):
                continue
            option = "-d" if name == "datasets" else _option_name(name)
            if name == "datasets" and self.command_name == "score":
                yield from value
            elif name in FLAG_FIELDS:
                yield option
            elif name == "backend_arg":
                for key, text in value.items():
                    yield from (option, f"{key}={text}")
            elif isinstance(value, tuple):
                for text in value:
                    yield from (option, text)
            else:
                yield from (option, str(value))


class ScoreConfig(RunConfig):
    """The same for predictions that are there already: the fields that say what is asked of a model are refused."""

    command_name: ClassVar[str] = "score"
    no_datasets_message: ClassVar[str] = (
        "no predictions: name at least one [kind:]path, such as qa:answers.jsonl"
    )

    def _check_source(self) -> None:
        """No model is named, and nothing that one would be asked."""
        needed = JUDGE_REQUEST_FIELDS if self.judge_model else frozenset()
        if self.judge_model == SELF_JUDGE:
            raise ConfigError(
                f"--judge-model {SELF_JUDGE}: no model is asked here; name a judge with --judge-base-url URL --judge-model NAME"
            )
        if asked := sorted(REQUEST_FIELDS & self.given - needed):
            options = " ".join(map(_option_name, asked))
            raise ConfigError(f"{options}: predictions are scored as they are; no model is asked")

    def recorded(self) -> dict[str, Any]:
        """See `RunConfig.recorded`."""
        return self._values_without(OUTPUT_FIELDS | REQUEST_FIELDS)


class DeployConfig(RunConfig):
    """Models to serve, and nothing to ask them."""

    command_name: ClassVar[str] = "deploy"
    no_datasets_message: ClassVar[str] = ""


class ValidateConfig(RunConfig):
    """Data to check, and nobody to ask."""

    command_name: ClassVar[str] = "validate"

    def _check_source(self) -> None:
        """No model is named."""


class LiveConfig(RunConfig):
    """The same for a model that is in memory already, in the middle of its training: none is named."""

    def _check_source(self) -> None:
        """Nothing says who is asked."""
        if named := sorted(MODEL_FIELDS & self.given):
            raise ConfigError(f"{', '.join(named)}: the model that is being trained is asked; leave it out")


ConfigT = TypeVar("ConfigT", bound=RunConfig)


def build_config(values: Mapping[str, Any], source: str = "") -> RunConfig:
    """A `RunConfig` from option values; raises `ConfigError` that names every wrong one."""
    return _build(RunConfig, values, source)


def build_score_config(values: Mapping[str, Any], source: str = "") -> ScoreConfig:
    """A `ScoreConfig` from option values; raises `ConfigError` that names every wrong one."""
    return _build(ScoreConfig, values, source)


def build_live_config(values: Mapping[str, Any]) -> LiveConfig:
    """A `LiveConfig` from option values; raises `ConfigError` that names every wrong one."""
    return _build(LiveConfig, values, "")


def build_deploy_config(values: Mapping[str, Any]) -> DeployConfig:
    """A `DeployConfig` from option values; raises `ConfigError` that names every wrong one."""
    return _build(DeployConfig, values, "")


def _build(form: type[ConfigT], values: Mapping[str, Any], source: str) -> ConfigT:
    """Accepts `dataset` and `max-tokens` as well."""
    named = {str(key).replace("-", "_"): value for key, value in values.items()}
    if "dataset" in named:
        named["datasets"] = named.pop("dataset")
    if isinstance(named.get("price"), list | tuple):
        named["price"] = ",".join(map(str, named["price"]))
    names = [option.name for option in form.options()]
    unknown = [_unknown_option(name, names) for name in named if name not in names]
    known = {name: value for name, value in named.items() if name in names}
    try:
        config = form(**known, given=frozenset(known))
    except ConfigError as error:
        raise _config_error([*unknown, str(error)], source) from error
    if unknown:
        raise _config_error(unknown, source)
    return config


def parse_price(text: str | None) -> tuple[float, float] | None:
    """`--price IN,OUT`, parsed: what a million tokens of prompts and of replies cost; None for what is none."""
    match = _PRICE.fullmatch(text) if text else None
    return (float(match[1]), float(match[2])) if match else None


def _config_error(faults: list[str], source: str) -> ConfigError:
    return ConfigError((f"{source}: " if source else "") + "\n".join(faults))


def _unknown_option(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else f" The keys are: {', '.join(names)}."
    return f"'{name}' is not an option.{hint}"


def _value_error(name: str, given: Any, why: str) -> str:
    shown = "" if name in UNQUOTED_FIELDS else f" {given!r}"
    return f"{_option_name(name)}{shown}: {why}"


def _option_name(name: str) -> str:
    """A field as it is written on the command line."""
    return f"--{name.replace('_', '-')}"


def _is_bad_folder_name(name: str) -> bool:
    return not name.strip() or name in (".", "..") or any(character in name for character in "/\\\0")


def read_config_file(path: Path) -> dict[str, Any]:
    """The options in a YAML file, not yet checked; raises `ConfigError` when it cannot be read."""
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


def _is_template(key: str, text: str) -> bool:
    """Whether an argument of a server names a Jinja template; LMDeploy has a form of its own."""
    return key.lstrip("-").replace("-", "_") == "chat_template" and not text.endswith(".json")
