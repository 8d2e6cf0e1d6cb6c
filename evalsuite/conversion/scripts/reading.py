"""Reads a model's predictions after fixed texts, to compare two forms of one model.

For every text: its tokens, and the most probable next tokens with their log-probabilities. A model that was saved, loaded or
quantized wrongly differs a lot; `evalsuite.conversion.fidelity` has the measures.
"""

from __future__ import annotations

from typing import Any

TEXTS = (
    "The capital of France is",
    "Water boils at a temperature of one hundred degrees",
    "Once upon a time there was a king who had three",
    "def add(a, b):\n    return a +",
    "1, 2, 3, 4, 5, 6,",
    "The opposite of hot is",
    "To be, or not to be, that is the",
    '{"name": "Alice", "age":',
    "Q: How many days are there in a week?\nA: There are",
    "She opened the door, looked outside and saw that it was",
    "中华人民共和国的首都是",
    "床前明月光，疑是地上",
    "一年有十二个",
    "Dear Sir or Madam,\n\nI am writing to",
    "In 1969, the first human being walked on the",
    "SELECT name FROM users WHERE id",
)
QUESTION = "The capital of Italy is Rome. What is the capital of Italy?"
"""The first tokens of its answer are clearly ahead, so that rounding alone does not change it."""
CANDIDATES = 100
ANSWER_TOKENS = 16


def read_model(model: Any, tokenizer: Any, *, answers: bool = False) -> dict[str, Any]:
    """A reading, as JSON: `tokens` and `next` (token → log-probability) of each text, and the greedy `answer` to a question if wanted."""
    import torch

    ids = [list(tokenizer(text)["input_ids"]) for text in TEXTS]
    longest = max(map(len, ids))
    # one batch: reading the weights takes the time; padding after a text does not affect the text
    padded = torch.tensor([one + [0] * (longest - len(one)) for one in ids], device=model.device)
    mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in ids], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=padded, attention_mask=mask).logits
    last = logits[torch.arange(len(ids)), torch.tensor([len(one) - 1 for one in ids])].float()
    best = torch.log_softmax(last, dim=-1).topk(min(CANDIDATES, last.shape[-1]))
    found: dict[str, Any] = {"tokens": ids}
    found["next"] = [
        {str(token): value for token, value in zip(tokens, values, strict=True)}
        for tokens, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
    found["answer"] = _answer(model, tokenizer) if answers else ""
    return found


def _answer(model: Any, tokenizer: Any) -> str:
    import torch

    if tokenizer.chat_template:
        messages = [{"role": "user", "content": QUESTION}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)[
            "input_ids"
        ]
    else:
        ids = tokenizer(QUESTION)["input_ids"]
    asked = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        replied = model.generate(
            asked,
            attention_mask=torch.ones_like(asked),
            max_new_tokens=ANSWER_TOKENS,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id or 0,
        )
    return str(tokenizer.decode(replied[0, len(ids) :], skip_special_tokens=True)).strip()
