"""LLaMA-Factory: its training with a check at every checkpoint.

    python examples/with_llamafactory.py train.yaml --check gsm8k --options '{"limit": 200}'

train.yaml is what `llamafactory-cli train` takes. A process a GPU: start this file with torchrun.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import yaml
from llamafactory.train.tuner import run_exp

from evalsuite.training import EvalCallback


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--check", default="gsm8k")
    parser.add_argument("--options", type=json.loads, default={"limit": 200}, help="of EvalCallback, as JSON")
    given = parser.parse_args()
    check = EvalCallback(given.check, **given.options)
    run_exp(args=yaml.safe_load(given.config.read_text(encoding="utf-8")), callbacks=[check])


if __name__ == "__main__":
    main()
