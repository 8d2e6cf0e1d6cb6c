"""Request bodies → generation settings. A field that cannot be honoured is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HTTP_BAD_REQUEST = 400
HTTP_NOT_FOUND = 404
MOST_TOP_LOGPROBS = 100
DEFAULT_COMPLETION_TOKENS = 16
"""OpenAI's default for /completions; a chat reply may continue to the end of the context."""
UNSUPPORTED_FIELDS: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "presence_penalty": (0, 0.0),
    "frequency_penalty": (0, 0.0),
    "logit_bias": ({},),
    "suffix": ("",),
    "response_format": ({"type": "text"},),
    "tool_choice": ("auto", "none"),
    "functions": ([],),
    "guided_json": (),
    "guided_regex": (),
    "guided_choice": (),
    "structured_outputs": (),
    "min_tokens": (0,),
    "use_beam_search": (False,),
    "length_penalty": (1, 1.0),
    "bad_words": ([],),
    "truncate_prompt_tokens": (),
    "lora": (),
}
"""Fields that this server does not support → the values that have no effect and are accepted."""


class InvalidRequest(Exception):
    """A request that is refused, with the HTTP status and the message."""

    def __init__(self, message: str, status: int = HTTP_BAD_REQUEST) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a reply is generated and what is reported about it."""

    max_tokens: int | None
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    seed: int | None
    stop: tuple[str, ...]
    stop_token_ids: tuple[int, ...]
    ignore_eos: bool
    include_stop: bool
    skip_special_tokens: bool
    logprobs: int | None
    """Number of most probable tokens to report per token; None for no log-probabilities."""
    prompt_logprobs: int | None
    echo: bool
    stream: bool
    stream_usage: bool


def read_settings(body: Mapping[str, Any], defaults: Mapping[str, Any], *, chat: bool) -> Settings:
    """Read the settings of a request. `defaults`: those of the model's generation_config. Raises `InvalidRequest`."""
    for name, neutral in UNSUPPORTED_FIELDS.items():
        value = body.get(name)
        if value is not None and value not in neutral:
            raise InvalidRequest(f"'{name}' is not supported by this server; leave it out.")
    top = _logprobs(body, chat=chat)
    prompt_logprobs = _whole(body, "prompt_logprobs", 0)
    stream = _flag(body, "stream")
    options = body.get("stream_options")
    echo = not chat and _flag(body, "echo")
    if chat and body.get("echo"):
        raise InvalidRequest("'echo' is of /completions; for chat ask for prompt_logprobs.")
    if stream and (prompt_logprobs is not None or (echo and top is not None)):
        raise InvalidRequest("log-probabilities of the prompt are not streamed; leave out 'stream'.")
    tokens = _whole(body, "max_completion_tokens", 0)
    tokens = _whole(body, "max_tokens", 0) if tokens is None else tokens
    if tokens == 0 and not echo:
        raise InvalidRequest("max_tokens must be at least 1 (0 only with 'echo').")
    return Settings(
        max_tokens=tokens if tokens is not None or chat else DEFAULT_COMPLETION_TOKENS,
        temperature=_number(body, "temperature", _default(defaults, "temperature", 1.0), 0.0, 100.0),
        top_p=_number(body, "top_p", _default(defaults, "top_p", 1.0), 0.0, 1.0),
        top_k=int(_number(body, "top_k", _default(defaults, "top_k", 0), -1, 1e9)),
        min_p=_number(body, "min_p", _default(defaults, "min_p", 0.0), 0.0, 1.0),
        repetition_penalty=_number(
            body, "repetition_penalty", _default(defaults, "repetition_penalty", 1.0), 1e-6, 100.0
        ),
        seed=_whole(body, "seed", None),
        stop=_stop(body.get("stop")),
        stop_token_ids=tuple(_token_ids(body.get("stop_token_ids") or [], "stop_token_ids")),
        ignore_eos=_flag(body, "ignore_eos"),
        include_stop=_flag(body, "include_stop_str_in_output"),
        skip_special_tokens=_flag(body, "skip_special_tokens", default=True),
        logprobs=top,
        prompt_logprobs=prompt_logprobs,
        echo=echo,
        stream=stream,
        stream_usage=isinstance(options, Mapping) and bool(options.get("include_usage")),
    )


def read_messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read the messages, their contents as texts. Raises `InvalidRequest`."""
    found = body.get("messages")
    if not isinstance(found, list) or not found:
        raise InvalidRequest("'messages' must be a list of at least one message.")
    return [_message(message) for message in found]


def read_prompt(body: Mapping[str, Any]) -> str | list[int]:
    """Read the prompt of a completion: one text or one list of token ids. Raises `InvalidRequest`."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, list) and prompt and all(isinstance(item, int) for item in prompt):
        return _token_ids(prompt, "prompt")
    raise InvalidRequest(
        "'prompt' must be one text or one list of token ids; send several prompts as several requests."
    )


def _message(message: Any) -> dict[str, Any]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise InvalidRequest("every message is an object with a 'role'.")
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
        if len(parts) != len(content):
            raise InvalidRequest("only texts can be the content of a message here; no images, no audio.")
        return {**message, "content": "".join(str(part.get("text", "")) for part in parts)}
    if content is not None and not isinstance(content, str):
        raise InvalidRequest("the content of a message is a text or a list of texts.")
    return {**message, "content": content or ""}


def _logprobs(body: Mapping[str, Any], *, chat: bool) -> int | None:
    if not chat:
        return _whole(body, "logprobs", 0, MOST_TOP_LOGPROBS)
    if not _flag(body, "logprobs"):
        if body.get("top_logprobs"):
            raise InvalidRequest("'top_logprobs' needs 'logprobs': true.")
        return None
    return _whole(body, "top_logprobs", 0, MOST_TOP_LOGPROBS) or 0


def _stop(value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value or []
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise InvalidRequest("'stop' must be a text, or a list of texts, none of them empty.")
    return tuple(texts)


def _default(defaults: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = defaults.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def _number(body: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidRequest(f"'{name}' must be a number from {least:g} to {most:g}.")
    return float(value)


def _whole(body: Mapping[str, Any], name: str, least: int | None, most: int | None = None) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(f"'{name}' must be a whole number.")
    if (least is not None and value < least) or (most is not None and value > most):
        raise InvalidRequest(
            f"'{name}' must be from {least} to {most if most is not None else 'as many as you like'}."
        )
    return value


def _flag(body: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidRequest(f"'{name}' must be true or false.")
    return value


def _token_ids(values: Sequence[Any], name: str) -> list[int]:
    if not isinstance(values, list) or not all(
        isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values
    ):
        raise InvalidRequest(f"'{name}' must be a list of token ids.")
    return list(values)
