"""Recognises which trainer wrote a folder by the files it leaves there. Only shown to the user.

Sources: ms-swift 4 (`args.json`), LLaMA-Factory 0.9 (`trainer_log.jsonl`, `value_head.*`, its model card's tags) and its
forerunner's PeftTrainer (`finetuning_args.json`), the model cards that TRL, Axolotl and Unsloth write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

CARD = "README.md"
CARD_BYTES = 8192
CARD_WORDS: Mapping[str, str] = {
    "axolotl": "Axolotl",
    "llama-factory": "LLaMA-Factory",
    "unsloth": "Unsloth",
    "trl": "TRL",
}
"""A tag of the model card → trainer, the more specific first: Axolotl's and Unsloth's cards name TRL as well."""
VALUE_HEADS = ("value_head.safetensors", "value_head.bin")


def find_trainer(path: Path) -> str | None:
    """The trainer's name; None if nothing identifies it."""
    if (path / "finetuning_args.json").is_file():
        return "LLaMA-Factory (PeftTrainer)"
    if (path / "args.json").is_file() and b'"swift_version"' in (path / "args.json").read_bytes():
        return "ms-swift"
    if named := _from_card(path / CARD):
        return named
    if (path / "args.json").is_file():
        return "ms-swift"
    if any((folder / "trainer_log.jsonl").is_file() for folder in (path, path.parent)):
        return "LLaMA-Factory"
    return "transformers Trainer" if (path / "training_args.bin").is_file() else None


def value_head(path: Path) -> Path | None:
    """A value head beside an adapter: the model was trained as a reward model and answers without the head."""
    return next((path / name for name in VALUE_HEADS if (path / name).is_file()), None)


def _from_card(card: Path) -> str | None:
    if not card.is_file():
        return None
    with card.open("rb") as stream:
        text = stream.read(CARD_BYTES).decode("utf-8", "replace").lower()
    return next(
        (name for word, name in CARD_WORDS.items() if re.search(rf"(?<![\w/]){word}(?!\w)", text)), None
    )
