"""evalsuite: evaluate a model as it will be deployed, and say whether the difference is real.

The public API, nothing else. Names are loaded on first use, so that importing the package stays light.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from evalsuite._version import __version__

if TYPE_CHECKING:
    from evalsuite.config import RunConfig
    from evalsuite.evaluation.compare import Comparison, compare
    from evalsuite.evaluation.evaluate import evaluate
    from evalsuite.runs.run import Run, load_run

__all__ = ["Comparison", "Run", "RunConfig", "__version__", "compare", "evaluate", "load_run"]

logging.getLogger(__name__).addHandler(logging.NullHandler())

_HOMES = {
    "Comparison": "evalsuite.evaluation.compare",
    "Run": "evalsuite.runs.run",
    "RunConfig": "evalsuite.config",
    "compare": "evalsuite.evaluation.compare",
    "evaluate": "evalsuite.evaluation.evaluate",
    "load_run": "evalsuite.runs.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'evalsuite' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
