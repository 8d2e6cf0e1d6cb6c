"""Chat templates: reads that of `--chat-template` and that of a checkpoint, and identifies them by a hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import ConfigError

TEMPLATE_FILE = "chat_template.jinja"
TOKENIZER_CONFIG = "tokenizer_config.json"
HASH_DIGITS = 12
NO_TEMPLATE = "none"
_JINJA = re.compile(r"\{\{|\{%")
_TRAINING_MARKS = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
"""A tag that transformers adds to Jinja for training. It renders nothing."""


def read_template(given: str) -> str:
    """The text of `--chat-template FILE|TEXT`. Raises `ConfigError` if it is neither or cannot render messages."""
    text, place = _text_of(given)
    _check_syntax(text, place)
    if "messages" not in text:
        raise ConfigError(f"{place}: not a chat template: it never uses `messages`, which it must render.")
    return text


def _text_of(given: str) -> tuple[str, str]:
    """The template, and its name in errors."""
    if _JINJA.search(given):
        return given, "--chat-template"
    path = Path(given).expanduser()
    place = f"--chat-template {given}"
    try:
        return path.read_text(encoding="utf-8"), place
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(
            f"{place}: cannot be read ({why}). Give a file with a Jinja template in it, or the template itself."
        ) from error


def _check_syntax(text: str, place: str) -> None:
    from jinja2 import Environment, TemplateSyntaxError

    try:
        Environment(extensions=["jinja2.ext.loopcontrols"]).parse(_TRAINING_MARKS.sub("", text))  # noqa: S701 - never rendered
    except TemplateSyntaxError as error:
        raise ConfigError(
            f"{place}: not a valid Jinja template (line {error.lineno}: {error.message})."
        ) from error


def find_template(folder: Path) -> str | Mapping[str, str] | None:
    """The chat template of a Hugging Face folder as transformers reads it: one, several by name, or None."""
    try:
        return (folder / TEMPLATE_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        pass
    try:
        config = json.loads((folder / TOKENIZER_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return _named(config.get("chat_template")) if isinstance(config, dict) else None


def _named(found: Any) -> str | Mapping[str, str] | None:
    """Read one template, or several as `[{"name": …, "template": …}]`."""
    if isinstance(found, list):
        return {str(one.get("name")): str(one.get("template")) for one in found if isinstance(one, dict)}
    return found if isinstance(found, str) else None


def template_hash(template: str | Mapping[str, str] | None) -> str:
    """Twelve hexadecimal digits that identify a template; `none` if there is none."""
    if not template:
        return NO_TEMPLATE
    text = template if isinstance(template, str) else json.dumps(template, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]
