"""The examples of frameworks in their own environments: real trainings of a tiny model, where such an environment is named.

    EVALSUITE_SWIFT_PYTHON          a Python with ms-swift 4 and evalsuite's dependencies
    EVALSUITE_SWIFT3_PYTHON         the same with ms-swift 3
    EVALSUITE_LLAMAFACTORY_PYTHON   the same with llamafactory
    EVALSUITE_AXOLOTL_PYTHON        one in which axolotl.integrations can be imported; without CUDA Axolotl itself cannot be run

evalsuite itself is taken from here. Without them the tests are skipped; `test_framework_examples.py` reads the frameworks' source.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from trainings import write_sums

from evalsuite import load_run

pytestmark = pytest.mark.filterwarnings("default")
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TIMEOUT_SECONDS = 500
CHECK_OPTIONS = {"limit": 4, "max_tokens": 4, "shots": 0}
ROWS = 16
LLAMA_FACTORY = """
stage: sft
do_train: true
finetuning_type: lora
lora_target: q_proj
model_name_or_path: {model}
template: default
cutoff_len: 64
dataset: rows
dataset_dir: {folder}
output_dir: {folder}/out
max_steps: 2
save_steps: 1
logging_steps: 1
per_device_train_batch_size: 2
report_to: none
use_cpu: true
"""


def python_of(framework: str, module: str) -> str:
    """The interpreter that a variable names, if the framework and evalsuite can be imported by it."""
    name = f"EVALSUITE_{framework}_PYTHON"
    python = os.environ.get(name)
    if not python:
        pytest.skip(f"{name} names no environment")
    done = subprocess.run(
        [python, "-c", f"import evalsuite.training, {module}"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env=environment(),
    )
    if done.returncode:
        pytest.skip(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    return python


def environment(**more: str) -> dict[str, str]:
    offline = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return os.environ | offline | {"PYTHONPATH": str(ROOT)} | more


def run(command: Sequence[object], cwd: Path, **more: str) -> str:
    """What it said on standard output and error."""
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        cwd=cwd,
        env=environment(**more),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def check_runs(out: Path, steps: list[int]) -> None:
    """Each check left a whole run of the model in training."""
    folders = sorted(out.rglob("evalsuite/step-*/summary.json"))
    assert [folder.parent.name for folder in folders] == [f"step-{step}" for step in steps]
    for folder in folders:
        found = load_run(folder.parent)
        assert found.complete
        assert found.summary.totals.samples == CHECK_OPTIONS["limit"]


SWIFT_WORDS = (
    *("--model_type", "llama", "--template", "dummy", "--torch_dtype", "float32"),
    *("--max_steps", 2, "--save_steps", 1, "--logging_steps", 1, "--per_device_train_batch_size", 2),
    *("--use_cpu", "true", "--report_to", "none", "--dataloader_num_workers", 0, "--output_dir", "out"),
)


def conversations() -> list[dict[str, Any]]:
    """Rows as ms-swift takes them."""
    return [
        {"messages": [{"role": "user", "content": f"{n} + 1?"}, {"role": "assistant", "content": str(n + 1)}]}
        for n in range(ROWS)
    ]


class TestMsSwift4:
    WORDS = (
        *SWIFT_WORDS,
        *(
            "--tuner_type",
            "lora",
            "--external_plugins",
            EXAMPLES / "ms_swift_v4.py",
            "--callbacks",
            "evalsuite",
        ),
    )

    def trained(
        self, folder: Path, tmp_path: Path, method: list[str], rows: list[dict[str, Any]], *more: object
    ) -> str:
        python = python_of("SWIFT", "swift")
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        told = run(
            [
                python,
                "-m",
                "swift.cli.main",
                *method,
                "--model",
                folder,
                "--dataset",
                "rows.jsonl",
                *self.WORDS,
                *more,
            ],
            tmp_path,
            CHECK=f"gsm8k:{write_sums(tmp_path / 'sums.jsonl', 8)}",
            CHECK_OPTIONS=json.dumps(CHECK_OPTIONS),
        )
        check_runs(tmp_path / "out", [1, 2])
        assert "evalsuite: step 2: sums accuracy" in told
        return told

    def logged(self, tmp_path: Path, name: str) -> list[float]:
        """What ms-swift's own log has of a number."""
        (log,) = tmp_path.glob("out/*/logging.jsonl")
        lines = map(json.loads, log.read_text().splitlines())
        return [float(line[name]) for line in lines if name in line]

    @pytest.mark.parametrize(
        ("metric", "more", "names"),
        [
            ("evalsuite_acc", (), ("eval_token_acc", "eval_seq_acc")),
            (
                "evalsuite_nlg",
                ("--predict_with_generate", "true", "--max_new_tokens", 4),
                ("eval_rouge-1", "eval_bleu-4"),
            ),
        ],
    )
    def test_sft_with_checks_and_metrics(
        self, folder: Any, tmp_path: Any, metric: Any, more: Any, names: Any
    ) -> None:
        words = ("--eval_metric", metric, "--eval_steps", 1, "--split_dataset_ratio", 0.25, *more)
        self.trained(folder, tmp_path, ["sft"], conversations(), *words)
        assert len(self.logged(tmp_path, "eval_sums_accuracy")) == 2
        for name in names:
            assert self.logged(tmp_path, name), name

    def test_grpo_with_rewards(self, folder: Any, tmp_path: Any) -> None:
        rows = [
            {"messages": [{"role": "user", "content": f"{n} + 1?"}], "solution": f"#### {n + 1}"}
            for n in range(ROWS)
        ]
        words = ("--reward_funcs", "evalsuite_math", "evalsuite_format", "--num_generations", 2)
        limits = ("--max_completion_length", 8, "--use_vllm", "false", "--split_dataset_ratio", 0)
        self.trained(folder, tmp_path, ["rlhf", "--rlhf_type", "grpo"], rows, *words, *limits)
        names = [f"rewards/Evalsuite{kind}/mean" for kind in ("Math", "Format")]
        for name in names:
            assert len(self.logged(tmp_path, name)) == 2, name


