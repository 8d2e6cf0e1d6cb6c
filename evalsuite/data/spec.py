"""`-d [kind:]name-or-path`: what the user named, split into its parts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.errors import ConfigError

SUITE_KINDS = ("evalscope", "opencompass", "vlmeval")
"""Kinds whose benchmarks another suite asks and judges: only `run` takes them."""


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A dataset as the user named it. `kind` is None when it is to be told from the columns."""

    text: str
    kind: str | None
    target: str


def parse_spec(text: str, kinds: Sequence[str]) -> DatasetSpec:
    """Split `mcq:data/ceval` into its kind and its target.

    Raises `ConfigError` for an empty target, an unknown kind, or one that is not available.
    """
    prefix, colon, target = text.partition(":")
    looks_like_kind = bool(colon) and re.fullmatch(r"[A-Za-z][\w-]+", prefix) is not None
    if not looks_like_kind or Path(text).exists():
        kind, target = None, text
    elif prefix in kinds:
        kind = prefix
    elif prefix in SUITE_KINDS:
        raise ConfigError(
            f"{text}: a benchmark that {prefix} asks a model by itself, so only `evalsuite run -d {text}` takes it."
        )
    else:
        known = [*kinds, *SUITE_KINDS]
        close = difflib.get_close_matches(prefix.lower(), known, n=1)
        hint = f" Did you mean '{close[0]}:{target}'?" if close else ""
        raise ConfigError(f"-d {text}: there is no dataset kind '{prefix}'; use {_listing(known)}.{hint}")
    if not target.strip():
        raise ConfigError(
            f"-d {text!r}: no dataset is named; write [kind:]name-or-path, for instance mcq:ceval_val.csv."
        )
    return DatasetSpec(text=text, kind=kind, target=target)


def is_suite_spec(text: str) -> bool:
    """Whether a SPEC is a benchmark of another suite."""
    return text.partition(":")[0] in SUITE_KINDS and ":" in text and not Path(text).exists()


def _listing(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
