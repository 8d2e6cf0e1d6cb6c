"""Axolotl: a plugin with a check at every checkpoint. In the YAML of a training, with this folder on PYTHONPATH:

plugins:
  - axolotl_plugin.EvalsuitePlugin
evalsuite_check: gsm8k
evalsuite_options: {limit: 200}
"""

from __future__ import annotations

from typing import Any

from axolotl.integrations.base import BasePlugin
from pydantic import BaseModel

from evalsuite.training import EvalCallback


class EvalsuiteArguments(BaseModel):
    """The keys that the plugin adds to the YAML."""

    evalsuite_check: str | None = None
    evalsuite_options: dict[str, Any] | None = None


class EvalsuitePlugin(BasePlugin):
    """Adds the callback once the trainer is there."""

    def get_input_args(self) -> str:
        """Where the keys are."""
        return "axolotl_plugin.EvalsuiteArguments"

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        """The check."""
        if not cfg.evalsuite_check:
            return []
        return [EvalCallback(cfg.evalsuite_check, **(cfg.evalsuite_options or {}))]
