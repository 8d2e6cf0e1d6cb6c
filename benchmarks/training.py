"""What a check costs a training: the callback itself a step, generation in process, and steps beside a check of another process.

    .venv-models/bin/python benchmarks/training.py MODEL_FOLDER [--write RESULTS.md] [--only generation|beside]

Generation is measured over the same prompts in the same batches of similar length, greedily, the same number of tokens at
most, after one batch that is not counted; both take turns, and the best of each is compared. A check in a process of its own is
held against the same `evalsuite run` started by hand beside the same training: what is left is what the callback itself does.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from evalsuite.config import build_live_config
from evalsuite.runs.plan import plan_spec
from evalsuite.training import EvalCallback
from evalsuite.training.distributed import Ranks
from evalsuite.training.inprocess import check_in_process

DATA = "gsm8k_style"
EVENTS = 20_000
STEP_TOKENS = 64
"""A step trains one row of so many: the shortest steps show the most of what a callback costs."""
ALONE_STEPS = 16
MOST_STEPS = 400
CHECK = {"limit": 8, "shots": 0, "max_tokens": 24}


def row(what: str, asked: str, measured: str, reached: bool | None = None) -> str:
    """A line of the table."""
    return f"| {what} | {asked} | {measured} | {'' if reached is None else 'reached' if reached else '**missed**'} |"


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


def generation(folder: str, limit: int, size: int, most: int, rounds: int) -> Iterator[str]:
    """Lines about the rate of a whole check against that of plain generation."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    (plan,) = plan_spec(DATA)
    prompts = [plan.request(sample, ())[0].messages for sample, _ in plan.dataset.samples(limit)]
    rows = sorted((_ids(tokenizer, list(one or ())) for one in prompts), key=len, reverse=True)
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    generate = plain(model, tokenizer, batches, most)
    with TemporaryDirectory() as out:

        def check(number: int) -> dict[str, Any]:
            values = {"datasets": (DATA,), "limit": limit, "shots": 0, "max_tokens": most}
            config = build_live_config(values | {"out": Path(out), "name": f"step-{number}", "step": number})
            check_in_process(config, model, tokenizer, Ranks(), batch_size=size, timeout=3600)
            found: dict[str, Any] = json.loads((Path(out) / f"step-{number}/summary.json").read_bytes())
            return found

        plain(model, tokenizer, batches[:1], 4)()
        found: dict[str, list[float]] = {"generate": [], "check": []}
        tokens = 0
        for number in range(rounds):
            found["generate"].append(seconds(generate))
            began = time.perf_counter()
            tokens = check(number)["totals"]["completion_tokens"]
            found["check"].append(time.perf_counter() - began)
    generated, checked = min(found["generate"]), min(found["check"])
    what = f"{len(rows)} prompts in batches of {size}, {tokens} tokens: a whole check, report included, / `model.generate`"
    yield row(
        what,
        "≥ 0.9 × the rate",
        f"{generated / checked:.2f} × ({checked:.2f} s / {generated:.2f} s)",
        generated >= 0.9 * checked,
    )


def _ids(tokenizer: Any, messages: list[Any]) -> list[int]:
    found = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    return list(found)


class Clock(TrainerCallback):
    """How long each step takes, and which of them while `busy(state)`; ends the training once there is enough of both."""

    def __init__(self, busy: Callable[[Any], bool]) -> None:
        self.alone: list[float] = []
        self.beside: list[float] = []
        self._busy, self._began = busy, 0.0
        self._was_busy = False

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin."""
        self._was_busy, self._began = self._busy(state), time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the step where it was beside the check, or without it, from end to end."""
        took = time.perf_counter() - self._began
        if self._was_busy and self._busy(state):
            self.beside.append(took)
        elif not self._was_busy and not self._busy(state):
            self.alone.append(took)
            if self.beside:
                control.should_training_stop = True


