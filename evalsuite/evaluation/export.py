"""`evalsuite export`: what a run makes for itself, and more, made for the user under a name of theirs.

Everything that can be known before (names, forms, libraries, calibration data, space) is checked before anything is loaded. What
is made stands under its name only when it was loaded again and found near its source.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalsuite.backends.devices import has_gpu
from evalsuite.conversion.gguf import convert_into
from evalsuite.conversion.llama_cpp import CONVERTED, QUANTIZED
from evalsuite.conversion.merge import merge_into
from evalsuite.conversion.prepare import MERGES, is_complete, merged_folder, weights_bytes
from evalsuite.conversion.quantize import quantize_into
from evalsuite.conversion.requirements import (
    MERGE_PACKAGES,
    READ_PACKAGES,
    find_library,
    require_gguf_tools,
    require_llama_cpp,
    require_packages,
    require_swift,
)
from evalsuite.conversion.staging import check_space, publish, staging_folder, write_manifest
from evalsuite.conversion.verification import ConversionResult
from evalsuite.conversion.worker import Worker
from evalsuite.errors import CheckpointError, ConfigError, ServerError
from evalsuite.models.adapters import GGUF_MAGIC
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.models.folder import MANIFEST
from evalsuite.models.quantization import EXPORT_METHODS
from evalsuite.models.recognise import find_checkpoint
from evalsuite.models.variants import find_variants, merged

logger = logging.getLogger(__name__)

ANOTHER_PLACE = "name a place on a larger disk with --out, that can be written."
BITS_OF_SOURCE = 16
GGUF_SUFFIX = ".gguf"
MAX_CALIBRATION_TOKENS = 2048
"""Longest calibration prompt, in tokens. Longer ones tell little more about the weights."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The result of an export."""

    path: Path
    size: int
    """Bytes."""
    source_size: int
    seconds: float
    made: ConversionResult


@dataclass(frozen=True, slots=True)
class Destination:
    """The path of the result, and whether it may replace what is there."""

    out: Path
    force: bool = False


def export_merge(ckpt: str, adapter: str | None, place: Destination, log: Path) -> ExportResult:
    """Merge adapters into their base. Raises `InputError` before any work, `ServerError`, `FidelityError`."""
    source = _source(ckpt, adapter)
    if not source.recipe:
        raise ConfigError(
            f"--ckpt {ckpt}: there is no adapter to merge; name one with --adapter PATH, or give an adapter's folder as --ckpt."
        )
    _refuse_place(place, source, file=False)
    _refuse_unmergeable(source)
    assert source.path
    size = weights_bytes(source.path)
    check_space(place.out, size, ANOTHER_PLACE)
    began = time.monotonic()
    with staging_folder(place.out, ANOTHER_PLACE) as staging:
        result = staging / place.out.name
        facts = merge_into(source, result, Worker(log))
        return _publish_result(result, "merge", source, facts, place, size, began)


def export_quantized(
    ckpt: str,
    adapter: str | None,
    method: str,
    place: Destination,
    log: Path,
    *,
    calibration: str | None = None,
    rows: int,
) -> ExportResult:
    """Quantize a checkpoint by a method of `EXPORT_METHODS`. An adapter is merged first. Raises as `export_merge` does."""
    if method not in EXPORT_METHODS:
        known = "\n".join(f"  {name:<14}{how.description}" for name, how in EXPORT_METHODS.items())
        raise ConfigError(f"--method {method}: not one of the methods:\n{known}")
    how = EXPORT_METHODS[method]
    if how.calibrated and calibration is None:
        raise ConfigError(
            f"--method {method} is calibrated by prompts: give --calibration [KIND:]PATH, any file that `evalsuite run -d` takes."
        )
    if calibration is not None and not how.calibrated:
        fit = ", ".join(name for name, one in EXPORT_METHODS.items() if one.calibrated)
        raise ConfigError(
            f"--method {method} takes no calibration data; leave out --calibration, or take one of {fit}."
        )
    source = _source(ckpt, adapter)
    _refuse_place(place, source, file=False)
    if how.without_gpu and not has_gpu():
        raise ServerError(
            f"--method {method} is made on a GPU only, and there is none here. Take {how.without_gpu}, which is made anywhere."
        )
    find_library(method)
    require_packages(READ_PACKAGES, "export", "transformers")
    _refuse_unmergeable(source)
    data: dict[str, Any] = {}
    prompts: Sequence[Mapping[str, Any]] = ()
    if calibration is not None:
        from evalsuite.evaluation.calibration import read_calibration_prompts

        prompts, data = read_calibration_prompts(calibration, rows)
        logger.info("calibration: %d prompts of %s", len(prompts), calibration)
    assert source.path
    size = weights_bytes(source.path)
    check_space(place.out, size * (how.share + (1 if source.recipe else 0)), ANOTHER_PLACE)
    began = time.monotonic()
    with staging_folder(place.out, ANOTHER_PLACE) as staging:
        worker = Worker(log)
        result = staging / place.out.name
        folder = _merged_source(source, staging, worker)
        facts = quantize_into(folder, method, result, worker, prompts, MAX_CALIBRATION_TOKENS)
        settings = {"method": method, **facts.settings, **data}
        return _publish_result(
            result, "quantize", source, replace(facts, settings=settings), place, size, began
        )


