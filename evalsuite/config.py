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
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evalsuite.errors import ConfigError
from evalsuite.types import AgentFormat

if TYPE_CHECKING:
    from typing_extensions import Self

Backend: TypeAlias = Literal["auto", "remote", "llamacpp", "transformers", "vllm", "lmdeploy", "sglang"]
OnError: TypeAlias = Literal["fail", "skip", "wrong"]
McqMode: TypeAlias = Literal["generate", "logprob"]
LangOption: TypeAlias = Literal["auto", "zh", "en"]
PreferenceMode: TypeAlias = Literal["logprob", "reward"]
JUDGE_ITSELF = "self"
"""`--judge-model self`: the model under test judges its own replies, because the user said so."""

LANDING_FIELDS = frozenset({"out", "name", "fresh"})
"""Where results land: not part of what was run, so not in run.json."""
PACE_FIELDS = (
    LANDING_FIELDS
    | {"api_key_env", "judge_api_key_env", "concurrency", "timeout", "stream"}
    | {"on_error", "fail_under", "profile", "baseline", "cache", "price"}
)
"""What may change between two starts of the same run without making it another one: nothing else is asked."""
LATER_FIELDS = frozenset({"model_revision", "judge_revision"})
"""Unset, they leave a run's name what it was before there were such options."""
ASKING_FIELDS = frozenset(
    {"ckpt", "adapter", "merge", "quant", "backend", "backend_arg", "base_url", "model", "api_key_env"}
    | {"model_revision", "cache", "price"}
    | {"shots", "cot", "mcq_mode", "preference_mode"}
    | {"temperature", "max_tokens", "top_p", "seed", "stop", "completions"}
    | {"concurrency", "timeout", "stream"}
)
"""Who is asked and how: of no use where predictions are there already."""
JUDGE_PACE_FIELDS = frozenset({"concurrency", "timeout", "cache"})
"""Those of them that a judge of predictions needs as well."""
UNSHOWN_FIELDS = frozenset({"api_key_env", "backend_arg", "base_url", "judge_api_key_env", "judge_base_url"})
"""A wrong value may be a key, or hold one, so an error does not repeat it."""
FLAG_FIELDS = frozenset({"merge", "cot", "completions", "stream", "fresh"})
_FAIL_UNDER = re.compile(
    r"^(?:(?P<dataset>[^:=]+):)?(?P<metric>[^:=]+)=(?P<value>\d+(?:\.\d+)?|\.\d+)(?P<percent>%?)$"
)
_FAIL_ON_REGRESSION = re.compile(r"^(?P<metric>[^:=]*)(?::(?P<margin>\d+(?:\.\d+)?|\.\d+)(?P<percent>%?))?$")
_SECRET = re.compile(r"api_?key|password|secret|(^|_)(token|auth|authorization|bearer)$")
_PRICE = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*,\s*(\d+(?:\.\d+)?|\.\d+)\s*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Gate(BaseModel):
    """`--fail-under [DATASET:]METRIC=VALUE`, parsed. `value` is in the metric's own unit (0..1 for shares)."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    dataset: str | None
    metric: str
    value: float
    percent: bool = False


class RegressionGate(BaseModel):
    """`--fail-on-regression [METRIC[:MARGIN]]`, parsed; without a metric, whatever is judged. `margin` as in `Gate`."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    metric: str | None = None
    margin: float = 0.0

    def __str__(self) -> str:
        return (self.metric or "") + (f":{self.margin:g}" if self.margin else "")

    @classmethod
    def parse(cls, text: str) -> RegressionGate:
        """The gate a user wrote; the empty text is the one without a metric. Raises `ConfigError`."""
        match = _FAIL_ON_REGRESSION.match(text)
        if match is None:
            raise ConfigError(
                f"--fail-on-regression {text!r}: write METRIC or METRIC:MARGIN, for instance accuracy or accuracy:0.01 or accuracy:1%"
            )
        margin = float(match["margin"] or 0) / (100 if match["percent"] else 1)
        return cls(metric=match["metric"] or None, margin=margin)


