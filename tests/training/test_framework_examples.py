"""The examples: run where their framework is here, held against the framework's source where it is not.

`EVALSUITE_FRAMEWORKS=FOLDER` names a folder with the packages unpacked, made by

    pip install --no-deps --target FOLDER/swift3 'ms-swift<4'      (and swift4 'ms-swift>=4', llamafactory, axolotl)
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from trainings import write_sums

pytestmark = pytest.mark.filterwarnings("default")
EXAMPLES = Path(__file__).parents[2] / "examples"
TIMEOUT_SECONDS = 500


def run(name: Any, *arguments: Any) -> Any:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_framework_example_transformers(folder: Any, tmp_path: Any) -> None:
    data = tmp_path / "texts.jsonl"
    data.write_text(
        "".join(json.dumps({"text": f"<user>{n} + 1?<assistant>{n + 1}"}) + "\n" for n in range(16))
    )
    sums = write_sums(tmp_path / "sums.jsonl")
    words = ["--check", f"gsm8k:{sums}", "--limit", "4", "--max-tokens", "4", "--shots", "0"]
    more = [
        "--max_steps",
        "4",
        "--eval_steps",
        "2",
        "--save_steps",
        "2",
        "--report_to",
        "none",
        "--use_cpu",
        "true",
    ]
    done = run("with_transformers.py", folder, data, tmp_path / "out", *words, *more)
    assert "best: " in done.stdout
    assert "step 4: sums accuracy" in done.stderr


@pytest.mark.skipif(
    find_spec("trl") is None or find_spec("datasets") is None,
    reason="trl is not installed (make test-models)",
)
@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
def test_framework_example_trl(folder: Any, tmp_path: Any, method: Any) -> None:
    sums = write_sums(tmp_path / "sums.jsonl")
    words = ["--steps", "4", "--limit", "3", "--max-tokens", "4"]
    done = run("with_trl.py", method, folder, sums, tmp_path / "out", *words)
    assert done.stdout.count("eval_sums_accuracy=") == 4


def source(*places: str) -> str:
    folder = os.environ.get("EVALSUITE_FRAMEWORKS")
    if not folder:
        pytest.skip("EVALSUITE_FRAMEWORKS names no folder with the framework's source")
    path = Path(folder, *places)
    if not path.exists():
        pytest.skip(f"{places[0]} is not in EVALSUITE_FRAMEWORKS")
    return path.read_text(encoding="utf-8")


def signature(text: str, name: str) -> list[str]:
    """The arguments of a function or method in a module's source; `Class.method` for a method."""
    body = ast.parse(text).body
    for part in name.split("."):
        found: Any = next(node for node in body if getattr(node, "name", None) == part)
        body = found.body
    return [argument.arg for argument in found.args.args]


def test_framework_example_ms_swift_3() -> None:
    assert "extra_callbacks = []" in source("swift3", "swift", "plugin", "callback.py")
    assert "callbacks += extra_callbacks" in source("swift3", "swift", "llm", "train", "sft.py")
    names = source("swift3", "swift", "plugin", "__init__.py")
    assert all(name in names for name in ("extra_callbacks", "orms", "prms"))
    grpo = source("swift3", "swift", "trainers", "rlhf_trainer", "grpo_trainer.py")
    assert "reward_func_class = orms[reward_func]" in grpo
    assert (
        signature(source("swift3", "swift", "plugin", "prm.py"), "QwenMaxPRM.__call__")[1] == "infer_requests"
    )


def test_framework_example_ms_swift_4() -> None:
    mixin = source("swift4", "swift", "trainers", "mixin.py")
    assert "callbacks_map[callback](args, self)" in mixin
    assert "eval_metrics_map[args.eval_metric](args, self)" in mixin
    assert "eval_metric.preprocess_logits_for_metrics" in mixin
    orm = source("swift4", "swift", "rewards", "orm.py")
    assert signature(orm, "ORM.__init__") == ["self", "args"]
    names = source("swift4", "swift", "rewards", "__init__.py")
    assert "orms" in names
    assert "prms" in names


def test_framework_example_llamafactory() -> None:
    tuner = source("lf", "llamafactory", "train", "tuner.py")
    assert signature(tuner, "run_exp") == ["args", "callbacks"]


def test_framework_example_axolotl() -> None:
    base = source("axolotl", "axolotl", "integrations", "base.py")
    assert signature(base, "BasePlugin.add_callbacks_post_trainer") == ["self", "cfg", "trainer"]
    assert signature(base, "BasePlugin.get_input_args") == ["self"]


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.stem)
def test_framework_example_each_is_listed_and_whole(file: Any) -> None:
    compile(file.read_text(encoding="utf-8"), str(file), "exec")
    assert f"`{file.name}`" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
