"""One model made of another: adapters merged, new blocks written in, weights quantized, GGUF files; each read again before it is good.

What a run needs (`making`) and what a user asks for (`exporting`) come from here. Every function writes into a folder of the
caller's, which gives the result its name.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evalsuite.backends.interpreters import installed, interpreter, variable
from evalsuite.conversion.fidelity import Fidelity, Reading, compare_readings
from evalsuite.conversion.gguf_probe import read_gguf
from evalsuite.conversion.llama_cpp import (
    CONVERTED,
    QUANTIZED,
    QUANTIZER,
    can_quantize,
    find_converters,
    find_quantizer,
    model_command,
)
from evalsuite.conversion.staging import Worker
from evalsuite.errors import FidelityError, ServerError
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.models.folder import ADAPTER_CONFIG, text_files
from evalsuite.models.quantization import EXPORT_METHODS, LIBRARIES, Library

logger = logging.getLogger(__name__)

MERGE_PACKAGES = ("torch", "transformers", "peft")
READ_PACKAGES = ("torch", "transformers")
SWIFT = "swift"
SWIFT_DISTRIBUTIONS = ("ms-swift",)
SCRIPT_CHILD = (
    "import os, runpy, sys; sys.argv[:] = sys.argv[1:]; sys.path[:] = [os.path.dirname(sys.argv[0]), *filter(None, sys.path)]; "
    "runpy.run_path(sys.argv[0], run_name='__main__'); os.write(int(os.environ['EVALSUITE_NOTE_FD']), b'done\\n')"
)
"""Runs a script that reports nothing by itself; one that ends in an error ends the child."""
PROGRAM_CHILD = (
    "import os, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    "os.write(int(os.environ['EVALSUITE_NOTE_FD']), b'done\\n')"
)
MOST_DIVERGENCE = 3.0
"""In nats, of what is quantized: 4 bits of a small model cost it about 0.3, and what is noise is 8 and more away."""
MERGE_ROUNDING = 0.1
"""In nats, of a merge: what storing the sum in 16 bits costs at most."""
MERGE_SHARE = 0.5
"""Of the way from the base to the adapter: farther from the adapter than this a merged model must not be."""


@dataclass(frozen=True, slots=True)
class ConversionResult:
    """What a library made, with what, and how near it came."""

    made_with: Mapping[str, str]
    settings: Mapping[str, Any]
    fidelity: Fidelity
    changed: Fidelity | None = None
    """How what was merged compares with its base, where there is one."""

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        found: dict[str, Any] = {"settings": dict(self.settings), "made_with": dict(self.made_with)}
        found["probe"] = self.fidelity.to_json()
        if self.changed:
            found["probe_against_base"] = self.changed.to_json()
        return found


def conversion_tools() -> tuple[tuple[str, str], ...]:
    """What can be made here: (what, with which versions or how to get them), for `evalsuite doctor`."""
    absent = [package for package in MERGE_PACKAGES if find_spec(package) is None]
    merge = (
        f"{', '.join(absent)} not installed; run: pip install 'evalsuite[transformers]'"
        if absent
        else "ready"
    )
    found = [("merge", merge)]
    for name, library in LIBRARIES.items():
        there = (library.elsewhere or find_spec(library.module)) and installed(
            name, library.module, library.distributions
        )
        methods = ", ".join(method for method, how in EXPORT_METHODS.items() if how.library == name)
        found.append((f"quantize ({name})", f"{methods}: {there or f'not installed. {library.get}'}"))
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
    """Raise `ServerError` where packages are not installed here, with the extra that brings them."""
    absent = [package for package in packages if find_spec(package) is None]
    if absent:
        raise ServerError(
            f"{what} takes {', '.join(packages)}, and {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed; "
            f"run: pip install 'evalsuite[{extra}]'"
        )


def require_swift(checkpoint: Checkpoint) -> None:
    """Raise `ServerError` where ms-swift, which alone can read its LLaMA-Pro, is not installed."""
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
    """The library of a method of `EXPORT_METHODS` and its Python. Raises `ServerError` where it is not installed."""
    name = EXPORT_METHODS[method].library
    library = LIBRARIES[name]
    python = interpreter(name) if library.elsewhere else sys.executable
    there = (
        installed(name, library.module, library.distributions)
        if library.elsewhere
        else find_spec(library.module)
    )
    if there is None:
        place = f" in {python}" if library.elsewhere and variable(name) in os.environ else ""
        raise ServerError(f"--method {method}: {library.module} is not installed{place}. {library.get}")
    return library, python


def require_gguf_tools(kind: str) -> None:
    """Raise `ServerError` where llama.cpp's converters, or what a type takes besides, are not installed."""
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


