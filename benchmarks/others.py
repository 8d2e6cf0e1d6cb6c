"""Other harnesses on the same rows, against the same mock server: each in its environment, as its users start it.

`make oracles` makes the environments; EVALSUITE_ORACLES names another folder than `.venv-oracles`. Those that are not there
are left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mock_server import MODEL

ORACLES = Path(os.environ.get("EVALSUITE_ORACLES") or Path(__file__).resolve().parents[1] / ".venv-oracles")
CONCURRENCY = 64
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "OPENAI_API_KEY": "none",
    "BENCH_API_KEY": "none",
}

LM_EVAL_TASK = """\
task: bench
dataset_path: csv
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}\\nA. {{{{A}}}}\\nB. {{{{B}}}}\\nC. {{{{C}}}}\\nD. {{{{D}}}}\\nAnswer:"
doc_to_target: "{{{{answer}}}}"
generation_kwargs:
  until: ["\\n\\n"]
  max_gen_toks: 128
  temperature: 0.0
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""
INSPECT_TASK = """\
from inspect_ai import Task, task
from inspect_ai.dataset import Sample, csv_dataset
from inspect_ai.scorer import choice
from inspect_ai.solver import multiple_choice


def sample(row):
    return Sample(input=row["question"], choices=[row[letter] for letter in "ABCD"], target=row["answer"])


@task
def bench():
    return Task(dataset=csv_dataset({data!r}, sample), solver=multiple_choice(), scorer=choice())
"""


@dataclass(frozen=True)
class Harness:
    """Another harness: `words` gives its arguments for a data file, the mock's address and a folder to write to."""

    name: str
    environment: str
    at_least: float
    """How many times as long as evalsuite it is to take."""
    program: str
    words: Callable[[Path, str, Path], list[str]]
    """What follows the program."""

    @property
    def binary(self) -> Path:
        """The program in its environment."""
        return ORACLES / self.environment / "bin" / self.program

    def seconds(self, data: Path, base_url: str, folder: Path) -> float:
        """Seconds of its whole command."""
        folder.mkdir(parents=True)
        arguments = self.words(data, base_url, folder)
        environment: Mapping[str, str] = {**os.environ, **OFFLINE, "BENCH_BASE_URL": base_url}
        start = time.perf_counter()
        done = subprocess.run(
            [str(self.binary), *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        taken = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"{self.name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return taken


def _evalscope(data: Path, base_url: str, folder: Path) -> list[str]:
    (folder / "rows_val.csv").write_bytes(data.read_bytes())
    given = {"general_mcq": {"local_path": str(folder), "subset_list": ["rows"]}}
    settings = {"temperature": 0.0, "max_tokens": 128}
    return [
        "eval", "--model", MODEL, "--api-url", base_url, "--api-key", "none",
        "--eval-type", "openai_api", "--datasets", "general_mcq", "--dataset-args", json.dumps(given),
        "--generation-config", json.dumps(settings), "--eval-batch-size", str(CONCURRENCY),
        "--work-dir", str(folder / "out"),
    ]  # fmt: skip


def _lm_eval(data: Path, base_url: str, folder: Path) -> list[str]:
    (folder / "bench.yaml").write_text(LM_EVAL_TASK.format(data=data), encoding="utf-8")
    model = f"model={MODEL},base_url={base_url}/chat/completions,num_concurrent={CONCURRENCY},tokenized_requests=False"
    return [
        "run", "--model", "local-chat-completions", "--model_args", model, "--tasks", "bench",
        "--include_path", str(folder), "--apply_chat_template", "--log_samples", "--output_path", str(folder / "out"),
    ]  # fmt: skip


def _inspect(data: Path, _: str, folder: Path) -> list[str]:
    (folder / "bench.py").write_text(INSPECT_TASK.format(data=str(data)), encoding="utf-8")
    return [
        "eval", "bench.py", "--model", f"openai-api/bench/{MODEL}", "--max-connections", str(CONCURRENCY),
        "--max-samples", str(CONCURRENCY), "--temperature", "0", "--max-tokens", "128", "--display", "none",
        "--log-dir", str(folder / "out"),
    ]  # fmt: skip


HARNESSES = (
    Harness("evalscope", "evalscope", 10, "evalscope", _evalscope),
    Harness("lm-eval", "lm_eval", 14, "lm_eval", _lm_eval),
    Harness("inspect-ai", "inspect", 30, "inspect", _inspect),
)


def installed() -> Iterator[Harness]:
    """Those whose environment is there."""
    return (harness for harness in HARNESSES if harness.binary.exists())
