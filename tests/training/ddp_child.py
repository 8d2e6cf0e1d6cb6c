"""One of two processes of a distributed training; started by torchrun. Arguments: model folder, output folder, SPEC or `none`."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
warnings.simplefilter("ignore")


def main(folder: str, out: str, spec: str) -> None:
    """Train, and write down what this process has in the end."""
    from trainings import checks, make_trainer, weights

    from evalsuite.training import EarlyStop, EvalCallback

    callbacks = []
    more = {}
    if spec != "none":
        callbacks = [EvalCallback(spec, every="evaluate", max_tokens=6, shots=0, batch_size=2)]
        callbacks.append(EarlyStop("sums_accuracy"))
        more = {"metric_for_best_model": "sums_accuracy", "greater_is_better": True}
    trainer = make_trainer(
        Path(folder), Path(out), callbacks, ddp_backend="gloo", eval_strategy="steps", eval_steps=2, **more
    )
    trainer.train()
    rank = trainer.args.process_index
    torch.save(
        {"weights": weights(trainer), "checks": checks(trainer, "eval_sums_accuracy")}, f"{out}/rank{rank}.pt"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
