"""Makes checkpoints that cannot be served as they are. Results stay in the user's cache, under their fingerprint."""

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
    from evalsuite.conversion.verification import ConversionResult
    from evalsuite.conversion.worker import Worker

logger = logging.getLogger(__name__)

DISK_ADVICE = "set EVALSUITE_CACHE to a folder on a larger disk, that can be written."
MERGES = frozenset({"merge", "llama-pro"})


def check_can_be_prepared(checkpoint: Checkpoint) -> None:
    """Raise `ServerError` if the checkpoint must be made and what makes it is not installed."""
    if not MERGES & set(checkpoint.recipe) or is_complete(merged_folder(checkpoint)):
        return
    from evalsuite.conversion.requirements import MERGE_PACKAGES, require_packages, require_swift

    if "llama-pro" in checkpoint.recipe:
        require_swift(checkpoint)
    else:
        require_packages(MERGE_PACKAGES, f"--merge: {checkpoint.name}", "transformers")


def prepare_checkpoint(checkpoint: Checkpoint, log: Path) -> Checkpoint:
    """The checkpoint as it can be served; what is missing in the cache is made now.

    Raises `CheckpointError` if there is no space for it, `ServerError` with the last lines of the log if a step fails.
    """
    if not checkpoint.recipe:
        return checkpoint
    from evalsuite.conversion.worker import Worker

    steps = _Steps(Worker(log))
    for step in checkpoint.recipe:
        checkpoint = steps.merge(checkpoint) if step in MERGES else steps.convert_to_gguf(checkpoint)
    return replace(checkpoint, recipe=())


def merged_folder(checkpoint: Checkpoint) -> Path:
    """The cache folder of a merged model, named after the fingerprints of base and adapters."""
    parts = combine_fingerprints(
        checkpoint.base_fingerprint, *(adapter.fingerprint for adapter in checkpoint.adapters)
    )
    return cache_folder("merged", parts)


def is_complete(folder: Path) -> bool:
    """Whether a folder that a conversion wrote exists with all its weights."""
    if not (folder / MANIFEST).is_file():
        return False
    try:
        read_folder(folder, str(folder))
    except CheckpointError:
        return False
    return True


def weights_bytes(folder: Path) -> int:
    """The size of a Hugging Face folder's weights in bytes. Raises `CheckpointError`."""
    return sum(file.stat().st_size for file in read_folder(folder, f"--ckpt {folder}").weights)


@dataclass(frozen=True, slots=True)
class _Steps:
    worker: Worker

    def merge(self, checkpoint: Checkpoint) -> Checkpoint:
        from evalsuite.conversion.merge import merge_into
        from evalsuite.conversion.staging import check_space, publish, staging_folder, write_manifest

        folder = merged_folder(checkpoint)
        if not is_complete(folder):
            assert checkpoint.path
            logger.info("merging %s into %s …", checkpoint.name, folder)
            check_space(folder, weights_bytes(checkpoint.path), DISK_ADVICE)
            with staging_folder(folder, DISK_ADVICE) as staging:
                result = staging / folder.name
                facts = merge_into(checkpoint, result, self.worker)
                write_manifest(result / MANIFEST, "merge", checkpoint, facts.to_json())
                publish(result, folder)
        return replace(checkpoint, path=folder, adapters=())

    def convert_to_gguf(self, checkpoint: Checkpoint) -> Checkpoint:
        """Convert the base (or the merged folder) and each adapter to GGUF files."""
        from evalsuite.conversion.gguf import convert_into, run_converter
        from evalsuite.conversion.llama_cpp import adapter_command, find_converters

        converters, folder = find_converters(), checkpoint.path
        assert converters
        assert folder
        name = folder.name if folder.parent == cache_folder("merged") else checkpoint.base_fingerprint
        base = cache_folder("gguf", f"{name}.gguf")
        self._write_once(
            base, weights_bytes(folder), lambda target: convert_into(folder, "AUTO", target, self.worker)
        )

        def convert_adapter(adapter: Adapter) -> Adapter:
            file = cache_folder("gguf", f"{adapter.fingerprint}-lora.gguf")
            self._write_once(
                file,
                0,
                lambda target: run_converter(
                    lambda path: adapter_command(converters, adapter.path, folder, path), target, self.worker
                ),
            )
            return replace(adapter, path=file)

        return replace(checkpoint, path=base, adapters=tuple(map(convert_adapter, checkpoint.adapters)))

    def _write_once(self, target: Path, size: int, write: Callable[[Path], ConversionResult | None]) -> None:
        """Write a file of about `size` bytes unless it exists."""
        if target.exists():
            return
        from evalsuite.conversion.staging import check_space, publish, staging_folder

        logger.info("converting into %s …", target)
        check_space(target, size, DISK_ADVICE)
        with staging_folder(target, DISK_ADVICE) as staging:
            write(staging / target.name)
            publish(staging / target.name, target)
