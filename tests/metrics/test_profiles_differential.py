"""Comparison profiles and ToolBench's `paper` numbers against the packages they stand for, each in its own environment.

`make oracles` makes the environments; without one its profiles are skipped here, and the pinned vectors of the
ordinary tests hold real values all the same. EVALSUITE_ORACLES names another folder than `.venv-oracles`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nltk_model import using_model
from profile_cases import generated
from step_cases import PAPER_NAMES

from evalsuite.metrics import choices_profiles, numbers_profiles, qa_profiles, tool_steps

sys.path.insert(0, str(Path(__file__).parent / "oracles"))
from make import FOLDER, MADE
from pin import ENVIRONMENT, answers

ORACLES = Path(os.environ.get("EVALSUITE_ORACLES") or Path(__file__).resolve().parents[2] / FOLDER)
NLTK_DATA = ORACLES / "evalscope/unpacked/llama_index/core/_static/nltk_cache"
COUNTS = {"toolbench/paper": 500}
"""Of batches, 8 records each; of the others single records."""
RECORDS = 2500
TOLERANCES = {"toolbench/paper": 1e-12}
"""Sums in another order; everything else is equal to the last bit."""


def ours(profile: str, record: dict[str, Any]) -> dict[str, Any]:
    """Our scores of a record, as `ask.py` gives the source's."""
    kind, _, name = profile.partition("/")
    if kind == "toolbench":
        return paper_means(record["records"])
    if kind == "qa":
        return dict(qa_profiles.score(name, record["reference"], record["reply"]))
    return {"mcq": mcq_scores, "gsm8k": gsm8k_scores}[kind](name, record)


def paper_means(records: list[dict[str, Any]]) -> dict[str, float]:
    scores = [
        tool_steps.score_paper(
            tool_steps.parse_step(record["target"]),
            tool_steps.parse_step(record["predictions"]),
            tool_steps.tool_names(record["tools"]),
        ).values
        for record in records
    ]
    found = {
        theirs: [value for row in scores if (value := row[name]) is not None]
        for theirs, name in PAPER_NAMES.items()
    }
    return {name: sum(values) / len(values) for name, values in found.items()}


def mcq_scores(name: str, record: dict[str, Any]) -> dict[str, Any]:
    reply, labels = record["reply"], record["labels"]
    style = {"chinese": record["chinese"], "multiple": record["multiple"]}
    read = {
        "evalscope": lambda: choices_profiles.evalscope_answer(reply, labels, **style),
        "oc_first_capital": lambda: choices_profiles.first_capital(reply),
        "oc_first_option": lambda: choices_profiles.first_option(reply, labels),
    }
    return {
        "answer": read[name](),
        "accuracy": choices_profiles.accuracy(name, reply, labels, record["gold"], **style),
    }


def gsm8k_scores(name: str, record: dict[str, Any]) -> dict[str, Any]:
    read = {
        "lm_eval_strict": numbers_profiles.lm_eval_strict,
        "lm_eval_flexible": numbers_profiles.lm_eval_flexible,
        "opencompass": numbers_profiles.opencompass_answer,
    }[name]
    return {
        "answer": read(record["reply"]),
        "accuracy": numbers_profiles.accuracy(name, record["reply"], record["answer"]),
    }


@pytest.fixture
def needed(profile: str) -> Iterator[None]:
    """What a profile is compared by, or the reason why it is not."""
    environment = ENVIRONMENT[profile]
    if not (ORACLES / environment / MADE).is_file():
        pytest.skip(f"no environment {environment}: `make oracles` makes it")
    if profile != "qa/evalscope":
        yield
        return
    if importlib.util.find_spec("nltk") is None:
        pytest.skip("nltk is not installed; it comes with the extra [profiles]")
    with using_model(NLTK_DATA):
        yield


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize("profile", ENVIRONMENT)
def test_equal_to_the_source(profile: str) -> None:
    records = list(generated(profile, COUNTS.get(profile, RECORDS)))
    largest, worst, told_apart = 0.0, None, set()
    for record, theirs in zip(records, answers(ORACLES, profile, records), strict=True):
        found = ours(profile, record)
        assert found.keys() == theirs.keys()
        for key, value in found.items():
            both_numbers = isinstance(value, float | int) and isinstance(theirs[key], float | int)
            difference = (
                abs(value - theirs[key]) if both_numbers else 0.0 if value == theirs[key] else float("inf")
            )
            if difference > largest:
                largest, worst = difference, (record, key, value, theirs[key])
            told_apart.add((key, theirs[key]))
    assert largest <= TOLERANCES.get(profile, 0.0), worst
    assert len(told_apart) > len(found), "all records score the same: they tell nothing apart"
