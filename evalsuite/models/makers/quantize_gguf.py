"""Quantize a GGUF file by llama.cpp's own function, out of the library that llama-cpp-py-sync brings.

The job: `source`, `target`, `type` (such as `Q4_K_M`), `threads`.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from evalsuite.models.makers import report, say, told


def main() -> None:
    """Quantize as the job says."""
    job = told()
    from llama_cpp_py_sync import _cffi_bindings as bindings

    library: Any = bindings.get_lib()
    settings = library.llama_model_quantize_default_params()
    settings.ftype = getattr(library, f"LLAMA_FTYPE_MOSTLY_{job['type']}")
    settings.nthread = job["threads"]
    say(f"quantizing to {job['type']}")
    given = bindings.get_ffi().new("llama_model_quantize_params *", settings)
    code = library.llama_model_quantize(job["source"].encode(), job["target"].encode(), given)
    if code:
        message = f"llama_model_quantize ended with {code}"
        raise RuntimeError(message)
    report({"made_with": {"llama-cpp-py-sync": version("llama-cpp-py-sync")}})
