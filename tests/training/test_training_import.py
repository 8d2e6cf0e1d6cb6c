"""Without torch, `evalsuite.training` says so in one sentence; with it, importing it loads nothing heavy."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import pytest

WITHOUT = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in {absent!r} else real(name, *more)
try:
    import evalsuite.training
except ImportError as error:
    print(error)
"""


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("absent", [("torch",), ("torch", "transformers")], ids="+".join)
def test_training_import_is_missing_and_how_it_is_had(absent: Any) -> None:
    said = printed(WITHOUT.format(absent=absent))
    assert "\n" not in said
    assert f"needs {' and '.join(absent)}: run pip install 'evalsuite[training]'" in said or (
        "torch and transformers" in said and importlib.util.find_spec("transformers") is None
    )


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (make test-models)"
)
def test_training_import_importing_it_loads_neither_torch_nor_transformers() -> None:
    code = "import sys, evalsuite.training; print({'torch', 'transformers'} & set(sys.modules), dir(evalsuite.training))"
    assert printed(code).startswith("set() ['EarlyStop', 'EvalCallback'")
