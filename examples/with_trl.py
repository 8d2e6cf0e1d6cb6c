"""TRL: checks in SFT and DPO, and in GRPO with the rewards that the checks measure.

    python examples/with_trl.py sft|dpo|grpo MODEL_FOLDER SUMS.jsonl OUTPUT_FOLDER [--steps N]

SUMS.jsonl is in the form of gsm8k: {"question": …, "answer": "… #### 12"}.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from datasets import Dataset

from evalsuite.training import EvalCallback, rewards

REJECTED = "I do not know."
"""What DPO is to prefer the right answer to."""
COLUMNS = {
    "sft": ["prompt", "completion"],
    "dpo": ["prompt", "chosen", "rejected"],
    "grpo": ["prompt", "solution"],
}


def conversations(path: Path) -> Dataset:
    """Prompts and completions as TRL takes them; `solution` is what rewards read."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["question"]}],
                "completion": [{"role": "assistant", "content": row["answer"]}],
                "chosen": [{"role": "assistant", "content": row["answer"]}],
                "rejected": [{"role": "assistant", "content": REJECTED}],
                "solution": row["answer"],
            }
            for row in rows
        ]
    )


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", choices=sorted(COLUMNS))
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--max-tokens", type=int, default=256)
    given = parser.parse_args()

    data = conversations(given.data).select_columns(COLUMNS[given.method])
    check = EvalCallback(
        f"gsm8k:{given.data}",
        every=max(1, given.steps // 4),
        limit=given.limit,
        max_tokens=given.max_tokens,
        shots=0,
    )
    common = {
        "output_dir": given.out,
        "max_steps": given.steps,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": not torch.cuda.is_available(),
        "bf16": torch.cuda.is_available(),
    }
    if given.method == "sft":
        from trl import SFTConfig, SFTTrainer

        trainer = SFTTrainer(
            model=given.model,
            args=SFTConfig(**common),
            train_dataset=data,
            callbacks=[check],
        )
    elif given.method == "dpo":
        from trl import DPOConfig, DPOTrainer

        trainer = DPOTrainer(
            model=given.model,
            args=DPOConfig(**common),
            train_dataset=data,
            callbacks=[check],
        )
    else:
        from trl import GRPOConfig, GRPOTrainer

        trainer = GRPOTrainer(
            model=given.model,
            args=GRPOConfig(
                **common,
                num_generations=2,
                per_device_train_batch_size=2,
                max_completion_length=given.max_tokens,
            ),
            reward_funcs=[rewards.math, rewards.format],
            train_dataset=data,
            callbacks=[check],
        )
    trainer.train()
    for entry in trainer.state.log_history:
        print(*(f"{name}={entry[name]:.3f}" for name in check.metric_names if name in entry))


if __name__ == "__main__":
    main()
