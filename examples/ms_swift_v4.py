"""ms-swift 4: a plugin file with checks, metrics and rewards.

    swift sft --external_plugins examples/ms_swift_v4.py --callbacks evalsuite --eval_metric evalsuite_acc --save_steps 100 …
    swift rlhf --rlhf_type grpo --external_plugins examples/ms_swift_v4.py --reward_funcs evalsuite_math evalsuite_format …

What is checked is said by environment variables, since a plugin file gets no arguments: CHECK (gsm8k), CHECK_OPTIONS
('{"limit": 200}': what EvalCallback takes, as JSON), REWARD_URL and REWARD_MODEL for process rewards.
"""

from __future__ import annotations

import json
import os
from typing import Any

from swift.callbacks import callbacks_map
from swift.metrics import eval_metrics_map
from swift.rewards import orms, prms
from swift.utils import Serializer

from evalsuite.training import EvalCallback, StepRewards, compute_metrics, rewards, text_metrics


class Check(EvalCallback):
    """ms-swift makes a callback with its arguments and its trainer."""

    def __init__(self, args: Any, trainer: Any) -> None:
        """The trainer finds its callbacks' events; nothing of it is needed."""
        options = json.loads(os.environ.get("CHECK_OPTIONS", '{"limit": 200}'))
        super().__init__(os.environ.get("CHECK", "gsm8k"), **options)


class Accuracy:
    """`--eval_metric evalsuite_acc`."""

    def __init__(self, args: Any, trainer: Any) -> None:
        """Take what ms-swift gives."""
        self.compute_metrics = compute_metrics("acc")
        self.preprocess_logits_for_metrics = self.compute_metrics.preprocess_logits_for_metrics


class Texts:
    """`--eval_metric evalsuite_nlg --predict_with_generate true`."""

    def __init__(self, args: Any, trainer: Any) -> None:
        """Take what ms-swift gives."""

    @staticmethod
    def compute_metrics(predictions: Any) -> dict[str, float]:
        """Where others have token ids, ms-swift has the texts themselves, as bytes."""
        replies, references = (
            [Serializer.from_tensor(row) for row in rows]
            for rows in (predictions.predictions, predictions.label_ids)
        )
        return text_metrics(replies, references)

    @staticmethod
    def preprocess_logits_for_metrics(logits: Any, labels: Any) -> Any:  # noqa: ARG004 - ms-swift gives both
        """Replies are kept as they are."""
        return logits


def step_rewards() -> StepRewards:
    """What ms-swift calls for `--prm_model evalsuite_steps`: one list of rewards a reply."""
    return StepRewards(os.environ["REWARD_URL"], os.environ["REWARD_MODEL"])


callbacks_map["evalsuite"] = Check
eval_metrics_map["evalsuite_acc"] = Accuracy
eval_metrics_map["evalsuite_nlg"] = Texts
orms["evalsuite_math"] = rewards.as_orm(rewards.math)
orms["evalsuite_choice"] = rewards.as_orm(rewards.choice)
orms["evalsuite_tool_call"] = rewards.as_orm(rewards.tool_call)
orms["evalsuite_format"] = rewards.as_orm(rewards.format)
prms["evalsuite_steps"] = step_rewards
