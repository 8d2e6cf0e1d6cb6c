"""How a model is served: one file a server, behind the small protocol in `base`. Knows nothing of datasets.

A new engine is one file here, one name in `BACKENDS` and one column in `table`.
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
"""Name, as `--backend` calls it → where it is."""


def open_backend(name: str) -> Backend:
    """The backend of a name; only its own module is imported."""
    module, _, attribute = BACKENDS[name].partition(":")
    found: Backend = getattr(import_module(module), attribute)()
    return found
