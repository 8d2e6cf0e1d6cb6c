"""Converts Hugging Face folders and adapters to GGUF files with llama.cpp's converters and quantizer (`llama_cpp`)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from evalsuite.conversion.fidelity import compare_readings
from evalsuite.conversion.gguf_probe import read_gguf
from evalsuite.conversion.llama_cpp import (
    CONVERTED,
    QUANTIZER,
    find_converters,
    find_quantizer,
    model_command,
)
from evalsuite.conversion.verification import ConversionResult, read_model_folder, require_close
from evalsuite.conversion.worker import Worker

logger = logging.getLogger(__name__)

SCRIPT_CHILD = (
    "import os, runpy, sys; sys.argv[:] = sys.argv[1:]; sys.path[:] = [os.path.dirname(sys.argv[0]), *filter(None, sys.path)]; "
    "runpy.run_path(sys.argv[0], run_name='__main__'); os.write(int(os.environ['EVALSUITE_NOTE_FD']), b'done\\n')"
)
"""Runs a script that reports nothing itself, and reports that it succeeded."""
PROGRAM_CHILD = (
    "import os, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    "os.write(int(os.environ['EVALSUITE_NOTE_FD']), b'done\\n')"
)


def convert_into(source: Path, kind: str, target: Path, worker: Worker) -> ConversionResult:
    """Write a folder as one GGUF file of a type in `CONVERTED` or `QUANTIZED`. Raises `ServerError`, `FidelityError`."""
    converters, staging = find_converters(), target.parent
    assert converters
    direct = kind in CONVERTED
    full = target if direct else staging / "whole.gguf"
    command = model_command(converters, source, full, kind.lower() if direct else "auto")
    logger.info("converting to GGUF …")
    worker.run([sys.executable, "-c", SCRIPT_CHILD, *command], "the conversion to GGUF")
    made_with = {"converters": str(converters)}
    if not direct:
        made_with |= _quantize(full, kind, target, worker)
        full.unlink()
    before = read_model_folder(source, "the original", staging, worker, sys.executable, device="cpu")
    fidelity = compare_readings(before, read_gguf(target, worker))
    require_close(fidelity, kind)
    return ConversionResult(made_with, {"type": kind}, fidelity)


def run_converter(command: Callable[[Path], Sequence[str]], target: Path, worker: Worker) -> None:
    """Run one of llama.cpp's scripts; `command` gives its command line for the file it writes."""
    worker.run([sys.executable, "-c", SCRIPT_CHILD, *command(target)], "the conversion to GGUF")


def _quantize(full: Path, kind: str, target: Path, worker: Worker) -> dict[str, str]:
    """Make a smaller file of a 16-bit one with llama.cpp's program, or with the package cyllama. Returns what did it."""
    program = find_quantizer()
    if program is None:
        job = {"source": str(full), "target": str(target), "type": kind}
        found = worker.run_script("quantize_gguf", job, target.parent, "the quantization")
        made_with: dict[str, str] = found["made_with"]
        return made_with
    logger.info("quantizing to %s …", kind)
    command = [str(program), str(full), str(target), kind]
    worker.run([sys.executable, "-c", PROGRAM_CHILD, *command], QUANTIZER)
    return {QUANTIZER: str(program)}
