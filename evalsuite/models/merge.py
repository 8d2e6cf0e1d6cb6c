"""Adapters written into their base: one Hugging Face folder that every engine serves.

`merge` does the work and needs torch, transformers and peft; `main` is the child process it runs in, since none of them
belongs into the process that asks and scores. The folder appears under its name only when all of it is written.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalsuite.models.folder import text_files

MANIFEST = "evalsuite.json"
"""In a folder that was made: what it was made from, and by what."""
OWN_TO_ADAPTERS = "adapter_config.json"


def merge(base: Path, adapters: Sequence[Path], target: Path, manifest: dict[str, Any]) -> None:
    """Write `base` with the adapters merged into it, one after the other, to `target`, which must not be there yet.

    The numbers keep the type they have in the base. Tokenizer and templates are the base's files, and over them those
    that an adapter brings.
    """
    import peft
    import torch
    import transformers

    model: Any = transformers.AutoModelForCausalLM.from_pretrained(base, dtype="auto", local_files_only=True)
    for adapter in adapters:
        adapted: Any = peft.PeftModel.from_pretrained(model, str(adapter), local_files_only=True)
        model = adapted.merge_and_unload(safe_merge=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        with torch.inference_mode():
            model.save_pretrained(temporary)
        written = {file.name for file in temporary.iterdir()}
        for folder in (base, *adapters):
            for file in text_files(folder):
                if file.name not in written and file.name != OWN_TO_ADAPTERS:
                    shutil.copyfile(file, temporary / file.name)
        made_with = {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "peft": peft.__version__,
        }
        content = json.dumps({**manifest, "made_with": made_with}, indent=2, ensure_ascii=False)
        (temporary / MANIFEST).write_text(content + "\n", encoding="utf-8")
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def main() -> None:
    """Merge as the one argument says (JSON: `base`, `adapters`, `target`, `manifest`), and report one line."""
    told = json.loads(sys.argv[1])
    note = int(os.environ["EVALSUITE_NOTE_FD"])
    merge(
        Path(told["base"]), [Path(path) for path in told["adapters"]], Path(told["target"]), told["manifest"]
    )
    os.write(note, b"done\n")
