"""Checks beside the training, in real processes: late results at their step, and faults that leave the training alone."""

from __future__ import annotations

import _thread
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from trainings import checks, equal, make_trainer, weights
from transformers import TrainerCallback

from evalsuite import compare, load_run
from evalsuite.training import EvalCallback

pytestmark = pytest.mark.filterwarnings("default")
SHORT: dict[str, Any] = {"max_tokens": 6, "shots": 0}
METRIC = "eval_sums_accuracy"
SAVES: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2}
BY_TRANSFORMERS: dict[str, Any] = {"mode": "subprocess", "backend": "transformers", "devices": "cpu", **SHORT}


def lora(model: Any, _: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))


class Vllm(BaseHTTPRequestHandler):
    """What vLLM does with adapters while it serves, as far as a check sees it."""

    protocol_version = "HTTP/1.1"
    server: VllmServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        names = ["base", *self.server.adapters]
        self.reply(200, {"data": [{"id": name} for name in names]})

    def do_POST(self) -> Any:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        verb = self.path.rpartition("/")[2]
        self.server.calls.append((verb, body.get("lora_name") or body.get("model")))
        if verb == "load_lora_adapter":
            whole = (Path(body["lora_path"]) / "adapter_model.safetensors").is_file()
            if not whole or self.server.refuses:
                return self.reply(400, {"error": {"message": "LoRA is not enabled"}})
            self.server.adapters.add(body["lora_name"])
            return self.reply(200, "ok")
        if verb == "unload_lora_adapter":
            known = body["lora_name"] in self.server.adapters
            self.server.adapters.discard(body["lora_name"])
            return self.reply(200 if known else 404, "ok")
        if body["model"] not in {"base", *self.server.adapters}:
            return self.reply(404, {"error": {"message": "no such model"}})
        message = {"role": "assistant", "content": "#### 3"}
        return self.reply(200, {"choices": [{"message": message, "finish_reason": "stop"}]})

    def reply(self, status: Any, content: Any) -> None:
        raw = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