def trained(folder: str, out: Path, clock: Clock, *callbacks: TrainerCallback) -> Trainer:
    """A LoRA on the model, saved once at step ALONE_STEPS."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    ids = torch.randint(0, 200, (STEP_TOKENS,)).tolist()
    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=MOST_STEPS,
        per_device_train_batch_size=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        logging_strategy="no",
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=[{"input_ids": ids, "labels": ids}] * MOST_STEPS,
        processing_class=tokenizer,
        callbacks=[SaveOnce(), *callbacks, clock],
    )
    trainer.train()
    return trainer


class SaveOnce(TrainerCallback):
    """A checkpoint at step ALONE_STEPS."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for it."""
        control.should_save = state.global_step == ALONE_STEPS


class RunByHand(TrainerCallback):
    """`evalsuite run` on the checkpoint, started as from another terminal."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.process: subprocess.Popen[bytes] | None = None

    def busy(self, _: Any) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start it."""
        words = ["-d", DATA, "--ckpt", f"by-hand={args.output_dir}/checkpoint-{state.global_step}"]
        words += ["--backend", "transformers", "--out", str(self._out), "--name", "by-hand"]
        words += [
            word for name, value in CHECK.items() for word in (f"--{name.replace('_', '-')}", str(value))
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "evalsuite", "run", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


class Timed(EvalCallback):
    """A check beside the training, and what its callback takes of each step."""

    def __init__(self) -> None:
        super().__init__(DATA, mode="subprocess", backend="transformers", **CHECK)  # type: ignore[arg-type]
        self.took: list[float] = []

    def on_step_end(self, *given: Any, **more: Any) -> None:
        """As it is, timed."""
        self.took.append(seconds(lambda: super(Timed, self).on_step_end(*given, **more)))

    def busy(self, state: Any) -> bool:
        """Whether the check was begun and has no result yet."""
        logged = any(name in entry for name in self.metric_names for entry in state.log_history)
        return state.global_step >= ALONE_STEPS and not logged


def beside(folder: str) -> Iterator[str]:
    """Lines about steps beside a check by `mode="subprocess"`, against the same run started by hand."""
    with TemporaryDirectory() as place:
        hand, timed = RunByHand(Path(place)), Timed()
        by_hand, checked = Clock(hand.busy), Clock(timed.busy)
        trained(folder, Path(place) / "hand", by_hand, hand)
        trained(folder, Path(place) / "check", checked, timed)
    alone = statistics.median(by_hand.alone + checked.alone)
    runs, checks = statistics.median(by_hand.beside), statistics.median(checked.beside)
    yield row(
        f"a step of {STEP_TOKENS} tokens alone, the model's LoRA (median of {len(by_hand.alone + checked.alone)})",
        "",
        f"{alone * 1000:.0f} ms",
    )
    for what, took in (
        ("nothing to do", callback_microseconds() / 1e6),
        ("a check beside", statistics.median(timed.took[ALONE_STEPS:])),
    ):
        yield row(
            f"the callback's own time a step, {what}",
            "≤ 1 % of a step",
            f"{took * 1e6:.1f} µs, {took / alone:.4%}",
            took <= 0.01 * alone,
        )
    yield row(
        f"a step beside `evalsuite run` started by hand (median of {len(by_hand.beside)})",
        "",
        f"{runs * 1000:.0f} ms, {runs / alone:.2f} ×",
    )
    yield row(
        f'a step beside a check by `mode="subprocess"` (median of {len(checked.beside)})',
        "as by hand: the hardware is shared",
        f"{checks * 1000:.0f} ms, {checks / alone:.2f} ×",
        checks <= 1.1 * runs,
    )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["generation", "beside"])
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    lines: list[str] = []
    if given.only != "beside":
        lines += generation(given.model, given.limit, given.batch_size, given.max_tokens, given.rounds)
    if given.only != "generation":
        lines += beside(given.model)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    said = f"{datetime.now(timezone.utc):%Y-%m-%d}, {machine}, Python {platform.python_version()}, Linux {platform.release()}"
    table = ["| scenario | asked | measured | |", "| --- | --- | --- | --- |", *lines]
    text = "\n".join(["# Checks in the middle of a training", "", said, "", *table, ""])
    print(text)
    if given.write:
        given.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