class RunConfig(BaseModel):
    """Everything a run needs. Frozen: a changed copy is made with `model_copy(update=…)`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, defer_build=True
    )
    command_name: ClassVar[str] = "run"
    no_datasets: ClassVar[str] = (
        "no dataset: give at least one -d [kind:]name-or-path (`evalsuite datasets` lists the built-in ones)"
    )

    datasets: tuple[str, ...] = Field(min_length=1)
    ckpt: tuple[str, ...] = ()
    adapter: tuple[str, ...] = ()
    merge: bool = False
    quant: tuple[str, ...] = ()
    backend: Backend = "auto"
    backend_arg: dict[str, str] = Field(default_factory=dict)
    base_url: str | None = None
    model: str | None = None
    model_revision: str | None = Field(default=None, min_length=1)
    api_key_env: str = "OPENAI_API_KEY"

    limit: int | None = Field(default=None, ge=1)
    shots: int | None = Field(default=None, ge=0)
    cot: bool = False
    lang: LangOption = "auto"
    profile: tuple[str, ...] = ()
    mcq_mode: McqMode = "generate"
    agent_format: AgentFormat = "react"

    temperature: float = Field(default=0.0, ge=0.0)
    max_tokens: int | None = Field(default=None, ge=1)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    seed: int | None = None
    stop: tuple[str, ...] = ()
    completions: bool = False
    preference_mode: PreferenceMode = "logprob"

    judge_base_url: str | None = None
    judge_model: str | None = None
    judge_revision: str | None = Field(default=None, min_length=1)
    judge_api_key_env: str = "OPENAI_API_KEY"
    judge_max_tokens: int = Field(default=2048, ge=1)

    concurrency: int | Literal["auto"] = "auto"
    timeout: float = Field(default=600.0, gt=0.0)
    on_error: OnError = "fail"
    stream: bool = False
    cache: Path | None = None
    price: str | None = None

    out: Path = Path("reports")
    name: str | None = None
    fresh: bool = False
    fail_under: tuple[str, ...] = ()
    baseline: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _friendly_forms(cls, values: Any) -> Any:
        """Accept `dataset`, `max-tokens`, and one string where a list is meant."""
        if not isinstance(values, Mapping):
            return values
        named = {str(key).replace("-", "_"): value for key, value in values.items()}
        if "dataset" in named:
            named["datasets"] = named.pop("dataset")
        for key in ("datasets", "ckpt", "adapter", "quant", "stop", "fail_under", "profile"):
            if isinstance(named.get(key), str):
                named[key] = (named[key],)
        if isinstance(named.get("price"), list | tuple):
            named["price"] = ",".join(map(str, named["price"]))
        if isinstance(named.get("backend_arg"), Mapping):
            named["backend_arg"] = {str(key): _as_word(item) for key, item in named["backend_arg"].items()}
        return named

    @field_validator("base_url", "judge_base_url")
    @classmethod
    def _complete_url(cls, value: str | None) -> str | None:
        """`http://host:8000` → `http://host:8000/v1`; credentials in a URL are refused."""
        if value is None:
            return None
        parts = urlsplit(value.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError(
                "not an address such as http://127.0.0.1:8000/v1 (it begins with http:// or https://)"
            )
        if not _is_host(parts.hostname):
            raise ValueError(
                "the host's name is not one (white space, an empty part, or more than 63 characters in one)"
            )
        if "@" in parts.netloc:
            raise ValueError(
                "it holds a user name or password; put the key into an environment variable (--api-key-env)"
            )
        if parts.query or parts.fragment:
            raise ValueError("it ends in a query (?…) or a fragment (#…); give the address alone")
        path = parts.path.rstrip("/").removesuffix("/chat/completions").removesuffix("/completions")
        return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"

    @field_validator("api_key_env", "judge_api_key_env")
    @classmethod
    def _variable(cls, value: str) -> str:
        if not _VARIABLE.fullmatch(value):
            raise ValueError("the name of an environment variable is meant, never the key itself")
        return value

    @field_validator("backend_arg")
    @classmethod
    def _no_secret(cls, value: dict[str, str]) -> dict[str, str]:
        if any(_SECRET.search(key.lower().replace("-", "_")) for key in value):
            raise ValueError("a key is never an option's value; servers read it from the environment")
        return value

    @field_validator("stop")
    @classmethod
    def _some_text(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "" in value:
            raise ValueError("an empty stop string would end every reply at once")
        return value

    @field_validator("out", "cache")
    @classmethod
    def _home_folder(cls, value: Path | None) -> Path | None:
        return value.expanduser() if value else value

    @field_validator("price")
    @classmethod
    def _readable_price(cls, value: str | None) -> str | None:
        if value is not None and parse_price(value) is None:
            raise ValueError(
                "two prices for a million tokens, of prompts and of replies, such as 0.15,0.6 (in any currency)"
            )
        return value

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.strip() or value in (".", "..") or "/" in value or "\\" in value or "\0" in value:
            raise ValueError("a run's name is one folder's name; use --out for the folder above it")
        return value

    @field_validator("concurrency", mode="before")
    @classmethod
    def _positive(cls, value: Any) -> Any:
        if value == "auto" or (re.fullmatch(r"[0-9]+", str(value)) and int(value) >= 1):
            return value
        raise ValueError("a whole number of at least 1, or auto")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._check_source()
        self._check_judge()
        _ = self.gates
        self._refuse_undecodable()
        return self

    def _check_source(self) -> None:
        """Exactly one model is named."""
        if self.ckpt and self.base_url:
            raise ValueError("--ckpt and --base-url are two ways to name the model; give one of them")
        if not self.ckpt and not self.base_url:
            raise ValueError(
                "no model: give --ckpt PATH (smollm2 is a small built-in one) or --base-url URL --model NAME"
            )
        if (self.adapter or self.merge or self.quant) and not self.ckpt:
            raise ValueError(
                "--adapter, --merge and --quant are for servers that evalsuite starts; name the base with --ckpt PATH"
            )
        if self.backend == "remote" and not self.base_url:
            raise ValueError("--backend remote needs --base-url URL")
        if self.base_url and self.backend not in ("auto", "remote"):
            raise ValueError(f"--backend {self.backend} starts a server of its own; leave out --base-url")
        if self.base_url and self.backend_arg:
            raise ValueError(
                "--backend-arg is for servers that evalsuite starts; with --base-url there is none"
            )
        if self.model and not self.base_url:
            raise ValueError(
                "--model names a model at --base-url URL; a checkpoint is named by --ckpt NAME=PATH"
            )
        if self.model_revision and not self.base_url:
            raise ValueError(
                "--model-revision tells apart what is served at --base-url; a checkpoint is known by its files"
            )
        if self.completions and self.agent_format == "openai-tools":
            raise ValueError(
                "--agent-format openai-tools names tools in chat requests; leave out --completions or take "
                "--agent-format toolbench"
            )

    def _check_judge(self) -> None:
        """A judge is named whole, or not at all."""
        if self.judge_revision and not self.judge_base_url:
            raise ValueError("--judge-revision tells apart what is served at --judge-base-url; name that too")
        itself = self.judge_model == JUDGE_ITSELF
        if self.judge_base_url and (not self.judge_model or itself):
            raise ValueError(
                "--judge-base-url is where a judge is: name it with --judge-model NAME"
                + (f"; '{JUDGE_ITSELF}' is the model under test" if itself else "")
            )
        if self.judge_model and not itself and not self.judge_base_url:
            raise ValueError(
                f"--judge-model {self.judge_model}: where is it? Add --judge-base-url URL, "
                f"or say --judge-model {JUDGE_ITSELF} to let the model under test judge its own replies"
            )

    def _refuse_undecodable(self) -> None:
        """Command lines and folder names may hold bytes that are not UTF-8; requests and files cannot."""
        for field in type(self).model_fields:
            value = getattr(self, field)
            for text in value if isinstance(value, tuple) else (value,):
                if not str(text).isprintable() and any(
                    "\ud800" <= letter <= "\udfff" for letter in str(text)
                ):
                    raise ValueError(f"--{field.replace('_', '-')}: it holds bytes that are not UTF-8")

    @property
    def gates(self) -> tuple[Gate, ...]:
        """`fail_under`, parsed; raises `ValueError` for one that cannot be read."""
        return tuple(_parse_gate(text) for text in self.fail_under)

    def identity(self) -> str:
        """Eight hexadecimal digits that name what is asked of whom: the same for a resumed run."""
        absent = {field for field in LATER_FIELDS if getattr(self, field) is None}
        asked = self.model_dump(mode="json", exclude=set(PACE_FIELDS) | absent)
        return hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=4).hexdigest()

    def recorded(self) -> dict[str, Any]:
        """The configuration as run.json holds it. It has no secret in it: a key is only ever named."""
        return self.model_dump(mode="json", exclude=set(LANDING_FIELDS))

    def command(self, *, landing: bool = False) -> str:
        """The command line that gives this configuration; with `landing`, in the same folder."""
        left_out = {"fresh"} if landing else LANDING_FIELDS
        words = (shlex.quote(word) for word in self._words(left_out))
        return " ".join([f"evalsuite {self.command_name}", *words])

    def _words(self, left_out: Collection[str]) -> Iterator[str]:
        for field, info in type(self).model_fields.items():
            value = getattr(self, field)
            if field in left_out or value == info.get_default(call_default_factory=True):
                continue
            option = "-d" if field == "datasets" else f"--{field.replace('_', '-')}"
            if field == "datasets" and self.command_name == "score":
                yield from value
            elif field in FLAG_FIELDS:
                yield option
            elif field == "backend_arg":
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
    no_datasets: ClassVar[str] = "no predictions: name at least one [kind:]path, such as qa:answers.jsonl"

    def _check_source(self) -> None:
        """No model is named, and nothing that one would be asked."""
        needed = JUDGE_PACE_FIELDS if self.judge_model else frozenset()
        if self.judge_model == JUDGE_ITSELF:
            raise ValueError(
                f"--judge-model {JUDGE_ITSELF}: no model is asked here; name a judge with --judge-base-url URL --judge-model NAME"
            )
        if asked := sorted(ASKING_FIELDS & self.model_fields_set - needed):
            options = " ".join(f"--{field.replace('_', '-')}" for field in asked)
            raise ValueError(f"{options}: predictions are scored as they are; no model is asked")

    def recorded(self) -> dict[str, Any]:
        """See `RunConfig.recorded`."""
        return self.model_dump(mode="json", exclude=set(LANDING_FIELDS | ASKING_FIELDS))


class DeployConfig(RunConfig):
    """Models to serve, and nothing to ask them."""

    command_name: ClassVar[str] = "deploy"

    datasets: tuple[str, ...] = ()


LONGEST_LABEL = 63
"""Of a host's name, between two dots."""

