"""Finds hub models that are already on this machine. Never downloads.

Layouts: huggingface_hub's cache (`models--ORG--NAME/refs/main` names a commit, `snapshots/COMMIT/` holds its files) and
ModelScope's (`models/ORG/NAME`, in which a dot of the name is `___`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
MAIN = "main"


def looks_like_hub_id(text: str) -> bool:
    """Whether a text is ORG/NAME and nothing else."""
    return bool(HUB_ID.fullmatch(text)) and not text.startswith(".") and not text.endswith(".gguf")


def cached_folder(hub_id: str) -> Path | None:
    """The folder of a model in the local caches; None if no cache has it."""
    return next((folder for folder in _candidates(hub_id) if folder.is_dir()), None)


def hub_cache() -> Path:
    """huggingface_hub's cache of models: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub."""
    own = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if own:
        return Path(own).expanduser()
    home = os.environ.get("HF_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home or f"{cache}/huggingface").expanduser() / "hub"


def _candidates(hub_id: str) -> Iterator[Path]:
    repository = hub_cache() / f"models--{hub_id.replace('/', '--')}"
    try:
        commit = (repository / "refs" / MAIN).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        commit = ""
    if commit:
        yield repository / "snapshots" / commit
    snapshots = repository / "snapshots"
    if snapshots.is_dir():
        yield from sorted(snapshots.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)[:1]
    root = Path(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope").expanduser()
    name = hub_id.replace(".", "___")
    for middle in ("models", "hub/models", "hub"):
        yield root / middle / name