class TestMsSwift3:
    def test_sft_with_checks(self, folder: Any, tmp_path: Any) -> None:
        python = python_of("SWIFT3", "swift.plugin")
        model = shutil.copytree(folder, tmp_path / "model")
        of_transformers_5 = model / "tokenizer_config.json"
        told = json.loads(of_transformers_5.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
        told.pop("extra_special_tokens", None)
        of_transformers_5.write_text(json.dumps(told))
        rows = "".join(json.dumps(row) + "\n" for row in conversations())
        (tmp_path / "rows.jsonl").write_text(rows)
        words = ["--train_type", "lora", "--external_plugins", EXAMPLES / "ms_swift_v3.py", *SWIFT_WORDS]
        command = [python, "-m", "swift.cli.main", "sft", "--model", model, "--dataset", "rows.jsonl"]
        said = run(
            [*command, "--split_dataset_ratio", 0, *words],
            tmp_path,
            CHECK=f"gsm8k:{write_sums(tmp_path / 'sums.jsonl', 8)}",
            CHECK_OPTIONS=json.dumps(CHECK_OPTIONS),
        )
        check_runs(tmp_path / "out", [1, 2])
        assert "evalsuite: step 2: sums accuracy" in said


class TestLlamaFactory:
    def test_sft_with_checks(self, folder: Any, tmp_path: Any) -> None:
        python = python_of("LLAMAFACTORY", "llamafactory.train.tuner")
        rows = [{"instruction": f"{n} + 1?", "input": "", "output": str(n + 1)} for n in range(ROWS)]
        (tmp_path / "rows.json").write_text(json.dumps(rows))
        (tmp_path / "dataset_info.json").write_text('{"rows": {"file_name": "rows.json"}}')
        (tmp_path / "train.yaml").write_text(LLAMA_FACTORY.format(model=folder, folder=tmp_path))
        sums = write_sums(tmp_path / "sums.jsonl", 8)
        words = ["train.yaml", "--check", f"gsm8k:{sums}", "--options", json.dumps(CHECK_OPTIONS)]
        told = run([python, str(EXAMPLES / "with_llamafactory.py"), *words], tmp_path)
        check_runs(tmp_path / "out", [1, 2])
        assert "evalsuite: step 2: sums accuracy" in told


class TestAxolotl:
    def test_its_plugin_manager_adds_the_check(self, folder: Any, tmp_path: Any) -> None:
        python = python_of("AXOLOTL", "axolotl.integrations.base")
        child = Path(__file__).with_name("axolotl_child.py")
        sums = write_sums(tmp_path / "sums.jsonl", 8)
        words = [folder, tmp_path / "out", f"gsm8k:{sums}", json.dumps(CHECK_OPTIONS)]
        told = run([python, child, *words], tmp_path)
        check_runs(tmp_path / "out", [1, 2])
        assert "evalsuite: step 2: sums accuracy" in told
