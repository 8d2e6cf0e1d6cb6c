"""What a model says next to fixed texts: the reading by which two forms of one model are held against each other.

Of every text: the tokens it is read as, and the most probable next tokens with their log-probabilities. A model that was
saved wrong, loaded wrong or quantized to noise is far off; which figures tell stands in `evalsuite.models.closeness`.
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
QUESTION = "What is the capital of France?"
CANDIDATES = 100
ANSWER_TOKENS = 24


def read_model(model: Any, tokenizer: Any, question: str = QUESTION) -> dict[str, Any]:
    """A reading, as JSON: `tokens` and `next` (token → log-probability) of each text, and the greedy `answer` to a question."""
    import torch

    found: dict[str, Any] = {"tokens": [], "next": []}
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids], device=model.device)).logits[0, -1].float()
        best = torch.log_softmax(logits, dim=-1).topk(min(CANDIDATES, logits.shape[-1]))
        found["tokens"].append(ids)
        found["next"].append(
            {
                str(token): value
                for token, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            }
        )
    found["answer"] = _answer(model, tokenizer, question)
    return found


def _answer(model: Any, tokenizer: Any, question: str) -> str:
    import torch

    if tokenizer.chat_template:
        messages = [{"role": "user", "content": question}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)[
            "input_ids"
        ]
    else:
        ids = tokenizer(question)["input_ids"]
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
