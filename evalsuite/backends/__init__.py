"""Serves models: one file an engine, behind the small protocol in `base`. A new engine is also a name in `BACKENDS` and a
column in `compatibility`.

May import: `models`, `endpoint`, `_util`.
Must not import: datasets, tasks or runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from evalsuite.backends.base import Backend

BACKENDS: Mapping[str, str] = {
    "llamacpp": "evalsuite.backends.llamacpp:LlamaCppBackend",
    "transformers": "evalsuite.backends.transformers:TransformersBackend",
    "vllm": "evalsuite.backends.vllm:backend",
    "lmdeploy": "evalsuite.backends.lmdeploy:backend",
    "sglang": "evalsuite.backends.sglang:backend",
    "remote": "evalsuite.backends.remote:RemoteBackend",
}
"""The name that `--backend` takes → module:attribute."""


def open_backend(name: str) -> Backend:
    """The backend with this name; only its own module is imported."""
    module, _, attribute = BACKENDS[name].partition(":")
    found: Backend = getattr(import_module(module), attribute)()
    return found