def merge_into(checkpoint: Checkpoint, target: Path, worker: Worker) -> ConversionResult:
    """Write a checkpoint's adapters (or the new blocks of LLaMA-Pro) into its base. Raises `ServerError`, `FidelityError`."""
    assert checkpoint.path
    target.mkdir()
    job: dict[str, Any] = {"base": str(checkpoint.path), "target": str(target)}
    if "llama-pro" in checkpoint.recipe:
        (pro,) = checkpoint.adapters
        files = _small_files([checkpoint.path, pro.path.parent])
        job |= {"tuner": str(pro.path.parent), "name": pro.path.name, "files": files}
        found = worker.make("llama_pro", job, target.parent, "writing the new blocks in", interpreter(SWIFT))
    else:
        adapters = [adapter.path for adapter in checkpoint.adapters]
        job |= {"adapters": list(map(str, adapters)), "files": _small_files([checkpoint.path, *adapters])}
        found = worker.make("merge", job, target.parent, "the merge")
    base, source, result = (Reading.parse(found["readings"][name]) for name in ("base", "source", "result"))
    near, moved = compare_readings(source, result), compare_readings(source, base)
    if not near.divergence <= max(MERGE_ROUNDING, MERGE_SHARE * moved.divergence):
        raise FidelityError(
            f"the merged model does not say what {checkpoint.name} says ({near}; the base itself: {moved}). Nothing was kept. Base and adapter may "
            "not belong together, or this version of peft cannot merge this kind; serve the adapter unmerged, or try another version."
        )
    return ConversionResult(found["made_with"], {}, near, compare_readings(base, result))


def quantize_into(
    source: Path, method: str, target: Path, worker: Worker, prompts: Sequence[Mapping[str, Any]], most: int
) -> ConversionResult:
    """Quantize a folder. `prompts` are for methods that are calibrated, `most` tokens of each. Raises `ServerError`, `FidelityError`."""
    how = EXPORT_METHODS[method]
    library, python = find_library(method)
    bench = target.parent
    before = _read(source, "the original", bench, worker, python)
    target.mkdir()
    job = {
        "source": str(source),
        "target": str(target),
        "method": method,
        "scheme": how.scheme,
        "how": how.how,
        "packages": library.distributions,
        "prompts": list(prompts),
        "most_tokens": most,
        "files": _small_files([source]),
    }
    found = worker.make(library.maker, job, bench, f"quantizing by {library.module}", python)
    near = compare_readings(before, _read(target, "what was saved", bench, worker, python, answers=True))
    _refuse_noise(near, method)
    return ConversionResult(found["made_with"], found["settings"], near)


def convert_into(source: Path, kind: str, target: Path, worker: Worker) -> ConversionResult:
    """Write a folder as a GGUF file of a type, of `CONVERTED` or `QUANTIZED`. Raises `ServerError`, `FidelityError`."""
    converters, bench = find_converters(), target.parent
    assert converters
    direct = kind in CONVERTED
    whole = target if direct else bench / "whole.gguf"
    words = model_command(converters, source, whole, kind.lower() if direct else "auto")
    logger.info("converting to GGUF …")
    worker.run([sys.executable, "-c", SCRIPT_CHILD, *words], "the conversion to GGUF")
    made_with = {"converters": str(converters)}
    if not direct:
        made_with |= _quantize_gguf(whole, kind, target, worker)
        whole.unlink()
    before = _read(source, "the original", bench, worker, sys.executable, device="cpu")
    near = compare_readings(before, read_gguf(target, worker))
    _refuse_noise(near, kind)
    return ConversionResult(made_with, {"type": kind}, near)


def convert_script(command: Callable[[Path], Sequence[str]], target: Path, worker: Worker) -> None:
    """Let one of llama.cpp's scripts write a file."""
    worker.run([sys.executable, "-c", SCRIPT_CHILD, *command(target)], "the conversion to GGUF")


def _quantize_gguf(whole: Path, kind: str, target: Path, worker: Worker) -> dict[str, str]:
    """Let llama.cpp make a smaller file of a 16-bit one: by its program where that is found, else by the package. What did it."""
    program = find_quantizer()
    if program is None:
        job = {"source": str(whole), "target": str(target), "type": kind}
        made_with: dict[str, str] = worker.make("quantize_gguf", job, target.parent, "the quantization")[
            "made_with"
        ]
        return made_with
    logger.info("quantizing to %s …", kind)
    words = [str(program), str(whole), str(target), kind]
    worker.run([sys.executable, "-c", PROGRAM_CHILD, *words], QUANTIZER)
    return {QUANTIZER: str(program)}


def _read(
    path: Path,
    what: str,
    bench: Path,
    worker: Worker,
    python: str,
    *,
    device: str | None = None,
    answers: bool = False,
) -> Reading:
    job = {"path": str(path), "what": what, "device": device, "answers": answers}
    return Reading.parse(worker.make("read", job, bench, f"reading {what}", python)["reading"])


def _refuse_noise(near: Fidelity, method: str) -> None:
    if not near.divergence <= MOST_DIVERGENCE:
        raise FidelityError(
            f"{method}: loaded again, the result does not say what the original says ({near}; it answers {near.answer!r}). Nothing was kept. "
            "Take more bits, or calibrate it with more rows."
        )


def _small_files(folders: Sequence[Path]) -> dict[str, str]:
    """What goes along with the weights, by name: those of later folders over those of earlier ones."""
    found: dict[str, str] = {}
    for number, folder in enumerate(folders):
        own = {file.name: str(file) for file in text_files(folder) if file.name != ADAPTER_CONFIG}
        if number:
            own.pop("config.json", None)
        found |= own
    return found
