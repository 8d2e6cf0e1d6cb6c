"""A training with the plugin, loaded by Axolotl's own plugin manager; run in Axolotl's environment. Arguments: model, output, SPEC, options."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests"), str(Path(__file__).parent)]


def main(folder: str, out: str, spec: str, options: str) -> None:
    """Load the plugin by its name, as `plugins:` does, let the keys of the YAML take its own, and train with what it adds."""
    from axolotl.integrations.base import PluginManager
    from axolotl.integrations.config import merge_input_args
    from axolotl.utils.dict import DictDefault
    from trainings import make_trainer

    manager = PluginManager.get_instance()
    manager.register("axolotl_plugin.EvalsuitePlugin")
    validated, _ = merge_input_args()
    assert {"evalsuite_check", "evalsuite_options"} <= validated.model_fields.keys()
    cfg = DictDefault(evalsuite_check=spec, evalsuite_options=json.loads(options))
    trainer = make_trainer(Path(folder), Path(out), save_strategy="steps", save_steps=1, max_steps=2)
    for callback in manager.add_callbacks_post_trainer(cfg, trainer):
        trainer.add_callback(callback)
    trainer.train()


if __name__ == "__main__":
    main(*sys.argv[1:])
