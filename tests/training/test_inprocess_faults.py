"""Faults in the middle of a check with the model in memory: each is said, and the weights stay those of no check."""

from __future__ import annotations

import _thread
import math
import resource
import threading
from typing import Any

import pytest
import torch
from trainings import STEPS, checks, equal, make_trainer, weights, write_sums

from evalsuite import load_run
from evalsuite.errors import ConfigError
from evalsuite.training import EvalCallback

pytestmark = pytest.mark.filterwarnings("default")
SHORT: dict[str, Any] = {"max_tokens": 6, "shots": 0}
METRIC = "eval_sums_accuracy"
BYTES_UNTIL_FULL = 16_384
"""More than `run.json`, less than the journal of 40 rows."""


class TestFaults:
    """Each leaves a line with the step, and the weights of a training without checks."""

    def trained(self, folder: Any, tmp_path: Any, callback: Any, **more: Any) -> Any:
        trainer = make_trainer(folder, tmp_path / "out", [callback], **more)
        trainer.train()
        return trainer

    def test_a_tokenizer_without_a_chat_template(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        def without(_: Any, tokenizer: Any) -> None:
            tokenizer.chat_template = None

        trainer = self.trained(folder, tmp_path, EvalCallback(sums, every=2, **SHORT), change=without)
        assert equal(weights(trainer), plain)
        told = capsys.readouterr().err
        assert "step 2: no result." in told
        assert "chat template" in told
        flat = self.trained(
            folder, tmp_path / "flat", EvalCallback(sums, every=4, completions=True, **SHORT), change=without
        )
        assert list(checks(flat, METRIC)) == [4], "a base model is asked flat texts"

    def test_a_model_and_a_tokenizer_without_a_pad_token(self, folder: Any, sums: Any, tmp_path: Any) -> Any:
        def without(model: Any, tokenizer: Any) -> None:
            tokenizer.pad_token = None
            model.config.pad_token_id = model.generation_config.pad_token_id = None

        def stacked(rows: Any) -> Any:
            return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}

        def trained(out: Any, *callbacks: Any) -> Any:
            trainer = make_trainer(folder, out, callbacks, change=without)
            trainer.data_collator = stacked
            trainer.train()
            return trainer

        checked = trained(tmp_path / "out", EvalCallback(sums, every=2, batch_size=4, **SHORT))
        assert equal(weights(checked), weights(trained(tmp_path / "plain")))
        assert list(checks(checked, METRIC)) == [2, 4]
        assert checked.processing_class.pad_token is None
        assert checked.model.config.pad_token_id is None

    def test_no_tokenizer(self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any) -> None:
        trainer = make_trainer(folder, tmp_path / "out", [EvalCallback(sums, every=4, **SHORT)])
        trainer.callback_handler.processing_class = None
        trainer.train()
        assert equal(weights(trainer), plain)
        assert "EvalCallback(tokenizer=" in capsys.readouterr().err

    def test_weights_that_became_nan(self, folder: Any, sums: Any, tmp_path: Any, capsys: Any) -> None:
        def broken(model: Any, _: Any) -> None:
            model.model.layers[0].mlp.down_proj.weight.data[0, 0] = math.nan

        evaluates = {"change": broken, "eval_strategy": "steps", "eval_steps": 2}
        callback = EvalCallback(sums, every="evaluate", **SHORT)
        by_check = {"save_strategy": "best", "metric_for_best_model": "sums_accuracy"}
        trainer = self.trained(folder, tmp_path, callback, **evaluates, **by_check)
        plain = make_trainer(folder, tmp_path / "plain", **evaluates)
        plain.train()
        assert equal(weights(trainer), weights(plain))
        assert trainer.state.global_step == STEPS
        assert "NaN: its weights are broken" in capsys.readouterr().err
        assert not list((tmp_path / "out").glob("checkpoint-*")), "a check that failed is never the best"

    def test_a_full_disk(self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out/evalsuite").symlink_to("/dev/full")
        trainer = self.trained(folder, tmp_path, EvalCallback(sums, every=2, **SHORT))
        assert equal(weights(trainer), plain)
        assert "step 4: no result." in capsys.readouterr().err

    def test_a_disk_that_fills_up_in_the_middle_of_a_check(
        self, folder: Any, plain: Any, tmp_path: Any, capsys: Any
    ) -> None:
        data = write_sums(tmp_path / "sums.jsonl", 40)
        callback = EvalCallback(f"gsm8k:{data}", every=2, **SHORT)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES_UNTIL_FULL, limits[1]))
        try:
            trainer = self.trained(folder, tmp_path, callback)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert equal(weights(trainer), plain)
        assert "step 2: no result." in capsys.readouterr().err
        journal = tmp_path / "out/evalsuite/step-2/samples.jsonl"
        assert 0 < journal.stat().st_size <= BYTES_UNTIL_FULL, "it was in the middle of the check"

    def test_data_that_went_away_meanwhile(self, folder: Any, plain: Any, tmp_path: Any, capsys: Any) -> None:
        data = write_sums(tmp_path / "sums.jsonl")
        callback = EvalCallback(f"gsm8k:{data}", every=2, **SHORT)
        data.unlink()
        assert equal(weights(self.trained(folder, tmp_path, callback)), plain)
        assert "no such file" in capsys.readouterr().err

    def test_a_check_out_of_time(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        callback = EvalCallback(sums, every=2, timeout=0.001, **SHORT)
        assert equal(weights(self.trained(folder, tmp_path, callback)), plain)
        assert "step 2: no result." in capsys.readouterr().err

    def test_ctrl_c_in_the_middle(self, folder: Any, plain: Any, tmp_path: Any, capsys: Any) -> None:
        data = write_sums(tmp_path / "sums.jsonl", 40)
        callback = EvalCallback(f"gsm8k:{data}", every=STEPS, batch_size=1, max_tokens=60, shots=0)
        journal = tmp_path / f"out/evalsuite/step-{STEPS}/samples.jsonl"
        over = threading.Event()

        def interrupt() -> None:
            while not over.wait(0.01):
                if journal.exists() and journal.stat().st_size:
                    _thread.interrupt_main()
                    return

        watcher = threading.Thread(target=interrupt)
        watcher.start()
        try:
            trainer = self.trained(folder, tmp_path, callback)
        finally:
            over.set()
            watcher.join()
        assert equal(weights(trainer), plain)
        assert trainer.model.training
        assert "interrupted" in capsys.readouterr().err
        assert not load_run(journal.parent).complete

    def test_asked_for_a_problem_is_raised(self, folder: Any, tmp_path: Any) -> None:
        data = write_sums(tmp_path / "sums.jsonl")
        callback = EvalCallback(f"gsm8k:{data}", every=2, on_error="raise", **SHORT)
        data.unlink()
        with pytest.raises(ConfigError, match="no such file"):
            self.trained(folder, tmp_path, callback)