class VllmServer(ThreadingHTTPServer):
    """Holds the loaded adapters and the requests: their last path segment, and the model or adapter."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Vllm)
        self.adapters: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self.refuses = False


@pytest.fixture
def vllm() -> Iterator[VllmServer]:
    server = VllmServer()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url_of(server: Any) -> Any:
    return f"http://127.0.0.1:{server.server_port}/v1"


class TestSubprocess:
    def test_late_results_stand_at_their_step(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        callback = EvalCallback(sums, overlap="queue", limit=3, **BY_TRANSFORMERS)
        trainer = make_trainer(folder, tmp_path / "out", [callback], save_total_limit=1, **SAVES)
        trainer.train()
        assert equal(weights(trainer), plain)
        assert list(checks(trainer, METRIC)) == [2, 4]
        assert not (tmp_path / "out/checkpoint-2").exists(), "the trainer rotated it while its check waited"
        runs = [load_run(tmp_path / f"out/evalsuite/step-{step}") for step in (2, 4)]
        assert [run.info.step for run in runs] == [2, 4]
        assert compare(*runs).verdicts
        assert not list((tmp_path / "out/evalsuite/.held").iterdir())
        assert "evalsuite: step 4: sums accuracy" in capsys.readouterr().err

    def test_a_check_that_is_due_too_early_is_left_out(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        callback = EvalCallback(sums, limit=2, **BY_TRANSFORMERS)
        trainer = make_trainer(folder, tmp_path / "out", [callback], **SAVES)
        trainer.train()
        assert equal(weights(trainer), plain)
        assert list(checks(trainer, METRIC)) == [2]
        assert "step 4: skipped, the check of step 2 is still running" in capsys.readouterr().err

    def test_one_that_takes_too_long_is_ended(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        callback = EvalCallback(sums, timeout=0.5, **BY_TRANSFORMERS)
        trainer = make_trainer(folder, tmp_path / "out", [callback], **SAVES)
        trainer.train()
        assert equal(weights(trainer), plain)
        assert checks(trainer, METRIC) == {}
        assert "step 2: no result." in capsys.readouterr().err

    def test_a_checkpoint_that_is_never_whole(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        callback = EvalCallback(sums, timeout=3.0, **BY_TRANSFORMERS)
        trainer = make_trainer(folder, tmp_path / "out", [callback], save_strategy="steps", save_steps=4)
        save = trainer._save_checkpoint

        def half(*given: Any) -> None:
            save(*given)
            file = tmp_path / "out/checkpoint-4/model.safetensors"
            file.write_bytes(file.read_bytes()[:1000])

        trainer._save_checkpoint = half
        trainer.train()
        assert equal(weights(trainer), plain)
        told = capsys.readouterr().err
        assert "step 4: waiting for the checkpoint to be complete" in told
        assert "step 4: no result." in told

    def test_a_checkpoint_that_becomes_whole_is_checked(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        whole = []

        class Late(TrainerCallback):
            """The last bytes of the checkpoint of step 2 are written at step 3."""

            def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                file = tmp_path / "out/checkpoint-2/model.safetensors"
                if state.global_step == 2:
                    whole.append(file.read_bytes())
                    file.write_bytes(whole[0][:1000])

            def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                if state.global_step == 3:
                    (tmp_path / "out/checkpoint-2/model.safetensors").write_bytes(whole[0])

        callback = EvalCallback(sums, limit=2, **BY_TRANSFORMERS)
        saves: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2}
        trainer = make_trainer(folder, tmp_path / "out", [Late(), callback], **saves)
        trainer.train()
        assert equal(weights(trainer), plain)
        assert list(checks(trainer, METRIC)) == [2]
        assert "step 2: waiting for the checkpoint to be complete" in capsys.readouterr().err

    def test_a_full_disk(self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out/evalsuite").symlink_to("/dev/full")
        callback = EvalCallback(sums, **BY_TRANSFORMERS)
        trainer = make_trainer(folder, tmp_path / "out", [callback], save_strategy="steps", save_steps=4)
        trainer.train()
        assert equal(weights(trainer), plain)
        assert "step 4: no result." in capsys.readouterr().err

    def test_ctrl_c_while_the_last_check_is_waited_for(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        ended, over = threading.Event(), threading.Event()

        class Ended(TrainerCallback):
            def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                ended.set()

        callbacks = [Ended(), EvalCallback(sums, **BY_TRANSFORMERS)]
        trainer = make_trainer(folder, tmp_path / "out", callbacks, save_strategy="steps", save_steps=4)
        begun = tmp_path / "out/evalsuite/step-4/run.json"

        def interrupt() -> None:
            while not over.wait(0.01):
                if ended.is_set() and begun.exists():
                    _thread.interrupt_main()
                    return

        watcher = threading.Thread(target=interrupt)
        watcher.start()
        try:
            trainer.train()
        finally:
            over.set()
            watcher.join()
        assert equal(weights(trainer), plain)
        assert checks(trainer, METRIC) == {}
        assert "step 4: no result. interrupted" in capsys.readouterr().err

    def test_one_whose_process_fails_quotes_its_last_words(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, capsys: Any
    ) -> None:
        callback = EvalCallback(sums, **(BY_TRANSFORMERS | {"backend_arg": {"dtype": "float7"}}))
        trainer = make_trainer(folder, tmp_path / "out", [callback], save_strategy="steps", save_steps=4)
        trainer.train()
        assert equal(weights(trainer), plain)
        assert "dtype=float7: not a type of numbers" in capsys.readouterr().err

    def test_after_a_resume_the_check_that_was_lost_is_made(
        self, folder: Any, sums: Any, tmp_path: Any
    ) -> None:
        first = make_trainer(folder, tmp_path / "out", [], max_steps=2, **SAVES)
        first.train()
        resumed = make_trainer(
            folder,
            tmp_path / "out",
            [EvalCallback(sums, limit=2, overlap="queue", **BY_TRANSFORMERS)],
            max_steps=3,
            save_strategy="steps",
            save_steps=50,
        )
        resumed.train(resume_from_checkpoint=str(tmp_path / "out/checkpoint-2"))
        assert list(checks(resumed, METRIC)) == [2, 3]


class TestServer:
    def test_the_saved_adapter_is_put_on_and_taken_off(
        self, folder: Any, sums: Any, tmp_path: Any, vllm: Any
    ) -> Any:
        def trained(out: Any, *callbacks: Any) -> Any:
            trainer = make_trainer(folder, out, callbacks, change=lora, **SAVES)
            trainer.train()
            return trainer

        plain = weights(trained(tmp_path / "plain"))
        callback = EvalCallback(sums, mode="server", base_url=url_of(vllm), overlap="queue", **SHORT)
        trainer = trained(tmp_path / "out", callback)
        assert equal(weights(trainer), plain)
        assert list(checks(trainer, METRIC)) == [2, 4]
        assert checks(trainer, METRIC)[2] == pytest.approx(1 / 6)
        asked = [name for verb, name in vllm.calls if verb == "completions"]
        assert set(asked) == {"evalsuite-step-2", "evalsuite-step-4"}
        assert vllm.calls[-1] == ("unload_lora_adapter", "evalsuite-step-4")
        assert not vllm.adapters

    def test_an_endpoint_that_serves_the_new_weights_is_asked_as_it_is(
        self, folder: Any, plain: Any, sums: Any, tmp_path: Any, vllm: Any
    ) -> None:
        callback = EvalCallback(
            sums, every=2, mode="server", base_url=url_of(vllm), model="base", overlap="queue", **SHORT
        )
        trainer = make_trainer(folder, tmp_path / "out", [callback])
        trainer.train()
        assert equal(weights(trainer), plain)
        assert list(checks(trainer, METRIC)) == [2, 4]
        assert not [verb for verb, _ in vllm.calls if "lora" in verb]

    @pytest.mark.parametrize("fault", ["down", "refuses", "hangs", "whole_weights"])
    def test_faults(self, folder: Any, sums: Any, tmp_path: Any, vllm: Any, capsys: Any, fault: Any) -> Any:
        vllm.refuses = fault == "refuses"
        change = None if fault == "whole_weights" else lora
        saves: dict[str, Any] = {"save_strategy": "steps", "save_steps": 4}

        def trained(out: Any, *callbacks: Any) -> Any:
            trainer = make_trainer(folder, out, callbacks, change=change, **saves)
            trainer.train()
            return weights(trainer)

        words = {
            "down": "cannot be reached",
            "refuses": "--enable-lora",
            "hangs": "no result",
            "whole_weights": "it is no adapter",
        }
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent_url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
            url = {"down": "http://127.0.0.1:9/v1", "hangs": silent_url}.get(fault, url_of(vllm))
            callback = EvalCallback(sums, mode="server", base_url=url, timeout=5.0, **SHORT)
            assert equal(trained(tmp_path / "out", callback), trained(tmp_path / "plain"))
        told = capsys.readouterr().err
        assert "step 4: no result." in told
        assert words[fault] in told
