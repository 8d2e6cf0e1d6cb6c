"""The weights, their tokenizer and their adapters: loaded once, selected by name."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from evalsuite.backends.transformers_server.request_parser import InvalidRequest
from evalsuite.models.load_time_quantization import load_time_config
from evalsuite.models.templates import template_hash

CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "n_ctx")
DEFAULT_CONTEXT_TOKENS = 4096
"""Used if the configuration does not say."""
QUANTIZED_DTYPES = ("load_in_8bit", "load_in_4bit")


class BadArgument(Exception):
    """An argument of the user that cannot be used."""


@dataclass(frozen=True)
class ServedName:
    """A model name that requests may give: its adapters in order, and the tokenizer with its template."""

    name: str
    adapters: tuple[str, ...]
    paths: tuple[str, ...]
    tokenizer: Any


class NamedModel:
    """A causal model under one or more names, each with a tokenizer and adapters. Use it from one thread at a time.

    This class has one name without adapters; `LoadedModel` adds others.
    """

    guard: Callable[[], AbstractContextManager[Any]] = staticmethod(torch.inference_mode)
    """Disables what only training needs."""

    def __init__(self, model: Any, tokenizer: Any, name: str, *, device: str, path: str) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.device = device
        self.path = path
        self.names = {name: ServedName(name, (), (), tokenizer)}
        self._adapter_ids: dict[str, str] = {}
        self._active: tuple[str, ...] | None = None
        self._measure(None)

    def _measure(self, most_tokens: int | None) -> None:
        """Read the model's properties."""
        self.dtype = str(self.model.dtype).removeprefix("torch.")
        self.context = min(most_tokens or 1 << 30, _context(self.model.config))
        self.vocabulary = int(self.model.get_input_embeddings().weight.shape[0])
        takes = inspect.signature(_innermost(self.model).forward).parameters
        self._takes_logits_to_keep = "logits_to_keep" in takes

    def select(self, name: str) -> None:
        """Activate the adapters of a name, and only these."""
        wanted = self.names[name].adapters
        if wanted == self._active or not self._adapter_ids:
            return
        tuner = self.model.base_model
        if wanted:
            tuner.enable_adapter_layers()
            tuner.set_adapter(list(wanted))
        else:
            tuner.disable_adapter_layers()
        self._active = wanted

    def forward(self, *, last_only: bool, **inputs: Any) -> Any:
        """Run a forward pass; with `last_only` only the last position's logits are computed."""
        if last_only and self._takes_logits_to_keep:
            inputs["logits_to_keep"] = 1
        with self.guard():
            return self.model(**inputs, use_cache=True, return_dict=True)

    @property
    def eos(self) -> frozenset[int]:
        """Tokens that end a reply, from the generation config and the tokenizer."""
        found: set[int] = set()
        for value in (
            getattr(self.model.generation_config, "eos_token_id", None),
            self.tokenizer.eos_token_id,
        ):
            found |= (
                set(value) if isinstance(value, list | tuple) else {value} if value is not None else set()
            )
        return frozenset(found)

    @property
    def defaults(self) -> dict[str, Any]:
        """The sampling settings of the model's generation_config.json, for requests that set none."""
        path = Path(self.path) / "generation_config.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not found.get("do_sample", True):
            return {"repetition_penalty": found.get("repetition_penalty")}
        return {
            name: found.get(name) for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
        }

    def template_hash(self, name: str) -> str:
        """The hash of the chat template of a name; `none` if there is none."""
        return template_hash(self.names[name].tokenizer.chat_template)

    def chat_tokens(
        self, name: str, messages: Sequence[Mapping[str, Any]], body: Mapping[str, Any]
    ) -> list[int]:
        """The tokens of messages, rendered by the tokenizer's chat template. Raises `InvalidRequest`."""
        tokenizer = self.names[name].tokenizer
        template = body.get("chat_template") or tokenizer.chat_template
        if not template:
            raise InvalidRequest(f"'{name}' has no chat template (base models have none): use /completions.")
        tools = body.get("tools") or None
        if tools and "tools" not in str(template):
            raise InvalidRequest(f"the chat template of '{name}' does not support 'tools'.")
        more = body.get("chat_template_kwargs") or {}
        goes_on = bool(body.get("continue_final_message"))
        to_answer = body.get("add_generation_prompt", not goes_on)
        try:
            ids = tokenizer.apply_chat_template(
                list(messages),
                tools=tools,
                chat_template=body.get("chat_template"),
                add_generation_prompt=bool(to_answer),
                continue_final_message=goes_on,
                tokenize=True,
                return_dict=True,
                **more,
            )["input_ids"]
        except Exception as error:
            raise InvalidRequest(
                f"the chat template cannot render these messages: {type(error).__name__}: {error}"
            ) from error
        return list(ids)

    def text_tokens(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The tokens of a flat prompt."""
        return list(self.tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"])


class LoadedModel(NamedModel):
    """One base read from a folder, with adapters that are selected by name."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.device = _device(parameters["device"])
        self.path = str(parameters["path"])
        extra = dict(parameters["extra"])
        trust = {"trust_remote_code": bool(extra.pop("trust_remote_code", False))}
        dtype = _dtype(parameters["dtype"], self.device)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(self.path, local_files_only=True, **trust)
        settings = {
            "dtype": dtype,
            "local_files_only": True,
            **_placement(self.device),
            **trust,
            **_quantization(parameters["quant"], dtype),
        }
        self.model: Any = _loaded(self.path, settings, extra)
        self._template: str | None = parameters["chat_template"]
        self.names: dict[str, ServedName] = {}
        self._adapter_ids: dict[str, str] = {}
        self._active: tuple[str, ...] | None = None
        for entry in parameters["models"]:
            self._add(entry["name"], tuple(entry["adapters"]))
        self.model.eval()
        self._measure(parameters["max_model_len"])

    def _add(self, name: str, paths: tuple[str, ...]) -> None:
        ids = tuple(self._adapter_id(path) for path in paths)
        own = next((path for path in reversed(paths) if _has_template(Path(path))), None)
        tokenizer = (
            transformers.AutoTokenizer.from_pretrained(own, local_files_only=True) if own else self.tokenizer
        )
        if self._template is not None:
            tokenizer.chat_template = self._template
        tokenizer(
            "a"
        )  # switches off what truncation its file has: doing so later, while another thread uses it, fails
        self.names[name] = ServedName(name, ids, paths, tokenizer)

    def _adapter_id(self, path: str) -> str:
        """Load an adapter once, however many names use it."""
        if path not in self._adapter_ids:
            import peft

            adapter_id = f"adapter{len(self._adapter_ids)}"
            if self._adapter_ids:
                self.model.load_adapter(path, adapter_name=adapter_id, local_files_only=True)
            else:
                self.model = peft.PeftModel.from_pretrained(
                    self.model, path, adapter_name=adapter_id, local_files_only=True
                )
            self._adapter_ids[path] = adapter_id
        return self._adapter_ids[path]


def _loaded(path: str, settings: Mapping[str, Any], extra: Mapping[str, Any]) -> Any:
    """Load the model. Raises `BadArgument` if loading fails because of an argument of the user."""
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(path, **settings, **extra)
    except (TypeError, ValueError, ImportError) as error:
        words = str(error)
        wrong = [name for name, value in extra.items() if name in words or (value and str(value) in words)]
        if not wrong:
            raise
        raise BadArgument(f"{wrong[0]}={extra[wrong[0]]}: {words.splitlines()[0]}") from error


def _device(wanted: str | None) -> str:
    if wanted:
        return wanted
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _dtype(wanted: str | None, device: str) -> Any:
    """float32 on a CPU, where bfloat16 is slow and its greedy replies differ from a GPU's; bfloat16 elsewhere."""
    if wanted is None:
        return torch.float32 if device == "cpu" else torch.bfloat16
    found = getattr(torch, wanted, None)
    if not isinstance(found, torch.dtype):
        raise BadArgument(f"dtype={wanted}: not a type of numbers (float32, bfloat16, float16)")
    return found


def _placement(device: str) -> dict[str, Any]:
    """Spread the model over several GPUs if there are any; otherwise use the one device."""
    if device == "cuda" and torch.cuda.device_count() > 1:
        return {"device_map": "auto"}
    return {"device_map": device} if device != "cpu" else {}


def _quantization(method: str | None, dtype: Any) -> dict[str, Any]:
    if method is None:
        return {}
    try:
        return {"quantization_config": load_time_config(method, dtype)}
    except KeyError as error:
        raise BadArgument(f"quant={method}: not known to this server") from error


def _context(config: Any) -> int:
    inner = config.get_text_config()
    return next(
        (int(value) for key in CONTEXT_KEYS if isinstance(value := getattr(inner, key, None), int)),
        DEFAULT_CONTEXT_TOKENS,
    )


def _innermost(model: Any) -> Any:
    """The model inside peft's wrapper."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _has_template(path: Path) -> bool:
    """Whether an adapter's folder contains the chat template that it was trained with."""
    if (path / "chat_template.jinja").is_file():
        return True
    try:
        return bool(
            json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
        )
    except (OSError, ValueError, AttributeError):
        return False
