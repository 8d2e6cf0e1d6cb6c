"""Folders that look like checkpoints, written without torch: safetensors headers are real, the numbers are zeros.

And with torch, a tiny random model that really answers: two layers, a vocabulary of bytes, made in less than a second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HIDDEN, LAYERS = 32, 2
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": LAYERS,
    "hidden_size": HIDDEN,
}
TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
SPECIAL = ("<eos>", "<system>", "<user>", "<assistant>")


def write_safetensors(path: Path, shapes: Mapping[str, tuple[int, ...]], fill: bytes = b"\0") -> Path:
    """A whole file of float32 tensors."""
    header, offset = {}, 0
    for name, shape in shapes.items():
        count = 4
        for length in shape:
            count *= length
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + count]}
        offset += count
    raw = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + fill * offset)
    return path


def model_shapes(layers: int = LAYERS, hidden: int = HIDDEN) -> dict[str, tuple[int, ...]]:
    """Some tensors of a Llama."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (300, hidden)}
    for number in range(layers):
        found[f"model.layers.{number}.self_attn.q_proj.weight"] = (hidden, hidden)
        found[f"model.layers.{number}.mlp.down_proj.weight"] = (hidden, 2 * hidden)
    return found


def hf_folder(path: Path, *, shards: int = 1, fill: bytes = b"\0", **config: Any) -> Path:
    """A Hugging Face folder."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(CONFIG | config))
    (path / "tokenizer.json").write_text("{}")
    shapes = model_shapes()
    if shards == 1:
        write_safetensors(path / "model.safetensors", shapes, fill)
        return path
    names = [f"model-{number + 1:05d}-of-{shards:05d}.safetensors" for number in range(shards)]
    placed = {tensor: names[number % shards] for number, tensor in enumerate(shapes)}
    for name in names:
        write_safetensors(
            path / name, {tensor: shapes[tensor] for tensor, file in placed.items() if file == name}, fill
        )
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    return path


def adapter_folder(
    path: Path,
    *,
    base: str | None = None,
    rank: int = 4,
    hidden: int = HIDDEN,
    layers: int = LAYERS,
    **config: Any,
) -> Path:
    """A peft LoRA on `q_proj`."""
    path.mkdir(parents=True, exist_ok=True)
    told = {"peft_type": "LORA", "r": rank, "base_model_name_or_path": base} | config
    (path / "adapter_config.json").write_text(json.dumps(told))
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(layers):
        stem = f"base_model.model.model.layers.{number}.self_attn.q_proj"
        shapes |= {f"{stem}.lora_A.weight": (rank, hidden), f"{stem}.lora_B.weight": (hidden, rank)}
    write_safetensors(path / "adapter_model.safetensors", shapes)
    return path


def llama_pro(path: Path, *, model: str | None = None, deepest: int = 3) -> Path:
    """ms-swift's unmerged LLaMA-Pro: the tuner's folder in the checkpoint, with the new blocks alone."""
    (path / "default").mkdir(parents=True)
    told = {"swift_type": "LLAMAPRO", "model_type": "llama", "num_new_blocks": 2, "num_groups": 2}
    (path / "default" / "adapter_config.json").write_text(json.dumps(told))
    (path / "args.json").write_text(
        json.dumps({"swift_version": "4.6.0"} | ({"model": model} if model else {}))
    )
    shapes = {f"model.layers.{number}.self_attn.q_proj.weight": (32, 32) for number in (1, deepest)}
    write_safetensors(path / "default" / "adapter_model.safetensors", shapes)
    return path


def make_old(path: Path) -> Path:
    """Let a folder's files have been written long ago."""
    import os

    for file in path.iterdir():
        os.utime(file, (1.0e9, 1.0e9))
    return path


def tiny_model(path: Path, *, seed: int = 0, window: int | None = None) -> Path:
    """A model with random weights that answers at once, its tokenizer, and a chat template. Needs torch.

    A Llama; with `window` a Mistral that looks back over so many tokens only.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=SPECIAL[0], pad_token=SPECIAL[0])
    fast.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:])})
    fast.chat_template = TEMPLATE
    fast.save_pretrained(path)
    torch.manual_seed(seed)
    settings: dict[str, Any] = {"sliding_window": window} if window else {"tie_word_embeddings": False}
    config = (MistralConfig if window else LlamaConfig)(
        vocab_size=len(fast),
        hidden_size=HIDDEN,
        intermediate_size=64,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.4,
        eos_token_id=fast.eos_token_id,
        bos_token_id=None,
        **settings,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(path)
    return path


def tiny_adapter(path: Path, base: Path, *, seed: int = 1, zero: bool = False) -> Path:
    """A random LoRA on the tiny model; with `zero` one that has not learned anything."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=zero
    )
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(path)
    return path
