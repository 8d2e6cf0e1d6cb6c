"""ms-swift 3: a plugin file with checks and rewards.

    swift sft --external_plugins examples/ms_swift_v3.py --save_steps 100 …
    swift rlhf --rlhf_type grpo --external_plugins examples/ms_swift_v3.py --reward_funcs evalsuite_math evalsuite_format …

What is checked is said by environment variables, since a plugin file gets no arguments: CHECK (gsm8k), CHECK_OPTIONS
('{"limit": 200}': what EvalCallback takes, as JSON), REWARD_URL and REWARD_MODEL for process rewards.
"""

from __future__ import annotations

import json
import os

from swift.plugin import extra_callbacks, orms, prms

from evalsuite.training import EvalCallback, StepRewards, rewards

options = json.loads(os.environ.get("CHECK_OPTIONS", '{"limit": 200}'))
extra_callbacks.append(EvalCallback(os.environ.get("CHECK", "gsm8k"), **options))

orms["evalsuite_math"] = rewards.as_orm(rewards.math)
orms["evalsuite_choice"] = rewards.as_orm(rewards.choice)
orms["evalsuite_tool_call"] = rewards.as_orm(rewards.tool_call)
orms["evalsuite_format"] = rewards.as_orm(rewards.format)


def step_rewards() -> StepRewards:
    """What ms-swift calls for `--prm_model evalsuite_steps`: one list of rewards a reply."""
    return StepRewards(os.environ["REWARD_URL"], os.environ["REWARD_MODEL"])


prms["evalsuite_steps"] = step_rewards
