"""Tiny real trainings: a random model of two layers, a few sums as data, a dozen steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from model_folders import tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

STEPS = 4


def write_sums(path: Path, count: int = 6) -> Path:
    """A dataset in the form of gsm8k."""
    rows = [{"question": f"{n} + {n + 1}?", "answer": f"#### {2 * n + 1}"} for n in range(1, count + 1)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def examples(tokenizer: Any, count: int = 16) -> list[dict[str, Any]]:
    """Texts of one length, as a trainer takes them."""
    found = []
    for number in range(count):
        ids = tokenizer(f"<user>{number:02d} + 1?<assistant>{number + 1:02d}")["input_ids"]
        found.append({"input_ids": ids, "labels": ids, "attention_mask": [1] * len(ids)})
    return found


def model_folder(path: Path, **config: Any) -> Path:
    """The tiny model, with dropout, so that a random number too many is seen in the weights."""
    folder = tiny_model(path)
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"attention_dropout": 0.1} | config))
    return folder


def make_trainer(
    folder: Path,
    out: Path,
    callbacks: Sequence[Any] = (),
    *,
    change: Callable[[Any, Any], Any] | None = None,
    trainer: type[Trainer] = Trainer,
    **arguments: Any,
) -> Trainer:
    """A trainer over the examples. `change` may replace the model, given it and its tokenizer."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    if change:
        model = change(model, tokenizer) or model
    settings: dict[str, Any] = {
        "max_steps": STEPS,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 4,
        "save_strategy": "no",
        "logging_steps": 1,
        "learning_rate": 1e-2,
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": 3,
    }
    data = examples(tokenizer)
    return trainer(
        model=model,
        args=TrainingArguments(output_dir=str(out), **(settings | arguments)),
        train_dataset=data,
        eval_dataset=data[:4],
        processing_class=tokenizer,
        callbacks=list(callbacks),
    )


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    """All of them, copied."""
    return {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """To the last bit, those of NaN included."""
    return first.keys() == second.keys() and all(
        torch.equal(first[name].view(torch.uint8), second[name].view(torch.uint8)) for name in first
    )


def checks(trainer: Trainer, name: str) -> dict[int, float]:
    """What the history has of a metric, by step."""
    return {entry["step"]: entry[name] for entry in trainer.state.log_history if name in entry}
