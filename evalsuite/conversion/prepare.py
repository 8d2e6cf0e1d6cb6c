"""Checkpoints that have to be made before they can be served: made once, kept in the user's cache under their fingerprint."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite._util.user_cache import cache_folder
from evalsuite.errors import CheckpointError
from evalsuite.models.checkpoint import Adapter, Checkpoint, combine_fingerprints
from evalsuite.models.folder import MANIFEST, read_folder

if TYPE_CHECKING:
    from evalsuite.conversion.produce import ConversionResult
    from evalsuite.conversion.staging import Worker

logger = logging.getLogger(__name__)

DISK_ADVICE = "set EVALSUITE_CACHE to a folder on a larger disk, that can be written."
MERGES = frozenset({"merge", "llama-pro"})


def check_can_be_prepared(checkpoint: Checkpoint) -> None:
    """Raise `ServerError` where what makes it is not installed and it is not there yet."""
    if not MERGES & set(checkpoint.recipe) or is_whole(merged_folder(checkpoint)):
        return
    from evalsuite.conversion.produce import MERGE_PACKAGES, require_packages, require_swift

    if "llama-pro" in checkpoint.recipe:
        require_swift(checkpoint)
    else:
        require_packages(MERGE_PACKAGES, f"--merge: {checkpoint.name}", "transformers")


def made(checkpoint: Checkpoint, log: Path) -> Checkpoint:
    """The checkpoint as it can be served, made now where it is not there yet.

    Raises `CheckpointError` where there is no space for it, `ServerError` with the last lines of the log when making fails.
    """
    if not checkpoint.recipe:
        return checkpoint
    from evalsuite.conversion.staging import Worker

    maker = _Maker(Worker(log))
    for step in checkpoint.recipe:
        checkpoint = maker.merged(checkpoint) if step in MERGES else maker.converted(checkpoint)
    return replace(checkpoint, recipe=())


def merged_folder(checkpoint: Checkpoint) -> Path:
    """Where a merged model is kept: the fingerprints of what it is made of tell which."""
    parts = combine_fingerprints(
        checkpoint.base_fingerprint, *(adapter.fingerprint for adapter in checkpoint.adapters)
    )
    return cache_folder("merged", parts)


def is_whole(folder: Path) -> bool:
    """Whether a folder that was made is there with all its weights."""
    if not (folder / MANIFEST).is_file():
        return False
    try:
        read_folder(folder, str(folder))
    except CheckpointError:
        return False
    return True


def weights_bytes(folder: Path) -> int:
    """What the weights of a Hugging Face folder take on the disk. Raises `CheckpointError`."""
    return sum(file.stat().st_size for file in read_folder(folder, f"--ckpt {folder}").weights)


@dataclass(frozen=True, slots=True)
class _Maker:
    worker: Worker

    def merged(self, checkpoint: Checkpoint) -> Checkpoint:
        from evalsuite.conversion.produce import merge_into
        from evalsuite.conversion.staging import check_space, publish, staging_folder, write_manifest

        folder = merged_folder(checkpoint)
        if not is_whole(folder):
            assert checkpoint.path
            logger.info("merging %s into %s …", checkpoint.name, folder)
            check_space(folder, weights_bytes(checkpoint.path), DISK_ADVICE)
            with staging_folder(folder, DISK_ADVICE) as bench:
                result = bench / folder.name
                facts = merge_into(checkpoint, result, self.worker)
                write_manifest(result / MANIFEST, "merge", checkpoint, facts.to_json())
                publish(result, folder)
        return replace(checkpoint, path=folder, adapters=())

    def converted(self, checkpoint: Checkpoint) -> Checkpoint:
        """The base (or the merged folder) and each adapter as GGUF files."""
        from evalsuite.conversion.llama_cpp import adapter_command, find_converters
        from evalsuite.conversion.produce import convert_into, convert_script

        converters, folder = find_converters(), checkpoint.path
        assert converters
        assert folder
        name = folder.name if folder.parent == cache_folder("merged") else checkpoint.base_fingerprint
        base = cache_folder("gguf", f"{name}.gguf")
        self._convert(
            base, weights_bytes(folder), lambda target: convert_into(folder, "AUTO", target, self.worker)
        )

        def converted(adapter: Adapter) -> Adapter:
            file = cache_folder("gguf", f"{adapter.fingerprint}-lora.gguf")
            self._convert(
                file,
                0,
                lambda target: convert_script(
                    lambda path: adapter_command(converters, adapter.path, folder, path), target, self.worker
                ),
            )
            return replace(adapter, path=file)

        return replace(checkpoint, path=base, adapters=tuple(map(converted, checkpoint.adapters)))

    def _convert(self, target: Path, size: int, write: Callable[[Path], ConversionResult | None]) -> None:
        if target.exists():
            return
        from evalsuite.conversion.staging import check_space, publish, staging_folder

        logger.info("converting into %s …", target)
        check_space(target, size, DISK_ADVICE)
        with staging_folder(target, DISK_ADVICE) as bench:
            write(bench / target.name)
            publish(bench / target.name, target)
