"""What a check costs a training: the callback itself a step, and generation in process against a plain `model.generate`.

    .venv-models/bin/python benchmarks/training.py MODEL_FOLDER

Generation is measured over the same prompts in the same batches of similar length, greedily, the same number of tokens at
most, after one batch that is not counted; both take turns, and the best of each is compared.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerControl, TrainerState

from evalsuite.config import build_live_config
from evalsuite.runs.plan import plan_spec
from evalsuite.training import EvalCallback
from evalsuite.training.inprocess import check_in_process
from evalsuite.training.ranks import Ranks

DATA = "gsm8k_style"
EVENTS = 20_000


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def callback_microseconds() -> float:
    """One `on_step_end` of a callback that has nothing to do at this step."""
    callback = EvalCallback(DATA, every=10**9)
    args = SimpleNamespace(output_dir="unused", save_strategy="no", eval_strategy="no", save_total_limit=None)
    state, control = TrainerState(global_step=1), TrainerControl()
    callback.on_train_begin(args, state, control, model=torch.nn.Linear(1, 1))

    def steps() -> None:
        for _ in range(EVENTS):
            callback.on_step_end(args, state, control)

    return min(seconds(steps) for _ in range(5)) / EVENTS * 1e6


def plain(model: Any, tokenizer: Any, batches: list[list[list[int]]], most: int) -> Callable[[], int]:
    """`model.generate`, batch by batch; returns how many tokens the replies have."""

    def work() -> int:
        written = 0
        for batch in batches:
            width = max(map(len, batch))
            ids = torch.tensor([[tokenizer.pad_token_id] * (width - len(row)) + row for row in batch])
            mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch])
            with torch.no_grad():
                found = model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=most,
                    do_sample=False,
                    temperature=None,
                    top_p=None,
                    pad_token_id=tokenizer.pad_token_id,
                )
            texts = tokenizer.batch_decode(found[:, width:], skip_special_tokens=True)
            written += sum(map(len, texts))
        return written

    return work


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(f"callback without a check: {callback_microseconds():.1f} µs a step")
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32).eval()
    (plan,) = plan_spec(DATA)
    prompts = [plan.request(sample, ())[0].messages for sample, _ in plan.dataset.samples(given.limit)]
    rows = sorted(
        (
            list(
                tokenizer.apply_chat_template(list(one or ()), add_generation_prompt=True, return_dict=True)[
                    "input_ids"
                ]
            )
            for one in prompts
        ),
        key=len,
        reverse=True,
    )
    size = given.batch_size
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    generate = plain(model, tokenizer, batches, given.max_tokens)
    with TemporaryDirectory() as folder:

        def check(number: int) -> dict[str, Any]:
            values = {"datasets": (DATA,), "limit": given.limit, "shots": 0, "max_tokens": given.max_tokens}
            config = build_live_config(
                values | {"out": Path(folder), "name": f"step-{number}", "step": number}
            )
            check_in_process(config, model, tokenizer, Ranks(), batch_size=size, timeout=3600)
            found: dict[str, Any] = json.loads((Path(folder) / f"step-{number}/summary.json").read_bytes())
            return found

        plain(model, tokenizer, batches[:1], 4)()
        times: dict[str, list[float]] = {"generate": [], "check": []}
        tokens = 0
        for number in range(given.rounds):
            times["generate"].append(seconds(generate))
            began = time.perf_counter()
            summary = check(number)
            times["check"].append(time.perf_counter() - began)
            tokens = summary["totals"]["completion_tokens"]
    best = {name: min(values) for name, values in times.items()}
    print(f"{len(rows)} prompts in batches of {size}, {tokens} tokens in the replies")
    print(
        f"model.generate: {best['generate']:.2f} s; a whole check, its report included: {best['check']:.2f} s"
    )
    print(f"the check's rate is {best['generate'] / best['check']:.2f} of the plain one's")


if __name__ == "__main__":
    main()
