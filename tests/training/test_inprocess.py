"""A check with the model in memory: it leaves no trace in the weights, and its results are where the trainer's are."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_helpers import reply_of
from trainings import STEPS, checks, equal, make_trainer, model_folder, weights
from transformers import EarlyStoppingCallback, TrainerCallback

from evalsuite import compare, load_run
from evalsuite.errors import ConfigError, DataError
from evalsuite.evaluation.rescore import rescore
from evalsuite.training import EvalCallback
from evalsuite.training.state_guard import preserve_model_state

pytestmark = pytest.mark.filterwarnings("default")
SHORT: dict[str, Any] = {"max_tokens": 6, "shots": 0}
METRIC = "eval_sums_accuracy"


class TestNoTrace:
    def test_weights_are_bit_equal_and_each_check_is_a_run(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        trainer = make_trainer(folder, tmp_path / "out", [EvalCallback(sums, every=1, batch_size=4, **SHORT)])
        trainer.train()
        assert equal(weights(trainer), plain)
        assert list(checks(trainer, METRIC)) == list(range(1, STEPS + 1))
        told = capsys.readouterr().err
        assert "evalsuite: step 1: sums accuracy" in told
        assert "against step 1" in told
        run = load_run(tmp_path / "out/evalsuite/step-2")
        assert run.complete
        assert run.info.step == 2
        assert run.summary.totals.samples == 6
        assert compare(run, tmp_path / "out/evalsuite/step-3").verdicts
        assert rescore(run.path, beside=None, profiles=()).complete

    def test_with_gradient_checkpointing_a_lora_and_no_cache(
        self, folder: Any, sums: Any, tmp_path: Any
    ) -> Any:
        from peft import LoraConfig, get_peft_model

        def lora(model: Any, _: Any) -> Any:
            model.config.use_cache = False
            return get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], lora_dropout=0.2))

        def trained(out: Any, callbacks: Any) -> Any:
            trainer = make_trainer(folder, out, callbacks, change=lora, gradient_checkpointing=True)
            trainer.train()
            return trainer

        before = weights(trained(tmp_path / "plain", []))
        checked = trained(tmp_path / "out", [EvalCallback(sums, every=2, **SHORT)])
        assert equal(weights(checked), before)
        assert list(checks(checked, METRIC)) == [2, 4]
        assert checked.model.config.use_cache is False
        assert checked.model.base_model.model.model.gradient_checkpointing is True

    def test_modes_and_random_numbers_are_put_back_one_by_one(self) -> Any:
        model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout()).train()
        model[1].eval()

        def draws() -> Any:
            return random.random(), np.random.rand(), torch.rand(1).item()

        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        with preserve_model_state(model):
            assert not model[0].training
            draws()
        after = draws()
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        assert after == draws()
        assert [module.training for module in model] == [True, False]

    def test_the_tokenizer_and_the_generation_config_are_left_alone(
        self, folder: Any, sums: Any, tmp_path: Any
    ) -> None:
        trainer = make_trainer(folder, tmp_path / "out", [EvalCallback(sums, every=4, **SHORT)])
        trainer.processing_class.padding_side = "right"
        trainer.processing_class.pad_token = None
        trainer.model.generation_config.do_sample = True
        trainer.model.generation_config.temperature = 5.0
        trainer.model.generation_config.max_new_tokens = 1
        trainer.data_collator = lambda rows: {
            name: torch.tensor([row[name] for row in rows]) for name in rows[0]
        }
        trainer.train()
        assert list(checks(trainer, METRIC)) == [4]
        assert trainer.processing_class.padding_side == "right"
        lines = (tmp_path / "out/evalsuite/step-4/samples.jsonl").read_text().splitlines()
        assert max(json.loads(line)["usage"]["completion_tokens"] for line in lines) > 1


class TestWhatTheTrainerSees:
    def test_the_best_model_is_chosen_by_the_check(self, folder: Any, sums: Any, tmp_path: Any) -> None:
        callback = EvalCallback(sums, every="evaluate", **SHORT)
        assert callback.metric_names == (METRIC,)
        trainer = make_trainer(
            folder,
            tmp_path / "out",
            [EarlyStoppingCallback(early_stopping_patience=1), callback],
            eval_strategy="steps",
            eval_steps=1,
            save_strategy="steps",
            save_steps=1,
            metric_for_best_model="sums_accuracy",
            greater_is_better=True,
            load_best_model_at_end=True,
        )
        trainer.train()
        assert trainer.state.best_metric == 0.0
        assert trainer.state.best_model_checkpoint.endswith("checkpoint-1")
        assert trainer.state.global_step == 2, "early stopping saw the metric, which did not improve"

    def test_a_set_that_is_evaluated_in_parts_is_checked_once_a_step(
        self, folder: Any, sums: Any, tmp_path: Any
    ) -> None:
        callback = EvalCallback(sums, every="evaluate", **SHORT)
        trainer = make_trainer(folder, tmp_path / "out", [callback], eval_strategy="steps", eval_steps=2)
        trainer.eval_dataset = {"first": trainer.eval_dataset, "second": trainer.eval_dataset}
        trainer.train()
        logged = [entry["step"] for entry in trainer.state.log_history if METRIC in entry]
        assert logged == [2, 4]

    def test_reporters_are_told(self, folder: Any, sums: Any, tmp_path: Any) -> None:
        told = []

        class Reporter(TrainerCallback):
            def on_log(self, args: Any, state: Any, control: Any, logs: Any, **more: Any) -> None:
                told.append((state.global_step, dict(logs)))

        callbacks = [Reporter(), EvalCallback(sums, every=2, limit=4, **SHORT)]
        make_trainer(folder, tmp_path / "out", callbacks).train()
        found = [(step, logs) for step, logs in told if METRIC in logs]
        assert [step for step, _ in found] == [2, 4]
        names = {METRIC, f"{METRIC}_stderr", f"{METRIC}_n", f"{METRIC}_truncated", "epoch"}
        assert found[0][1].keys() == names
        assert found[0][1][f"{METRIC}_n"] == 4
        assert any("loss" in logs for step, logs in told if step == 2), "the trainer's own log is not lost"

    def test_replies_that_were_cut_off_are_counted_also_where_they_are_scored(
        self, folder: Any, sums: Any, tmp_path: Any
    ) -> None:
        callback = EvalCallback(sums, every=STEPS, max_tokens=2, shots=0)
        trainer = make_trainer(folder, tmp_path / "out", [callback])
        trainer.train()
        lines = load_run(tmp_path / f"out/evalsuite/step-{STEPS}").samples()
        cut = sum(reply_of(line).finish_reason == "length" for line in lines)
        assert cut > 0
        assert checks(trainer, f"{METRIC}_truncated") == {STEPS: cut}

    def test_each_save_and_each_epoch(self, folder: Any, sums: Any, tmp_path: Any) -> None:
        saved = make_trainer(
            folder, tmp_path / "a", [EvalCallback(sums, **SHORT)], save_strategy="steps", save_steps=3
        )
        saved.train()
        assert list(checks(saved, METRIC)) == [3, 4]
        epochs = make_trainer(
            folder, tmp_path / "b", [EvalCallback(sums, every="epoch", **SHORT)], max_steps=8
        )
        epochs.train()
        assert list(checks(epochs, METRIC)) == [4, 8]

    def test_a_schedule_that_never_comes_is_said(
        self, folder: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        make_trainer(folder, tmp_path / "out", [EvalCallback(sums, **SHORT)]).train()
        assert "no check will be made" in capsys.readouterr().err

    def test_logprobs_are_measured_too(self, folder: Any, tmp_path: Any) -> None:
        texts = tmp_path / "texts.jsonl"
        texts.write_text('{"text": "one two three"}\n{"text": "four"}\n')
        trainer = make_trainer(folder, tmp_path / "out", [EvalCallback(f"perplexity:{texts}", every=4)])
        trainer.train()
        assert any(name.startswith("eval_texts_") for entry in trainer.state.log_history for name in entry)


class TestRefusedAtOnce:
    def test_a_missing_dataset(self) -> None:
        with pytest.raises(ConfigError, match="no such file"):
            EvalCallback("gsm8k:nowhere.jsonl")

    def test_bad_rows(self, tmp_path: Any) -> None:
        (tmp_path / "bad.jsonl").write_text('{"question": "1 + 1?", "answer": "two"}\n')
        with pytest.raises(DataError, match=r"bad\.jsonl:1"):
            EvalCallback(f"gsm8k:{tmp_path / 'bad.jsonl'}")

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"every": "step"}, "every='step'"),
            ({"every": 0}, "every=0"),
            ({"every": 2, "mode": "subprocess"}, 'every="save"'),
            ({"mode": "remote"}, "mode='remote'"),
            ({"mode": "server"}, "base_url"),
            ({"base_url": "http://127.0.0.1:1"}, "go together"),
            ({"overlap": "both"}, "overlap='both'"),
            ({"on_error": "stop"}, "on_error='stop'"),
            ({"ckpt": "x"}, "ckpt"),
            ({"backend": "vllm"}, "is being trained"),
            ({"batch_size": 0}, "batch_size"),
            ({"max_token": 5}, "Did you mean 'max_tokens'"),
        ],
    )
    def test_options(self, sums: Any, given: Any, words: Any) -> None:
        with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
            EvalCallback(sums, **given)

    @pytest.mark.parametrize("sharded", ["zero3", "fsdp", "fsdp_state"])
    def test_weights_that_no_process_holds_whole(
        self, folder: Any, sums: Any, tmp_path: Any, sharded: Any
    ) -> None:
        trainer = make_trainer(folder, tmp_path / "out", [EvalCallback(sums, every=1, **SHORT)])
        if sharded == "zero3":
            trainer.args.hf_deepspeed_config = type("Config", (), {"is_zero3": lambda self: True})()
        elif sharded == "fsdp":
            trainer.args.fsdp = ["full_shard"]
        else:
            trainer.args.distributed_state = type("State", (), {"distributed_type": "DistributedType.FSDP"})()
        before = weights(trainer)
        with pytest.raises(ConfigError, match='mode="subprocess"'):
            trainer.callback_handler.on_train_begin(trainer.args, trainer.state, trainer.control)
        assert equal(weights(trainer), before)


def test_inprocess_check_after_a_resume_nothing_is_asked_twice(folder: Any, sums: Any, tmp_path: Any) -> Any:
    def trainer(steps: Any, *callbacks: Any) -> Any:
        return make_trainer(
            folder,
            tmp_path / "out",
            callbacks,
            save_strategy="steps",
            save_steps=2,
            max_steps=steps,
            lr_scheduler_type="constant",
        )

    trainer(4, EvalCallback(sums, every=2, **SHORT)).train()
    first = {step: Path(tmp_path / f"out/evalsuite/step-{step}/summary.json").stat() for step in (2, 4)}
    resumed = trainer(6, EvalCallback(sums, every=2, **SHORT))
    resumed.train(resume_from_checkpoint=str(tmp_path / "out/checkpoint-2"))
    assert list(checks(resumed, METRIC)) == [2, 4, 6]
    again = load_run(tmp_path / "out/evalsuite/step-4")
    assert again.summary.totals.reused == 6, "the same weights at step 4: read, not asked"
    assert Path(tmp_path / "out/evalsuite/step-2/summary.json").stat() == first[2]
    plain = trainer(6)
    plain.train(resume_from_checkpoint=str(tmp_path / "out/checkpoint-2"))
    assert equal(weights(resumed), weights(plain))


def test_inprocess_check_another_training_in_the_same_folder_is_asked_anew(
    folder: Any, sums: Any, tmp_path: Any
) -> None:
    for rate in (1e-2, 2e-2):
        callback = EvalCallback(sums, every=STEPS, **SHORT)
        make_trainer(folder, tmp_path / "out", [callback], learning_rate=rate).train()
    assert load_run(tmp_path / f"out/evalsuite/step-{STEPS}").summary.totals.reused == 0


def test_inprocess_check_model_whose_cache_is_a_window(tmp_path: Any, sums: Any) -> None:
    from model_folders import tiny_model

    small = tiny_model(tmp_path / "window", window=16)
    trainer = make_trainer(small, tmp_path / "out", [EvalCallback(sums, every=4, **SHORT)])
    trainer.train()
    assert list(checks(trainer, METRIC)) == [4]


def test_inprocess_check_model_folder_of_these_tests_has_dropout(tmp_path: Any) -> None:
    config = json.loads((model_folder(tmp_path / "tiny") / "config.json").read_text())
    assert config["attention_dropout"] > 0
