"""transformers: the best checkpoint is the one that answers best, and a real drop ends the training.

    python examples/with_transformers.py MODEL_FOLDER TRAIN.jsonl OUTPUT_FOLDER --check gsm8k --limit 200

TRAIN.jsonl has one text a line: {"text": …}. Any option of TrainingArguments can follow.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    EarlyStoppingCallback,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
)

from evalsuite.training import EarlyStop, EvalCallback, compute_metrics


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("out")
    parser.add_argument("--check", default="gsm8k")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--shots", type=int)
    given, more = parser.parse_known_args()

    tokenizer = AutoTokenizer.from_pretrained(given.model)
    texts = [json.loads(line)["text"] for line in given.data.read_text(encoding="utf-8").splitlines()]
    rows = [dict(tokenizer(text, truncation=True, max_length=512)) for text in texts]
    check = EvalCallback(
        given.check,
        every="evaluate",
        limit=given.limit,
        max_tokens=given.max_tokens,
        shots=given.shots,
    )
    metric = check.metric_names[0]
    wanted = [
        *("--output_dir", given.out),
        *("--eval_strategy", "steps", "--save_strategy", "steps", "--load_best_model_at_end", "true"),
        *("--metric_for_best_model", metric, "--greater_is_better", "true"),
    ]
    (arguments,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses([*wanted, *more])
    accuracy = compute_metrics("acc")
    trainer = Trainer(
        model=AutoModelForCausalLM.from_pretrained(given.model),
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows[:8],
        processing_class=tokenizer,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        compute_metrics=accuracy,
        preprocess_logits_for_metrics=accuracy.preprocess_logits_for_metrics,
        callbacks=[check, EarlyStop(metric), EarlyStoppingCallback(early_stopping_patience=5)],
    )
    trainer.train()
    print(f"best: {trainer.state.best_model_checkpoint}, {metric} = {trainer.state.best_metric:.3f}")


if __name__ == "__main__":
    main()
