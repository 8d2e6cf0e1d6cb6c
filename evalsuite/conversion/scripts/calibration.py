"""Turns calibration prompts into the tokens the model would receive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def tokenize_prompts(prompts: Sequence[Mapping[str, Any]], tokenizer: Any, most: int) -> list[list[int]]:
    """Each prompt (`messages` with `tools`, or `text`) as at most `most` tokens; messages by the model's chat template, if it has one."""
    return [_tokens(prompt, tokenizer)[:most] for prompt in prompts]


def _tokens(prompt: Mapping[str, Any], tokenizer: Any) -> list[int]:
    messages = prompt.get("messages")
    if messages and tokenizer.chat_template:
        asked = tokenizer.apply_chat_template(
            messages, tools=prompt.get("tools"), add_generation_prompt=True, return_dict=True
        )
        return list(asked["input_ids"])
    text = prompt.get("text") or "\n\n".join(str(message.get("content") or "") for message in messages or ())
    return list(tokenizer(text)["input_ids"])