def export_gguf(ckpt: str, adapter: str | None, kind: str, place: Destination, log: Path) -> ExportResult:
    """Convert a checkpoint to one GGUF file. An adapter is merged first. Raises as `export_merge` does."""
    kind = kind.upper()
    known = [name for name in (*CONVERTED, *QUANTIZED) if name != "AUTO"]
    if kind not in known:
        raise ConfigError(f"--quant {kind}: not one of the types: {', '.join(known)}.")
    if place.out.suffix != GGUF_SUFFIX:
        raise ConfigError(
            f"--out {place.out}: one file is written; give it a name that ends in {GGUF_SUFFIX}."
        )
    source = _source(ckpt, adapter)
    _refuse_place(place, source, file=True)
    require_gguf_tools(kind)
    require_llama_cpp()
    require_packages(READ_PACKAGES, "export", "gguf")
    _refuse_unmergeable(source)
    assert source.path
    size = weights_bytes(source.path)
    bits = {**CONVERTED, **QUANTIZED}[kind] + (BITS_OF_SOURCE if kind in QUANTIZED else 0)
    check_space(place.out, size * (bits / BITS_OF_SOURCE + (1 if source.recipe else 0)), ANOTHER_PLACE)
    began = time.monotonic()
    with staging_folder(place.out, ANOTHER_PLACE) as staging:
        worker = Worker(log)
        result = staging / place.out.name
        facts = convert_into(_merged_source(source, staging, worker), kind, result, worker)
        return _publish_result(result, "gguf", source, facts, place, size, began)


def manifest_of(path: Path) -> Path:
    """The manifest's path: in the folder of an export, or beside its file."""
    return path.with_name(f"{path.name}.{MANIFEST}") if path.suffix == GGUF_SUFFIX else path / MANIFEST


def _source(ckpt: str, adapter: str | None) -> Checkpoint:
    """Find the original checkpoint, with the adapters to merge as its recipe."""
    found = find_variants([ckpt], [adapter] if adapter else [])[-1]
    if found.adapters and not found.recipe:
        found = merged(found)
    if found.form != "original":
        raise CheckpointError(
            f"--ckpt {ckpt}: it is of the form '{found.form}'; exports are made of an original Hugging Face folder, with or without adapters. "
            "Give what this was made from."
        )
    return found


def _refuse_unmergeable(source: Checkpoint) -> None:
    """Raise an error if something must be merged and the libraries for it are missing."""
    if "llama-pro" in source.recipe:
        require_swift(source)
    elif source.recipe:
        require_packages(MERGE_PACKAGES, "merging", "transformers")


def _refuse_place(place: Destination, source: Checkpoint, *, file: bool) -> None:
    """Raise `ConfigError` if the destination exists, unless --force is given and an export made it."""
    out = place.out
    paths = [source.path, *(adapter.path for adapter in source.adapters)]
    here = out.resolve()
    for path in paths:
        there = path.resolve() if path else here
        if here == there or here in there.parents:
            raise ConfigError(
                f"--out {out}: that is where {path} stands, of which it is to be made; name another place."
            )
    if not out.exists() and not out.is_symlink():
        return
    if not place.force:
        raise ConfigError(
            f"--out {out}: it is there already; name another place, or add --force to replace it."
        )
    replaceable = _is_gguf(out) if file else out.is_dir() and (is_complete(out) or not any(out.iterdir()))
    if not replaceable or out.is_symlink():
        raise ConfigError(
            f"--out {out}: --force replaces what `evalsuite export` made, and this is something else; remove it yourself or name another place."
        )


def _is_gguf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(GGUF_MAGIC)) == GGUF_MAGIC


def _merged_source(source: Checkpoint, staging: Path, worker: Worker) -> Path:
    """A Hugging Face folder without adapters: the source's own, a merged one from the cache, or one that is merged now."""
    assert source.path
    if not MERGES & set(source.recipe):
        return source.path
    kept = merged_folder(source)
    if is_complete(kept):
        return kept
    folder = staging / "merged"
    merge_into(source, folder, worker)
    return folder


def _publish_result(
    result: Path,
    made_by: str,
    source: Checkpoint,
    facts: ConversionResult,
    place: Destination,
    size: int,
    began: float,
) -> ExportResult:
    """Recognise the result as `run --ckpt` would, write its manifest, and move it to its destination."""
    found = find_checkpoint(str(result))
    seconds = time.monotonic() - began
    manifest = manifest_of(result)
    about = {
        **facts.to_json(),
        "result": {"form": found.form, "fingerprint": found.fingerprint},
        "seconds": round(seconds, 1),
    }
    write_manifest(manifest, made_by, source, about)
    if manifest.parent != result:
        publish(manifest, manifest_of(place.out))
    publish(result, place.out)
    files = [place.out] if place.out.is_file() else [file for file in place.out.iterdir() if file.is_file()]
    return ExportResult(place.out, sum(file.stat().st_size for file in files), size, seconds, facts)
