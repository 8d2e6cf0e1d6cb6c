"""Sample keys of a run of format 1: the prompts of mcq, qa and gsm8k have not changed, so old runs resume."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evalsuite.config import build_config
from evalsuite.runs.journal import sample_key
from evalsuite.runs.plan import plan_datasets

FIXTURE = Path(__file__).parents[1] / "fixtures" / "run_format_1"


@pytest.fixture
def run_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """run.json of the finished run; the working directory holds its data."""
    shutil.copytree(FIXTURE / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    info: dict[str, Any] = json.loads((FIXTURE / "finished" / "run.json").read_text(encoding="utf-8"))
    return info


def test_sample_keys_of_a_run_of_format_1_are_the_same_today(run_info: dict[str, Any]) -> None:
    lines = (FIXTURE / "finished" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    recorded = {(line["dataset"], line["id"]): line["key"] for line in map(json.loads, lines)}
    fingerprint = run_info["variants"][0]["fingerprint"]
    options = {name: run_info["config"][name] for name in ("datasets", "base_url", "model")}
    plans = plan_datasets(build_config(options))
    keys = {}
    for plan in plans:
        for sample, shots in plan.samples():
            _, request = plan.request(sample, shots)
            key = sample_key(fingerprint, request.api, request.payload + plan.key_suffix(sample))
            keys[plan.name, sample.id] = key
    assert keys == recorded
    assert len(keys) == 9
