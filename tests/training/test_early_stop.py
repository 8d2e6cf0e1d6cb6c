"""A training ends on a real drop only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mock_server import MODEL, MockServer, reply
from transformers import TrainerControl, TrainerState

from evalsuite import RunConfig, evaluate
from evalsuite.errors import ConfigError
from evalsuite.training import EarlyStop

pytestmark = pytest.mark.filterwarnings("default")
ROWS = 40


class Arguments:
    def __init__(self, out: Any) -> None:
        self.output_dir = str(out)


def checked(tmp_path: Any, right_by_step: Any) -> Any:
    """Runs whose first so many rows are right, and the history of the training they belong to."""
    data = tmp_path / "sums.jsonl"
    data.write_text(
        "".join(json.dumps({"question": f"q{n:03d}", "answer": "#### 5"}) + "\n" for n in range(ROWS))
    )
    state = TrainerState()
    for step, right in right_by_step.items():

        def answer(asked: Any, right: Any = right) -> Any:
            number = asked.prompt[1:4]
            return reply("5" if number.isdigit() and int(number) < right else "6")

        with MockServer(answer) as server:
            config = RunConfig(
                datasets=[f"gsm8k:{data}"],
                base_url=server.url,
                model=MODEL,
                shots=0,
                out=tmp_path / "out/evalsuite",
                name=f"step-{step}",
            )
            run = evaluate(config)
        value = run.metric("accuracy")
        assert value == right / ROWS
        state.log_history.append({"step": step, "eval_sums_accuracy": value})
    return state


def stopped(tmp_path: Any, right_by_step: Any, **options: Any) -> Any:
    state, control = checked(tmp_path, right_by_step), TrainerControl()
    stop, args = EarlyStop("sums_accuracy", **options), Arguments(tmp_path / "out")
    history, state.log_history = state.log_history, []
    stop.on_train_begin(args, state, control)
    for entry in history:
        state.log_history.append(entry)
        stop.on_step_end(args, state, control)
        if control.should_training_stop:
            return entry["step"]
    return None


def test_early_stop_drop_that_may_be_chance_does_not(tmp_path: Any) -> None:
    assert stopped(tmp_path, {1: 30, 2: 26}) is None


def test_early_stop_real_drop_ends_it(tmp_path: Any, capsys: Any) -> None:
    assert stopped(tmp_path, {1: 30, 2: 31, 3: 10}) == 3
    assert "step 3: accuracy is −52.5 points" in capsys.readouterr().err


def test_early_stop_is_held_against_the_best_not_the_last(tmp_path: Any) -> None:
    assert stopped(tmp_path, {1: 35, 2: 31, 3: 27}) == 3


def test_early_stop_patience_counts_drops_in_a_row(tmp_path: Any) -> None:
    assert stopped(tmp_path, {1: 30, 2: 10, 3: 29, 4: 10, 5: 9}, patience=2) == 5


def test_early_stop_real_drop_within_the_margin_is_borne(tmp_path: Any) -> None:
    assert stopped(tmp_path, {1: 30, 2: 20}, min_delta=0.3) is None


def test_early_stop_run_that_is_gone_is_reported(tmp_path: Any, capsys: Any) -> None:
    state = checked(tmp_path, {1: 30})
    state.log_history.append({"step": 2, "eval_sums_accuracy": 0.1})
    control = TrainerControl()
    EarlyStop("sums_accuracy").on_step_end(Arguments(tmp_path / "out"), state, control)
    assert not control.should_training_stop
    assert "cannot be compared with step 1" in capsys.readouterr().err


@pytest.mark.parametrize("options", [{"patience": 0}, {"min_delta": -0.1}])
def test_early_stop_makes_no_sense_is_refused(options: Any) -> None:
    with pytest.raises(ConfigError):
        EarlyStop("gsm8k_accuracy", **options)