ConfigT = TypeVar("ConfigT", bound=RunConfig)


def _is_host(name: str) -> bool:
    """Whether a name can be looked up at all; asked early, since a resolver answers with an exception of its own."""
    if name.isascii():  # the codec of other scripts takes milliseconds to load
        labels = name.removesuffix(".").split(".")
        return all(0 < len(label) <= LONGEST_LABEL for label in labels) and not re.search(r"\s", name)
    try:
        return bool(name.encode("idna")) and not re.search(r"\s", name)
    except UnicodeError:
        return False


def parse_price(text: str | None) -> tuple[float, float] | None:
    """`--price IN,OUT`, parsed: what a million tokens of prompts and of replies cost; None for what is none."""
    match = _PRICE.fullmatch(text) if text else None
    return (float(match[1]), float(match[2])) if match else None


def _as_word(value: Any) -> str:
    """A YAML value as it is written on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse_gate(text: str) -> Gate:
    match = _FAIL_UNDER.match(text)
    if match is None:
        raise ValueError(
            f"--fail-under {text!r}: write [DATASET:]METRIC=VALUE, for instance accuracy=0.4 or mcq_zh:accuracy=40%"
        )
    value = float(match["value"]) / (100 if match["percent"] else 1)
    return Gate(dataset=match["dataset"], metric=match["metric"], value=value, percent=bool(match["percent"]))


def build_config(values: Mapping[str, Any], source: str = "") -> RunConfig:
    """A `RunConfig` from option values; raises `ConfigError` that names every wrong one."""
    return _built(RunConfig, values, source)


def build_score_config(values: Mapping[str, Any], source: str = "") -> ScoreConfig:
    """A `ScoreConfig` from option values; raises `ConfigError` that names every wrong one."""
    return _built(ScoreConfig, values, source)


def build_deploy_config(values: Mapping[str, Any]) -> DeployConfig:
    """A `DeployConfig` from option values; raises `ConfigError` that names every wrong one."""
    return _built(DeployConfig, values, "")


def _built(form: type[ConfigT], values: Mapping[str, Any], source: str) -> ConfigT:
    try:
        return form.model_validate(dict(values))
    except ValidationError as error:
        lines = [
            _explained(form, detail["loc"], detail["msg"], detail["type"], detail.get("input"))
            for detail in error.errors()
        ]
        place = f"{source}: " if source else ""
        raise ConfigError(place + "\n".join(lines)) from error


def _explained(
    form: type[RunConfig], place: tuple[int | str, ...], message: str, kind: str, given: Any
) -> str:
    message = message.removeprefix("Value error, ")
    if not place:
        return message
    name = str(place[0])
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(name, RunConfig.model_fields, n=1)
        hint = (
            f" Did you mean '{close[0]}'?"
            if close
            else f" The keys are: {', '.join(RunConfig.model_fields)}."
        )
        return f"'{name}' is not an option.{hint}"
    if name == "datasets" and kind in ("missing", "too_short"):
        return form.no_datasets
    shown = "" if name in UNSHOWN_FIELDS else f" {given!r}"
    return f"--{name.replace('_', '-')}{shown}: {message[:1].lower()}{message[1:]}"


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
