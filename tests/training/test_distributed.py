"""Two processes, gloo, on the CPU: one check, decoded by both, the same result in both."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import equal, write_sums

from evalsuite import load_run

pytestmark = pytest.mark.filterwarnings("default")
CHILD = Path(__file__).with_name("ddp_child.py")
TIMEOUT_SECONDS = 400


def trained(folder: Any, out: Any, spec: Any) -> Any:
    out.mkdir()
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*launcher, str(CHILD), str(folder), str(out), spec],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(out / f"rank{rank}.pt") for rank in range(2)], done.stderr


def test_distributed_check_rows_are_split_and_gathered_and_weights_are_those_of_no_check(
    folder: Any, tmp_path: Any
) -> None:
    data = write_sums(tmp_path / "sums.jsonl", 7)
    plain, _ = trained(folder, tmp_path / "plain", "none")
    checked, told = trained(folder, tmp_path / "checked", f"gsm8k:{data}")
    for rank in range(2):
        assert equal(checked[rank]["weights"], plain[rank]["weights"])
        assert list(checked[rank]["checks"]) == [2, 4]
    assert checked[0]["checks"] == checked[1]["checks"]
    assert told.count("evalsuite: step 2:") == 1, "said once, by the first process"
    run = load_run(tmp_path / "checked/evalsuite/step-4")
    assert run.complete
    assert run.summary.totals.samples == 7
    served = run.info.variants[0].served
    assert served is not None
    assert served["rows_at_a_time"] == "4"
